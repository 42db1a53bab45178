//! Does the jobs that pull.

use std::{collections::BTreeSet, fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json, value::to_raw_value};

use super::{
    KIND,
    order::{Format, Order},
    repo::{self, Validators},
};
use crate::{
    outgoing::{Anywhere, Fetched},
    queue::{Failure, Handler, JobOutcome, Running},
    records::{self, Caller, Piece, RecordService, Rejected, Splitter},
    store::Store,
};

/// The greatest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The greatest item, in bytes.
const ITEM_BYTES_MAX: usize = 1 << 20;
/// How many items are written with one commit.
const CHUNK: usize = 500;
/// How many items that were not taken in are told.
const REJECTED_TOLD: usize = 50;

/// Pulls.
pub struct Pull {
    store: Store,
    records: Arc<RecordService>,
    client: Anywhere,
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pull").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Handler for Pull {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, JobOutcome> {
        self.pull(job).boxed()
    }
}

/// What came of a pull.
#[derive(Default)]
struct Report {
    pages: u32,
    received: u64,
    written: u64,
    unchanged: u64,
    rejected: u64,
    told: Vec<Rejected>,
}

/// A record that is to be written.
struct Wanted {
    piece: Piece,
    id: String,
    hash: Vec<u8>,
}

impl Pull {
    /// Pulls by this client into these records.
    #[must_use]
    pub fn new(store: Store, records: Arc<RecordService>, client: Anywhere) -> Self {
        Self { store, records, client }
    }

    async fn pull(&self, job: &Running) -> JobOutcome {
        let order: Arc<Order> = Arc::new(job.payload()?);
        let source = repo::hash(order.identity().as_bytes());
        let known = repo::validators(&self.store.snapshot(), &source)?.unwrap_or_default();
        let (mut report, mut newest) = (Report::default(), Validators::default());
        let mut next = Some(order.first());
        while let Some(url) = next.take().filter(|_| report.pages < order.pages_max()) {
            let fetched = self.fetch(&order, &url, (report.pages == 0).then_some(&known)).await?;
            if fetched.status == 304 && report.pages == 0 {
                return Ok(to_raw_value(&json!({"notModified": true})).ok());
            }
            report.pages += 1;
            if report.pages == 1 {
                newest = Validators { etag: fetched.etag.clone(), last_modified: fetched.last_modified.clone() };
            }
            let link = fetched.link.clone();
            // A great answer takes a while to read.
            let own = Arc::clone(&order);
            let read = tokio::task::spawn_blocking(move || pieces(&own, &fetched)).await;
            let read = read.map_err(|_| Failure::new("the answer could not be read"))?;
            let (answer, pieces) = read.map_err(Failure::for_good)?;
            next = order.next(&url, &answer, link.as_deref(), report.pages, pieces.is_empty());
            self.take_in(&order, &source, pieces, &mut report).await?;
            let progress = json!({"pages": report.pages, "received": report.received});
            // It is for people only.
            let _ = job.tell(to_raw_value(&progress).ok(), Vec::new()).await;
        }
        // What was not taken in comes again, and what came on several pages is not told by the first.
        let whole = if report.rejected == 0 && report.pages == 1 { newest } else { Validators::default() };
        if whole != known {
            self.store.write(move |tx| repo::put_validators(tx, &source, &whole)).await?;
        }
        let Report { pages, received, written, unchanged, rejected, told } = report;
        let result = json!({
            "pages": pages, "received": received, "written": written, "unchanged": unchanged, "rejected": rejected, "errors": told,
        });
        Ok(to_raw_value(&result).ok())
    }

    async fn fetch(&self, order: &Order, url: &str, known: Option<&Validators>) -> Result<Fetched, Failure> {
        let mut headers: Vec<(String, String)> = order.headers.clone().into_iter().collect();
        if let Some(Validators { etag, last_modified }) = known {
            headers.extend(etag.clone().map(|etag| ("if-none-match".to_owned(), etag)));
            headers.extend(last_modified.clone().map(|at| ("if-modified-since".to_owned(), at)));
        }
        let fetched = self.client.get(url, &headers, ANSWER_BYTES_MAX).await.map_err(Failure::new)?;
        match fetched.status {
            200..300 | 304 => Ok(fetched),
            status => Err(Failure::new(format!("the server answered {status}"))),
        }
    }

    /// Writes what is new or another one than before.
    async fn take_in(
        &self,
        order: &Order,
        source: &[u8],
        pieces: Vec<Piece>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let format = match order.format {
            Format::Json => records::Format::Jsonl,
            Format::Csv => records::Format::Csv,
        };
        let begin = report.received;
        report.received += u64::try_from(pieces.len()).unwrap_or(0);
        let mut wanted = Vec::new();
        for piece in pieces {
            let piece = Piece { number: piece.number + begin, ..piece };
            let id = id_of(&piece);
            let hash = repo::hash(&piece.text);
            match id {
                Some(id) if repo::is_known(&self.store.snapshot(), source, &id, &hash)? => {
                    report.unchanged += 1;
                }
                id => wanted.push(Wanted { piece, id: id.unwrap_or_default(), hash }),
            }
        }
        for chunk in wanted.chunks(CHUNK) {
            let pieces: Vec<Piece> = chunk.iter().map(|wanted| wanted.piece.clone()).collect();
            let taken = self.records.take_in(&Caller::operator(), &order.collection, format, &pieces).await;
            let (written, rejected) = taken?;
            report.written += written;
            report.rejected += u64::try_from(rejected.len()).unwrap_or(0);
            let bad: BTreeSet<u64> = rejected.iter().map(|rejected| rejected.line).collect();
            let room = REJECTED_TOLD.saturating_sub(report.told.len());
            report.told.extend(rejected.into_iter().take(room));
            let good = chunk.iter().filter(|wanted| !wanted.id.is_empty() && !bad.contains(&wanted.piece.number));
            let good: Vec<_> = good.map(|wanted| (wanted.id.clone(), wanted.hash.clone())).collect();
            let source = source.to_vec();
            let noted = self
                .store
                .write(move |tx| good.into_iter().try_for_each(|(id, hash)| repo::put_item(tx, &source, &id, hash)));
            noted.await?;
        }
        Ok(())
    }
}

/// The records of an answer, and the answer, where that is JSON.
fn pieces(order: &Order, fetched: &Fetched) -> Result<(Value, Vec<Piece>), String> {
    let (answer, items) = match order.format {
        Format::Json => {
            let answer: Value =
                serde_json::from_slice(&fetched.body).map_err(|error| format!("the answer is no JSON: {error}"))?;
            let items = order.items(&answer)?;
            (answer, items)
        }
        Format::Csv => (Value::Null, cells(&fetched.body)?),
    };
    let piece = |(number, item): (u64, &Value)| match order.record(item) {
        Ok(record) => Piece { number, text: Bytes::from(record.to_string()), fault: None },
        Err(fault) => Piece { number, text: Bytes::new(), fault: Some(fault) },
    };
    let pieces = (1..).zip(&items).map(piece).collect();
    Ok((answer, pieces))
}

/// The rows of CSV, each by the names of its columns.
fn cells(body: &[u8]) -> Result<Vec<Value>, String> {
    let mut splitter = Splitter::new(records::Format::Csv, ITEM_BYTES_MAX);
    let mut input = Bytes::copy_from_slice(body);
    let mut rows = Vec::new();
    let mut add = |piece: Piece| match piece.fault {
        Some(fault) => Err(format!("line {}: {fault}", piece.number)),
        None => {
            rows.push(serde_json::from_slice(&piece.text).map_err(|error| error.to_string())?);
            Ok(())
        }
    };
    while let Some(piece) = splitter.next(&mut input).map_err(|broken| broken.to_string())? {
        add(piece)?;
    }
    if let Some(piece) = splitter.finish().map_err(|broken| broken.to_string())? {
        add(piece)?;
    }
    Ok(rows)
}

/// The id of a record, as far as it says one.
fn id_of(piece: &Piece) -> Option<String> {
    let record: Value = serde_json::from_slice(&piece.text).ok()?;
    match record.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}
