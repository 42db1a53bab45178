//! Lists: filter, sort, limit, total, fields, and parameters that are refused.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const RECORDS: &str = "/api/v1/collections/albums/records";

/// Eight albums with ties, nulls and lists.
async fn with_albums() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "title", "type": "string"},
        {"name": "year", "type": "integer", "indexed": true},
        {"name": "price", "type": "decimal"},
        {"name": "live", "type": "boolean", "default": false},
        {"name": "tags", "type": "string", "many": true, "indexed": true},
        {"name": "released", "type": "date"},
        {"name": "meta", "type": "json"},
    ]);
    app.collection(json!({"name": "albums", "fields": fields, "indexes": [{"fields": ["live", "-year"]}]})).await;
    let rows = [
        json!({"id": "a", "title": "Kind of Blue", "year": 1959, "price": "9.90", "tags": ["jazz"], "released": "1959-08-17"}),
        json!({"id": "b", "title": "Blue", "year": 1971, "price": "12.00", "tags": ["folk", "pop"]}),
        json!({"id": "c", "title": "blue train", "year": 1958, "price": "9.9", "tags": ["jazz"]}),
        json!({"id": "d", "title": "Live at Leeds", "year": 1970, "live": true, "tags": ["rock"]}),
        json!({"id": "e", "title": "Köln Concert", "year": 1975, "live": true, "tags": ["jazz"], "price": "20"}),
        json!({"id": "f", "title": null, "year": null, "tags": []}),
        json!({"id": "g", "title": "Abbey Road", "year": 1969, "price": "100", "meta": {"studio": {"name": "EMI"}}}),
        json!({"id": "h", "title": "Let It Be", "year": 1970, "price": "8.5"}),
    ];
    for row in rows {
        app.clock.advance_ms(1);
        app.record("albums", row).await;
    }
    let viewer = app.user("vera", &["viewer"]).await;
    (app, viewer)
}

/// The ids that a list shows, in its order.
async fn ids(client: &Client, parameters: &[(&str, &str)]) -> String {
    let list = client.get(&query(RECORDS, parameters)).await.ok(200);
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn filters_choose_records() {
    let (_app, viewer) = with_albums().await;
    let rows = [
        ("", "abcdefgh"),
        ("  ", "abcdefgh"),
        ("year = 1970", "dh"),
        ("year != 1970", "abcefg"),
        ("year > 1970", "be"),
        ("year >= 1970 && year < 1975", "bdh"),
        ("year = null", "f"),
        ("year != null && title ~ 'blue'", "abc"),
        ("title !~ 'b'", "def"),
        ("title ~ 'KÖLN'", "e"),
        ("title = 'Blue' || live", "bde"),
        ("!(live = false)", "de"),
        ("live = true && price = null", "d"),
        ("price = 9.9", "ac"),
        ("price = '9.90'", "ac"),
        ("price > 12", "eg"),
        ("'jazz' in tags", "ace"),
        ("year in [1958, 1971, 3]", "bc"),
        ("title in []", ""),
        ("released < '1960-01-01'", "a"),
        ("meta.studio.name = 'EMI'", "g"),
        ("id = 'c' || id = 'nothing'", "c"),
        ("id in ['h', 'a']", "ah"),
        ("version = 1 && createdAt <= @now", "abcdefgh"),
        ("createdAt > @now", ""),
        ("length(tags) = 2", "b"),
        ("startsWith(lower(title), 'blue')", "bc"),
        ("@auth.email = 'vera@example.com'", "abcdefgh"),
        ("'admin' in @auth.roles", ""),
        ("1 = 2", ""),
    ];
    for (filter, expected) in rows {
        assert_eq!(ids(&viewer, &[("filter", filter)]).await, expected, "{filter}");
        let counted =
            viewer.get(&query(RECORDS, &[("filter", filter), ("total", "true"), ("limit", "1")])).await.ok(200);
        assert_eq!(counted["total"], expected.len(), "{filter}");
        assert!(counted["items"].as_array().unwrap().len() <= 1);
    }
}

#[tokio::test]
async fn sorts_order_records_with_ids_for_ties() {
    let (_app, viewer) = with_albums().await;
    let rows = [
        ("id", "abcdefgh"),
        ("-id", "hgfedcba"),
        ("title", "fgbaehdc"),
        ("-title", "cdheabgf"),
        ("year,title", "fcaghdbe"),
        ("-year,-title", "ebdhgacf"),
        ("-year,id", "ebdhgacf"),
        ("-year,-id", "ebhdgacf"),
        ("-live,year", "defcaghb"),
        ("live,-year,id", "bhgacfed"),
        ("price,id", "dfhacbeg"),
        ("-createdAt", "hgfedcba"),
        ("version,-id", "hgfedcba"),
    ];
    for (sort, expected) in rows {
        assert_eq!(ids(&viewer, &[("sort", sort)]).await, expected, "{sort}");
        assert_eq!(ids(&viewer, &[("sort", sort), ("limit", "3")]).await, expected[..3], "{sort}, the first three");
    }
    let sorted = ids(&viewer, &[("sort", "year"), ("filter", "year = 1970 || year = 1959")]).await;
    assert!(matches!(sorted.as_str(), "adh" | "ahd"), "{sorted}");
    let expected = ids(&viewer, &[("filter", "live = false"), ("sort", "-year,id")]).await;
    assert_eq!(expected, "bhgacf");
}

#[tokio::test]
async fn pages_have_a_size_a_total_and_chosen_fields() {
    let (app, viewer) = with_albums().await;
    let list = viewer.get(RECORDS).await.expect(200);
    assert_eq!(list.header("content-type"), "application/json");
    let list = list.json();
    assert_eq!(list.as_object().unwrap().keys().collect::<Vec<_>>(), ["items", "nextCursor"], "nothing unasked");
    let one = viewer.get(&format!("{RECORDS}/a")).await.ok(200);
    assert_eq!(list["items"][0], one, "a list shows what a read shows");
    assert_eq!(list["nextCursor"], Value::Null);

    let page = viewer.get(&query(RECORDS, &[("limit", "2"), ("total", "true")])).await.ok(200);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["total"]), (2, &json!(8)));
    assert!(page["nextCursor"].is_string());
    let exact = viewer.get(&query(RECORDS, &[("limit", "8")])).await.ok(200);
    assert_eq!(exact["nextCursor"], Value::Null, "a page that ends with the last record is the last");
    let off = viewer.get(&query(RECORDS, &[("total", "false"), ("explain", "false")])).await.ok(200);
    assert!(off.get("total").is_none() && off.get("explain").is_none());

    let some = viewer.get(&query(RECORDS, &[("fields", "year, id,title,id"), ("limit", "1")])).await.expect(200);
    assert_eq!(
        some.text().split("\"nextCursor\"").next(),
        Some(r#"{"items":[{"id":"a","title":"Kind of Blue","year":1959}],"#)
    );
    let read = viewer.get(&query(&format!("{RECORDS}/a"), &[("fields", "year")])).await.expect(200);
    assert_eq!((read.text(), read.header("etag")), (r#"{"year":1959}"#, "\"1\""));

    let later = [("filter", "createdAt < @now"), ("total", "true"), ("limit", "1")];
    assert_eq!(viewer.get(&query(RECORDS, &later)).await.ok(200)["total"], 7, "the newest is of this instant");
    app.clock.advance_ms(1);
    assert_eq!(viewer.get(&query(RECORDS, &later)).await.ok(200)["total"], 8);
    app.operator().delete(&format!("{RECORDS}/h")).await.expect(204);
    assert_eq!(viewer.get(&query(RECORDS, &later)).await.ok(200)["total"], 7, "a total is as new as the records");
    for n in 0..30 {
        app.record("albums", json!({"id": format!("z{n}")})).await;
    }
    let list = viewer.get(RECORDS).await.ok(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 30, "a page that asks for none has a bound");
}

/// Every broken parameter is refused by its name, and all of them at once.
#[tokio::test]
async fn broken_parameters_are_refused() {
    let (_app, viewer) = with_albums().await;
    let rows: [(&str, &[(&str, &str)]); 20] = [
        ("limit=0", &[("limit", "too_large")]),
        ("limit=1001", &[("limit", "too_large")]),
        ("limit=-1", &[("limit", "too_large")]),
        ("limit=ten", &[("limit", "too_large")]),
        ("limit=", &[("limit", "too_large")]),
        ("limit=5&limit=6", &[("limit", "duplicate")]),
        ("total=yes", &[("total", "type")]),
        ("explain=1", &[("explain", "type")]),
        ("sort=colour", &[("sort", "unknown_field")]),
        ("sort=", &[("sort", "unknown_field")]),
        ("sort=--year", &[("sort", "unknown_field")]),
        ("sort=year,-year", &[("sort", "duplicate")]),
        ("sort=tags", &[("sort", "invalid")]),
        ("sort=meta", &[("sort", "invalid")]),
        ("fields=title,colour", &[("fields", "unknown_field")]),
        ("page=0", &[("page", "type")]),
        ("page=2&cursor=x", &[("page", "invalid")]),
        ("page=1000000", &[("page", "too_large")]),
        ("Filter=a", &[("Filter", "unknown_parameter")]),
        (
            "limit=0&sort=colour,tags&total=1&x=y",
            &[
                ("limit", "too_large"),
                ("sort", "unknown_field"),
                ("sort", "invalid"),
                ("total", "type"),
                ("x", "unknown_parameter"),
            ],
        ),
    ];
    for (parameters, faults) in rows {
        viewer.get(&format!("{RECORDS}?{parameters}")).await.faults(400, "invalid_parameter", faults);
    }
    viewer.get(&format!("{RECORDS}/a?limit=1")).await.faults(
        400,
        "invalid_parameter",
        &[("limit", "unknown_parameter")],
    );
    viewer.get(&format!("{RECORDS}?limit=1000")).await.expect(200);

    let filters = [
        ("year >", "at character 7"),
        ("yeer = 1", "at character 1: no field \"yeer\" in albums; did you mean \"year\"?"),
        ("year = 'x'", "at character 8"),
        ("year == 1", "at character 6"),
        ("(year = 1", "at character"),
        ("year", "expected a condition"),
        ("@old.year = 1", "a filter knows"),
        ("@request.body.year = 1", "a filter knows"),
        ("@auth.password = 'x'", "there are id, email, roles"),
        ("tags = 'jazz'", "holds many values"),
        ("title = \"open", "at character 9"),
    ];
    for (filter, told) in filters {
        let problem = viewer.get(&query(RECORDS, &[("filter", filter)])).await.problem(400, "invalid_filter");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{filter}: {problem}");
    }
    let nested = format!("{}year = 1{}", "(".repeat(5000), ")".repeat(5000));
    viewer.get(&query(RECORDS, &[("filter", &nested)])).await.problem(400, "invalid_filter");
    viewer.get(&format!("{RECORDS}?filter=%FF")).await.expect(400);
}
