//! Ratios over one connection, each of two kinds of request that alternate in the same run, so that the machine's mood cancels
//! out: the first page beside a deep one, a page with and without what it costs extra, a batch beside single creates.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::args::Options;
use crate::client::Connection;
use crate::data;
use crate::report::Report;
use crate::system::{Server, System, authorization, escape, request};

/// How often each request of a pair is measured.
const ROUNDS: usize = 200;
/// The page that is compared with the first one, unless there are fewer.
const DEEP_PAGE: usize = 10_000;
/// Operations of a batch.
const BATCH: u64 = 1_000;

/// A connection with credentials.
pub(crate) struct Caller {
    pub(crate) connection: Connection,
    pub(crate) headers: String,
}

impl Caller {
    /// Sends a request. Answers how long it took, and the JSON of the answer.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<(Duration, Value)> {
        let mut bytes = Vec::new();
        request(&mut bytes, method, path, &self.headers, body);
        let start = Instant::now();
        let head = self.connection.exchange(&bytes).await?;
        let took = start.elapsed();
        let answer = self.connection.body(head)?;
        ensure!((200..300).contains(&head.status), "{method} {path}: {}", String::from_utf8_lossy(&answer));
        Ok((took, serde_json::from_slice(&answer).unwrap_or_default()))
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<(Duration, Value)> {
        self.send("GET", path, "").await
    }

    /// The medians of two requests that alternate; before each pair a record is changed if `writes`.
    async fn pair(&mut self, first: &str, second: &str, writes: Option<&str>) -> anyhow::Result<(Duration, Duration)> {
        let (mut firsts, mut seconds) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
        for round in 0..ROUNDS {
            if let Some(path) = writes {
                self.send("PATCH", path, &json!({ "views": round }).to_string()).await?;
            }
            firsts.push(self.get(first).await?.0);
            seconds.push(self.get(second).await?.0);
        }
        Ok((median(firsts), median(seconds)))
    }
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Measures all pairs. Pages are not kept by the server that is measured here, for a page from memory costs nothing.
pub(crate) async fn measure<S: System>(
    server: &Server,
    token: &str,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut caller = Caller { connection: Connection::open(server.addr).await?, headers: authorization(token) };
    let category = escape("category = \"c0\"");
    let page = format!("{}?filter={category}&sort=-createdAt&limit=30", S::RECORDS);
    // The statistics of the planner are there after the first list.
    caller.get(&page).await?;
    let (number, deep) = deep_page(&mut caller, &page).await?;
    let pair = caller.pair(&page, &deep, None).await?;
    report.ratio(&format!("page {number} by cursor, beside the first page"), pair);
    let total = format!("{page}&total=true");
    let first = caller.get(&total).await?.0;
    report.ratio("the first total of an equality, beside the page", (pair.0, first));
    report.ratio("the page with its total, again", caller.pair(&page, &total, None).await?);
    let patched = format!("{}/{}", S::RECORDS, data::id(0));
    report.ratio(
        "the page with its total, a record of it changed before",
        caller.pair(&page, &total, Some(&patched)).await?,
    );
    expand(&mut caller, report).await?;
    batch::<S>(&mut caller, options, report).await
}

async fn deep_page(caller: &mut Caller, first: &str) -> anyhow::Result<(usize, String)> {
    let (mut number, mut path) = (1, first.to_owned());
    while number < DEEP_PAGE {
        let (_, page) = caller.get(&path).await?;
        let Some(cursor) = page.get("nextCursor").and_then(Value::as_str) else { break };
        path = format!("{first}&cursor={cursor}");
        number += 1;
    }
    ensure!(number > 100, "there are only {number} pages; take more records or fewer categories");
    Ok((number, path))
}

/// A page of 100 records of which each points at another record.
async fn expand(caller: &mut Caller, report: &mut Report) -> anyhow::Result<()> {
    let fields = json!([
        {"name": "text", "type": "string"},
        {"name": "post", "type": "relation", "collection": "posts"},
    ]);
    let notes = json!({"name": "notes", "fields": fields});
    caller.send("POST", "/api/v1/collections", &notes.to_string()).await?;
    let create = |n: u64| {
        let body = json!({"text": format!("note {n}"), "post": data::id(n * 37 % 1_000)});
        json!({"op": "create", "collection": "notes", "body": body})
    };
    let operations: Vec<Value> = (0..BATCH).map(create).collect();
    caller.send("POST", "/api/v1/batch", &json!({"operations": operations}).to_string()).await?;
    let page = "/api/v1/collections/notes/records?limit=100";
    let expanded = format!("{page}&expand=post");
    let found = caller.get(&expanded).await?.1;
    ensure!(found.pointer("/items/99/expand/post/id").is_some(), "the page is not expanded");
    report
        .ratio("a page of 100 with a relation expanded, beside it without", caller.pair(page, &expanded, None).await?);
    Ok(())
}

/// How long a record takes in a batch, and by itself.
async fn batch<S: System>(caller: &mut Caller, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let record = |n: u64| data::record(options.records + n, options.categories);
    let start = Instant::now();
    for n in 0..BATCH {
        caller.send("POST", S::RECORDS, &record(n)).await?;
    }
    let single = start.elapsed() / u32::try_from(BATCH)?;
    let operation = |n: u64| format!(r#"{{"op":"create","collection":"posts","body":{}}}"#, record(n));
    let mut times = Vec::new();
    for round in 1..=5 {
        let operations: Vec<String> = (round * BATCH..(round + 1) * BATCH).map(operation).collect();
        let body = format!(r#"{{"operations":[{}]}}"#, operations.join(","));
        times.push(caller.send("POST", "/api/v1/batch", &body).await?.0 / u32::try_from(BATCH)?);
    }
    let batched = median(times);
    ensure!(!batched.is_zero(), "a batch takes time");
    report.ratio("a create by itself, beside one in a batch of 1,000", (batched, single));
    caller.get(S::RECORDS).await.context("the server goes on").map(|_| ())
}
