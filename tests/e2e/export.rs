//! `stead export`: what is given out can be taken in again and is the same.

use serde_json::Value;

use crate::{
    client::lines,
    process::{Site, repository},
};

/// The collections of the example in an order in which each comes after those it points at, with their files.
const CHINOOK: [(&str, &str); 11] = [
    ("artists", "artists"),
    ("genres", "genres"),
    ("mediaTypes", "media_types"),
    ("employees", "employees"),
    ("playlists", "playlists"),
    ("albums", "albums"),
    ("customers", "customers"),
    ("tracks", "tracks"),
    ("playlistTracks", "playlist_tracks"),
    ("invoices", "invoices"),
    ("invoiceLines", "invoice_lines"),
];

fn empty() -> Site {
    let site = Site::new();
    let schema = repository("config/examples/chinook");
    site.run(&["schema", "apply", schema.to_str().unwrap()]).success();
    site
}

fn chinook() -> Site {
    let site = empty();
    for (collection, file) in CHINOOK {
        let file = repository(&format!("tests/fixtures/chinook/{file}.jsonl"));
        let rejects = site.path("rejects.jsonl");
        let arguments = ["import", collection, file.to_str().unwrap(), "--rejects", rejects.to_str().unwrap()];
        site.run(&arguments).success();
    }
    site
}

/// All records of a collection without the times at which they were made and changed.
fn records(site: &Site, collection: &str) -> Vec<Value> {
    let mut records = lines(&site.run(&["export", collection]).success());
    for record in &mut records {
        let members = record.as_object_mut().unwrap();
        assert!(members.remove("createdAt").is_some() && members.remove("updatedAt").is_some());
    }
    records
}

fn round_trip(ending: &str) {
    let (from, to) = (chinook(), empty());
    for (collection, fixture) in CHINOOK {
        let file = to.path(&format!("{collection}.{ending}"));
        let file = file.to_str().unwrap();
        assert_eq!(from.run(&["export", collection, "--output", file]).success(), "");
        to.run(&["import", collection, file]).success();
        let (wanted, found) = (records(&from, collection), records(&to, collection));
        assert_eq!(wanted, found, "{collection}");
        let fixture = std::fs::read_to_string(repository(&format!("tests/fixtures/chinook/{fixture}.jsonl"))).unwrap();
        assert_eq!(wanted.len(), fixture.lines().count(), "{collection}");
    }
}

#[test]
fn json_lines_come_back_as_they_were() {
    round_trip("jsonl");
}

#[test]
fn csv_comes_back_as_it_was() {
    round_trip("csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_the_same_with_a_server_and_without() {
    let site = chinook();
    let formats = [["export", "tracks", "--format", "jsonl"], ["export", "tracks", "--format", "csv"]];
    let without = formats.map(|arguments| site.run(&arguments).success());
    let server = site.serve();
    let with = formats.map(|arguments| site.run(&arguments).success());
    server.stop().success();
    assert_eq!(without, with);

    let [json, csv] = without;
    let (records, mut rows) = (lines(&json), csv::Reader::from_reader(csv.as_bytes()));
    let header: Vec<_> = records[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(rows.headers().unwrap(), header, "CSV has the names of all fields");
    assert_eq!(rows.records().count(), records.len());
}

#[test]
fn a_filter_says_which_records() {
    let site = chinook();
    let all = records(&site, "tracks");
    let filter = "genre = \"1\" && milliseconds > 300000";
    let chosen = lines(&site.run(&["export", "tracks", "--filter", filter]).success());
    let fits = |track: &&Value| track["genre"] == "1" && track["milliseconds"].as_i64() > Some(300_000);
    let wanted: Vec<_> = all.iter().filter(fits).map(|track| &track["id"]).collect();
    assert!(!wanted.is_empty() && wanted.len() < all.len());
    assert_eq!(chosen.iter().map(|track| &track["id"]).collect::<Vec<_>>(), wanted);

    let fault = site.run(&["export", "tracks", "--filter", "nothing = 1"]).failure(1);
    assert!(fault.contains("nothing"), "{fault}");
    let fault = site.run(&["export", "trakcs"]).failure(1);
    assert!(fault.contains("trakcs"), "{fault}");
}
