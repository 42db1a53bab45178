//! Aggregates: who may ask, what each gives, groups by field and by time, and every fault.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const SALES: &str = "/api/v1/collections/sales/aggregate";

/// Parameters with their values, or with the codes of their faults.
type Pairs = Vec<(&'static str, &'static str)>;

/// A collection of sales with four records, and its admin.
async fn with_sales(app: &TestApp, rules: Value) -> Client {
    let fields = json!([
        {"name": "country", "type": "string", "indexed": true},
        {"name": "price", "type": "decimal"},
        {"name": "pieces", "type": "integer"},
        {"name": "weight", "type": "number"},
        {"name": "paid", "type": "boolean"},
        {"name": "day", "type": "date"},
        {"name": "at", "type": "datetime"},
        {"name": "tags", "type": "string", "many": true, "indexed": true},
        {"name": "meta", "type": "json"},
        {"name": "pin", "type": "string", "hidden": true},
    ]);
    app.collection(json!({"name": "sales", "fields": fields, "rules": rules})).await;
    let rows = [
        json!({"id": "a", "country": "de", "price": "12.50", "pieces": 2, "weight": 0.1, "paid": true, "day": "2021-01-31",
            "at": "2021-01-31T22:30:00Z", "tags": ["x", "y"], "pin": "1"}),
        json!({"id": "b", "country": "de", "price": "0.125", "pieces": 3, "weight": 0.2, "paid": false, "day": "2021-02-01",
            "at": "2021-01-31T23:30:00Z", "tags": ["x"], "pin": "2"}),
        json!({"id": "c", "country": "at", "price": "7", "pieces": null, "weight": 1e16, "paid": true, "day": "2021-12-31",
            "at": "2021-12-31T23:00:00Z", "tags": []}),
        json!({"id": "d", "country": null, "pieces": -4, "weight": -1e16, "tags": null}),
    ];
    for row in rows {
        app.record("sales", row).await;
    }
    app.admin().await
}

async fn ask(client: &Client, parameters: &[(&str, &str)]) -> Value {
    client.get(&query(SALES, parameters)).await.ok(200)
}

#[tokio::test]
async fn every_aggregate_of_every_type() {
    let app = TestApp::start().await;
    let admin = with_sales(&app, json!({})).await;
    let rows = [
        ("count", json!(4)),
        ("count as n", json!(4)),
        ("sum(pieces)", json!(1)),
        ("avg(pieces)", json!(1.0 / 3.0)),
        ("min(pieces)", json!(-4)),
        ("max(pieces)", json!(3)),
        ("distinct(pieces)", json!(3)),
        ("sum(price)", json!("19.625")),
        ("avg(price)", json!("6.5416666667")),
        ("min(price)", json!("0.125")),
        ("max(price)", json!("12.50")),
        ("sum(weight)", json!(0.1 + 0.2)),
        ("max(weight)", json!(1e16)),
        ("distinct(paid)", json!(2)),
        ("min(country)", json!("at")),
        ("max(country)", json!("de")),
        ("distinct(country)", json!(2)),
        ("min(day)", json!("2021-01-31")),
        ("max(at)", json!("2021-12-31T23:00:00Z")),
        ("max(createdAt)", json!("2026-01-31T09:30:00.000Z")),
        ("max(id)", json!("d")),
        ("distinct(tags)", json!(2)),
        ("sum(version)", json!(4)),
    ];
    for (select, expected) in &rows {
        let answer = ask(&admin, &[("select", select)]).await;
        assert_eq!(answer["groups"], 1, "{select}: {answer}");
        let items = answer["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{answer}");
        assert_eq!(items[0].as_object().unwrap().values().collect::<Vec<_>>(), [expected], "{select}");
    }
    let whole = query(SALES, &[("select", "count, sum(price) as revenue,avg( pieces ) , min(day)as first")]);
    let expected =
        r#"{"items":[{"count":4,"revenue":"19.625","avgPieces":0.3333333333333333,"first":"2021-01-31"}],"groups":1}"#;
    assert_eq!(admin.get(&whole).await.expect(200).text(), expected, "columns stand in the order of the request");
    let nothing =
        ask(&admin, &[("select", "count,sum(price),avg(pieces),max(day),distinct(tags)"), ("filter", "id = 'no'")]);
    let expected = json!({"count": 0, "sumPrice": null, "avgPieces": null, "maxDay": null, "distinctTags": 0});
    assert_eq!(nothing.await, json!({"items": [expected], "groups": 1}));
    let none = ask(&admin, &[("group", "country"), ("filter", "id = 'no'")]).await;
    assert_eq!(none, json!({"items": [], "groups": 0}));
    assert_eq!(ask(&admin, &[]).await, json!({"items": [{"count": 4}], "groups": 1}));
}

#[tokio::test]
async fn groups_by_fields() {
    let app = TestApp::start().await;
    let admin = with_sales(&app, json!({})).await;
    let rows = [
        ("country", "", json!([[null, 1], ["at", 1], ["de", 2]])),
        ("country", "country >= 'b'", json!([["de", 2]])),
        ("country", "paid = true", json!([["at", 1], ["de", 1]])),
        ("paid", "", json!([[null, 1], [false, 1], [true, 2]])),
        ("pieces", "", json!([[null, 1], [-4, 1], [2, 1], [3, 1]])),
        ("price", "", json!([[null, 1], ["0.125", 1], ["7", 1], ["12.5", 1]])),
        ("day", "day != null", json!([["2021-01-31", 1], ["2021-02-01", 1], ["2021-12-31", 1]])),
        ("tags", "", json!([["x", 2], ["y", 1]])),
        ("tags", "'y' in tags", json!([["x", 1], ["y", 1]])),
        ("country,paid", "country = 'de'", json!([["de", false, 1], ["de", true, 1]])),
        ("tags as tag, country as c", "", json!([["x", "de", 2], ["y", "de", 1]])),
    ];
    for (group, filter, expected) in rows {
        let answer = ask(&admin, &[("group", group), ("filter", filter)]).await;
        let items = answer["items"].as_array().unwrap();
        let values = |item: &Value| Value::from(item.as_object().unwrap().values().cloned().collect::<Vec<_>>());
        let found: Vec<Value> = items.iter().map(values).collect();
        assert_eq!(Value::from(found), expected, "{group} where {filter}");
        assert_eq!(answer["groups"], items.len(), "{answer}");
    }
}

/// The clocks of Berlin go forward on 2021-03-28 at 01:00 UTC, and back on 2021-10-31 at 01:00 UTC.
#[tokio::test]
async fn units_of_time_follow_the_clocks_of_a_zone() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields = json!([{"name": "at", "type": "datetime"}, {"name": "day", "type": "date"}]);
    app.collection(json!({"name": "sales", "fields": fields, "indexes": [{"fields": ["-at"]}]})).await;
    let moments = [
        "2020-12-31T23:30:00Z",
        "2021-03-27T23:00:00Z",
        "2021-03-28T00:30:00Z",
        "2021-03-28T01:30:00Z",
        "2021-03-28T21:59:59Z",
        "2021-03-28T22:00:00Z",
        "2021-10-31T00:30:00Z",
        "2021-10-31T01:30:00Z",
        "2021-10-31T22:59:59Z",
    ];
    for (place, moment) in moments.iter().enumerate() {
        app.record("sales", json!({"at": moment, "day": format!("2021-0{}-01", place + 1)})).await;
    }
    let rows = [
        ("year", json!([["2021", 9]])),
        ("quarter", json!([["2021-Q1", 6], ["2021-Q4", 3]])),
        ("month", json!([["2021-01", 1], ["2021-03", 5], ["2021-10", 3]])),
        ("week", json!([["2020-W53", 1], ["2021-W12", 4], ["2021-W13", 1], ["2021-W43", 3]])),
        ("day", json!([["2021-01-01", 1], ["2021-03-28", 4], ["2021-03-29", 1], ["2021-10-31", 3]])),
        (
            "hour",
            json!([
                ["2021-01-01T00:00:00+01:00", 1],
                ["2021-03-28T00:00:00+01:00", 1],
                ["2021-03-28T01:00:00+01:00", 1],
                ["2021-03-28T03:00:00+02:00", 1],
                ["2021-03-28T23:00:00+02:00", 1],
                ["2021-03-29T00:00:00+02:00", 1],
                ["2021-10-31T02:00:00+02:00", 1],
                ["2021-10-31T02:00:00+01:00", 1],
                ["2021-10-31T23:00:00+01:00", 1],
            ]),
        ),
    ];
    let pairs = |answer: Value, name: &str| {
        let pair = |item: &Value| json!([item[name], item["count"]]);
        Value::from(answer["items"].as_array().unwrap().iter().map(pair).collect::<Vec<_>>())
    };
    for (unit, expected) in rows {
        // With `max` records are read, with `count` alone only the index.
        for select in ["count", "count,max(version)"] {
            let group = format!("{unit}(at) as bucket");
            let parameters = [("group", group.as_str()), ("timezone", "Europe/Berlin"), ("select", select)];
            assert_eq!(pairs(ask(&admin, &parameters).await, "bucket"), expected, "{unit}, {select}");
        }
    }
    let utc = ask(&admin, &[("group", "year(at)")]).await;
    assert_eq!(pairs(utc, "yearAt"), json!([["2020", 1], ["2021", 8]]));
    let hours = ask(&admin, &[("group", "hour(at)"), ("limit", "1")]).await;
    assert_eq!((&hours["items"][0]["hourAt"], &hours["groups"]), (&json!("2020-12-31T23:00:00Z"), &json!(9)));
    let quarters = ask(&admin, &[("group", "quarter(day)"), ("timezone", "Pacific/Apia")]).await;
    assert_eq!(pairs(quarters, "quarterDay"), json!([["2021-Q1", 3], ["2021-Q2", 3], ["2021-Q3", 3]]));
    let late =
        [("group", "hour(at) as hour"), ("having", "hour >= '2021-10-31T01:00:00Z'"), ("timezone", "europe/berlin")];
    assert_eq!(ask(&admin, &late).await["groups"], 2, "hours compare as instants");
}

#[tokio::test]
async fn having_sort_and_limit_take_columns() {
    let app = TestApp::start().await;
    let admin = with_sales(&app, json!({})).await;
    let group = ("group", "country");
    let select = ("select", "count,sum(price) as revenue");
    let rows = [
        (vec![], json!([null, "at", "de"]), 3),
        (vec![("sort", "-country")], json!(["de", "at", null]), 3),
        (vec![("sort", "-revenue")], json!(["de", "at", null]), 3),
        (vec![("sort", "count")], json!([null, "at", "de"]), 3),
        (vec![("sort", "-count,-country")], json!(["de", "at", null]), 3),
        (vec![("sort", "-revenue"), ("limit", "1")], json!(["de"]), 3),
        (vec![("having", "count >= 2")], json!(["de"]), 1),
        (vec![("having", "revenue > 7 && count >= 2")], json!(["de"]), 1),
        (vec![("having", "revenue = 7.00 || country = null"), ("limit", "1")], json!([null]), 2),
        (vec![("having", "country in ['at', 'xx'] && !(revenue = null)")], json!(["at"]), 1),
        (vec![("having", "count > 9")], json!([]), 0),
    ];
    for (parameters, countries, groups) in rows {
        let answer = ask(&admin, &[vec![group, select], parameters.clone()].concat()).await;
        let found: Vec<_> = answer["items"].as_array().unwrap().iter().map(|item| item["country"].clone()).collect();
        assert_eq!((Value::from(found), answer["groups"].as_u64().unwrap()), (countries, groups), "{parameters:?}");
    }
    assert_eq!(ask(&admin, &[("having", "count < 4")]).await["items"], json!([]));
}

#[tokio::test]
async fn every_fault_comes_at_once_by_its_parameter() {
    let app = TestApp::start().await;
    let admin = with_sales(&app, json!({})).await;
    let rows: Vec<(Pairs, Pairs)> = vec![
        (vec![("select", "sum")], vec![("select", "unknown_function")]),
        (vec![("select", "sum()")], vec![("select", "unknown_field")]),
        (vec![("select", "median(price)")], vec![("select", "unknown_function")]),
        (vec![("select", "sum(nothing)")], vec![("select", "unknown_field")]),
        (vec![("select", "sum(country)")], vec![("select", "type")]),
        (vec![("select", "avg(at)")], vec![("select", "type")]),
        (vec![("select", "min(paid)")], vec![("select", "type")]),
        (vec![("select", "max(meta)")], vec![("select", "type")]),
        (vec![("select", "distinct(meta)")], vec![("select", "type")]),
        (vec![("select", "sum(price")], vec![("select", "unknown_function")]),
        (vec![("select", "count,")], vec![("select", "invalid")]),
        (vec![("select", "count,count")], vec![("select", "duplicate")]),
        (vec![("select", "count as in")], vec![("select", "pattern")]),
        (vec![("select", "count as 1st")], vec![("select", "pattern")]),
        (vec![("select", "count as a\"b")], vec![("select", "pattern")]),
        (vec![("group", "country as count")], vec![("select", "duplicate")]),
        (vec![("group", "meta")], vec![("group", "type")]),
        (vec![("group", "month(country)")], vec![("group", "type")]),
        (vec![("group", "hour(day)")], vec![("group", "type")]),
        (vec![("group", "minute(at)")], vec![("group", "unknown_function")]),
        (vec![("group", "country,country")], vec![("group", "duplicate")]),
        (vec![("group", "tags,tags as again")], vec![("group", "items")]),
        (vec![("group", "a,b,c,d,e,f,g,h,i")], vec![("group", "items")]),
        (vec![("timezone", "Mars/Base")], vec![("timezone", "unknown_timezone")]),
        (vec![("timezone", "../../etc/passwd")], vec![("timezone", "unknown_timezone")]),
        (vec![("limit", "0")], vec![("limit", "too_large")]),
        (vec![("limit", "1001")], vec![("limit", "too_large")]),
        (vec![("sort", "country")], vec![("sort", "unknown_field")]),
        (vec![("sort", "count,-count")], vec![("sort", "duplicate")]),
        (vec![("having", "country = 'de'")], vec![("having", "invalid")]),
        (vec![("having", "count = 'x'")], vec![("having", "invalid")]),
        (vec![("having", "@auth.id = 'x'")], vec![("having", "invalid")]),
        (vec![("having", "count >")], vec![("having", "invalid")]),
        (vec![("total", "true")], vec![("total", "unknown_parameter")]),
        (vec![("limit", "1"), ("limit", "1")], vec![("limit", "duplicate")]),
        (
            vec![
                ("filter", "nothing = 1"),
                ("select", "sum(country),count as n"),
                ("group", "month(nothing) as m"),
                ("having", "n > 'x'"),
                ("sort", "-m,z,sumCountry"),
                ("limit", "x"),
                ("timezone", "x"),
            ],
            vec![
                ("filter", "invalid"),
                ("select", "type"),
                ("group", "unknown_field"),
                ("having", "invalid"),
                ("sort", "unknown_field"),
                ("limit", "too_large"),
                ("timezone", "unknown_timezone"),
            ],
        ),
    ];
    for (parameters, faults) in rows {
        admin.get(&query(SALES, &parameters)).await.faults(400, "invalid_parameter", &faults);
    }
    let zone = admin.get(&query(SALES, &[("timezone", "Mars/Base")])).await.problem(400, "invalid_parameter");
    assert!(zone["errors"][0]["detail"].as_str().unwrap().contains("Mars/Base"), "{zone}");
    admin.get(&query(SALES, &[("filter", "nothing = 1")])).await.problem(400, "invalid_filter");
    admin.get("/api/v1/collections/none/aggregate").await.problem(404, "not_found");
    admin.post(SALES, json!({})).await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn who_may_list_may_aggregate_what_the_list_shows() {
    let app = TestApp::start().await;
    with_sales(&app, json!({"list": "@auth.email = 'ann@example.com' && country = 'de'"})).await;
    let by_country = query(SALES, &[("group", "country")]);
    let (guest, other) = (app.guest(), app.user("other", &["user"]).await);
    let (owner, viewer, admin) =
        (app.user("ann", &["user"]).await, app.user("v", &["viewer"]).await, app.admin().await);
    let hidden = ["19.625", "\"de\""];
    for path in [SALES, by_country.as_str(), &query(SALES, &[("select", "nonsense")])] {
        guest.get(path).await.lacks(&hidden).problem(401, "unauthenticated");
        other.get(path).await.lacks(&hidden).problem(403, "forbidden");
    }
    let all = json!([{"country": null, "count": 1}, {"country": "at", "count": 1}, {"country": "de", "count": 2}]);
    for client in [viewer, admin] {
        assert_eq!(client.get(&by_country).await.ok(200)["items"], all);
    }
    // What the rule hides is in no count, no extreme, and not behind a filter of the caller's.
    assert_eq!(ask(&owner, &[]).await["items"], json!([{"count": 2}]));
    assert_eq!(owner.get(&by_country).await.ok(200)["items"], json!([{"country": "de", "count": 2}]));
    let wide =
        ask(&owner, &[("select", "sum(price),max(day),distinct(country)"), ("filter", "1 = 1 || country = 'at'")]);
    let expected = json!([{"sumPrice": "12.625", "maxDay": "2021-02-01", "distinctCountry": 1}]);
    assert_eq!(wide.await["items"], expected);
    assert_eq!(ask(&owner, &[("filter", "country = 'at'")]).await["items"], json!([{"count": 0}]));
}

#[tokio::test]
async fn hidden_fields_cannot_be_named() {
    let app = TestApp::start().await;
    let admin = with_sales(&app, json!({})).await;
    let rows = [
        (("select", "max(pin)"), "select"),
        (("select", "distinct(pin)"), "select"),
        (("group", "pin"), "group"),
        (("group", "month(pin)"), "group"),
    ];
    for (parameter, name) in rows {
        let answer = admin.get(&query(SALES, &[parameter])).await;
        answer.faults(400, "invalid_parameter", &[(name, "unknown_field")]);
    }
    admin.get(&query(SALES, &[("filter", "pin = '1'")])).await.problem(400, "invalid_filter");
    let having = admin.get(&query(SALES, &[("having", "pin = '1'")])).await;
    having.faults(400, "invalid_parameter", &[("having", "invalid")]);
}

#[tokio::test]
async fn sums_that_cannot_be_exact_are_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let kinds = ["integer", "decimal", "number"];
    let fields = kinds.map(|kind| json!({"name": kind, "type": kind}));
    app.collection(json!({"name": "sales", "fields": fields})).await;
    let largest = json!({"integer": i64::MAX, "decimal": "79228162514264337593543950335", "number": f64::MAX});
    for _ in 0..2 {
        app.record("sales", largest.clone()).await;
    }
    for kind in kinds {
        let sum = query(SALES, &[("select", &format!("sum({kind})"))]);
        let problem = admin.get(&sum).await.problem(422, "validation_failed");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("sum{}", kind[..1].to_uppercase())), "{problem}");
        let alone = query(SALES, &[("select", &format!("max({kind}) as m"))]);
        assert_eq!(admin.get(&alone).await.ok(200)["items"][0]["m"], largest[kind]);
    }
    let average = ask(&admin, &[("select", "avg(integer) as a")]).await;
    assert_eq!(average["items"][0]["a"], json!(i64::MAX as f64), "an average does not overflow");
}

/// What an index tells is not counted as examined; what must be read is.
#[tokio::test]
async fn only_what_is_read_counts_as_examined() {
    let app = TestApp::new().with_config(|config| config.records.examined_max = 3).start().await;
    let admin = with_sales(&app, json!({})).await;
    let told = [
        vec![],
        vec![("group", "country")],
        vec![("group", "country"), ("filter", "country > 'a'")],
        vec![("group", "country"), ("select", "count,max(country)")],
        vec![("select", "distinct(country)")],
        vec![("group", "tags")],
        vec![("group", "country"), ("filter", "country = 'de'"), ("select", "sum(price)")],
    ];
    for parameters in told {
        admin.get(&query(SALES, &parameters)).await.expect(200);
    }
    let read = [
        (vec![("group", "paid")], "paid"),
        (vec![("select", "sum(pieces)")], "pieces"),
        (vec![("group", "country"), ("select", "count,sum(pieces)")], "country"),
        (vec![("group", "country"), ("filter", "pieces > 0")], "pieces"),
        (vec![("group", "tags"), ("select", "distinct(tags)")], "tags"),
    ];
    for (parameters, field) in read {
        let problem = admin.get(&query(SALES, &parameters)).await.problem(422, "index_required");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains('3') && detail.contains(field), "{detail}");
    }
    // An index holds no zeros at the end of a decimal, so none is asked for.
    let problem = admin.get(&query(SALES, &[("select", "sum(price)")])).await.problem(422, "index_required");
    assert!(!problem["detail"].as_str().unwrap().contains("index"), "{problem}");
}
