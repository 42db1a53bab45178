//! Jobs by the API: made by programs, worked on by others, each within what it may.

use serde_json::{Value, json};
use stead::config::QueueSettings;

use crate::support::{Client, TestApp};

const JOBS: &str = "/api/v1/jobs";
const BATCHES: &str = "/api/v1/job-batches";
const QUEUES: &str = "/api/v1/queues";
const LEASE: &str = "/api/v1/queues/sync/lease";

async fn key(app: &TestApp, permissions: &[&str]) -> Client {
    let made = app.admin().await.post("/api/v1/keys", json!({"name": "worker", "permissions": permissions})).await;
    app.guest().signed_in("", made.ok(201)["secret"].as_str().unwrap())
}

async fn make(client: &Client, job: Value) -> String {
    client.post(JOBS, job).await.ok(201)["id"].as_str().unwrap().to_owned()
}

async fn lease(client: &Client, body: Value) -> Vec<Value> {
    client.post(LEASE, body).await.ok(200)["items"].as_array().unwrap().clone()
}

fn end(job: &Value, how: &str) -> String {
    format!("{JOBS}/{}/{how}", job["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_job_is_made_worked_on_and_looked_at() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (maker, worker) = (key(&app, &["queues.sync:create"]).await, key(&app, &["queues.sync:work"]).await);
    let id = make(
        &maker,
        json!({"queue": "sync", "kind": "shop.sync", "payload": {"shop": 7, "big": 9007199254740993_u64}}),
    )
    .await;
    let leased = lease(&worker, json!({"max": 5, "worker": "w1"})).await;
    assert_eq!(leased.len(), 1);
    let job = &leased[0];
    assert_eq!((&job["id"], &job["attempts"], &job["attemptsMax"]), (&json!(id), &json!(1), &json!(6)));
    assert_eq!(job["payload"], json!({"shop": 7, "big": 9007199254740993_u64}));
    let token = &job["leaseToken"];
    let beat = json!({"leaseToken": token, "leaseSeconds": 60, "progress": {"done": 5}, "log": ["one", "two"]});
    let heard = worker.post(&end(job, "heartbeat"), beat).await.ok(200);
    assert_eq!(heard["cancelRequested"], false);
    let running = admin.get(&format!("{JOBS}/{id}")).await.ok(200);
    assert_eq!((&running["state"], &running["worker"]), (&json!("running"), &json!("w1")));
    assert_eq!((&running["progress"], &running["leasedUntil"]), (&json!({"done": 5}), &heard["leasedUntil"]));
    admin.get(&format!("{JOBS}/{id}")).await.lacks(&[token.as_str().unwrap()]);
    let log = admin.get(&format!("{JOBS}/{id}/log")).await.ok(200);
    assert_eq!((&log["items"][0]["text"], &log["items"][1]["text"]), (&json!("one"), &json!("two")));
    let wrong = json!({"leaseToken": "another", "result": 1});
    worker.post(&end(job, "complete"), wrong).await.problem(409, "lease_lost");
    let done = json!({"leaseToken": token, "result": {"orders": 200}});
    worker.post(&end(job, "complete"), done.clone()).await.expect(204);
    worker.post(&end(job, "complete"), done).await.problem(409, "lease_lost");
    let done = admin.get(&format!("{JOBS}/{id}")).await.ok(200);
    assert_eq!((&done["state"], &done["result"]), (&json!("succeeded"), &json!({"orders": 200})));
    let queue = admin.get(&format!("{QUEUES}/sync")).await.ok(200);
    assert_eq!((&queue["counts"]["succeeded"], &queue["counts"]["ready"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_job_that_fails_is_tried_again_and_then_dead_and_can_be_revived() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = make(&admin, json!({"queue": "sync", "kind": "x", "attemptsMax": 2})).await;
    let fail = async |expected: &str, more: Value| {
        let job = lease(&admin, json!({})).await.remove(0);
        let mut body = json!({"leaseToken": job["leaseToken"], "error": "the shop does not answer"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(admin.post(&end(&job, "fail"), body).await.ok(200)["state"], expected);
    };
    fail("failed", json!({"retryAfterSeconds": 90})).await;
    app.clock.advance_seconds(89);
    assert!(lease(&admin, json!({})).await.is_empty());
    app.clock.advance_seconds(1);
    fail("dead", json!({})).await;
    let dead = admin.get(&format!("{JOBS}?queue=sync&state=dead&error=not+answer")).await.ok(200);
    assert_eq!(dead["items"][0]["id"], json!(id));
    let shown = admin.get(&format!("{JOBS}/{id}")).await.ok(200);
    let numbers: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|attempt| attempt["number"].clone()).collect();
    assert_eq!(numbers, [1, 2]);
    // It is mended, and runs anew.
    admin.patch(&format!("{JOBS}/{id}"), json!({"payload": {"mended": true}})).await.expect(200);
    let many = admin.post(&format!("{QUEUES}/sync/retry"), json!({"state": "dead", "kind": "x"})).await.ok(200);
    assert_eq!((&many["done"], &many["more"]), (&json!(1), &json!(false)));
    let job = lease(&admin, json!({})).await.remove(0);
    assert_eq!((&job["payload"], &job["attempts"]), (&json!({"mended": true}), &json!(3)));
    admin.patch(&format!("{JOBS}/{id}"), json!({"priority": 3})).await.problem(409, "conflict");
    let body = json!({"leaseToken": job["leaseToken"], "error": "it is hopeless", "final": true});
    assert_eq!(admin.post(&end(&job, "fail"), body).await.ok(200)["state"], "dead");
}

#[tokio::test]
async fn jobs_are_cancelled_and_removed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(make(&admin, json!({"queue": "sync", "kind": "x", "payload": number})).await);
    }
    let running = lease(&admin, json!({})).await.remove(0);
    assert_eq!(running["id"], json!(ids[0]));
    admin.delete(&format!("{JOBS}/{}", ids[0])).await.problem(409, "conflict");
    let cancelled = admin.send("POST", &format!("{JOBS}/{}/cancel", ids[0]), "").await.ok(200);
    assert_eq!((&cancelled["state"], &cancelled["cancelRequested"]), (&json!("running"), &json!(true)));
    let heard = admin.post(&end(&running, "heartbeat"), json!({"leaseToken": running["leaseToken"]})).await.ok(200);
    assert_eq!(heard["cancelRequested"], true);
    let body = json!({"leaseToken": running["leaseToken"], "error": "stopped"});
    assert_eq!(admin.post(&end(&running, "fail"), body).await.ok(200)["state"], "cancelled");
    let done = admin.post(&format!("{QUEUES}/sync/cancel"), json!({"state": "ready"})).await.ok(200);
    assert_eq!(done["done"], 2);
    admin.delete(&format!("{QUEUES}/sync")).await.problem(409, "conflict");
    let done = admin.post(&format!("{QUEUES}/sync/remove"), json!({"state": "cancelled"})).await.ok(200);
    assert_eq!(done["done"], 3);
    admin.get(&format!("{JOBS}/{}", ids[1])).await.problem(404, "not_found");
    admin.delete(&format!("{QUEUES}/sync")).await.expect(204);
    admin.post(LEASE, json!({})).await.problem(404, "not_found");
    let app = app.restart().await;
    app.operator().get(&format!("{QUEUES}/sync")).await.problem(404, "not_found");
}

#[tokio::test]
async fn many_jobs_are_made_or_none_and_one_waits_for_all() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let job = |number: u32| json!({"queue": "sync", "kind": "x", "payload": number});
    let bad = json!({"jobs": [job(1), {"queue": "sync", "kind": ""}, {"queue": "none", "kind": "x"}]});
    admin.post(BATCHES, bad).await.invalid(&[("/jobs/1/kind", "too_short")]);
    let bad = json!({"jobs": [job(1), {"queue": "none", "kind": "x"}]});
    admin.post(BATCHES, bad).await.invalid(&[("/jobs/1/queue", "not_found")]);
    let bad =
        json!({"jobs": [{"queue": "sync", "kind": "x", "uniqueKey": "a\u{0}b", "expiresAt": "soon", "after": ["x"]}]});
    let faults = [("/jobs/0/uniqueKey", "format"), ("/jobs/0/expiresAt", "format"), ("/jobs/0/after/0", "format")];
    admin.post(BATCHES, bad).await.invalid(&faults);
    assert_eq!(admin.get(JOBS).await.ok(200)["items"], json!([]));
    let made = admin.post(BATCHES, json!({"jobs": [job(1), job(2)], "then": job(3)})).await.ok(201);
    assert_eq!((made["items"].as_array().unwrap().len(), &made["then"]["outcome"]), (2, &json!("created")));
    let then = made["then"]["id"].as_str().unwrap();
    assert_eq!(admin.get(&format!("{JOBS}/{then}")).await.ok(200)["state"], "waiting");
    for job in lease(&admin, json!({"max": 10})).await {
        admin.post(&end(&job, "complete"), json!({"leaseToken": job["leaseToken"]})).await.expect(204);
    }
    assert_eq!(lease(&admin, json!({})).await[0]["id"], json!(then));
    let unique = json!({"queue": "sync", "kind": "y", "uniqueKey": "k", "delaySeconds": 60});
    let first = admin.post(JOBS, unique.clone()).await.ok(201);
    let second = admin.post(JOBS, unique).await.ok(201);
    assert_eq!((&second["id"], &second["outcome"]), (&first["id"], &json!("skipped")));
    admin.post(JOBS, json!({"queue": "none", "kind": "x"})).await.invalid(&[("/queue", "not_found")]);
}

#[tokio::test]
async fn pages_of_jobs_show_each_once() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let jobs: Vec<_> =
        (0..7).map(|n| json!({"queue": "sync", "kind": "x", "payload": n, "delaySeconds": (n % 2) * 60})).collect();
    admin.post(BATCHES, json!({"jobs": jobs})).await.expect(201);
    for filter in ["", "&queue=sync", "&queue=sync&state=ready", "&state=scheduled"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("{JOBS}?limit=2{filter}{cursor}")).await.ok(200);
            seen.extend(page["items"].as_array().unwrap().iter().map(|job| job["payload"].as_u64().unwrap()));
            let Some(next) = page.get("nextCursor") else { break };
            cursor = format!("&cursor={}", next.as_str().unwrap());
        }
        let expected = match filter {
            "&queue=sync&state=ready" => vec![0, 2, 4, 6],
            "&state=scheduled" => vec![1, 3, 5],
            _ => vec![6, 5, 4, 3, 2, 1, 0],
        };
        assert_eq!(seen, expected, "{filter}");
    }
    admin.get(&format!("{JOBS}?cursor=%21")).await.problem(400, "invalid_cursor");
}

#[tokio::test]
async fn a_queue_is_made_changed_and_paused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let names = admin.get(QUEUES).await.ok(200);
    let names: Vec<_> = names["items"].as_array().unwrap().iter().map(|queue| queue["name"].clone()).collect();
    assert_eq!(names, ["emails", "reports", "sync", "uploads", "webhooks"]);
    admin.post(QUEUES, json!({"name": "My queue"})).await.invalid(&[("/name", "format")]);
    let made = admin.post(QUEUES, json!({"name": "news", "settings": {"concurrency": 1}})).await.ok(201);
    assert_eq!((&made["concurrency"], &made["attemptsMax"]), (&json!(1), &json!(4)));
    admin.post(QUEUES, json!({"name": "news"})).await.problem(409, "conflict");
    make(&admin, json!({"queue": "news", "kind": "x"})).await;
    let news = format!("{QUEUES}/news");
    admin.patch(&news, json!({"paused": true, "rate": {"jobs": 10, "seconds": 60}})).await.expect(200);
    let lease = format!("{news}/lease");
    assert_eq!(admin.post(&lease, json!({})).await.ok(200)["items"], json!([]));
    admin.patch(&news, json!({"attemptsMax": 0})).await.invalid(&[("/attemptsMax", "too_small")]);
    let changed = admin.patch(&news, json!({"paused": false, "rate": {"jobs": 0, "seconds": 1}})).await.ok(200);
    assert_eq!((changed.get("rate"), &changed["counts"]["ready"]), (None, &json!(1)));
    assert_eq!(admin.post(&lease, json!({})).await.ok(200)["items"].as_array().unwrap().len(), 1);
    // What was changed at run time stays.
    admin.patch(&format!("{QUEUES}/sync"), json!({"concurrency": 9})).await.expect(200);
    let app = app.restart().await;
    assert_eq!(app.operator().get(&format!("{QUEUES}/sync")).await.ok(200)["concurrency"], 9);
}

#[tokio::test]
async fn a_queue_of_the_configuration_is_as_it_says() {
    let news = QueueSettings { concurrency: 7, rate_jobs: 5, ..QueueSettings::default() };
    let sections = [("sync".into(), QueueSettings::default()), ("news".into(), news)];
    let app = TestApp::new().with_config(|config| config.queue = sections.into()).start().await;
    let admin = app.admin().await;
    let (news, sync) = (format!("{QUEUES}/news"), format!("{QUEUES}/sync"));
    let shown = admin.get(&news).await.ok(200);
    let expected = (&json!(true), &json!(7), &json!({"jobs": 5, "seconds": 60}));
    assert_eq!((&shown["configured"], &shown["concurrency"], &shown["rate"]), expected);
    assert_eq!(admin.get(&sync).await.ok(200)["concurrency"], 0, "a section says everything");
    assert_eq!(admin.get(&format!("{QUEUES}/emails")).await.ok(200)["configured"], false);
    admin.patch(&news, json!({"concurrency": 8})).await.problem(409, "conflict");
    admin.delete(&news).await.problem(409, "conflict");
    admin.patch(&news, json!({"paused": true})).await.expect(200);
    // What is not in the configuration any more stays as it is, until somebody changes it.
    let sections = [("sync".into(), QueueSettings::default())];
    let app = app.restart_with(|config| config.queue = sections.into()).await;
    let shown = app.operator().get(&news).await.ok(200);
    let expected = (&json!(false), &json!(7), &json!(true));
    assert_eq!((&shown["configured"], &shown["concurrency"], &shown["paused"]), expected);
    assert_eq!(app.operator().get(&sync).await.ok(200)["configured"], true);
    app.operator().patch(&news, json!({"concurrency": 8})).await.expect(200);
    app.operator().delete(&news).await.expect(204);
}

#[tokio::test]
async fn whoever_may_work_on_one_queue_sees_nothing_of_others() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let worker = key(&app, &["queues.emails:work", "queues.emails:read"]).await;
    let id = make(&admin, json!({"queue": "sync", "kind": "x"})).await;
    worker.post(LEASE, json!({})).await.problem(403, "forbidden");
    worker.get(&format!("{JOBS}/{id}")).await.problem(404, "not_found");
    worker.get(JOBS).await.problem(403, "forbidden");
    let job = lease(&admin, json!({})).await.remove(0);
    let body = json!({"leaseToken": job["leaseToken"]});
    worker.post(&end(&job, "complete"), body.clone()).await.problem(404, "not_found");
    worker.post(JOBS, json!({"queue": "emails", "kind": "x"})).await.problem(403, "forbidden");
    let own = make(&admin, json!({"queue": "emails", "kind": "x"})).await;
    worker.get(&format!("{JOBS}/{own}")).await.expect(200);
    worker.delete(&format!("{JOBS}/{own}")).await.problem(403, "forbidden");
    admin.post(&end(&job, "complete"), body).await.expect(204);
    // A role that may do everything with records may do nothing with jobs.
    app.user("max", &["manager"]).await.get(QUEUES).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_worker_that_waits_gets_the_job_that_comes() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let waiting = {
        let admin = admin.clone();
        tokio::spawn(async move { lease(&admin, json!({"waitSeconds": 20})).await })
    };
    tokio::task::yield_now().await;
    let id = make(&admin, json!({"queue": "sync", "kind": "x"})).await;
    assert_eq!(waiting.await.unwrap()[0]["id"], json!(id));
}

#[tokio::test]
async fn a_queue_tells_how_it_has_done() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let metrics = async || admin.get(&format!("{QUEUES}/sync/metrics")).await.ok(200);
    let nothing = json!({"count": 0, "p50Ms": 0.0, "p95Ms": 0.0, "p99Ms": 0.0});
    assert_eq!(metrics().await, json!({"minutes": [], "waited": nothing, "ran": nothing}));
    for attempts in [1, 2, 3] {
        make(&admin, json!({"queue": "sync", "kind": "x", "attemptsMax": attempts})).await;
    }
    let since = metrics().await["waitingSince"].clone();
    assert_eq!(since, json!(app.clock.in_seconds(0).to_string()));
    app.clock.advance_seconds(10);
    let leased = lease(&admin, json!({"max": 3, "leaseSeconds": 600})).await;
    app.clock.advance_seconds(70);
    let end = |job: &Value, more: Value| {
        let mut body = json!({"leaseToken": job["leaseToken"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (job, how, more) in
        [(0, "fail", json!({"error": "no"})), (1, "fail", json!({"error": "no"})), (2, "complete", json!({}))]
    {
        let path = self::end(&leased[job], how);
        let status = if how == "fail" { 200 } else { 204 };
        admin.post(&path, end(&leased[job], more)).await.expect(status);
    }
    let told = metrics().await;
    let counts = |minute: usize| {
        let told = &told["minutes"][minute];
        ["made", "started", "succeeded", "failed", "dead"].map(|name| told[name].as_u64().unwrap())
    };
    assert_eq!((counts(0), counts(1)), ([3, 3, 0, 0, 0], [0, 0, 1, 1, 1]));
    for (lengths, seconds) in [("waited", 10.0), ("ran", 70.0)] {
        let (count, median) = (&told[lengths]["count"], told[lengths]["p50Ms"].as_f64().unwrap());
        assert_eq!(*count, 3);
        assert!((median / (seconds * 1_000.0) - 1.0).abs() < 0.2, "{lengths}: {median}");
    }
    assert!(told.get("waitingSince").is_none());
}

#[tokio::test]
async fn who_waits_for_a_job_does_not_hold_up_a_stop() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let began = std::time::Instant::now();
    // Whether it waits already, or comes when the server is about to stop, it is answered at once.
    let waiting = tokio::spawn(async move { admin.post(LEASE, json!({"waitSeconds": 20})).await.ok(200) });
    app.app.stopping();
    assert_eq!(waiting.await.unwrap()["items"], json!([]));
    assert!(began.elapsed().as_secs() < 15);
    let admin = app.operator();
    make(&admin, json!({"queue": "sync", "kind": "x"})).await;
    assert_eq!(lease(&admin, json!({})).await.len(), 0, "what is made now is for after the next start");
}

#[tokio::test]
async fn a_changed_queue_holds_for_jobs_that_are_there() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = make(&admin, json!({"queue": "sync", "kind": "x"})).await;
    let fail = async || {
        let job = lease(&admin, json!({})).await.remove(0);
        let body = json!({"leaseToken": job["leaseToken"], "error": "no"});
        admin.post(&end(&job, "fail"), body).await.ok(200)["state"].clone()
    };
    assert_eq!(fail().await, "failed");
    admin.patch(&format!("{QUEUES}/sync"), json!({"attemptsMax": 1, "keepDeadSeconds": 60})).await.ok(200);
    admin.send("POST", &format!("{JOBS}/{id}/retry"), "").await.expect(200);
    assert_eq!(fail().await, "dead");
    // A change that is refused changes nothing of what holds.
    admin.patch(&format!("{QUEUES}/sync"), json!({"attemptsMax": 0})).await.expect(422);
    admin.send("POST", &format!("{JOBS}/{id}/retry"), "").await.expect(200);
    assert_eq!(fail().await, "dead");
}
