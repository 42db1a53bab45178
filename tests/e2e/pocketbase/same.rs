//! PocketBase itself as the model of the translation: under each rule, a user sees here what the user saw there.

use serde_json::{Value, json};

use super::server::{PocketBase, text};
use crate::{client::Client, process::Site};

const BOB: (&str, &str) = ("bob@example.com", "the old password of bob");

const RULES: [&str; 61] = [
    "",
    "@request.auth.id != '' && title != ''",
    "@request.auth.email ~ 'bob@'",
    "@request.auth.collectionName = 'users' && n = 5",
    "@request.auth.collectionName != 'users' || n = 5",
    "title = ''",
    "title != ''",
    "title > 'B'",
    "title <= 'B'",
    "title ~ 'NEWS'",
    "title !~ 'news'",
    "title ~ 'a_c'",
    "title:lower = 'abc news'",
    "code = ''",
    "code != null",
    "code = 'xx'",
    "code != 'xx'",
    "n = 0",
    "n != 5",
    "5 > n",
    "n > 1 || flag = true && title = ''",
    "(n > 1 || flag = true) && title = ''",
    "flag = false",
    "flag != true",
    "due = ''",
    "due < @now",
    "due >= @now",
    "@now > due",
    "due <= '2022-01-02 03:04:05.678Z'",
    "due != '2022-01-02 03:04:05.678Z'",
    "created <= @now",
    "status = ''",
    "status != 'done'",
    "status = 'done'",
    "author = @request.auth.id",
    "author != @request.auth.id",
    "author.id = @request.auth.id",
    "author = ''",
    "author.score > 3",
    "members.id ?= @request.auth.id",
    "members.id = @request.auth.id",
    "members.id != @request.auth.id",
    "members ~ @request.auth.id",
    "members !~ @request.auth.id",
    "members.score > 3",
    "members.score ?> 3",
    "members.score != 4",
    "members.score ?= 4 && members.score = 4",
    "tags ~ 'red'",
    "tags !~ 'red'",
    "tags:length = 0",
    "tags:length > 1",
    "person.name = ''",
    "person.name != ''",
    "person.name = 'Pat'",
    "person.name != 'Pat'",
    "person.age < 10 || person.flag = false",
    "person.age != 10 && person.flag != true",
    "meta.a = 'x'",
    "meta.a != 'x'",
    "meta.n = 1",
];

fn fields(people: &str) -> Value {
    let users = "_pb_users_auth_";
    json!([
        {"name": "title", "type": "text"},
        {"name": "code", "type": "text", "min": 2},
        {"name": "n", "type": "number"},
        {"name": "flag", "type": "bool"},
        {"name": "due", "type": "date"},
        {"name": "status", "type": "select", "values": ["draft", "done"], "maxSelect": 1},
        {"name": "tags", "type": "select", "values": ["red", "green", "blue"], "maxSelect": 3},
        {"name": "author", "type": "relation", "collectionId": users, "maxSelect": 1},
        {"name": "members", "type": "relation", "collectionId": users, "maxSelect": 9},
        {"name": "person", "type": "relation", "collectionId": people, "maxSelect": 1},
        {"name": "meta", "type": "json"},
        {"name": "created", "type": "autodate", "onCreate": true},
    ])
}

/// Records that differ in what rules look at.
fn records(ann: &str, bob: &str, people: &[String]) -> Vec<Value> {
    vec![
        json!({"title": "B", "author": bob, "members": [ann, bob], "tags": ["red"], "due": "2022-01-02 03:04:05.678Z"}),
        json!({}),
        json!({"title": "ABC news", "code": "xx", "author": ann, "members": [bob], "tags": ["red", "blue"], "person": people[0]}),
        json!({"title": "a_c", "n": 5, "flag": true, "members": [ann], "status": "done", "due": "2121-01-01 00:00:00.000Z"}),
        json!({"flag": true, "n": -1.5, "status": "draft", "person": people[1], "meta": {"a": "x", "n": 1}}),
        json!({"code": "yyy", "author": bob, "person": people[2], "meta": {"a": null, "n": 2}, "tags": ["green"]}),
        json!({"title": "zebra", "n": 7, "due": "2021-12-31 23:59:59.999Z", "meta": [1], "members": [bob, ann]}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_translated_rule_shows_what_it_showed() {
    let site = Site::new();
    let mut pocketbase = PocketBase::start(&site).await;
    let users = pocketbase.call(hyper::Method::GET, "/api/collections/users", &Value::Null).await;
    let mut all = users["fields"].as_array().unwrap().clone();
    all.push(json!({"name": "score", "type": "number"}));
    pocketbase.call(hyper::Method::PATCH, "/api/collections/users", &json!({"fields": all})).await;
    let mut ids = Vec::new();
    for (email, score) in [("ann@example.com", 4), (BOB.0, 2)] {
        let user = json!({"email": email, "password": BOB.1, "passwordConfirm": BOB.1, "score": score});
        ids.push(text(&pocketbase.record("users", &user).await["id"]));
    }
    let person = json!([
        {"name": "name", "type": "text"}, {"name": "age", "type": "number"}, {"name": "flag", "type": "bool"},
    ]);
    let person = pocketbase.collection(&json!({"name": "people", "type": "base", "fields": person})).await;
    let mut people = Vec::new();
    for record in
        [json!({"name": "Pat", "age": 10}), json!({"flag": true, "age": 5}), json!({"name": "Sue", "age": 12})]
    {
        people.push(text(&pocketbase.record("people", &record).await["id"]));
    }
    let mut seen = Vec::new();
    for (number, rule) in RULES.iter().enumerate() {
        let name = format!("c{number}");
        let definition = json!({"name": name, "type": "base", "fields": fields(&person), "listRule": rule});
        pocketbase.collection(&definition).await;
        for record in records(&ids[0], &ids[1], &people) {
            pocketbase.record(&name, &record).await;
        }
        seen.push(pocketbase.seen_by(BOB, &name).await);
    }
    pocketbase.stop();
    let telling = seen.iter().filter(|ids| (1..7).contains(&ids.len())).count();
    assert!(telling > 50, "only {telling} rules tell records apart");
    site.run(&["import", "pocketbase", "pb_data", "--report", "report.json"]).success();
    let report: Value = serde_json::from_str(&site.read("report.json")).unwrap();
    let server = site.serve();
    let mut bob = Client::open(server.address).await;
    bob.sign_in_as(BOB.0, BOB.1).await;
    let mut different = Vec::new();
    for ((number, rule), there) in RULES.iter().enumerate().zip(seen) {
        let name = format!("c{number}");
        let of = report["collections"].as_array().unwrap().iter().find(|of| of["from"] == name.as_str()).unwrap();
        let translated = &of["rules"][0]["to"];
        let reply = bob.get(&format!("/api/v1/collections/{name}/records?limit=100")).await;
        let mut here: Vec<_> = match reply.status {
            200 => reply.json()["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect(),
            _ => Vec::new(),
        };
        here.sort();
        if here != there || translated.is_null() {
            different.push(format!("{rule}\n  became {translated}\n  there: {there:?}\n  here:  {here:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    server.stop().success();
}
