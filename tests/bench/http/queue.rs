//! The queue over HTTP: making jobs, working them off, how soon one starts, and what a lease takes beside many that wait.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use stead::kernel::SystemClock;
use stead::queue::{self, Ask, Jobs, NewJob, Policy};
use stead::store::{Options as StoreOptions, Schema, Store};
use tokio::task::{JoinSet, LocalSet};

use crate::args::Options;
use crate::client::Connection;
use crate::histogram::Histogram;
use crate::identity::{Made, finish};
use crate::load::{Load, Maker, Outcome};
use crate::ratios::{Caller, median};
use crate::report::Report;
use crate::requests;
use crate::system::{Server, System, authorization, call, request};

const JOBS: &str = "/api/v1/jobs";
const BATCHES: &str = "/api/v1/job-batches";
/// Jobs of a batch.
const BATCH: u64 = 100;
/// The most jobs that one request makes.
const BULK: u64 = 1_000;
/// Jobs that a worker takes at once.
const LEASE: u64 = 20;
/// How often each request of a pair is measured.
const ROUNDS: usize = 200;
/// How long nothing is done before a job is made, and how often it is measured how soon it starts then.
const IDLE: Duration = Duration::from_millis(500);
const IDLE_ROUNDS: u64 = 40;
/// Waiting jobs of a small queue and of a great one.
const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;

fn job(queue: &str, n: u64) -> Value {
    json!({"queue": queue, "kind": "bench", "payload": {"number": n, "text": "some work that is to be done"}})
}

fn batch(queue: &str, count: u64) -> String {
    json!({"jobs": (0..count).map(|n| job(queue, n)).collect::<Vec<_>>()}).to_string()
}

fn lease_path(queue: &str) -> String {
    format!("/api/v1/queues/{queue}/lease")
}

/// Measures all of it, beside plain creates of records.
pub(crate) async fn measure<S: System>(
    server: &Server,
    token: &str,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let headers: Rc<str> = authorization(token).into();
    for name in ["single", "batched", "drain", "idle", "few", "many"] {
        call(server.addr, "POST", "/api/v1/queues", &headers, &json!({"name": name}).to_string()).await?;
    }
    let mut caller = Caller { connection: Connection::open(server.addr).await?, headers: headers.to_string() };
    report.ratio("from making a job to its start when idle, beside making it", idle(&mut caller, server).await?);
    let load =
        |maker: Maker| Load { addr: server.addr, connections: options.connections, seconds: options.seconds, maker };
    let clock = server.process.clock();
    let creates = load(requests::creates::<S>(options, token)).run(&clock).await?;
    report.row(S::NAME, "create a record, beside the rows below", &creates);
    let own = Rc::clone(&headers);
    let single: Maker = Rc::new(move |n, out| request(out, "POST", JOBS, &own, &job("single", n).to_string()));
    let single = load(single).run(&clock).await?;
    report.row(S::NAME, "make a job", &single);
    report.ratio("a job by itself, beside a record, both at full load", (each(&creates, 1), each(&single, 1)));
    let (own, body) = (Rc::clone(&headers), batch("batched", BATCH));
    let batched: Maker = Rc::new(move |_, out| request(out, "POST", BATCHES, &own, &body));
    let batched = load(batched).run(&clock).await?;
    report.row(S::NAME, "make a hundred jobs at once", &batched);
    report.ratio("a job by itself, beside one of a hundred", (each(&batched, BATCH), each(&single, 1)));
    drain(server, &headers, options, report).await?;
    in_process(options, report).await?;
    report.ratio("a lease beside a million waiting jobs, beside a thousand", lease(&mut caller).await?);
    Ok(())
}

/// The time of each of the things that a request was for.
fn each(outcome: &Outcome, things: u64) -> Duration {
    outcome.elapsed.div_f64((outcome.latencies.total() * things).max(1) as f64)
}

async fn fill(caller: &mut Caller, queue: &str, jobs: u64) -> anyhow::Result<()> {
    let body = batch(queue, BULK);
    for _ in 0..jobs / BULK {
        caller.send("POST", BATCHES, &body).await?;
    }
    Ok(())
}

/// The queue by itself, without HTTP, on a runtime as the server has one.
async fn in_process(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let (connections, seconds) = (options.connections, options.seconds);
    let measured = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(drain_in_process(connections, seconds))
    });
    let (latencies, elapsed) = measured.await??;
    let outcome = Outcome { latencies, elapsed, cpu: Duration::ZERO, errors: 0, first_error: None };
    report.row("Stead", "complete a job in process, leased by twenties (no CPU is counted)", &outcome);
    Ok(())
}

/// As many workers as there are connections take jobs and complete them one by one.
async fn drain_in_process(connections: u64, seconds: u64) -> anyhow::Result<(Histogram, Duration)> {
    let folder = tempfile::tempdir()?;
    let schema = Schema { tables: queue::TABLES.to_vec(), migrations: vec![] };
    let store = Store::open(&folder.path().join("jobs.redb"), &StoreOptions::default(), &schema)?;
    let jobs = Jobs::new(store.clone(), Arc::new(SystemClock), []);
    jobs.make_first_queues().await?;
    let payload = serde_json::value::to_raw_value(&json!({"number": 1, "text": "some work that is to be done"}))?;
    // Any number runs at once.
    let queue = jobs.create_queue("drain".into(), Policy::default()).await?.name;
    let new = vec![NewJob::new(&queue, "bench", payload, "bench"); usize::try_from(BULK)?];
    for _ in 0..seconds * 60 {
        jobs.enqueue_all(new.clone(), None).await?;
    }
    let (start, until) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (jobs, queue) = (jobs.clone(), queue.clone());
        workers.spawn(async move {
            let mut latencies = Histogram::new();
            while Instant::now() < until {
                let ask = Ask::new(usize::try_from(LEASE)?, jiff::SignedDuration::from_secs(60), "bench".into());
                let leased = jobs.lease(&queue, ask, Duration::ZERO).await?;
                ensure!(!leased.jobs.is_empty(), "there are too few jobs");
                for job in leased.jobs {
                    let began = Instant::now();
                    jobs.complete(job.id, job.token, None).await?;
                    latencies.record(began.elapsed());
                }
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Histogram::new();
    while let Some(own) = workers.join_next().await {
        latencies.add(&own??);
    }
    let elapsed = start.elapsed();
    store.close().await;
    Ok((latencies, elapsed))
}

/// Every connection takes jobs and completes them one by one.
async fn drain(server: &Server, headers: &Rc<str>, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let mut caller = Caller { connection: Connection::open(server.addr).await?, headers: headers.to_string() };
    // More than can be done in the time.
    fill(&mut caller, "drain", options.seconds * 40_000).await?;
    let clock = server.process.clock();
    let (cpu, start, made) = (clock.read()?, Instant::now(), Made::new(options.seconds));
    let leases = Rc::new(Cell::new(0_u64));
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    for _ in 0..options.connections {
        let mut connection = Connection::open(server.addr).await?;
        let (made, headers, leases) = (Rc::clone(&made), Rc::clone(headers), Rc::clone(&leases));
        let worker = async move {
            let mut bytes = Vec::new();
            request(&mut bytes, "POST", &lease_path("drain"), &headers, &json!({"max": LEASE}).to_string());
            let ask = bytes.clone();
            while Instant::now() < made.until {
                let head = connection.exchange(&ask).await?;
                let leased: Value = serde_json::from_slice(&connection.body(head)?)?;
                leases.set(leases.get() + 1);
                let jobs = leased.get("items").and_then(Value::as_array).context("jobs")?;
                ensure!(!jobs.is_empty(), "there are too few jobs");
                for job in jobs {
                    let id = job.get("id").and_then(Value::as_str).context("an id")?;
                    let body = json!({"leaseToken": job.get("leaseToken")}).to_string();
                    bytes.clear();
                    request(&mut bytes, "POST", &format!("{JOBS}/{id}/complete"), &headers, &body);
                    made.send(&mut connection, &bytes).await?;
                }
            }
            anyhow::Ok(())
        };
        tasks.spawn_local_on(worker, &local);
    }
    local.run_until(finish(tasks)).await?;
    let cpu = clock.read()?.saturating_sub(cpu);
    let latencies = made.latencies.replace(Histogram::new());
    let outcome = Outcome { latencies, elapsed: start.elapsed(), cpu, errors: 0, first_error: None };
    report.row("Stead", "complete a job, leased by twenties (the leases are in the time)", &outcome);
    Ok(())
}

/// How long it takes to make a job, and until a worker that waits has it.
async fn idle(caller: &mut Caller, server: &Server) -> anyhow::Result<(Duration, Duration)> {
    let mut worker = Caller { connection: Connection::open(server.addr).await?, headers: caller.headers.clone() };
    let (mut makes, mut starts) = (Vec::new(), Vec::new());
    for n in 0..IDLE_ROUNDS {
        let ask = json!({"waitSeconds": 20}).to_string();
        let path = lease_path("idle");
        let waiting = worker.send("POST", &path, &ask);
        let making = async {
            // The worker waits by then, and the store has been sealed.
            tokio::time::sleep(IDLE).await;
            let start = Instant::now();
            let made = caller.send("POST", JOBS, &job("idle", n).to_string()).await?;
            anyhow::Ok((start, made.0))
        };
        let (leased, made) = tokio::join!(async { (waiting.await, Instant::now()) }, making);
        let ((_, leased), at) = (leased.0?, leased.1);
        let (start, made) = made?;
        ensure!(leased.pointer("/items/0/id").is_some(), "the worker got no job");
        makes.push(made);
        starts.push(at - start);
    }
    Ok((median(makes), median(starts)))
}

/// What a lease of one job takes in a queue with few waiting jobs, and in one with many.
async fn lease(caller: &mut Caller) -> anyhow::Result<(Duration, Duration)> {
    fill(caller, "few", FEW).await?;
    fill(caller, "many", MANY).await?;
    let (mut few, mut many) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        for (queue, times) in [("few", &mut few), ("many", &mut many)] {
            let (took, leased) = caller.send("POST", &lease_path(queue), "{}").await?;
            ensure!(leased.pointer("/items/0/id").is_some(), "there is no job");
            times.push(took);
        }
    }
    Ok((median(few), median(many)))
}
