//! `stead schema apply`: collections made, changed and kept as files say.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    client::Client,
    process::{Site, repository},
};

/// What one run said of each collection, by name.
fn apply(site: &Site, folder: &Path) -> Vec<(String, String)> {
    let said = site.run(&["schema", "apply", folder.to_str().unwrap()]).success();
    let pairs = said.lines().map(|line| line.split_once(' ').unwrap());
    let mut said: Vec<_> = pairs.map(|(done, name)| (name.to_owned(), done.to_owned())).collect();
    said.sort();
    said
}

fn all(names: &[String], done: &str) -> Vec<(String, String)> {
    names.iter().map(|name| (name.clone(), done.to_owned())).collect()
}

/// The names of the collection files of a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// A copy of the example that a test may change.
fn example(site: &Site) -> PathBuf {
    let example = repository("config/examples/chinook");
    for name in names(&example) {
        let text = std::fs::read(example.join(format!("{name}.toml"))).unwrap();
        site.write(&format!("schema/{name}.toml"), text);
    }
    site.path("schema")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_made_then_kept_then_changed() {
    let site = Site::new();
    let folder = example(&site);
    let names = names(&folder);
    assert!(names.len() >= 11, "{names:?}");
    assert_eq!(apply(&site, &folder), all(&names, "made"));
    assert_eq!(apply(&site, &folder), all(&names, "kept"));

    let artists = site.read("schema/artists.toml") + "\n[[fields]]\nname = \"country\"\ntype = \"string\"\n";
    site.write("schema/artists.toml", artists);
    let mut changed = all(&names, "kept");
    changed.iter_mut().filter(|(name, _)| name == "artists").for_each(|(_, done)| *done = "changed".into());
    assert_eq!(apply(&site, &folder), changed);

    let server = site.serve();
    assert_eq!(apply(&site, &folder), all(&names, "kept"), "through the server that runs");
    let mut admin = Client::admin(&site, &server).await;
    let stored = admin.get("/api/v1/collections/artists").await.expect(200);
    let fields: Vec<_> = stored["fields"].as_array().unwrap().iter().map(|field| &field["name"]).collect();
    assert_eq!(fields, ["name", "country"]);

    std::fs::remove_file(folder.join("playlistTracks.toml")).unwrap();
    apply(&site, &folder);
    admin.get("/api/v1/collections/playlistTracks").await.expect(200);
}

#[test]
fn a_file_that_does_not_fit_is_named_with_the_reason() {
    let site = Site::new();
    let refused = |text: &str, words: &[&str]| {
        site.write("schema/books.toml", text);
        let stderr = site.run(&["schema", "apply", "schema"]).failure(1);
        for word in words.iter().chain(&["books"]) {
            assert!(stderr.contains(word), "{word:?} is missing in: {stderr}");
        }
    };
    refused("[[fields]\n", &["books.toml", "line 1"]);
    refused("[[fields]]\nname = \"a\"\ntype = \"string\"\ntpyo = 1\n", &["books.toml", "tpyo"]);
    refused("[[fields]]\nname = \"a\"\ntype = \"strnig\"\n", &["/fields/0/type", "strnig"]);
    refused("[[fields]]\nname = \"a\"\ntype = \"relation\"\ncollection = \"nowhere\"\n", &["/fields/0", "nowhere"]);
    let missing = site.run(&["schema", "apply", "missing"]).failure(1);
    assert!(missing.contains("missing"), "{missing}");
}

#[test]
fn a_narrower_field_is_refused_with_the_records_that_do_not_fit() {
    let site = Site::new();
    let schema = |max: u32| {
        let text = format!("[[fields]]\nname = \"title\"\ntype = \"string\"\nmax = {max}\n");
        site.write("schema/books.toml", text);
    };
    schema(40);
    assert_eq!(apply(&site, &site.path("schema")), [("books".into(), "made".into())]);
    site.write(
        "books.jsonl",
        "{\"id\":\"short\",\"title\":\"It\"}\n{\"id\":\"long\",\"title\":\"The Lord of the Rings\"}\n",
    );
    site.run(&["import", "books", "books.jsonl"]).success();
    schema(10);
    let stderr = site.run(&["schema", "apply", "schema"]).failure(1);
    assert!(stderr.contains("/fields/0") && stderr.contains("long") && !stderr.contains("short"), "{stderr}");
    schema(30);
    assert_eq!(apply(&site, &site.path("schema")), [("books".into(), "changed".into())]);
    let kept: Vec<Value> = crate::client::lines(&site.run(&["export", "books"]).success());
    assert_eq!(kept.len(), 2);
}
