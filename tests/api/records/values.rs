//! The values of every type: which are taken, in which form they are kept, and with which code the others are refused.

use serde_json::{Value, json};

use crate::support::TestApp;

const RECORDS: &str = "/api/v1/collections/c/records";

/// A field, values with the text in which they are kept, and values with the code that refuses them. Values are JSON
/// text, for what is written matters.
struct Row {
    field: &'static str,
    kept: &'static [(&'static str, &'static str)],
    refused: &'static [(&'static str, &'static str)],
}

const TEXTS: &[Row] = &[
    Row {
        field: r#"{"type": "string", "min": 1, "max": 3}"#,
        kept: &[
            (r#""a""#, r#""a""#),
            (r#""äöü""#, r#""äöü""#),
            (r#""😀😀😀""#, r#""😀😀😀""#),
            (r#""\u0041""#, r#""A""#),
            (r#""\/""#, r#""/""#),
            ("null", "null"),
        ],
        refused: &[
            (r#""""#, "too_short"),
            (r#""abcd""#, "too_long"),
            ("7", "type"),
            ("true", "type"),
            ("[]", "type"),
            ("{}", "type"),
            (r#"["a"]"#, "type"),
            (r#""\ud800""#, "type"),
        ],
    },
    Row {
        field: r#"{"type": "string", "pattern": "a|bc"}"#,
        kept: &[(r#""a""#, r#""a""#), (r#""bc""#, r#""bc""#)],
        refused: &[
            (r#""xa""#, "pattern"),
            (r#""ax""#, "pattern"),
            (r#""ac""#, "pattern"),
            (r#""a\n""#, "pattern"),
            (r#""""#, "pattern"),
        ],
    },
    Row {
        field: r#"{"type": "string", "format": "email"}"#,
        kept: &[(r#""Ann@Example.COM""#, r#""ann@example.com""#), (r#"" a.b+c@d.ef ""#, r#""a.b+c@d.ef""#)],
        refused: &[
            (r#""ann""#, "format"),
            (r#""@example.com""#, "format"),
            (r#""a@b""#, "format"),
            (r#""a b@c.de""#, "format"),
            (r#""a@b..c""#, "format"),
            (r#""a@b@c.de""#, "format"),
            (r#""a@b.c\r\nBcc: x@y.z""#, "format"),
        ],
    },
    Row {
        field: r#"{"type": "string", "format": "url"}"#,
        kept: &[
            (r#""https://example.com/a?b#c""#, r#""https://example.com/a?b#c""#),
            (r#""http://[::1]:80/""#, r#""http://[::1]:80/""#),
        ],
        refused: &[
            (r#""example.com""#, "format"),
            (r#""javascript:alert(1)""#, "format"),
            (r#""ftp://example.com""#, "format"),
            (r#""https://""#, "format"),
            (r#""https://a b""#, "format"),
            (r#""/path""#, "format"),
        ],
    },
    Row {
        field: r#"{"type": "string", "format": "slug"}"#,
        kept: &[(r#""a-1-b""#, r#""a-1-b""#)],
        refused: &[
            (r#""A""#, "format"),
            (r#""a--b""#, "format"),
            (r#""-a""#, "format"),
            (r#""a_b""#, "format"),
            (r#""""#, "format"),
            (r#""é""#, "format"),
        ],
    },
    Row {
        field: r#"{"type": "string", "format": "uuid"}"#,
        kept: &[(r#""0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c""#, r#""0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c""#)],
        refused: &[
            (r#""0198c5f27b1e7c3a9d530f5f6a1f2b3c""#, "format"),
            (r#""{0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b}""#, "format"),
            (r#""x198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c""#, "format"),
        ],
    },
    Row {
        field: r#"{"type": "text"}"#,
        kept: &[(r#""""#, r#""""#), (r#""a\nb""#, r#""a\nb""#)],
        refused: &[("0", "type")],
    },
    Row {
        field: r#"{"type": "enum", "values": ["a", "b \"c\""]}"#,
        kept: &[(r#""a""#, r#""a""#), (r#""b \"c\"""#, r#""b \"c\"""#)],
        refused: &[(r#""A""#, "enum"), (r#""""#, "enum"), ("0", "type"), (r#"["a"]"#, "type")],
    },
];

const NUMBERS: &[Row] = &[
    Row {
        field: r#"{"type": "integer"}"#,
        kept: &[
            ("0", "0"),
            ("-0", "0"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("5.0", "5"),
            ("1e3", "1000"),
            ("1.5e1", "15"),
        ],
        refused: &[
            ("9223372036854775808", "type"),
            ("-9223372036854775809", "type"),
            ("1.5", "type"),
            ("1e19", "type"),
            ("9007199254740993.0", "type"),
            (r#""5""#, "type"),
            ("true", "type"),
            ("[5]", "type"),
        ],
    },
    Row {
        field: r#"{"type": "integer", "min": -1, "max": 10}"#,
        kept: &[("-1", "-1"), ("10", "10"), ("null", "null")],
        refused: &[("-2", "too_small"), ("11", "too_large")],
    },
    Row {
        field: r#"{"type": "number"}"#,
        kept: &[
            ("1.50", "1.5"),
            ("5", "5.0"),
            ("-0.0", "0.0"),
            ("0.1", "0.1"),
            ("1E2", "100.0"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
        ],
        refused: &[("1e400", "type"), ("-1e400", "type"), (r#""1.5""#, "type"), ("false", "type")],
    },
    Row {
        field: r#"{"type": "number", "min": 0.1, "max": 0.3}"#,
        kept: &[("0.1", "0.1"), ("0.3", "0.3")],
        refused: &[("0.09", "too_small"), ("0.30000000000000004", "too_large")],
    },
    Row {
        field: r#"{"type": "decimal"}"#,
        kept: &[
            (r#""12.50""#, r#""12.50""#),
            (r#""-0.01""#, r#""-0.01""#),
            ("12.5", r#""12.5""#),
            ("7", r#""7""#),
            (r#""79228162514264337593543950335""#, r#""79228162514264337593543950335""#),
            (r#""0.1000000000000000000000000001""#, r#""0.1000000000000000000000000001""#),
        ],
        refused: &[
            (r#""79228162514264337593543950336""#, "type"),
            (r#""0.00000000000000000000000000001""#, "type"),
            (r#""1e3""#, "type"),
            ("1e3", "type"),
            (r#""1,5""#, "type"),
            (r#""1_000""#, "type"),
            (r#"" 1""#, "type"),
            (r#""+1""#, "type"),
            (r#""""#, "type"),
            (r#""-""#, "type"),
            (r#""1.2.3""#, "type"),
            ("true", "type"),
            (r#""NaN""#, "type"),
        ],
    },
    Row {
        field: r#"{"type": "decimal", "min": "0.10", "max": "9.99"}"#,
        kept: &[(r#""0.1""#, r#""0.1""#), (r#""9.990""#, r#""9.990""#)],
        refused: &[(r#""0.09""#, "too_small"), (r#""9.991""#, "too_large"), ("-1", "too_small")],
    },
    Row {
        field: r#"{"type": "boolean"}"#,
        kept: &[("true", "true"), ("false", "false"), ("null", "null")],
        refused: &[("0", "type"), ("1", "type"), (r#""true""#, "type"), ("[]", "type")],
    },
];

const TIMES_AND_STRUCTURES: &[Row] = &[
    Row {
        field: r#"{"type": "datetime", "min": "2000-01-01T00:00:00Z", "max": "2100-01-01T00:00:00Z"}"#,
        kept: &[
            (r#""2026-01-31T09:30:00Z""#, r#""2026-01-31T09:30:00Z""#),
            (r#""2026-01-31T09:30:00+02:00""#, r#""2026-01-31T07:30:00Z""#),
            (r#""2026-01-31T09:30:00.120Z""#, r#""2026-01-31T09:30:00.12Z""#),
            (r#""2026-01-31T23:30:00-01:30""#, r#""2026-02-01T01:00:00Z""#),
        ],
        refused: &[
            (r#""2026-01-31""#, "type"),
            (r#""2026-01-31T09:30:00""#, "type"),
            (r#""2026-02-30T00:00:00Z""#, "type"),
            (r#""2026-01-31T25:00:00Z""#, "type"),
            (r#""yesterday""#, "type"),
            ("1769851800", "type"),
            (r#""1999-12-31T23:59:59Z""#, "too_small"),
            (r#""2100-01-01T00:00:01Z""#, "too_large"),
        ],
    },
    Row {
        field: r#"{"type": "date", "min": "2000-01-01", "max": "2100-01-01"}"#,
        kept: &[(r#""2024-02-29""#, r#""2024-02-29""#), (r#""2000-01-01""#, r#""2000-01-01""#)],
        refused: &[
            (r#""2026-02-29""#, "type"),
            (r#""2026-1-31""#, "type"),
            (r#""20260131""#, "type"),
            (r#""2026-W05-6""#, "type"),
            (r#""31.01.2026""#, "type"),
            (r#""2026-01-31T00:00:00Z""#, "type"),
            ("2026", "type"),
            (r#""1999-12-31""#, "too_small"),
            (r#""2100-01-02""#, "too_large"),
        ],
    },
    Row {
        field: r#"{"type": "json", "maxBytes": 40}"#,
        kept: &[
            ("{ \"a\" : [ 1 , { } ] }", r#"{"a":[1,{}]}"#),
            ("1.10", "1.10"),
            (r#""a  b""#, r#""a  b""#),
            (r#""\" : ""#, r#""\" : ""#),
            ("false", "false"),
            ("null", "null"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("[\n\t1\r\n]", "[1]"),
        ],
        refused: &[(r#""xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#, "too_long")],
    },
    Row {
        field: r#"{"type": "geoPoint"}"#,
        kept: &[
            (r#"{"lat": 46.95, "lon": 7.45}"#, r#"{"lat":46.95,"lon":7.45}"#),
            (r#"{"lon": 180, "lat": -90}"#, r#"{"lat":-90.0,"lon":180.0}"#),
            (r#"{"lat": -0.0, "lon": 0}"#, r#"{"lat":0.0,"lon":0.0}"#),
        ],
        refused: &[
            (r#"{"lat": 90.1, "lon": 0}"#, "too_large"),
            (r#"{"lat": 0, "lon": -180.1}"#, "too_large"),
            (r#"{"lat": 0}"#, "type"),
            (r#"{"lat": 0, "lon": 0, "alt": 0}"#, "type"),
            (r#"{"lat": "0", "lon": 0}"#, "type"),
            ("[0, 0]", "type"),
            (r#""0,0""#, "type"),
        ],
    },
    Row {
        field: r#"{"type": "relation", "collection": "users"}"#,
        kept: &[("null", "null")],
        refused: &[
            (r#""a b""#, "type"),
            (r#""""#, "type"),
            ("7", "type"),
            ("{}", "type"),
            (r#""nobody""#, "not_found"),
        ],
    },
    Row {
        field: r#"{"type": "file"}"#,
        kept: &[("null", "null")],
        refused: &[("7", "type"), (r#""../etc/passwd""#, "type"), (r#""nothing""#, "not_found")],
    },
];

async fn check(rows: &[Row]) {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for Row { field, kept, refused } in rows {
        let mut field: Value = serde_json::from_str(field).unwrap();
        field["name"] = "f".into();
        app.collection(json!({"name": "c", "fields": [field]})).await;
        app.record("c", json!({"id": "changed"})).await;
        for (value, stored) in *kept {
            let made = admin.send("POST", RECORDS, format!(r#"{{"f": {value}}}"#)).await;
            assert_eq!(made.status.as_u16(), 201, "{field}: {value} {made}");
            let ending = format!(r#","f":{stored}}}"#);
            assert!(made.text().ends_with(&ending), "{field}: {value} is kept as {}, not {stored}", made.text());
            let path = format!("{RECORDS}/{}", made.json()["id"].as_str().unwrap());
            assert_eq!(admin.get(&path).await.text(), made.text(), "{field}: {value}");
            let put =
                admin.send("PUT", &format!("{RECORDS}/changed"), format!(r#"{{"f": {value}}}"#)).await.expect(200);
            assert!(put.text().ends_with(&ending), "{field}: {value} is replaced by {}", put.text());
        }
        for (value, code) in *refused {
            for (method, path) in [("POST", RECORDS.to_owned()), ("PATCH", format!("{RECORDS}/changed"))] {
                let answer = admin.send(method, &path, format!(r#"{{"f": {value}}}"#)).await;
                assert_eq!(answer.status.as_u16(), 422, "{field}: {method} {value} {answer}");
                let found = answer.json()["errors"][0]["code"].clone();
                assert_eq!(found, *code, "{field}: {method} {value}");
                answer.invalid(&[("/f", code)]);
            }
        }
        admin.delete("/api/v1/collections/c").await.expect(204);
    }
}

#[tokio::test]
async fn texts_have_one_form() {
    check(TEXTS).await;
}

#[tokio::test]
async fn numbers_have_one_form() {
    check(NUMBERS).await;
}

#[tokio::test]
async fn times_and_structures_have_one_form() {
    check(TIMES_AND_STRUCTURES).await;
}

#[tokio::test]
async fn lists_are_checked_item_by_item() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields = json!([
        {"name": "words", "type": "string", "many": true, "max": 3, "minItems": 1, "maxItems": 3},
        {"name": "kinds", "type": "enum", "values": ["a", "b"], "many": true, "nullable": false},
        {"name": "users", "type": "relation", "collection": "users", "many": true},
    ]);
    app.collection(json!({"name": "c", "fields": fields})).await;
    let made = admin.post(RECORDS, json!({"words": ["b", "a"], "users": [admin.id]})).await.ok(201);
    assert_eq!(made["words"], json!(["b", "a"]), "the order stays");
    assert_eq!(made["kinds"], json!([]), "a list that may not be null begins empty");
    let rows: [(Value, &[(&str, &str)]); 9] = [
        (json!({"words": []}), &[("/words", "items")]),
        (json!({"words": ["a", "b", "c", "d"]}), &[("/words", "items")]),
        (json!({"words": ["ab", "abcd", 7]}), &[("/words/1", "too_long"), ("/words/2", "type")]),
        (json!({"words": ["a", "b", "a"]}), &[("/words/2", "duplicate")]),
        (json!({"words": "a"}), &[("/words", "type")]),
        (json!({"words": [null]}), &[("/words/0", "type")]),
        (json!({"kinds": null}), &[("/kinds", "required")]),
        (json!({"kinds": ["b", "c"]}), &[("/kinds/1", "enum")]),
        (json!({"users": [admin.id, "nobody", "nothing"]}), &[("/users/1", "not_found"), ("/users/2", "not_found")]),
    ];
    for (body, faults) in rows {
        admin.post(RECORDS, body).await.invalid(faults);
    }
}
