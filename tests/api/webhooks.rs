//! Webhooks by the API, posted to a server of the test's own, and verified by a library that others verify with.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use poem::{EndpointExt as _, Route, Server, handler, http::StatusCode, listener::TcpAcceptor, post, web::Data};
use serde_json::{Value, json};
use standardwebhooks::Webhook as Verifier;
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

use crate::support::{Client, TestApp, TestClock};

const WEBHOOKS: &str = "/api/v1/webhooks";
const ORDERS: &str = "/api/v1/collections/orders/records";

/// A message as it came.
type Came = (poem::http::HeaderMap, String);

/// What the endpoint answers, in order; afterwards 204.
#[derive(Clone)]
struct Answers(Arc<Mutex<VecDeque<u16>>>, mpsc::UnboundedSender<Came>);

#[handler]
fn take(request: &poem::Request, body: String, answers: Data<&Answers>) -> StatusCode {
    let status = answers.0.0.lock().unwrap().pop_front().unwrap_or(204);
    answers.0.1.send((request.headers().clone(), body)).unwrap();
    StatusCode::from_u16(status).unwrap()
}

/// An endpoint of webhooks; it ends with the test.
struct Endpoint {
    url: String,
    came: mpsc::UnboundedReceiver<Came>,
    _server: JoinSet<()>,
}

impl Endpoint {
    async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (told, came) = mpsc::unbounded_channel();
        let answers = Answers(Arc::new(Mutex::new(statuses.iter().copied().collect())), told);
        let app = Route::new().at("/hook", post(take)).data(answers);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
            Server::new_with_acceptor(acceptor).run(app).await.unwrap();
        });
        Self { url, came, _server: server }
    }

    async fn next(&mut self) -> (poem::http::HeaderMap, Value) {
        let came = tokio::time::timeout(std::time::Duration::from_secs(20), self.came.recv());
        let (headers, body) = came.await.expect("a message comes").unwrap();
        (headers, serde_json::from_str(&body).unwrap())
    }

    fn is_silent(&mut self) -> bool {
        self.came.try_recv().is_err()
    }
}

/// The shop, whose clock goes by that of the machine as far as verifiers need it.
#[expect(clippy::disallowed_methods, reason = "a verifier looks at the clock of the machine")]
async fn shop() -> (TestApp, Client) {
    let clock = TestClock::default();
    let behind = jiff::Timestamp::now().as_millisecond() - clock.in_seconds(0).as_millisecond();
    clock.advance_ms(behind);
    let app =
        TestApp::new().with_clock(&clock).with_config(|config| config.outgoing.allow_private = true).start().await;
    let fields = json!([
        {"name": "state", "type": "string"},
        {"name": "secret", "type": "string", "hidden": true},
    ]);
    app.collection(json!({"name": "orders", "fields": fields})).await;
    app.collection(json!({"name": "other", "fields": fields})).await;
    let admin = app.admin().await;
    (app, admin)
}

fn hook(url: &str, more: &Value) -> Value {
    let all = json!([{"collection": "orders", "on": ["create", "update", "delete"]}]);
    let mut hook = json!({"url": url, "subscriptions": all});
    hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hook
}

async fn make(admin: &Client, url: &str, more: Value) -> (String, String) {
    let made = admin.post(WEBHOOKS, hook(url, &more)).await.ok(201);
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().unwrap());
    (path, made["secret"].as_str().unwrap().to_owned())
}

/// Waits until the newest delivery is this far.
async fn until(app: &TestApp, admin: &Client, webhook: &str, state: &str) -> Value {
    let path = format!("{webhook}/deliveries?limit=1");
    let newest = async || admin.get(&path).await.ok(200)["items"][0].clone();
    app.until("the delivery gets on", async || newest().await["state"] == state).await;
    newest().await
}

#[tokio::test]
async fn changes_are_posted_and_signed() {
    let (_app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[]).await;
    admin.post(ORDERS, json!({"id": "before", "state": "new"})).await.ok(201);
    let (webhook, secret) = make(&admin, &endpoint.url, json!({})).await;
    admin.post("/api/v1/collections/other/records", json!({"state": "x"})).await.ok(201);
    let made = admin.post(ORDERS, json!({"id": "one", "state": "new", "secret": "s3cret"})).await.ok(201);
    let (headers, body) = endpoint.next().await;
    let told = json!({"collection": "orders", "event": "create", "id": "one", "record": made});
    assert_eq!((&body["type"], &body["data"]), (&json!("orders.create"), &told));
    assert_eq!(headers["content-type"], "application/json");
    Verifier::new(&secret).unwrap().verify(b"{\"type\": \"forged\"}", &headers).unwrap_err();
    let (mut texts, paths) = (Vec::new(), [json!({"state": "paid"}), json!(null)]);
    for change in paths {
        match &change {
            Value::Null => drop(admin.delete(&format!("{ORDERS}/one")).await.expect(204)),
            change => drop(admin.patch(&format!("{ORDERS}/one"), change.clone()).await.ok(200)),
        }
        let (headers, body) =
            tokio::time::timeout(std::time::Duration::from_secs(20), endpoint.came.recv()).await.unwrap().unwrap();
        // As others verify it.
        Verifier::new(&secret).unwrap().verify(body.as_bytes(), &headers).unwrap();
        texts.push(serde_json::from_str::<Value>(&body).unwrap()["data"]["event"].clone());
    }
    assert_eq!(texts, ["update", "delete"]);
    assert!(endpoint.is_silent(), "of nothing else");
    let list = admin.get(&format!("{webhook}/deliveries")).await.ok(200);
    let kinds: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["orders.delete", "orders.update", "orders.create"]);
    admin.get(&webhook).await.lacks(&["whsec_"]);
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let (_app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[]).await;
    let paid = json!([{"collection": "orders", "on": ["update"], "fields": ["state"], "when": "state = 'paid' && @old.state != 'paid'"}]);
    let (webhook, _) = make(&admin, &endpoint.url, json!({"subscriptions": paid})).await;
    admin.post(ORDERS, json!({"id": "one", "state": "new"})).await.ok(201);
    for state in ["open", "paid", "paid", "new"] {
        admin.patch(&format!("{ORDERS}/one"), json!({"state": state})).await.ok(200);
    }
    let (_, body) = endpoint.next().await;
    assert_eq!((&body["data"]["changed"], &body["data"]["record"]["state"]), (&json!(["state"]), &json!("paid")));
    // It follows its collection under another name.
    admin.patch("/api/v1/collections/orders", json!({"name": "sales"})).await.ok(200);
    admin.patch("/api/v1/collections/sales/records/one", json!({"state": "paid"})).await.ok(200);
    assert_eq!(endpoint.next().await.1["type"], "sales.update");
    assert_eq!(admin.get(&webhook).await.ok(200)["subscriptions"][0]["collection"], "sales");
    // What happens while it rests is not told later.
    admin.patch(&webhook, json!({"paused": true})).await.ok(200);
    for state in ["new", "paid", "new"] {
        admin.patch("/api/v1/collections/sales/records/one", json!({"state": state})).await.ok(200);
    }
    admin.patch(&webhook, json!({"paused": false})).await.ok(200);
    admin.post(&format!("{webhook}/test"), json!(null)).await.ok(202);
    assert_eq!(endpoint.next().await.1["type"], "test");
    assert!(endpoint.is_silent());
}

#[tokio::test]
async fn what_is_not_accepted_is_tried_again_and_replayed() {
    let (app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[500]).await;
    let (webhook, _) = make(&admin, &endpoint.url, json!({})).await;
    admin.post(ORDERS, json!({"id": "one", "state": "new"})).await.ok(201);
    let (first, _) = endpoint.next().await;
    let failed = until(&app, &admin, &webhook, "failed").await;
    assert!(failed["error"].as_str().unwrap().starts_with("the endpoint answered 500"), "{failed}");
    let delivery = format!("{webhook}/deliveries/{}", failed["id"].as_str().unwrap());
    admin.post(&format!("{delivery}/replay"), json!(null)).await.ok(202);
    let (second, body) = endpoint.next().await;
    assert_eq!(first["webhook-id"], second["webhook-id"], "a message keeps its id");
    until(&app, &admin, &webhook, "succeeded").await;
    let told = admin.get(&delivery).await.ok(200);
    assert_eq!((&told["body"], &told["response"]["status"], &told["attempts"]), (&body, &json!(204), &json!(2)));
    assert_eq!(told["history"].as_array().unwrap().len(), 1);
    admin.get(&format!("{webhook}/deliveries/0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c")).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_told_nothing_more() {
    let (app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[410]).await;
    let (webhook, _) = make(&admin, &endpoint.url, json!({"description": "The warehouse."})).await;
    admin.post(ORDERS, json!({"id": "one"})).await.ok(201);
    endpoint.next().await;
    until(&app, &admin, &webhook, "dead").await;
    let disabled = admin.get(&webhook).await.ok(200);
    assert_eq!(disabled["disabledReason"], "its endpoint answered 410 Gone");
    let mails = app.operator().get("/api/v1/mail?to=admin@example.com").await.ok(200);
    assert_eq!(mails["items"][0]["kind"], "webhook.disabled");
    admin.post(ORDERS, json!({"id": "two"})).await.ok(201);
    admin.post(&format!("{webhook}/test"), json!(null)).await.problem(409, "conflict");
    admin.patch(&webhook, json!({"paused": false})).await.ok(200);
    admin.post(ORDERS, json!({"id": "three"})).await.ok(201);
    assert_eq!(endpoint.next().await.1["data"]["id"], "three");
    assert!(admin.get(&webhook).await.ok(200).get("disabledAt").is_none());
}

#[tokio::test]
async fn messages_about_a_record_come_in_order_if_asked() {
    let (_app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[]).await;
    make(&admin, &endpoint.url, json!({"ordered": true})).await;
    admin.post(ORDERS, json!({"id": "one", "state": "0"})).await.ok(201);
    for state in 1..20 {
        admin.patch(&format!("{ORDERS}/one"), json!({"state": state.to_string()})).await.ok(200);
    }
    for state in 0..20 {
        assert_eq!(endpoint.next().await.1["data"]["record"]["state"], state.to_string());
    }
}

#[tokio::test]
async fn a_secret_is_replaced_while_both_are_used() {
    let (app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[]).await;
    let (webhook, old) = make(&admin, &endpoint.url, json!({})).await;
    let rotated = admin.post(&format!("{webhook}/rotate-secret"), json!({"graceSeconds": 60})).await.ok(200);
    let new = rotated["secret"].as_str().unwrap().to_owned();
    let verified = async |endpoint: &mut Endpoint| {
        admin.post(&format!("{webhook}/test"), json!(null)).await.ok(202);
        let (headers, body) = endpoint.came.recv().await.unwrap();
        [&old, &new].map(|secret| Verifier::new(secret).unwrap().verify(body.as_bytes(), &headers).is_ok())
    };
    assert_eq!(verified(&mut endpoint).await, [true, true]);
    app.clock.advance_seconds(61);
    assert_eq!(verified(&mut endpoint).await, [false, true]);
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "orders", "fields": [{"name": "state", "type": "string"}]})).await;
    let of = |more: Value| {
        let mut subscription = json!({"collection": "orders", "on": ["create"]});
        subscription.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"subscriptions": [subscription]})
    };
    for (more, at, code) in [
        (json!({"url": "http://example.com"}), "/url", "format"),
        (json!({"url": "https://127.0.0.1/x"}), "/url", "format"),
        (json!({"url": "https://169.254.169.254/latest"}), "/url", "format"),
        (json!({"url": "https://localhost/x"}), "/url", "format"),
        (of(json!({"collection": "none"})), "/subscriptions/0/collection", "not_found"),
        (of(json!({"on": ["create", "create"]})), "/subscriptions/0/on", "items"),
        (of(json!({"fields": ["none"]})), "/subscriptions/0/fields/0", "not_found"),
        (of(json!({"when": "none = 1"})), "/subscriptions/0/when", "invalid"),
        (of(json!({"when": "@auth.id = 'x'"})), "/subscriptions/0/when", "invalid"),
        (json!({"subscriptions": []}), "/subscriptions", "too_few"),
    ] {
        admin.post(WEBHOOKS, hook("https://example.com", &more)).await.invalid(&[(at, code)]);
    }
    // It tells everything of the records, so it takes the permission to read them all.
    let key = json!({"name": "k", "permissions": ["webhooks:*"]});
    let made = admin.post("/api/v1/keys", key).await.ok(201);
    let key = app.guest().signed_in("", made["secret"].as_str().unwrap());
    key.post(WEBHOOKS, hook("https://example.com", &json!({})))
        .await
        .invalid(&[("/subscriptions/0/collection", "forbidden")]);
}

#[tokio::test]
async fn nothing_is_posted_twice_or_lost_over_a_restart() {
    let (app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[]).await;
    let (webhook, _) = make(&admin, &endpoint.url, json!({})).await;
    admin.post(ORDERS, json!({"id": "one"})).await.ok(201);
    endpoint.next().await;
    until(&app, &admin, &webhook, "succeeded").await;
    let app = app.restart_with(|config| config.outgoing.allow_private = true).await;
    let admin = app.operator();
    admin.post(ORDERS, json!({"id": "two"})).await.ok(201);
    assert_eq!(endpoint.next().await.1["data"]["id"], "two");
    let told = admin.get(&format!("{webhook}/deliveries")).await.ok(200);
    assert_eq!(told["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn who_may_not_read_the_records_leads_them_nowhere() {
    let (app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[]).await;
    let (webhook, _) = make(&admin, &endpoint.url, json!({})).await;
    admin.post(ORDERS, json!({"id": "one"})).await.ok(201);
    endpoint.next().await;
    let told = until(&app, &admin, &webhook, "succeeded").await;
    let delivery = format!("{webhook}/deliveries/{}", told["id"].as_str().unwrap());
    let key = json!({"name": "k", "permissions": ["webhooks:*"]});
    let made = admin.post("/api/v1/keys", key).await.ok(201);
    let key = app.guest().signed_in("", made["secret"].as_str().unwrap());
    let refused = key.patch(&webhook, json!({"url": "https://example.com/mine"})).await.problem(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("orders:read"), "{refused}");
    key.get(&delivery).await.problem(403, "forbidden");
    key.patch(&webhook, json!({"paused": true})).await.ok(200);
    assert_eq!(admin.get(&webhook).await.ok(200)["url"], json!(endpoint.url));
}

/// Whatever the follower of the log is at in that moment.
#[tokio::test]
async fn a_webhook_hears_of_what_comes_after_it_was_answered() {
    let (_app, admin) = shop().await;
    let mut endpoint = Endpoint::start(&[]).await;
    for number in 0..20 {
        let (webhook, _) = make(&admin, &endpoint.url, json!({})).await;
        let id = format!("n{number}");
        admin.post(ORDERS, json!({"id": id})).await.ok(201);
        assert_eq!(endpoint.next().await.1["data"]["id"], id);
        admin.delete(&webhook).await.expect(204);
    }
}
