//! Pulls: what another server gives out comes into a collection, by the server's own jobs.

use std::sync::{Arc, Mutex};

use poem::{EndpointExt as _, Request, Response, Route, Server, get, handler, listener::TcpAcceptor, web::Data};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::support::{Client, TestApp};

const PRODUCTS: &str = "/api/v1/collections/products/records";

/// What the other server gives out: its items, and the requests that it got (the query, `If-None-Match`, `Authorization`).
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    items: Vec<Value>,
    asked: Vec<[String; 3]>,
}

impl Shop {
    fn sells(&self, items: &[Value]) {
        self.0.lock().unwrap().items = items.to_vec();
    }

    /// The requests since the last time.
    fn asked(&self) -> Vec<[String; 3]> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

/// Two items a page; the page after is told in each way.
#[handler]
fn list(request: &Request, shop: Data<&Shop>) -> Response {
    let mut shop = shop.0.0.lock().unwrap();
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    shop.asked.push([query.clone(), header("if-none-match"), header("authorization")]);
    let etag = format!("\"{:x}\"", shop.items.iter().map(|item| item.to_string().len()).sum::<usize>());
    let parameter =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    let (page, size): (usize, usize) = (parameter("page").unwrap_or(1), parameter("size").unwrap_or(2));
    if header("if-none-match") == etag && page == 1 {
        return Response::builder().status(poem::http::StatusCode::NOT_MODIFIED).finish();
    }
    let items: Vec<&Value> = shop.items.iter().skip((page - 1) * size).take(size).collect();
    let next = (shop.items.len() > page * size).then(|| format!("/items?size={size}&page={}", page + 1));
    let answer = Response::builder().header("etag", etag);
    let answer = match &next {
        Some(next) => answer.header("link", format!("<{next}>; rel=\"next\"")),
        None => answer,
    };
    answer.body(json!({"data": {"items": items}, "next": next}).to_string())
}

#[handler]
fn csv() -> &'static str {
    "Code,Product name,Price\r\na1,\"Tea, green\",2.50\r\nb2,Coffee,much\r\nc3,Cocoa,4\r\n"
}

#[handler]
fn elsewhere() -> Response {
    Response::builder().status(poem::http::StatusCode::FOUND).header("location", "/items?size=9").finish()
}

async fn world() -> (TestApp, Client, Shop, String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shop = Shop::default();
    let routes = Route::new().at("/items", get(list)).at("/csv", get(csv)).at("/moved", get(elsewhere));
    let routes = routes.data(shop.clone());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        Server::new_with_acceptor(acceptor).run(routes).await.unwrap();
    });
    let app = TestApp::new().with_config(|config| config.outgoing.allow_private = true).start().await;
    let fields =
        json!([{"name": "title", "type": "string", "max": 20, "required": true}, {"name": "price", "type": "decimal"}]);
    app.collection(json!({"name": "products", "fields": fields})).await;
    let admin = app.admin().await;
    (app, admin, shop, url, server)
}

fn item(code: &str, title: &str, price: &str) -> Value {
    json!({"code": code, "name": {"en": title}, "price": price, "more": [1, 2]})
}

/// Pulls, and answers what came of the job.
async fn pull(app: &TestApp, admin: &Client, mut payload: Value) -> Value {
    let usual = json!({"collection": "products", "items": "/data/items", "fields": {"id": "code", "title": "/name/en", "price": "price"}});
    for (name, value) in usual.as_object().unwrap() {
        payload.as_object_mut().unwrap().entry(name).or_insert(value.clone());
    }
    let job = json!({"queue": "sync", "kind": "sync.pull", "attemptsMax": 1, "payload": payload});
    let made = admin.post("/api/v1/jobs", job).await.ok(201);
    let path = format!("/api/v1/jobs/{}", made["id"].as_str().unwrap());
    let state = async || admin.get(&path).await.ok(200)["state"].clone();
    app.until("the pull is done", async || ["succeeded", "dead"].map(Value::from).contains(&state().await)).await;
    admin.get(&path).await.ok(200)
}

fn numbers(job: &Value) -> [u64; 5] {
    ["pages", "received", "written", "unchanged", "rejected"].map(|name| job["result"][name].as_u64().unwrap_or(99))
}

async fn versions(admin: &Client) -> Vec<(String, u64)> {
    let listed = admin.get(&format!("{PRODUCTS}?sort=id")).await.ok(200);
    let items = listed["items"].as_array().unwrap().iter();
    items.map(|item| (item["id"].as_str().unwrap().to_owned(), item["version"].as_u64().unwrap())).collect()
}

fn known(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(id, version)| ((*id).to_owned(), *version)).collect()
}

#[tokio::test]
async fn items_come_in_and_only_what_changed_is_written() {
    let (app, admin, shop, url, _server) = world().await;
    let all = [item("a", "Tea", "1.50"), item("b", "Coffee", "2.50"), item("c", "Cocoa", "3.50")];
    shop.sells(&all);
    let from = json!({"url": format!("{url}/items"), "next": {"pointer": "/next"}, "headers": {"Authorization": "Bearer s3cret"}});
    let first = pull(&app, &admin, from.clone()).await;
    assert_eq!(numbers(&first), [2, 3, 3, 0, 0], "{first}");
    assert_eq!(shop.asked(), [["", "", "Bearer s3cret"], ["size=2&page=2", "", "Bearer s3cret"]]);
    let tea = admin.get(&format!("{PRODUCTS}/a")).await.ok(200);
    assert_eq!((&tea["title"], &tea["price"]), (&json!("Tea"), &json!("1.50")));
    assert_eq!(numbers(&pull(&app, &admin, from.clone()).await), [2, 3, 0, 3, 0]);
    shop.sells(&[all[0].clone(), item("b", "Decaf", "2.50"), all[2].clone(), item("d", "Water", "0")]);
    assert_eq!(numbers(&pull(&app, &admin, from).await), [2, 4, 2, 2, 0]);
    assert_eq!(versions(&admin).await, known(&[("a", 1), ("b", 2), ("c", 1), ("d", 1)]));
}

#[tokio::test]
async fn every_way_to_the_next_page_is_known() {
    let (app, admin, shop, url, _server) = world().await;
    shop.sells(&(0..5).map(|n| item(&format!("n{n}"), "T", "1")).collect::<Vec<_>>());
    for next in [json!({"link": true}), json!({"parameter": "page"})] {
        let done = pull(&app, &admin, json!({"url": format!("{url}/items?size=2"), "next": next})).await;
        assert_eq!(done["result"]["received"], 5, "{done}");
    }
    let some = json!({"url": format!("{url}/items?x=1"), "next": {"link": true}, "pagesMax": 2});
    assert_eq!(pull(&app, &admin, some).await["result"]["received"], 4);
    let moved = pull(&app, &admin, json!({"url": format!("{url}/moved")})).await;
    assert_eq!(moved["result"]["received"], 5, "a redirect is followed: {moved}");
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let (app, admin, shop, url, _server) = world().await;
    shop.sells(&[item("a", "Tea", "1")]);
    let from = json!({"url": format!("{url}/items")});
    assert_eq!(numbers(&pull(&app, &admin, from.clone()).await), [1, 1, 1, 0, 0]);
    assert_eq!(pull(&app, &admin, from.clone()).await["result"], json!({"notModified": true}));
    assert_ne!(shop.asked()[1][1], "");
    // Other members are wanted of the same answer.
    let other = json!({"url": format!("{url}/items"), "fields": {"id": "code", "title": "code"}});
    assert_eq!(numbers(&pull(&app, &admin, other).await), [1, 1, 1, 0, 0]);
    assert_eq!(admin.get(&format!("{PRODUCTS}/a")).await.ok(200)["title"], "a");
    shop.sells(&[item("a", "Green tea", "1")]);
    assert_eq!(numbers(&pull(&app, &admin, from).await), [1, 1, 1, 0, 0]);
}

#[tokio::test]
async fn what_does_not_fit_is_told_by_item() {
    let (app, admin, shop, url, _server) = world().await;
    shop.sells(&[
        item("a", "Tea", "1"),
        item("b", &"long ".repeat(9), "1"),
        item("no/id", "X", "1"),
        json!({"other": 1}),
    ]);
    let from = json!({"url": format!("{url}/items?size=9")});
    let done = pull(&app, &admin, from.clone()).await;
    assert_eq!(numbers(&done), [1, 4, 1, 0, 3], "{done}");
    let lines: Vec<&Value> = done["result"]["errors"].as_array().unwrap().iter().map(|error| &error["line"]).collect();
    assert_eq!(lines, [2, 3, 4]);
    assert_eq!(numbers(&pull(&app, &admin, from).await), [1, 4, 0, 1, 3], "what was rejected is asked for again");
    let rows = json!({"url": format!("{url}/csv"), "format": "csv", "fields": {"id": "Code", "title": "Product name", "price": "Price"}});
    let done = pull(&app, &admin, rows).await;
    assert_eq!(numbers(&done), [1, 3, 2, 0, 1], "{done}");
    assert_eq!(admin.get(&format!("{PRODUCTS}/a1")).await.ok(200)["title"], "Tea, green");
}

#[tokio::test]
async fn what_cannot_be_pulled_says_why() {
    let (app, admin, _shop, url, _server) = world().await;
    for (payload, why) in [
        (json!({"url": format!("{url}/none")}), "the server answered 404"),
        (json!({"url": "http://127.0.0.1:1/x"}), "cannot be reached"),
        (json!({"url": "ftp://example.com"}), "must begin with https://"),
        (json!({"url": format!("{url}/csv")}), "the answer is no JSON"),
        (json!({"url": format!("{url}/items"), "items": "/none"}), "there is no list of items at \"/none\""),
        (
            json!({"url": format!("{url}/csv"), "format": "csv", "collection": "none"}),
            "there is no collection \"none\"",
        ),
        (json!({"url": url, "typo": 1}), "unknown field `typo`"),
    ] {
        let dead = pull(&app, &admin, payload).await;
        assert_eq!(dead["state"], "dead", "{dead}");
        assert!(dead["error"].as_str().unwrap().contains(why), "{why}: {dead}");
    }
    let key = json!({"name": "k", "permissions": ["queues:create", "products:*"]});
    let made = admin.post("/api/v1/keys", key).await.ok(201);
    let key = app.guest().signed_in("", made["secret"].as_str().unwrap());
    let job = json!({"queue": "sync", "kind": "sync.pull", "payload": {"url": url, "collection": "users"}});
    key.post("/api/v1/jobs", job).await.problem(403, "forbidden");
}

#[tokio::test]
async fn nothing_of_a_private_network_is_pulled() {
    let (_other, _, _shop, url, _server) = world().await;
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for url in [url.replace("http", "https"), "https://169.254.169.254/latest".into(), "https://localhost/".into()] {
        let dead = pull(&app, &admin, json!({"url": url})).await;
        assert!(dead["error"].as_str().unwrap().contains("of this machine or of a private network"), "{dead}");
    }
}
