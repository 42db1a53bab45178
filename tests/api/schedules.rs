//! Schedules by the API: jobs that are made at times.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const SCHEDULES: &str = "/api/v1/schedules";
const NIGHTLY: &str = "/api/v1/schedules/nightly";
const RUNS: &str = "/api/v1/schedules/nightly/runs";

fn nightly(more: &Value) -> Value {
    let mut schedule = json!({"name": "nightly", "queue": "sync", "kind": "pull", "cron": "30 2 * * *"});
    schedule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    schedule
}

async fn key(app: &TestApp, permissions: &[&str]) -> Client {
    let made = app.admin().await.post("/api/v1/keys", json!({"name": "k", "permissions": permissions})).await;
    app.guest().signed_in("", made.ok(201)["secret"].as_str().unwrap())
}

#[tokio::test]
async fn a_schedule_is_made_changed_and_removed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made =
        admin.post(SCHEDULES, nightly(&json!({"timezone": "Europe/Berlin", "payload": {"of": "shop"}}))).await.ok(201);
    assert_eq!(
        (&made["cron"], &made["timezone"], &made["payload"]),
        (&json!("30 2 * * *"), &json!("Europe/Berlin"), &json!({"of": "shop"}))
    );
    assert_eq!((&made["missed"], &made["overlap"], &made["paused"]), (&json!("once"), &json!("skip"), &json!(false)));
    assert_eq!(made["upcoming"].as_array().unwrap().len(), 5);
    assert_eq!(made["createdBy"], json!(admin.id));
    assert_eq!(admin.get(NIGHTLY).await.ok(200), made);
    assert_eq!(admin.get(SCHEDULES).await.ok(200)["items"], json!([made]));
    admin.post(SCHEDULES, nightly(&json!({}))).await.problem(409, "conflict");
    let paused = admin.patch(NIGHTLY, json!({"paused": true, "timezone": "UTC"})).await.ok(200);
    assert_eq!((&paused["upcoming"], &paused["timezone"], &paused["cron"]), (&json!([]), &json!("UTC"), &made["cron"]));
    let other = admin.patch(NIGHTLY, json!({"everySeconds": 60, "overlap": "queue", "paused": false})).await.ok(200);
    assert_eq!((other.get("cron"), &other["everySeconds"], &other["overlap"]), (None, &json!(60), &json!("queue")));
    assert_eq!(other["upcoming"][0], other["startAt"]);
    admin.delete(NIGHTLY).await.expect(204);
    for answer in [admin.get(NIGHTLY).await, admin.get(RUNS).await, admin.delete(NIGHTLY).await] {
        answer.problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (more, at, code) in [
        (json!({"name": "No good"}), "/name", "format"),
        (json!({"queue": "none"}), "/queue", "not_found"),
        (json!({"kind": "a\nb"}), "/kind", "format"),
        (json!({"cron": "61 * * * *"}), "/cron", "format"),
        (json!({"cron": "0 0 30 2 *"}), "/cron", "past"),
        (json!({"timezone": "Mars/Olympus"}), "/timezone", "format"),
        (json!({"everySeconds": 5}), "/cron", "required"),
        (json!({"cron": null}), "/cron", "required"),
        (json!({"startAt": "2030-01-01T00:00:00Z"}), "/startAt", "invalid"),
        (json!({"cron": null, "everySeconds": 5, "timezone": "UTC"}), "/timezone", "invalid"),
        (json!({"cron": null, "everySeconds": 5, "startAt": "soon"}), "/startAt", "format"),
        (json!({"cron": null, "everySeconds": 0}), "/everySeconds", "too_small"),
        (json!({"cron": null, "at": "1999-01-01T00:00:00Z"}), "/at", "past"),
        (json!({"priority": 1001}), "/priority", "too_large"),
        (json!({"payload": "p".repeat(256 << 10)}), "/payload", "too_long"),
    ] {
        admin.post(SCHEDULES, nightly(&more)).await.invalid(&[(at, code)]);
    }
    let two = nightly(&json!({"cron": "x", "timezone": "y"}));
    admin.post(SCHEDULES, two).await.invalid(&[("/cron", "format"), ("/timezone", "format")]);
    admin.post(SCHEDULES, nightly(&json!({}))).await.ok(201);
    admin.patch(NIGHTLY, json!({"name": "other"})).await.invalid(&[("/name", "invalid")]);
    admin.patch(NIGHTLY, json!({"queue": "none"})).await.invalid(&[("/queue", "not_found")]);
}

#[tokio::test]
async fn its_jobs_tell_the_schedule_and_the_time() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post(SCHEDULES, nightly(&json!({"cron": null, "everySeconds": 10, "priority": 3}))).await.ok(201);
    app.clock.advance_seconds(10);
    // The keeper sleeps by the clock of the machine; a change wakes it.
    admin.patch(NIGHTLY, json!({"description": "soon"})).await.ok(200);
    let has_run = async || admin.get(RUNS).await.ok(200)["items"] != json!([]);
    app.until("the schedule has run", has_run).await;
    let run = admin.get(RUNS).await.ok(200)["items"][0].clone();
    assert_eq!(
        (&run["outcome"], &run["jobState"], &run["dueAt"]),
        (&json!("made"), &json!("ready"), &made["upcoming"][0])
    );
    let job = admin.get(&format!("/api/v1/jobs/{}", run["job"].as_str().unwrap())).await.ok(200);
    assert_eq!(
        (&job["schedule"], &job["scheduledFor"], &job["priority"]),
        (&json!("nightly"), &run["dueAt"], &json!(3))
    );
    let worker = key(&app, &["queues.sync:work"]).await;
    let leased = worker.post("/api/v1/queues/sync/lease", json!({})).await.ok(200);
    assert_eq!(
        (&leased["items"][0]["schedule"], &leased["items"][0]["scheduledFor"]),
        (&json!("nightly"), &run["dueAt"])
    );
}

#[tokio::test]
async fn it_runs_at_once_when_somebody_wants_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.post(SCHEDULES, nightly(&json!({"paused": true}))).await.ok(201);
    let run = admin.post(&format!("{NIGHTLY}/run"), json!(null)).await.ok(201);
    assert_eq!((&run["outcome"], &run["by"], &run["jobState"]), (&json!("made"), &json!(admin.id), &json!("ready")));
    admin.post(&format!("{NIGHTLY}/run"), json!(null)).await.ok(201);
    let page = admin.get(&format!("{RUNS}?limit=1")).await.ok(200);
    assert_eq!((&page["items"][0]["number"], &page["next"]), (&json!(2), &json!(2)));
    let last = admin.get(&format!("{RUNS}?limit=1&before=2")).await.ok(200);
    assert_eq!((&last["items"][0]["number"], last.get("next")), (&json!(1), None));
    assert_eq!(admin.get(NIGHTLY).await.ok(200)["lastJob"], page["items"][0]["job"]);
}

#[tokio::test]
async fn it_takes_the_permission_to_make_jobs_too() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let both = key(&app, &["schedules:*", "queues.sync:create"]).await;
    both.post(SCHEDULES, nightly(&json!({}))).await.ok(201);
    both.patch(NIGHTLY, json!({"queue": "emails"})).await.problem(403, "forbidden");
    let only = key(&app, &["schedules:*"]).await;
    only.post(SCHEDULES, nightly(&json!({"name": "other"}))).await.problem(403, "forbidden");
    only.patch(NIGHTLY, json!({"kind": "other"})).await.problem(403, "forbidden");
    only.post(&format!("{NIGHTLY}/run"), json!(null)).await.problem(403, "forbidden");
    admin.post("/api/v1/queues", json!({"name": "news"})).await.ok(201);
    admin.patch(NIGHTLY, json!({"queue": "news"})).await.ok(200);
    let told = admin.delete("/api/v1/queues/news").await.problem(409, "conflict");
    assert_eq!(told["detail"], "schedules nightly make jobs in this queue; change them first");
    only.delete(NIGHTLY).await.expect(204);
    admin.delete("/api/v1/queues/news").await.expect(204);
}

#[tokio::test]
async fn jobs_are_made_in_the_name_of_who_said_what_they_are() {
    let app = TestApp::start().await;
    let (admin, other) = (app.admin().await, app.user("other", &["admin"]).await);
    admin.post(SCHEDULES, nightly(&json!({"payload": 1, "overlap": "allow"}))).await.ok(201);
    let maker = async |changed: Option<Value>| {
        if let Some(changed) = changed {
            other.patch(NIGHTLY, changed).await.ok(200);
        }
        let run = admin.send("POST", &format!("{NIGHTLY}/run"), "").await.ok(201);
        let job = admin.get(&format!("/api/v1/jobs/{}", run["job"].as_str().unwrap())).await.ok(200);
        job["createdBy"].as_str().unwrap().to_owned()
    };
    assert_eq!(maker(None).await, admin.id);
    // Another time, or a rest, makes it nobody else's.
    assert_eq!(maker(Some(json!({"timezone": "UTC"}))).await, admin.id);
    assert_eq!(maker(Some(json!({"payload": 2}))).await, other.id);
    assert_eq!(maker(None).await, other.id);
}
