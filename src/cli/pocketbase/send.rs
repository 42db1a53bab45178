//! Records to the server, chunk by chunk: however many there are, one chunk is in memory.

use std::collections::HashSet;

use anyhow::Context as _;
use hyper::Method;
use serde_json::{Value, json};

use super::{
    map::{Mapping, SUPERUSERS},
    read::Source,
    report::Report,
    value::Line,
};
use crate::{cli::client::Client, collections::system::USERS};

/// The most lines of a chunk.
const CHUNK_LINES: usize = 2_000;
/// About the most bytes of a chunk.
const CHUNK_BYTES: usize = 512 << 10;

/// Where records go, and what of them did not.
pub(super) struct Sender<'a> {
    pub(super) client: &'a mut Client,
    pub(super) source: &'a Source,
    pub(super) report: &'a mut Report,
    /// `create` or `upsert`.
    pub(super) mode: &'static str,
    pub(super) body_bytes_max: usize,
    /// Records that did not come, by collection and id: what is there under their ids is not theirs to change.
    pub(super) refused: HashSet<(String, String)>,
}

/// Lines that go together.
#[derive(Default)]
struct Chunk {
    lines: String,
    ids: Vec<String>,
    hashes: Vec<bool>,
}

/// What came of records.
#[derive(Clone, Copy, Default)]
struct Sent {
    imported: u64,
    passwords: u64,
}

impl Sender<'_> {
    /// Sends all records of a collection, without the relations that come late. Answers how many came over.
    pub(super) async fn records(&mut self, mapping: &Mapping) -> anyhow::Result<u64> {
        let columns = columns(mapping, &["password", "verified"]);
        let with_password = mapping.sign_in.is_some();
        let columns =
            if with_password { columns } else { columns.get(..mapping.fields.len() + 1).unwrap_or_default().to_vec() };
        let mut statement = self.source.select(&mapping.source.name, &columns)?;
        let mut rows = statement.query([])?;
        let (mut chunk, mut sent) = (Chunk::default(), Sent::default());
        while let Some(row) = rows.next()? {
            let mut line = match Line::read(row, &mapping.fields, false) {
                Ok(line) => line,
                Err((id, reason)) => {
                    self.report.reject(&mapping.source.name, &id, reason);
                    continue;
                }
            };
            if let Some(sign_in) = mapping.sign_in {
                let hash: Option<String> = row.get(mapping.fields.len() + 1)?;
                let verified: Option<bool> = row.get(mapping.fields.len() + 2)?;
                line.password_hash = hash.filter(|hash| !hash.is_empty());
                line.record.insert("disabled".into(), sign_in.disables(verified == Some(true)).into());
            }
            self.add(&mut chunk, &mut sent, &mapping.source.name, &mapping.to, self.mode, &line).await?;
        }
        self.flush(&mut chunk, &mut sent, &mapping.source.name, &mapping.to, self.mode).await?;
        self.report.passwords += sent.passwords;
        Ok(sent.imported)
    }

    /// Sends the relations of a collection that come late.
    pub(super) async fn late_relations(&mut self, mapping: &Mapping) -> anyhow::Result<()> {
        let mut statement = self.source.select(&mapping.source.name, &columns(mapping, &[]))?;
        let mut rows = statement.query([])?;
        let (mut chunk, mut sent) = (Chunk::default(), Sent::default());
        while let Some(row) = rows.next()? {
            // What cannot be read was reported before.
            let Ok(line) = Line::read(row, &mapping.fields, true) else { continue };
            let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            let nothing = line.record.iter().all(|(name, value)| name == "id" || empty(value));
            let refused = self.refused.contains(&(mapping.source.name.clone(), line.id.clone()));
            if !nothing && !refused {
                self.add(&mut chunk, &mut sent, &mapping.source.name, &mapping.to, "patch", &line).await?;
            }
        }
        self.flush(&mut chunk, &mut sent, &mapping.source.name, &mapping.to, "patch").await
    }

    /// Sends the superusers as admins.
    pub(super) async fn superusers(&mut self) -> anyhow::Result<()> {
        let columns = ["id", "email", "created", "updated", "password"];
        let mut statement = self.source.select(SUPERUSERS, &columns)?;
        let mut rows = statement.query([])?;
        let (mut chunk, mut sent) = (Chunk::default(), Sent::default());
        while let Some(row) = rows.next()? {
            let (id, email): (String, String) = (row.get(0)?, row.get(1)?);
            let mut line = Line::new(&id, row.get(2)?, row.get(3)?);
            line.record.insert("email".into(), email.into());
            line.record.insert("roles".into(), json!(["admin"]));
            line.password_hash = row.get(4)?;
            self.add(&mut chunk, &mut sent, SUPERUSERS, USERS, self.mode, &line).await?;
        }
        self.flush(&mut chunk, &mut sent, SUPERUSERS, USERS, self.mode).await?;
        self.report.passwords += sent.passwords;
        self.report.admins = sent.imported;
        Ok(())
    }

    async fn add(
        &mut self,
        chunk: &mut Chunk,
        sent: &mut Sent,
        from: &str,
        to: &str,
        mode: &str,
        line: &Line,
    ) -> anyhow::Result<()> {
        let text = line.json()?;
        if text.len() > self.body_bytes_max {
            self.refused.insert((from.to_owned(), line.id.clone()));
            self.report.reject(from, &line.id, "it is larger than a request may be (http.body_bytes_max)");
            return Ok(());
        }
        let bytes_max = CHUNK_BYTES.min(self.body_bytes_max);
        if chunk.ids.len() == CHUNK_LINES || (!chunk.ids.is_empty() && chunk.lines.len() + text.len() >= bytes_max) {
            self.flush(chunk, sent, from, to, mode).await?;
        }
        chunk.lines.push_str(&text);
        chunk.lines.push('\n');
        chunk.ids.push(line.id.clone());
        chunk.hashes.push(line.password_hash.is_some());
        Ok(())
    }

    async fn flush(
        &mut self,
        chunk: &mut Chunk,
        sent: &mut Sent,
        from: &str,
        to: &str,
        mode: &str,
    ) -> anyhow::Result<()> {
        let Chunk { mut lines, ids, mut hashes } = std::mem::take(chunk);
        if ids.is_empty() {
            return Ok(());
        }
        // A single line may be as large as a body, which has no place for its end then.
        lines.truncate(lines.trim_end().len());
        let path = format!("/api/v1/collections/{to}/takeover?mode={mode}");
        let answer = self.client.json(Method::POST, &path, lines.into_bytes()).await;
        let answer = answer.with_context(|| format!("cannot take over records of {from}"))?;
        sent.imported += answer.get("imported").and_then(Value::as_u64).unwrap_or(0);
        for rejected in answer.get("rejected").and_then(Value::as_array).into_iter().flatten() {
            let line = rejected.get("line").and_then(Value::as_u64).and_then(|line| usize::try_from(line).ok());
            let place = line.unwrap_or(0).wrapping_sub(1);
            let id = ids.get(place).map_or("", String::as_str);
            if let Some(hash) = hashes.get_mut(place) {
                *hash = false;
            }
            self.refused.insert((from.to_owned(), id.to_owned()));
            self.report.reject(from, id, rejected.get("reason").and_then(Value::as_str).unwrap_or_default());
        }
        sent.passwords += hashes.iter().filter(|came| **came).count() as u64;
        Ok(())
    }
}

/// The columns of a collection: the id, each field, and others.
fn columns<'m>(mapping: &'m Mapping, others: &[&'m str]) -> Vec<&'m str> {
    let fields = mapping.fields.iter().map(|field| field.from.as_str());
    std::iter::once("id").chain(fields).chain(others.iter().copied()).collect()
}
