//! Streams of events: jobs handed to a worker one after the other, and news of queues. Each ends when it should.

use serde_json::{Value, json};

use crate::support::{Client, Event, Events, TestApp};

const JOBS: &str = "/api/v1/jobs";
const STREAM: &str = "/api/v1/queues/sync/stream";
const NEWS: &str = "/api/v1/realtime?topic=queues";

async fn key(app: &TestApp, permissions: &[&str]) -> (Client, String) {
    let made = app.admin().await.post("/api/v1/keys", json!({"name": "worker", "permissions": permissions})).await;
    let made = made.ok(201);
    (app.guest().signed_in("", made["secret"].as_str().unwrap()), made["key"]["id"].as_str().unwrap().to_owned())
}

async fn make(client: &Client, payload: Value) -> String {
    let made = client.post(JOBS, json!({"queue": "sync", "kind": "x", "payload": payload})).await.ok(201);
    made["id"].as_str().unwrap().to_owned()
}

/// Waits until news names exactly this queue beside that of mails, which are sent meanwhile; none for one that is gone.
async fn news_of(news: &mut Events, queue: Option<&str>) {
    loop {
        let told = news.expect("queues").await.data["queues"].clone();
        let others: Vec<_> =
            told.as_array().unwrap().iter().filter_map(Value::as_str).filter(|name| *name != "emails").collect();
        assert!(others.iter().all(|name| Some(*name) == queue), "{told} instead of {queue:?}");
        if others.first().copied() == queue && (queue.is_some() || told == json!([])) {
            return;
        }
    }
}

async fn end(client: &Client, job: &Event, how: &str, more: Value) {
    let mut body = json!({"leaseToken": job.data["leaseToken"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = client.post(&format!("{JOBS}/{}/{how}", job.id), body).await;
    assert!(answer.status.is_success(), "{answer}");
}

#[tokio::test]
async fn a_worker_has_no_more_in_hand_than_it_wants() {
    let app = TestApp::start().await;
    let (admin, (worker, _)) = (app.admin().await, key(&app, &["queues.sync:work"]).await);
    let first = make(&admin, json!({"number": 0, "text": "a line\nand another"})).await;
    let mut jobs = worker.follow("POST", STREAM, json!({"max": 2, "worker": "w"}).to_string()).await.unwrap();
    let one = jobs.expect("job").await;
    assert_eq!((one.id.as_str(), &one.data["payload"]["text"]), (first.as_str(), &json!("a line\nand another")));
    // What is made while the stream is open comes by itself, but not the third before one is done.
    let mut made = Vec::new();
    for number in 1..=3 {
        made.push(make(&admin, json!({"number": number})).await);
    }
    let two = jobs.expect("job").await;
    assert_eq!(two.id, made[0]);
    let counts = admin.get("/api/v1/queues/sync").await.ok(200)["counts"].clone();
    assert_eq!((&counts["running"], &counts["ready"]), (&json!(2), &json!(2)));
    end(&worker, &two, "complete", json!({"result": 1})).await;
    let three = jobs.expect("job").await;
    assert_eq!(three.id, made[1]);
    end(&worker, &one, "fail", json!({"error": "it is hopeless", "final": true})).await;
    assert_eq!(jobs.expect("job").await.id, made[2]);
    // The connection ends, the jobs stay the worker's.
    drop(jobs);
    end(&worker, &three, "complete", json!({})).await;
}

#[tokio::test]
async fn a_stream_of_jobs_ends_when_the_worker_is_silent_or_not_permitted_any_more() {
    let app = TestApp::start().await;
    let (admin, (worker, id)) = (app.admin().await, key(&app, &["queues.sync:work"]).await);
    let mut jobs = worker.follow("POST", STREAM, json!({"leaseSeconds": 30}).to_string()).await.unwrap();
    make(&admin, json!(1)).await;
    let job = jobs.expect("job").await;
    app.clock.advance_seconds(31);
    // Whatever happens in the queue is a reason to look.
    make(&admin, json!(2)).await;
    admin.post("/api/v1/queues/sync/lease", json!({"max": 10})).await.expect(200);
    assert_eq!(jobs.expect("end").await.data, json!({"reason": "leaseEnded"}));
    assert_eq!(jobs.next().await, None);
    worker
        .post(&format!("{JOBS}/{}/complete", job.id), json!({"leaseToken": job.data["leaseToken"]}))
        .await
        .expect(409);

    let mut jobs = worker.follow("POST", STREAM, "{}").await.unwrap();
    admin.delete(&format!("/api/v1/keys/{id}")).await.expect(204);
    make(&admin, json!(3)).await;
    // The one that the stream was waiting for may still come.
    let told = jobs.next().await.unwrap();
    let told = if told.name == "job" { jobs.next().await.unwrap() } else { told };
    assert_eq!((told.name.as_str(), told.data), ("end", json!({"reason": "notPermitted"})));
}

#[tokio::test]
async fn streams_end_with_the_server_and_have_bounds() {
    let app = TestApp::new().with_config(|config| config.http.live_max = 3).start().await;
    let (admin, (worker, _)) = (app.admin().await, key(&app, &["queues.sync:work"]).await);
    let mut jobs = worker.follow("POST", STREAM, "{}").await.unwrap();
    let mut news = admin.follow("GET", NEWS, "").await.unwrap();
    let third = admin.follow("GET", NEWS, "").await.unwrap();
    let refused = admin.follow("GET", NEWS, "").await.err().unwrap();
    refused.problem(503, "overloaded");
    drop(third);
    // The place is free once the server has seen that the connection is gone.
    let mut fourth = admin.follow("GET", NEWS, "").await;
    while fourth.is_err() {
        fourth = admin.follow("GET", NEWS, "").await;
    }
    news.expect("ready").await;
    app.app.stopping();
    assert_eq!(jobs.expect("end").await.data, json!({"reason": "stopping"}));
    assert_eq!(jobs.next().await, None);
    while news.next().await.is_some() {}
}

#[tokio::test]
async fn news_tells_which_queues_have_changed_to_who_may_list_them() {
    let app = TestApp::start().await;
    let (admin, (some, _)) = (app.admin().await, key(&app, &["queues.reports:list"]).await);
    let (mut all, mut own) =
        (admin.follow("GET", NEWS, "").await.unwrap(), some.follow("GET", NEWS, "").await.unwrap());
    all.expect("ready").await;
    own.expect("ready").await;
    make(&admin, json!(1)).await;
    news_of(&mut all, Some("sync")).await;
    // A heartbeat moves no job, and is news all the same.
    let leased = admin.post("/api/v1/queues/sync/lease", json!({})).await.ok(200)["items"][0].clone();
    news_of(&mut all, Some("sync")).await;
    let beat = json!({"leaseToken": leased["leaseToken"], "progress": 0.5});
    admin.post(&format!("{JOBS}/{}/heartbeat", leased["id"].as_str().unwrap()), beat).await.expect(200);
    news_of(&mut all, Some("sync")).await;
    admin.patch("/api/v1/queues/reports", json!({"paused": true})).await.expect(200);
    news_of(&mut all, Some("reports")).await;
    news_of(&mut own, Some("reports")).await;
    // A queue that is gone has no name any more.
    admin.post("/api/v1/queues", json!({"name": "brief"})).await.expect(201);
    news_of(&mut all, Some("brief")).await;
    admin.delete("/api/v1/queues/brief").await.expect(204);
    news_of(&mut all, None).await;
    let nobody = app.user("ann", &[]).await;
    nobody.follow("GET", NEWS, "").await.err().unwrap().problem(403, "forbidden");
    admin.get("/api/v1/realtime?topic=nothing").await.expect(400);
}
