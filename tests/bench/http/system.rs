//! What a measured system must offer, and the HTTP requests that the systems have in common.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::client::Connection;
use crate::process::Process;

/// The administrator whom each system gets.
pub(crate) const EMAIL: &str = "bench@example.com";
/// Their password.
pub(crate) const PASSWORD: &str = "correct-horse-battery-9";

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// The process.
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// From spawn to ready.
    pub(crate) ready: Duration,
}

/// What an import took.
#[derive(Debug)]
pub(crate) struct Import {
    /// From start to end.
    pub(crate) elapsed: Duration,
    /// CPU time of the process that imported.
    pub(crate) cpu: Duration,
    /// Its peak resident memory.
    pub(crate) peak_kib: u64,
    /// Its resident memory over time, evenly sampled.
    pub(crate) rss_kib: Vec<u64>,
}

/// A kind of list request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListQuery {
    /// The number of the category.
    pub(crate) category: u64,
    /// Views must exceed this.
    pub(crate) views: u64,
    /// Whether the answer counts all matches.
    pub(crate) total: bool,
}

/// A backend with a collection `posts`.
pub(crate) trait System {
    /// Its name in the report.
    const NAME: &'static str;
    /// The path of the collection's records.
    const RECORDS: &'static str;
    /// The path of its cheapest endpoint.
    const HEALTH: &'static str;
    /// The member of a list answer that holds the number of all matches.
    const TOTAL: &'static str;
    /// The path of the collection's aggregates, where there are any.
    const AGGREGATE: Option<&'static str>;

    /// Makes an administrator in an empty folder; no server runs.
    async fn create_admin(&self, dir: &Path) -> anyhow::Result<()>;
    /// Starts a server.
    async fn serve(&self, dir: &Path) -> anyhow::Result<Server>;
    /// Signs the administrator in and gives the token.
    async fn sign_in(&self, addr: SocketAddr) -> anyhow::Result<String>;
    /// Makes the collection `posts` with its two indexes.
    async fn create_collection(&self, addr: SocketAddr, token: &str) -> anyhow::Result<()>;
    /// Imports records from a file of JSON lines; no server runs.
    async fn import(&self, dir: &Path, file: &Path) -> anyhow::Result<Import>;
    /// The path and query of a list request.
    fn list_path(&self, query: ListQuery) -> String;
}

/// Appends a request, head and body. The body is JSON; an empty one is left out.
pub(crate) fn request(out: &mut Vec<u8>, method: &str, path: &str, headers: &str, body: &str) {
    let head = [method, " ", path, " HTTP/1.1\r\nHost: localhost\r\n", headers];
    head.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    if !body.is_empty() {
        let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        out.extend_from_slice(length.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.as_bytes());
}

/// The headers that authenticate a request.
pub(crate) fn authorization(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Makes one JSON call over its own connection; anything but success is an error that shows the answer.
pub(crate) async fn call(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> anyhow::Result<Value> {
    let mut connection = Connection::open(addr).await.context("connect")?;
    let mut bytes = Vec::new();
    request(&mut bytes, method, path, headers, body);
    let head = connection.exchange(&bytes).await.with_context(|| format!("{method} {path}"))?;
    let answer = connection.body(head)?;
    let text = String::from_utf8_lossy(&answer);
    ensure!((200..300).contains(&head.status), "{method} {path} answered {}: {text}", head.status);
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}

/// Escapes text for a query string.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
