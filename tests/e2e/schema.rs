//! `stead schema`: what differs between collections and files, and each brought to the other.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    client::Client,
    process::{Site, repository},
};

/// What one run did to each collection, by name; empty when nothing differed.
fn apply(site: &Site, folder: &Path) -> Vec<(String, String)> {
    let said = site.run(&["schema", "apply", folder.to_str().unwrap()]).success();
    let done =
        said.lines().filter_map(|line| line.split_once(' ')).filter(|(done, _)| ["made", "changed"].contains(done));
    let mut done: Vec<_> = done.map(|(done, name)| (name.to_owned(), done.to_owned())).collect();
    assert_eq!(done.is_empty(), said == "Nothing differs.\n", "{said}");
    done.sort();
    done
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
    assert_eq!(apply(&site, &folder), []);

    let artists = site.read("schema/artists.toml") + "\n[[fields]]\nname = \"country\"\ntype = \"string\"\n";
    site.write("schema/artists.toml", artists);
    assert_eq!(apply(&site, &folder), [("artists".to_owned(), "changed".to_owned())]);

    let server = site.serve();
    assert_eq!(apply(&site, &folder), [], "through the server that runs");
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

#[test]
fn a_plan_is_shown_and_an_exit_code_tells_whether_anything_differs() {
    let site = Site::new();
    let books = |fields: &str| site.write("config/collections/books.toml", fields);
    books(
        "description = \"Read.\"\nrules = { list = \"pages > 1\" }\nindexes = [{ fields = [\"pages\", \"-title\"] }]\n\
         fields = [{ name = \"title\", type = \"string\", required = true, max = 80 }, { name = \"pages\", type = \"integer\" }]\n",
    );
    let check = |code: i32| {
        let finished = site.run(&["schema", "plan", "--check"]);
        assert_eq!(finished.code, Some(code), "{finished:?}");
        finished.stdout
    };
    let shown = site.run(&["schema", "plan"]).success();
    assert_eq!(
        shown,
        "books (new)\n  + field title string required max 80\n  + field pages integer\n  + index (pages, -title)\n  \
         + rule list: pages > 1\n\nPlan: 1 to make, 0 to change, 0 to delete\n"
    );
    assert_eq!(check(1), shown);
    assert_eq!(site.run(&["schema", "apply"]).success(), shown + "made books\n");
    assert_eq!(check(0), "Nothing differs.\n");

    site.write("books.jsonl", "{\"id\":\"b\",\"title\":\"It\",\"pages\":9}\n");
    site.run(&["import", "books", "books.jsonl"]).success();
    books(
        "description = \"Read.\"\nrules = { list = \"name != null\" }\n\
         fields = [{ name = \"name\", renamedFrom = \"title\", type = \"string\", required = true, max = 90 }]\n",
    );
    let shown = site.run(&["schema", "plan"]).success();
    assert_eq!(
        shown,
        "books\n  > rename field title → name\n  - field pages integer  (destructive)\n  ~ field name: max 80 → 90\n  \
         - index (pages, -name)\n  ~ rule list: pages > 1 → name != null\n\n\
         Plan: 0 to make, 1 to change, 0 to delete; 1 destructive step (needs --allow-destructive)\n"
    );
    let refused = site.run(&["schema", "apply"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), shown.as_str()));
    assert!(refused.stderr.contains("--allow-destructive"), "{refused:?}");
    let done = site.run(&["schema", "apply", "--allow-destructive"]).success();
    assert!(done.ends_with("\nchanged books\n"), "{done}");
    let kept: Vec<Value> = crate::client::lines(&site.run(&["export", "books"]).success());
    assert_eq!((kept.len(), &kept[0]["name"]), (1, &Value::from("It")));

    site.write("other/films.toml", "");
    let pruned = site.run(&["schema", "plan", "other", "--prune"]).success();
    assert!(pruned.contains("books\n  - collection with all its records  (destructive)\n"), "{pruned}");
    site.run(&["schema", "apply", "other", "--prune", "--allow-destructive"]).success();
    let left = site.run(&["schema", "plan", "--check"]).failure(1);
    assert!(left.contains("differ"), "{left}");
}

#[test]
fn what_is_pulled_is_what_is_there() {
    let site = Site::new();
    let folder = example(&site);
    apply(&site, &folder);
    let users = "[[fields]]\nname = \"nickname\"\ntype = \"string\"\nmax = 40\n";
    site.write("more/users.toml", users);
    site.write(
        "more/notes.toml",
        "[[fields]]\nname = \"text\"\ntype = \"text\"\n[rules]\nlist = \"text != 'a\\\"b'\"\n",
    );
    site.run(&["schema", "apply", "more"]).success();

    site.write("pulled/readme.txt", "stays");
    site.write("pulled/mine.toml", "name = \"notes\"\n");
    let said = site.run(&["schema", "pull", "pulled"]).success();
    assert!(said.contains("wrote pulled/users.toml\n") && said.contains("wrote pulled/mine.toml\n"), "{said}");
    let mut expected = names(&folder);
    expected.extend(["mine".into(), "readme".into(), "users".into()]);
    expected.sort();
    assert_eq!(names(&site.path("pulled")), expected);
    assert_eq!(site.read("pulled/readme.txt"), "stays");
    assert_eq!(site.read("pulled/users.toml"), users, "only what was added");
    assert!(site.read("pulled/mine.toml").starts_with("name = \"notes\"\n\n[[fields]]\n"));
    for name in names(&folder) {
        let (written, read) = (site.read(&format!("schema/{name}.toml")), site.read(&format!("pulled/{name}.toml")));
        assert_eq!(read, written, "as a person wrote it");
    }
    assert_eq!(site.run(&["schema", "plan", "pulled", "--prune", "--check"]).success(), "Nothing differs.\n");
    let again = site.run(&["schema", "pull", "pulled"]).success();
    assert!(again.lines().all(|line| line.starts_with("kept ")), "{again}");
}

#[test]
fn views_go_to_the_server_and_back() {
    let site = Site::new();
    site.write(
        "schema/books.toml",
        "[[fields]]\nname = \"title\"\ntype = \"string\"\n\n[[fields]]\nname = \"pages\"\ntype = \"integer\"\n",
    );
    // A view stands before what it reads, in the order of names.
    site.write(
        "schema/aLong.toml",
        "[view]\nfrom = \"books\"\nfilter = \"pages > 5\"\nfields = [\"title\"]\n\n[rules]\nlist = \"true\"\n",
    );
    site.write("schema/pagesByTitle.toml", "[view]\nfrom = \"books\"\nselect = \"sum(pages)\"\ngroup = \"title\"\n");
    let schema = site.path("schema");
    let plan = site.run(&["schema", "plan", "schema"]).success();
    assert!(plan.contains("aLong (new)\n  + view: from books, filter pages > 5, fields [\"title\"]\n"), "{plan}");
    assert_eq!(apply(&site, &schema), all(&["aLong".into(), "books".into(), "pagesByTitle".into()], "made"));
    site.run(&["schema", "pull", "pulled"]).success();
    for name in ["aLong", "pagesByTitle", "books"] {
        assert_eq!(site.read(&format!("pulled/{name}.toml")), site.read(&format!("schema/{name}.toml")));
    }
    assert_eq!(site.run(&["schema", "plan", "pulled", "--prune", "--check"]).success(), "Nothing differs.\n");

    site.write(
        "books.jsonl",
        "{\"id\":\"a\",\"title\":\"It\",\"pages\":9}\n{\"id\":\"b\",\"title\":\"Us\",\"pages\":1}\n",
    );
    site.run(&["import", "books", "books.jsonl"]).success();
    let csv = site.run(&["export", "aLong", "--format", "csv"]).success();
    let (head, rows) = csv.split_once("\r\n").unwrap();
    assert_eq!(head, "id,createdAt,updatedAt,version,title");
    assert!(rows.starts_with("a,") && rows.trim_end().ends_with(",1,It"), "{rows}");
    let refused = site.run(&["import", "aLong", "books.jsonl"]).failure(1);
    assert!(refused.contains("read only") && refused.contains("books"), "{refused}");

    std::fs::remove_file(site.path("schema/aLong.toml")).unwrap();
    let plan = site.run(&["schema", "plan", "schema", "--prune"]).success();
    assert!(plan.contains("aLong\n  - view\n") && !plan.contains("destructive"), "{plan}");
    site.run(&["schema", "apply", "schema", "--prune"]).success();
    assert_eq!(site.run(&["schema", "plan", "schema", "--prune", "--check"]).success(), "Nothing differs.\n");
}
