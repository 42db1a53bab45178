//! What a server that cannot start says: the exit code, the reason, what to do; never a panic, never a ready line.

use std::net::TcpListener;

use stead::store::{Migration, Options, Schema, Store};

use crate::process::{Finished, Process, Site};

/// A store file of a server that ran and stopped.
const FILE: &str = "data/stead.redb";

fn serve(site: &Site) -> Finished {
    Process::spawn(site.serve_command()).finish()
}

#[track_caller]
fn refused(finished: Finished, words: &[&str]) {
    assert_eq!(finished.stdout, "", "{finished:#?}");
    let stderr = finished.failure(1);
    for word in words {
        assert!(stderr.contains(word), "{word:?} is missing in: {stderr}");
    }
}

#[test]
fn a_port_in_use() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = Process::spawn(site.command(&["serve", "--listen", &address])).finish();
    refused(finished, &[&address, "--listen"]);
    drop(taken);
    site.serve().stop().success();
}

#[test]
fn a_data_folder_in_use() {
    let site = Site::new();
    let first = site.serve();
    refused(serve(&site), &["stead.redb", "in use by another stead process", "--data"]);
    assert!(site.data().join("control.sock").exists(), "the first server keeps its socket");
    first.stop().success();
    site.serve().stop().success();
}

#[test]
fn a_data_folder_that_cannot_be_made() {
    let site = Site::new();
    site.write("data", "a file where the folder should be");
    refused(serve(&site), &[site.data().to_str().unwrap()]);
    let finished = Process::spawn(site.bare(&["serve", "--listen", "127.0.0.1:0", "--data", "data/below"])).finish();
    refused(finished, &["data/below"]);
    assert_eq!(site.read("data"), "a file where the folder should be");
}

#[test]
fn a_file_that_is_no_store() {
    let site = Site::new();
    let garbage = "not a store ".repeat(10_000);
    site.write(FILE, &garbage);
    refused(serve(&site), &["stead.redb", "restore a backup"]);
    assert_eq!(site.read(FILE), garbage, "it is left as it was");
}

#[test]
fn a_file_that_was_cut_short() {
    let site = Site::new();
    site.serve().stop().success();
    let whole = std::fs::read(site.path(FILE)).unwrap();
    for length in [1, whole.len() / 4, whole.len() / 2] {
        site.write(FILE, &whole[..length]);
        refused(serve(&site), &["stead.redb", "restore a backup"]);
    }
    site.write(FILE, &whole);
    site.serve().stop().success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_newer_version() {
    let site = Site::new();
    let newer = Schema { tables: Vec::new(), migrations: vec![Migration { to: 99, run: |_| Ok(()) }] };
    std::fs::create_dir(site.data()).unwrap();
    let store = Store::open(&site.path(FILE), &Options::default(), &newer).unwrap();
    store.close().await;
    drop(store);
    refused(serve(&site), &["newer stead", "schema 99"]);
    refused(site.run(&["openapi"]), &["newer stead", "schema 99"]);
    let store = Store::open(&site.path(FILE), &Options::default(), &newer).unwrap();
    store.close().await;
}

#[test]
fn a_configuration_that_is_not_valid() {
    let site = Site::new();
    site.write("stead.toml", "[http]\ntimeout_ms = 0\n");
    let finished = serve(&site);
    assert_eq!(finished.stdout, "");
    assert!(finished.failure(2).contains("http.timeout_ms"));
    assert!(!site.data().exists(), "nothing is opened");
}
