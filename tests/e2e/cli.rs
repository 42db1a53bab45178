//! The command line: help that teaches, configuration, admins, the document; with a server running and without.

use serde_json::{Value, json};

use crate::{
    client::{Client, EMAIL, PASSWORD},
    process::{Finished, Process, Site},
};

const CREATE_ADMIN: [&str; 5] = ["admin", "create", "--email", EMAIL, "--password-stdin"];

#[test]
fn every_command_teaches_how_it_is_used() {
    let site = Site::new();
    let (mut open, mut leaves) = (vec![Vec::new()], Vec::new());
    while let Some(path) = open.pop() {
        let help = help(&site, &path);
        let commands = commands(&help);
        if commands.is_empty() {
            leaves.push((path.join(" "), help));
        } else {
            open.extend(commands.into_iter().map(|name| [&path[..], &[name]].concat()));
        }
    }
    leaves.sort();
    let names: Vec<_> = leaves.iter().map(|(path, _)| path.as_str()).collect();
    for known in [
        "admin create",
        "config check",
        "config show",
        "export",
        "import",
        "openapi",
        "schema apply",
        "serve",
        "signing-key rotate",
    ] {
        assert!(names.contains(&known), "{known} is not among {names:?}");
    }
    let top = help(&site, &[]);
    assert!(top.contains("STEAD_") && top.contains("stead.toml"), "where settings come from:\n{top}");
    for (path, help) in &leaves {
        assert!(help.contains(&format!("Usage: stead {path}")), "{help}");
        assert!(help.contains("--data <DIR>") && help.contains("--config <FILE>"), "{help}");
        assert!(
            help.contains("Example") && help.contains(&format!("  stead {path}")),
            "{path} has no example:\n{help}"
        );
        assert_eq!(flags_without_text(help), [""; 0], "stead {path} has flags of which nothing is said:\n{help}");
    }
    assert_eq!(site.bare(&["no-such-command"]).output().unwrap().status.code(), Some(2));
}

fn help(site: &Site, path: &[String]) -> String {
    let mut command = site.bare(&[]);
    command.args(path).arg("--help");
    Process::spawn(command).finish().success()
}

/// The subcommands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.split("\nCommands:\n").nth(1).into_iter().flat_map(str::lines);
    // What is indented further goes on with a text.
    let listed = listed.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let listed = listed.filter_map(|line| line.split_whitespace().next());
    listed.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The flags of a help text with neither a text beside them nor one in the next line.
fn flags_without_text(help: &str) -> Vec<&str> {
    let pairs = help.lines().zip(help.lines().skip(1));
    let silent = pairs.filter_map(|(line, next)| {
        let flag = line.trim_start();
        let beside = flag.split_once("  ").is_some_and(|(_, text)| !text.trim().is_empty());
        let below = next.starts_with("          ");
        (flag.starts_with('-') && !beside && !below).then_some(flag)
    });
    silent.collect()
}

#[test]
fn a_valid_configuration_is_shown_without_its_secrets() {
    let site = Site::new();
    site.write(
        "stead.toml",
        "[auth]\nsigning_key = \"top secret\"\n[http]\ntimeout_ms = 1234\n[log]\nlevel = \"warn\"\n",
    );
    site.run(&["config", "check"]).success();
    let mut command = site.command(&["config", "show"]);
    command.env("STEAD_HTTP_REQUESTS_MAX", "77").env("STEAD_LOG_LEVEL", "debug");
    let shown = Process::spawn(command).finish().success();
    assert!(!shown.contains("top secret"), "{shown}");
    let shown: toml::Table = shown.parse().unwrap();
    assert_eq!(shown["auth"]["signing_key"].as_str(), Some("***"));
    assert_eq!(shown["server"]["data"].as_str(), site.data().to_str(), "from a flag");
    assert_eq!(shown["http"]["requests_max"].as_integer(), Some(77), "from the environment");
    assert_eq!(shown["http"]["timeout_ms"].as_integer(), Some(1234), "from the file");
    assert_eq!(shown["log"]["level"].as_str(), Some("debug"), "the environment before the file");
    assert_eq!(shown["server"]["listen"].as_str(), Some("127.0.0.1:8090"), "from nowhere");
    assert!(!site.data().exists(), "nothing is opened");
}

#[test]
fn every_fault_of_a_configuration_is_named_at_once() {
    let site = Site::new();
    site.write("other.toml", "[http]\ntimeout_ms = \"soon\"\nbody_bytes_max = 1\ntypo = 1\n[servr]\nlisten = \"x\"\n");
    for command in [&["config", "check"], &["config", "show"]] {
        let mut command = site.command(&[command[0], command[1], "--config", "other.toml"]);
        command.env("STEAD_HTTP_COMPRESSION", "maybe").env("STEAD_NOTHING", "1").env("STEAD_LOG_FORMAT", "loud");
        let finished = Process::spawn(command).finish();
        assert_eq!(finished.stdout, "");
        let stderr = finished.failure(2);
        for fault in ["http.timeout_ms", "http.body_bytes_max", "http.typo", "servr", "http.compression", "log.format"]
        {
            assert!(stderr.contains(&format!("  {fault}: ")), "{fault} is missing in:\n{stderr}");
        }
        assert!(stderr.contains("STEAD_NOTHING"), "{stderr}");
    }
    let missing = site.run(&["config", "check", "--config", "missing.toml"]).failure(2);
    assert!(missing.contains("missing.toml"), "{missing}");
}

fn create_admin(site: &Site, password: &str) -> Finished {
    site.run_with_input(&CREATE_ADMIN, password)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_is_made_while_no_server_runs() {
    let site = Site::new();
    let said = create_admin(&site, &format!("{PASSWORD}\nnot part of it\n")).success();
    assert!(said.contains(EMAIL), "{said}");
    let server = site.serve();
    Client::open(server.address).await.sign_in().await;
    let stderr = server.stop().stderr;
    assert!(!stderr.contains("/setup#"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_is_made_through_the_server_that_runs() {
    let site = Site::new();
    let server = site.serve();
    create_admin(&site, PASSWORD).success();
    let mut admin = Client::open(server.address).await;
    admin.sign_in().await;
    let users = admin.get("/api/v1/collections/users/records").await.expect(200);
    assert_eq!((&users["items"][0]["email"], &users["items"][0]["roles"]), (&json!(EMAIL), &json!(["admin"])));
    let stderr = server.stop().stderr;
    assert!(!stderr.contains(PASSWORD), "{stderr}");
}

#[test]
fn what_is_wrong_with_an_admin_is_said() {
    let site = Site::new();
    let refusals = || {
        let weak = create_admin(&site, "short\n").failure(1);
        assert!(weak.contains("/password: must have at least 10 characters"), "{weak}");
        let empty = create_admin(&site, "").failure(1);
        assert!(empty.contains("/password"), "{empty}");
        let arguments = ["admin", "create", "--email", "no address", "--password-stdin"];
        let address = site.run_with_input(&arguments, PASSWORD).failure(1);
        assert!(address.contains("/email"), "{address}");
    };
    refusals();
    create_admin(&site, PASSWORD).success();
    let again = create_admin(&site, PASSWORD).failure(1);
    assert!(again.contains("/email"), "the address is in use: {again}");
    let server = site.serve();
    refusals();
    server.stop().success();
    let without = site.run(&["admin", "create", "--email", EMAIL]);
    assert_eq!(without.code, Some(2), "{without:#?}");
    assert!(without.stderr.contains("--password-stdin"), "{without:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_tells_the_collections_as_they_are() {
    let site = Site::new();
    site.write("schema/books.toml", "[[fields]]\nname = \"title\"\ntype = \"string\"\n");
    let document = |site: &Site| serde_json::from_str::<Value>(&site.run(&["openapi"]).success()).unwrap();
    let before = document(&site);
    assert!(before["openapi"].as_str().unwrap().starts_with("3.1"), "{}", before["openapi"]);
    assert!(before["paths"]["/api/v1/auth/login"]["post"].is_object());
    let path = "/api/v1/collections/books/records";
    assert!(before["paths"][path].is_null());

    site.run(&["schema", "apply", "schema"]).success();
    let after = document(&site);
    assert!(after["paths"][path]["get"].is_object() && after["paths"][path]["post"].is_object());
    let server = site.serve();
    assert_eq!(document(&site), after, "through the server that runs");
    assert_eq!(Client::admin(&site, &server).await.get("/openapi.json").await.expect(200), after);
}

/// With a server running and without: the next key is another one, and the sessions go on.
#[tokio::test]
async fn the_signing_key_changes_by_command() {
    let site = Site::new();
    create_admin(&site, PASSWORD).success();
    let first = Process::spawn(site.command(&["signing-key", "rotate"])).finish().success();
    let server = site.serve();
    let mut admin = Client::open(server.address).await;
    admin.sign_in().await;
    let second = Process::spawn(site.command(&["signing-key", "rotate"])).finish().success();
    assert!(first.starts_with("tokens are signed with the key ") && second != first, "{first}{second}");
    admin.get("/api/v1/auth/me").await.expect(200);
    Process::spawn(site.command(&["signing-key", "rotate", "--at-once"])).finish().success();
    admin.get("/api/v1/auth/me").await.expect(401);
}
