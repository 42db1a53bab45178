//! The pages in a real browser: set-up by the printed link, a new password by a mail's link, and the reference; and passkeys.

use std::{path::Path, process::Command};

use crate::{
    server::{Server, stead},
    tools,
};

#[test]
fn a_person_sets_up_the_server_and_reads_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    stead(folder.path(), &["schema", "apply", "config/examples/chinook"]);
    walk("browser.mjs", &Server::start(folder.path()));
}

#[test]
fn a_passkey_signs_in_and_is_a_second_factor() {
    let folder = tempfile::tempdir().unwrap();
    walk("passkeys.mjs", &Server::start(folder.path()));
}

/// Lets a browser walk through a script.
fn walk(script: &str, server: &Server) {
    let link = server.said.iter().find(|line| line.contains("/setup#")).expect("the set-up link");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guide").join(script);
    let mut command = Command::new("node");
    command.arg(script).args([server.url.as_str(), link]).arg(tools()).arg(env!("CARGO_TARGET_TMPDIR"));
    let output = command.output().expect("node runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the browser is content"), "{said}");
}
