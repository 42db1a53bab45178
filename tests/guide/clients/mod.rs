//! Clients that public generators make of the document, at work on the server that wrote it.
//!
//! Each of them walks the same way: it signs in, makes a member, follows pages, reads what is behind relations, changes
//! a record on a condition, and takes refusals as typed values. What is generated and compiled is kept beside the
//! tools, by the document and the versions of the tools.

mod python;
mod rust;
mod typescript;

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    server::{SCHEMAS, Server, stead, stead_with},
    tools,
};

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "a long enough password";
/// The genre that the clients list, and the size of their pages.
const GENRE: &str = "1";

/// Files of the music shop and the collections that they go to, those before that others point at.
const IMPORTS: [(&str, &str); 5] = [
    ("artists", "artists"),
    ("genres", "genres"),
    ("mediaTypes", "media_types"),
    ("albums", "albums"),
    ("tracks", "tracks"),
];

/// A server with the music shop's records and an admin, and its document.
struct Shop {
    server: Server,
    document: String,
    /// How many tracks the genre has by the file that they came from.
    tracks: usize,
    _folder: TempDir,
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        for schemas in SCHEMAS {
            stead(&data, &["schema", "apply", schemas]);
        }
        let server = Server::start(&data);
        for (collection, file) in IMPORTS {
            stead(&data, &["import", collection, &format!("tests/fixtures/chinook/{file}.jsonl")]);
        }
        stead_with(&data, &["admin", "create", "--email", EMAIL, "--password-stdin"], PASSWORD);
        let lines = fs::read_to_string("tests/fixtures/chinook/tracks.jsonl").unwrap();
        let tracks = lines.lines().filter(|line| line.contains(&format!(r#""genre_id":{GENRE},"#))).count();
        let document = fetch(&server.url, "/openapi.json");
        Self { server, document, tracks, _folder: folder }
    }

    /// Runs a client, which is told where the server is, who it is and what there is to find; it says so when content.
    fn welcomes(&self, command: &mut Command) {
        let said = run(command.args([&self.server.url, EMAIL, PASSWORD, GENRE, &self.tracks.to_string()]));
        assert!(said.contains("the client is content"), "{said}");
    }

    /// Runs a worker on jobs that it can do, that it knows are in vain, and that it does not know.
    fn is_served_by(&self, worker: &mut Command) {
        let url = &self.server.url;
        let login = ask(url, "POST", "/api/v1/auth/login", "", &json!({"email": EMAIL, "password": PASSWORD}));
        let admin = text(&login, "/accessToken");
        let key = json!({"name": "worker", "permissions": ["queues.sync:work"]});
        let key = text(&ask(url, "POST", "/api/v1/keys", admin, &key), "/secret").to_owned();
        let job =
            |kind: &str, payload: Value| json!({"queue": "sync", "kind": kind, "payload": payload, "attemptsMax": 1});
        let count = |text: &str| job("words.count", json!({"text": text}));
        let jobs = json!({"jobs": [count("a"), count("b c"), count(" d  e\nf "), job("words.count", json!(1)), job("other", json!(null))]});
        let made = ask(url, "POST", "/api/v1/job-batches", admin, &jobs);
        let said = run(worker.args(["sync", "--once"]).env("STEAD_URL", url).env("STEAD_KEY", key));
        let made = made.pointer("/items").and_then(Value::as_array).unwrap();
        let path = |job: &Value| format!("/api/v1/jobs/{}", text(job, "/id"));
        let ended: Vec<Value> = made.iter().map(|job| ask(url, "GET", &path(job), admin, &Value::Null)).collect();
        let words: Vec<Option<&Value>> = ended.iter().map(|job| job.pointer("/result/words")).collect();
        assert_eq!(words, [Some(&json!(1)), Some(&json!(2)), Some(&json!(3)), None, None]);
        let errors: Vec<&str> = ended.iter().skip(3).map(|job| text(job, "/error")).collect();
        assert_eq!(errors, ["the payload has no text", "nobody here knows jobs of the kind other"], "{said}");
        assert!(ended.iter().skip(3).all(|job| text(job, "/state") == "dead"), "{ended:?}");
    }

    /// The folder of what `make` makes of the document with these tools, which is made when it is not there yet.
    fn generated(&self, language: &str, versions: &[&str], make: impl FnOnce(&Path)) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        (&self.document, versions).hash(&mut hasher);
        let all = tools().join("clients");
        let folder = all.join(format!("{language}-{:016x}", hasher.finish()));
        if folder.is_dir() {
            return folder;
        }
        fs::create_dir_all(&all).unwrap();
        for entry in fs::read_dir(&all).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with(&format!("{language}-")) {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        let made = all.join(format!("{language}-unfinished"));
        fs::create_dir(&made).unwrap();
        fs::write(made.join("openapi.json"), &self.document).unwrap();
        make(&made);
        fs::rename(&made, &folder).unwrap();
        folder
    }
}

/// The body of a plain answer.
fn fetch(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}

/// A text in an answer.
fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} is no text: {value}"))
}

/// What the server answers to a request with a JSON body.
fn ask(url: &str, method: &str, path: &str, token: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let (body, head) = (body.to_string(), format!("{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\n"));
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    write!(stream, "{head}{authorization}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 20"), "{head}\n{body}");
    serde_json::from_str(body).unwrap()
}

/// Runs a program to its end, which must be a good one, and answers what it said.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not run: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{said}");
    said
}

/// A file of this repository.
fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
