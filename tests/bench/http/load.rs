//! The closed-loop load generator: a number of connections, each of which waits for its answer before it asks again.
//! It knows nothing of what the requests mean; a status outside 2xx or a broken connection is an error.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::task::{JoinSet, LocalSet};

use crate::client::Connection;
use crate::histogram::Histogram;
use crate::process::CpuClock;

/// Time for caches, allocator and connections to settle before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);
/// What the last answers may take after the end of the measured time.
const GRACE: Duration = Duration::from_secs(60);

/// Writes the nth request, whole, into an empty buffer.
pub(crate) type Maker = Rc<dyn Fn(u64, &mut Vec<u8>)>;

/// What to do to a server.
pub(crate) struct Load {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Connections open at once.
    pub(crate) connections: u64,
    /// Measured time.
    pub(crate) seconds: u64,
    /// The requests.
    pub(crate) maker: Maker,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Latencies of the successful requests.
    pub(crate) latencies: Histogram,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// CPU time of the server meanwhile.
    pub(crate) cpu: Duration,
    /// Requests that failed.
    pub(crate) errors: u64,
    /// The first failure, in words.
    pub(crate) first_error: Option<String>,
}

struct Shared {
    maker: Maker,
    next: Cell<u64>,
    until: Cell<Instant>,
    latencies: RefCell<Histogram>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
}

impl Load {
    /// Warms up, then measures. `clock` reads the CPU time of the server: it is read only while no request is under way.
    pub(crate) async fn run(&self, clock: &CpuClock) -> anyhow::Result<Outcome> {
        let shared = Rc::new(Shared {
            maker: Rc::clone(&self.maker),
            next: Cell::new(0),
            until: Cell::new(Instant::now()),
            latencies: RefCell::new(Histogram::new()),
            errors: Cell::new(0),
            first_error: RefCell::default(),
        });
        let connections = self.phase(&shared, Vec::new(), WARM_UP).await?;
        shared.latencies.replace(Histogram::new());
        let (cpu, start) = (clock.read()?, Instant::now());
        self.phase(&shared, connections, Duration::from_secs(self.seconds)).await?;
        Ok(Outcome {
            elapsed: start.elapsed(),
            cpu: clock.read()?.saturating_sub(cpu),
            latencies: shared.latencies.replace(Histogram::new()),
            errors: shared.errors.get(),
            first_error: shared.first_error.take(),
        })
    }

    /// Keeps every connection busy for a while, and gives the connections back.
    async fn phase(
        &self,
        shared: &Rc<Shared>,
        mut open: Vec<Connection>,
        time: Duration,
    ) -> anyhow::Result<Vec<Connection>> {
        while (open.len() as u64) < self.connections {
            open.push(Connection::open(self.addr).await.context("connect")?);
        }
        shared.until.set(Instant::now() + time);
        let local = LocalSet::new();
        let mut tasks = JoinSet::new();
        for connection in open {
            tasks.spawn_local_on(drive(Rc::clone(shared), connection, self.addr), &local);
        }
        let all = async {
            let mut done = Vec::new();
            while let Some(connection) = tasks.join_next().await {
                done.push(connection??);
            }
            anyhow::Ok(done)
        };
        match tokio::time::timeout(time + GRACE, local.run_until(all)).await {
            Ok(done) => done,
            Err(_) => bail!("the server left a request unanswered for {GRACE:?}"),
        }
    }
}

/// One connection's loop. An error opens a new connection, for the state of the old one is unknown.
async fn drive(shared: Rc<Shared>, mut connection: Connection, addr: SocketAddr) -> anyhow::Result<Connection> {
    let mut request = Vec::with_capacity(2048);
    loop {
        let start = Instant::now();
        if start >= shared.until.get() {
            return Ok(connection);
        }
        let n = shared.next.replace(shared.next.get() + 1);
        request.clear();
        (shared.maker)(n, &mut request);
        let close = match connection.exchange(&request).await {
            Ok(head) if (200..300).contains(&head.status) => {
                shared.latencies.borrow_mut().record(start.elapsed());
                head.close
            }
            Ok(head) => {
                let body = connection.body(head)?;
                shared.fail(format!("{}: {}", head.status, String::from_utf8_lossy(&body)));
                head.close
            }
            Err(error) => {
                shared.fail(format!("{error:#}"));
                true
            }
        };
        if close {
            connection = Connection::open(addr).await.context("connect again")?;
        }
    }
}

impl Shared {
    fn fail(&self, what: String) {
        self.errors.set(self.errors.get() + 1);
        self.first_error.borrow_mut().get_or_insert(what);
    }
}
