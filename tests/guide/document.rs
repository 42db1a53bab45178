//! The OpenAPI document is valid, and clean under a public linter's recommended rules.

use std::{fs, path::Path, process::Command};

use crate::{
    server::{SCHEMAS, stead},
    tools,
};

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
    let data = folder.path().join("data");
    for schemas in SCHEMAS {
        stead(&data, &["schema", "apply", schemas]);
    }
    let document = folder.path().join("openapi.json");
    fs::write(&document, stead(&data, &["openapi"])).unwrap();
    let file = document.to_str().unwrap();
    check("openapi-spec-validator", &tools().join("venv/bin/openapi-spec-validator"), &["--schema", "3.1.0", file]);
    check("redocly", &tools().join("node_modules/.bin/redocly"), &["lint", "--extends", "recommended", file]);
}
