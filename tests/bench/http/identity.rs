//! Sign-in and sessions: what a refresh costs, how near a storm of sign-ins comes to the bare rate of hashing, and what it leaves to
//! who reads meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hint::black_box;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use argon2::{Argon2, password_hash::PasswordHasher as _};
use serde_json::{Value, json};
use stead::access::{Action, Permissions};
use tokio::task::{JoinSet, LocalSet};

use crate::args::Options;
use crate::client::Connection;
use crate::data;
use crate::histogram::Histogram;
use crate::load::Outcome;
use crate::report::Report;
use crate::system::{Server, System, authorization, call, request};

/// Connections of a storm of sign-ins, each of a user of its own.
const STORM: u64 = 8;
/// The password of each of these users.
const PASSWORD: &str = "a password of the storm";
const LOGIN: &str = "/api/v1/auth/login";
const REFRESH: &str = "/api/v1/auth/refresh";

fn email(number: u64) -> String {
    format!("storm{number}@example.com")
}

fn credentials(number: u64) -> String {
    json!({"email": email(number), "password": PASSWORD}).to_string()
}

/// Requests of one kind that many connections made.
pub(crate) struct Made {
    pub(crate) latencies: RefCell<Histogram>,
    count: Cell<u64>,
    pub(crate) until: Instant,
}

impl Made {
    pub(crate) fn new(seconds: u64) -> Rc<Self> {
        let until = Instant::now() + Duration::from_secs(seconds);
        Rc::new(Self { latencies: RefCell::new(Histogram::new()), count: Cell::new(0), until })
    }

    /// Sends a request and takes its answer; anything but success ends the run.
    pub(crate) async fn send(&self, connection: &mut Connection, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let start = Instant::now();
        let head = connection.exchange(bytes).await?;
        self.latencies.borrow_mut().record(start.elapsed());
        self.count.set(self.count.get() + 1);
        let body = connection.body(head)?;
        ensure!((200..300).contains(&head.status), "{}: {}", head.status, String::from_utf8_lossy(&body));
        Ok(body)
    }
}

/// Measures all of it.
pub(crate) async fn measure<S: System>(
    server: &Server,
    token: &str,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (addr, headers) = (server.addr, authorization(token));
    for number in 0..options.connections.max(STORM) {
        let body = json!({"email": email(number)}).to_string();
        let made = call(addr, "POST", "/api/v1/collections/users/records", &headers, &body).await?;
        let id = made.get("id").and_then(Value::as_str).context("an id")?;
        let path = format!("/api/v1/users/{id}/password");
        call(addr, "PUT", &path, &headers, &json!({"password": PASSWORD}).to_string()).await?;
    }
    let refreshes = refreshes(server, options).await?;
    report.row(S::NAME, "refresh a session, durably", &refreshes);
    let bare = bare_hashes(options.seconds);
    let alone = storm::<S>(server, options, &headers, (STORM, 0)).await?.0;
    report.ratio("a sign-in of eight at once, beside a bare hash", (bare, alone));
    let calm = storm::<S>(server, options, &headers, (0, STORM)).await?.1;
    let stormy = storm::<S>(server, options, &headers, (STORM, STORM)).await?.1;
    report.ratio("a read of eight at once beside eight sign-ins at once, beside without", (calm, stormy));
    report.ratio(
        "a thousand permission checks of who has 50 roles, beside a thousand look-ups in a map",
        permission_checks(),
    );
    Ok(())
}

/// The time for a thousand look-ups in a map of as many names, and for a thousand permission checks.
fn permission_checks() -> (Duration, Duration) {
    const NAMES: u32 = 500;
    const ROUNDS: u32 = 1_000;
    let name = |n: u32| format!("collection{}", n % NAMES);
    let texts: Vec<String> = (0..NAMES).map(|n| format!("{}:update", name(n))).collect();
    let permissions = Permissions::of(texts.iter().map(String::as_str));
    let map: HashMap<Box<str>, u8> = (0..NAMES).map(|n| (name(n).into(), 1)).collect();
    let asked: Vec<String> = (0..1_000).map(name).collect();
    let time = |check: &dyn Fn(&str) -> bool| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let fit = asked.iter().filter(|name| check(black_box(name))).count();
            black_box(fit);
        }
        start.elapsed() / ROUNDS
    };
    (time(&|name| map.contains_key(name)), time(&|name| permissions.allow(name, Action::Update)))
}

/// Each connection goes on with a session of its own, from token to token.
async fn refreshes(server: &Server, options: &Options) -> anyhow::Result<Outcome> {
    let mut chains = Vec::new();
    for number in 0..options.connections {
        let session = call(server.addr, "POST", LOGIN, "", &credentials(number)).await?;
        chains.push((Connection::open(server.addr).await?, session));
    }
    let clock = server.process.clock();
    let (cpu, start, made) = (clock.read()?, Instant::now(), Made::new(options.seconds));
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    for (mut connection, mut session) in chains {
        let made = Rc::clone(&made);
        let chain = async move {
            while Instant::now() < made.until {
                let token = session.get("refreshToken").and_then(Value::as_str).context("a refresh token")?;
                let mut bytes = Vec::new();
                request(&mut bytes, "POST", REFRESH, "", &json!({"refreshToken": token}).to_string());
                session = serde_json::from_slice(&made.send(&mut connection, &bytes).await?)?;
            }
            anyhow::Ok(())
        };
        tasks.spawn_local_on(chain, &local);
    }
    local.run_until(finish(tasks)).await?;
    let cpu = clock.read()?.saturating_sub(cpu);
    let latencies = made.latencies.replace(Histogram::new());
    Ok(Outcome { latencies, elapsed: start.elapsed(), cpu, errors: 0, first_error: None })
}

/// Waits for all of them.
pub(crate) async fn finish(mut tasks: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// The time for each sign-in and for each read, when so many of both go on at once.
async fn storm<S: System>(
    server: &Server,
    options: &Options,
    headers: &str,
    (logins, reads): (u64, u64),
) -> anyhow::Result<(Duration, Duration)> {
    let (signed_in, read) = (Made::new(options.seconds), Made::new(options.seconds));
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    for number in 0..logins {
        let made = Rc::clone(&signed_in);
        let make = move |_| ("POST", LOGIN.to_owned(), String::new(), credentials(number));
        tasks.spawn_local_on(repeat(server.addr, made, make), &local);
    }
    for number in 0..reads {
        let (made, headers, records) = (Rc::clone(&read), headers.to_owned(), options.records);
        let make = move |n: u64| {
            let id = data::id(data::scatter(n * reads + number) % records);
            ("GET", format!("{}/{id}", S::RECORDS), headers.clone(), String::new())
        };
        tasks.spawn_local_on(repeat(server.addr, made, make), &local);
    }
    local.run_until(finish(tasks)).await?;
    let each = |made: &Made| Duration::from_secs(options.seconds).div_f64(made.count.get().max(1) as f64);
    Ok((each(&signed_in), each(&read)))
}

async fn repeat(
    addr: SocketAddr,
    made: Rc<Made>,
    make: impl Fn(u64) -> (&'static str, String, String, String),
) -> anyhow::Result<()> {
    let mut connection = Connection::open(addr).await?;
    let mut bytes = Vec::new();
    for n in 0.. {
        if Instant::now() >= made.until {
            break;
        }
        let (method, path, headers, body) = make(n);
        bytes.clear();
        request(&mut bytes, method, &path, &headers, &body);
        made.send(&mut connection, &bytes).await?;
    }
    Ok(())
}

/// The time for each hash when every core makes them and nothing else.
fn bare_hashes(seconds: u64) -> Duration {
    let until = Instant::now() + Duration::from_secs(seconds);
    let work = move || {
        let mut count = 0_u32;
        while Instant::now() < until {
            let hashed = Argon2::default().hash_password(PASSWORD.as_bytes());
            count += u32::from(hashed.is_ok());
        }
        count
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads: Vec<_> = (0..cores).map(|_| std::thread::spawn(work)).collect();
    let count: u32 = threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum();
    Duration::from_secs(seconds) / count.max(1)
}
