//! The pages in a real browser: set-up by the printed link, a new password by a mail's link, and the
//! reference; queues and jobs; passkeys; single sign-on.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

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

#[test]
fn an_admin_looks_after_queues_jobs_and_schedules() {
    let folder = tempfile::tempdir().unwrap();
    walk("queues.mjs", &Server::start(folder.path()));
}

/// A provider of OpenID Connect from npm, and one that speaks as GitHub does.
#[test]
fn single_sign_on_by_a_provider() {
    let mut command = node("sso.mjs");
    let mut peer = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut said = BufReader::new(peer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let provider = said.next().expect("the provider's address");
    let key = said.next().expect("the key that Apple would have given");
    let github = format!("{provider}/github");
    let redirects = format!("com.example.app:/signed-in,{provider}/app");
    let environment = [
        ("STEAD_SSO_OURS_ISSUER", provider.as_str()),
        ("STEAD_SSO_OURS_LABEL", "Our own"),
        ("STEAD_SSO_OURS_CLIENT_ID", "stead"),
        ("STEAD_SSO_OURS_CLIENT_SECRET", "a secret: with/odd+letters"),
        ("STEAD_SSO_OURS_TRUST_EMAIL", "yes"),
        ("STEAD_SSO_OURS_REGISTRATION", "open"),
        ("STEAD_SSO_WARY_ISSUER", &provider),
        ("STEAD_SSO_WARY_CLIENT_ID", "wary"),
        ("STEAD_SSO_WARY_CLIENT_SECRET", "another secret"),
        ("STEAD_SSO_INVITED_ISSUER", &provider),
        ("STEAD_SSO_INVITED_CLIENT_ID", "invited"),
        ("STEAD_SSO_INVITED_CLIENT_SECRET", "a third secret"),
        ("STEAD_SSO_INVITED_TRUST_EMAIL", "yes"),
        ("STEAD_SSO_INVITED_DOMAINS", "example.com"),
        ("STEAD_SSO_APPLE_ISSUER", &provider),
        ("STEAD_SSO_APPLE_CLIENT_ID", "com.example.web"),
        ("STEAD_SSO_APPLE_TEAM_ID", "TEAM"),
        ("STEAD_SSO_APPLE_KEY_ID", "KEY"),
        ("STEAD_SSO_APPLE_PRIVATE_KEY", &key),
        ("STEAD_SSO_APPLE_TRUST_EMAIL", "yes"),
        ("STEAD_SSO_APPLE_REGISTRATION", "open"),
        ("STEAD_SSO_GITHUB_ISSUER", &github),
        ("STEAD_SSO_GITHUB_CLIENT_ID", "hub"),
        ("STEAD_SSO_GITHUB_CLIENT_SECRET", "hub secret"),
        ("STEAD_SSO_GITHUB_TRUST_EMAIL", "yes"),
        ("STEAD_SSO_GITHUB_REGISTRATION", "open"),
        ("STEAD_SSO_GONE_ISSUER", "http://127.0.0.1:1"),
        ("STEAD_SSO_GONE_CLIENT_ID", "gone"),
        ("STEAD_SSO_GONE_CLIENT_SECRET", "gone"),
        ("STEAD_AUTH_REDIRECT_URLS", &redirects),
        ("STEAD_RATE_LIMIT_SIGN_IN_PER_MINUTE", "0"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &environment);
    let link = server.said.iter().find(|line| line.contains("/setup#")).expect("the set-up link");
    writeln!(peer.stdin.take().unwrap(), "{} {link}", server.url).unwrap();
    let rest: Vec<_> = said.collect();
    assert!(peer.wait().unwrap().success() && rest.iter().any(|line| line == "the browser is content"), "{rest:?}");
}

/// A script in node.
fn node(script: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guide").join(script);
    let mut command = Command::new("node");
    command.arg(script).arg(tools()).arg(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Lets a browser walk through a script.
fn walk(script: &str, server: &Server) {
    let link = server.said.iter().find(|line| line.contains("/setup#")).expect("the set-up link");
    let output = node(script).args([server.url.as_str(), link]).output().expect("node runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the browser is content"), "{said}");
}
