//! `kill -9` while jobs are made and worked on: none is lost, each succeeds, attempts are counted right, and unique keys hold.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hyper::Method;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    client::Client,
    process::{DEADLINE, Server, Site},
    random::Random,
};

const SEED: u64 = 0x5eed_0005;
const ROUNDS: u64 = 20;
const JOBS: usize = 10_000;
const MAKERS: u64 = 4;
const WORKERS: u64 = 12;
/// The jobs of a batch, and of a lease.
const AT_ONCE: usize = 10;
const LEASE: Duration = Duration::from_secs(2);
const UNIQUE_KEYS: u64 = 20;
/// The kill comes when so many jobs of the round are done, and a little later.
const KILL_AFTER: std::ops::Range<u64> = 50..300;
const LATER_US_MAX: u64 = 20_000;

/// What makers and workers know.
#[derive(Default)]
struct Ledger {
    /// Jobs that were answered as made.
    made: BTreeSet<String>,
    batches: u64,
    /// How many jobs there are to be by the end of this round.
    wanted: usize,
    /// The newest attempt that was handed out of each job.
    attempts: HashMap<String, u64>,
    /// Jobs that were answered as done.
    done: BTreeSet<String>,
    /// Attempts of which nobody was told.
    untold: u64,
    /// Requests for jobs that were never answered.
    silent: u64,
    late: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_is_lost_when_the_server_is_killed() {
    println!("seed {SEED:#x}");
    let site = Site::new();
    let mut random = Random::new(SEED);
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut server = site.serve();
    let mut client = Client::admin(&site, &server).await;
    let backoff = json!({"growth": "constant", "firstSeconds": 0.1, "longestSeconds": 0.1});
    client
        .post("/api/v1/queues", &json!({"name": "work", "settings": {"backoff": backoff, "attemptsMax": 100}}))
        .await
        .expect(201);
    let token = client.token().unwrap();
    for round in 1..=ROUNDS {
        ledger.lock().unwrap().wanted = JOBS / usize::try_from(ROUNDS).unwrap() * usize::try_from(round).unwrap();
        let after = KILL_AFTER.start + random.below(KILL_AFTER.end - KILL_AFTER.start);
        let done = Arc::new(Semaphore::new(0));
        let running = begin(&server, &token, &ledger, &done, &mut random);
        let enough = done.acquire_many(u32::try_from(after).unwrap());
        timeout(DEADLINE, enough).await.expect("jobs that are done").unwrap().forget();
        // Not a wait for anything: right after an answer would be no random moment.
        tokio::time::sleep(Duration::from_micros(random.below(LATER_US_MAX))).await;
        server.process.kill();
        running.join_all().await;
        server = site.serve();
        let mut client = Client::try_open(server.address, Some(token.clone())).await.unwrap();
        let known = ledger.lock().unwrap().clone_known();
        check(&mut client, &known).await;
    }
    let done = Arc::new(Semaphore::new(0));
    let mut running = begin(&server, &token, &ledger, &done, &mut random);
    let mut client = Client::try_open(server.address, Some(token.clone())).await.unwrap();
    timeout(DEADLINE * 4, all_done(&mut client, &ledger, &done)).await.expect("all jobs are done");
    running.shutdown().await;
    let known = ledger.lock().unwrap().clone_known();
    let jobs = check(&mut client, &known).await;
    assert!(known.made.len() >= JOBS);
    for job in &jobs {
        let id = job["id"].as_str().unwrap();
        assert_eq!(job["state"], "succeeded", "{job}");
        assert_eq!(job["attempts"], json!(known.attempts.get(id)), "{job}");
    }
    server.stop().success();
    let Ledger { untold, silent, late, .. } = &*ledger.lock().unwrap();
    println!("{} jobs; {untold} attempts untold in {silent} silent requests; {late} came late", jobs.len());
    assert!(*untold <= silent * u64::try_from(AT_ONCE).unwrap(), "an attempt was counted that nobody made");
}

impl Ledger {
    fn clone_known(&self) -> Known {
        Known { made: self.made.clone(), done: self.done.clone(), attempts: self.attempts.clone() }
    }
}

/// What has to hold of the server.
struct Known {
    made: BTreeSet<String>,
    done: BTreeSet<String>,
    attempts: HashMap<String, u64>,
}

fn begin(
    server: &Server,
    token: &str,
    ledger: &Arc<Mutex<Ledger>>,
    done: &Arc<Semaphore>,
    random: &mut Random,
) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for number in 0..MAKERS + WORKERS {
        let one = One {
            address: server.address,
            token: token.to_owned(),
            ledger: Arc::clone(ledger),
            done: Arc::clone(done),
            random: Random::new(random.next()),
        };
        running.spawn(async move {
            // An error is the end of the server.
            let _ = if number < MAKERS { one.make().await } else { one.work().await };
        });
    }
    running
}

/// A maker or a worker.
struct One {
    address: SocketAddr,
    token: String,
    ledger: Arc<Mutex<Ledger>>,
    done: Arc<Semaphore>,
    random: Random,
}

impl One {
    async fn client(&self) -> anyhow::Result<Client> {
        Client::try_open(self.address, Some(self.token.clone())).await
    }

    /// Makes jobs until there are enough: batches, and single ones with unique keys.
    async fn make(mut self) -> anyhow::Result<()> {
        let mut client = self.client().await?;
        loop {
            let batch = {
                let mut ledger = self.ledger.lock().unwrap();
                if ledger.made.len() >= ledger.wanted {
                    return Ok(());
                }
                ledger.batches += 1;
                ledger.batches
            };
            let job = json!({"queue": "work", "kind": "test", "payload": batch});
            let (path, body) = if self.random.below(3) == 0 {
                let mut job = job;
                job["uniqueKey"] = format!("k{}", self.random.below(UNIQUE_KEYS)).into();
                ("/api/v1/jobs", job)
            } else {
                ("/api/v1/job-batches", json!({"jobs": vec![job; AT_ONCE]}))
            };
            let made = client.send(Method::POST, path, body.to_string()).await?.expect(201);
            let made = made["items"].as_array().cloned().unwrap_or_else(|| vec![made]);
            let ids = made.iter().map(|job| job["id"].as_str().unwrap().to_owned());
            self.ledger.lock().unwrap().made.extend(ids);
        }
    }

    /// Works on jobs until the server is gone: most succeed, some fail, some are forgotten.
    async fn work(mut self) -> anyhow::Result<()> {
        let mut client = self.client().await?;
        let ask = json!({"max": AT_ONCE, "leaseSeconds": LEASE.as_secs(), "waitSeconds": 1}).to_string();
        loop {
            self.ledger.lock().unwrap().silent += 1;
            let asked = Instant::now();
            let leased = client.send(Method::POST, "/api/v1/queues/work/lease", ask.clone()).await?.expect(200);
            let leased = leased["items"].as_array().unwrap();
            self.note(leased);
            for job in leased {
                let id = job["id"].as_str().unwrap();
                let token = &job["leaseToken"];
                let (how, body) = match self.random.below(20) {
                    0 => continue,
                    1 => ("fail", json!({"leaseToken": token, "error": "no", "retryAfterSeconds": 0})),
                    _ => ("complete", json!({"leaseToken": token, "result": id})),
                };
                let path = format!("/api/v1/jobs/{id}/{how}");
                let reply = client.send(Method::POST, &path, body.to_string()).await?;
                match reply.status {
                    204 => {
                        assert!(self.ledger.lock().unwrap().done.insert(id.to_owned()), "{id} is done twice");
                        self.done.add_permits(1);
                    }
                    200 => assert_eq!(reply.json()["state"], "failed"),
                    409 => {
                        // Times in the queue are whole milliseconds.
                        assert!(asked.elapsed() + Duration::from_millis(1) >= LEASE, "a lease ended before its time");
                        self.ledger.lock().unwrap().late += 1;
                    }
                    _ => panic!("{reply:?}"),
                }
            }
        }
    }

    fn note(&self, leased: &[Value]) {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.silent -= 1;
        for job in leased {
            let (id, attempt) = (job["id"].as_str().unwrap(), job["attempts"].as_u64().unwrap());
            assert!(!ledger.done.contains(id), "{id} was done before");
            let before = ledger.attempts.insert(id.to_owned(), attempt).unwrap_or(0);
            assert!(attempt > before, "attempt {attempt} of {id} after {before}");
            ledger.untold += attempt - before - 1;
        }
    }
}

/// Waits until there are all jobs, and all are done.
async fn all_done(client: &mut Client, ledger: &Mutex<Ledger>, done: &Semaphore) {
    loop {
        let queue = client.get("/api/v1/queues/work").await.expect(200);
        let left: u64 = ["waiting", "scheduled", "ready", "running", "failed"]
            .iter()
            .map(|state| queue["counts"][state].as_u64().unwrap())
            .sum();
        if left == 0 && ledger.lock().unwrap().made.len() >= JOBS {
            return;
        }
        // The next one that is done; what was done in silence is seen within a second.
        let _ = timeout(Duration::from_secs(1), done.acquire()).await.map(|permit| permit.unwrap().forget());
    }
}

/// Compares what is known with what the server has, which it answers.
async fn check(client: &mut Client, known: &Known) -> Vec<Value> {
    let (mut jobs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/api/v1/jobs?queue=work&limit=1000{cursor}")).await.expect(200);
        jobs.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let (mut ids, mut unique, mut batches) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::<u64, usize>::new());
    for job in &jobs {
        let id = job["id"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        let is_final = job["state"] == "succeeded";
        match job["uniqueKey"].as_str() {
            Some(key) => assert!(is_final || unique.insert(key), "two unfinished jobs have the key {key}"),
            None => *batches.entry(job["payload"].as_u64().unwrap()).or_default() += 1,
        }
        assert!(is_final || !known.done.contains(id), "{id} was done, and is {}", job["state"]);
        assert!(job["attempts"].as_u64() >= known.attempts.get(id).copied(), "{job}");
    }
    assert!(known.made.is_subset(&ids), "jobs are lost: {:?}", known.made.difference(&ids));
    assert!(batches.values().all(|count| *count == AT_ONCE), "a batch was made by half");
    let counts = client.get("/api/v1/queues/work").await.expect(200)["counts"].clone();
    let counted: u64 = counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(counted, u64::try_from(jobs.len()).unwrap(), "{counts}");
    jobs
}
