//! The OpenAPI document is valid, and clean under a public linter's recommended rules.

use std::{fs, path::Path, process::Command};

use crate::{
    server::{SCHEMAS, stead},
    tools,
};

/// A view of records, and one of groups with every kind of column.
const VIEWS: [(&str, &str); 2] = [
    (
        "flagged",
        "rules = { list = \"true\", read = \"owner = @auth.id\" }\n[view]\nfrom = \"everything\"\nfilter = \"flag && key = null\"\n\
         fields = [\"slug\", \"price\", \"owner\", \"tags\"]\n",
    ),
    (
        "priceByMonth",
        "rules = { list = \"@auth.id != null\" }\n[view]\nfrom = \"everything\"\ntimezone = \"Europe/Berlin\"\nhaving = \"count > 1\"\n\
         select = \"count, sum(price) as total, avg(ratio), min(moment), max(day), distinct(kind), max(count) as most\"\n\
         group = \"month(moment) as month, hour(moment) as hour, flag, owner.email\"\n",
    ),
];

fn check(name: &str, program: &Path, args: &[&str]) {
    let output =
        Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{name} does not run: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {said}");
    // The linter succeeds with warnings, and counts them in its last line.
    assert!(!said.contains("You have"), "{name}: {said}");
}

#[test]
fn the_document_is_valid_and_clean() {
    let folder = tempfile::tempdir().unwrap();
    let (data, views) = (folder.path().join("data"), folder.path().join("views"));
    fs::create_dir(&views).unwrap();
    for (name, text) in VIEWS {
        fs::write(views.join(format!("{name}.toml")), text).unwrap();
    }
    for schemas in SCHEMAS {
        stead(&data, &["schema", "apply", schemas]);
    }
    stead(&data, &["schema", "apply", views.to_str().unwrap()]);
    let document = folder.path().join("openapi.json");
    let text = stead(&data, &["openapi"]);
    every_operation_succeeds_somehow(&text);
    fs::write(&document, text).unwrap();
    let file = document.to_str().unwrap();
    check("openapi-spec-validator", &tools().join("venv/bin/openapi-spec-validator"), &["--schema", "3.1.0", file]);
    // The rule knows of no operation that only sends a browser on.
    let lint = ["lint", "--extends", "recommended", "--skip-rule", "operation-2xx-response", file];
    check("redocly", &tools().join("node_modules/.bin/redocly"), &lint);
}

/// Each operation has an answer of success, or sends a browser on.
fn every_operation_succeeds_somehow(document: &str) {
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let paths = document.get("paths").and_then(serde_json::Value::as_object).unwrap().values();
    for operation in paths.flat_map(|path| path.as_object().unwrap().values()) {
        let Some(responses) = operation.get("responses").and_then(serde_json::Value::as_object) else { continue };
        assert!(responses.keys().any(|status| status.starts_with('2') || status == "303"), "{operation}");
    }
}
