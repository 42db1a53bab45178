//! Summaries: what an aggregate says, kept as the records of a collection by a job, again and again by a schedule.
//!
//! A view of groups is worked out whenever it is asked for; a summary is there at once, has an index, a history and webhooks, and is as
//! current as the last run. It writes only groups that are other than before, and removes records whose groups are gone, so the collection
//! belongs to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::to_raw_value};

use crate::{
    access::secret::sha256,
    kernel::RecordId,
    queue::{Failure, Handler, JobOutcome, Running},
    records::{self, Caller, Piece, RecordError, RecordService},
};

/// The kind of jobs that keep a summary.
pub const KIND: &str = "data.aggregate";
/// The most groups: as many as one answer has.
const GROUPS_MAX: usize = 1_000;
/// How many records of the summary are read at once.
const PAGE: usize = 1_000;
/// How many groups that were not written are told.
const REJECTED_TOLD: usize = 50;

/// What is kept, and where.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    /// The collection of which it tells.
    from: String,
    /// The aggregates, as in an aggregate request, each under the name of a field.
    select: String,
    group: Option<String>,
    filter: Option<String>,
    having: Option<String>,
    timezone: Option<String>,
    /// The collection that it keeps.
    into: String,
    /// The columns by which a group has its id; none for a summary of a single record, `all`.
    #[serde(default)]
    key: Vec<String>,
}

impl Order {
    fn parameters(&self) -> Vec<(String, String)> {
        let given = [
            ("select", Some(&self.select)),
            ("group", self.group.as_ref()),
            ("filter", self.filter.as_ref()),
            ("having", self.having.as_ref()),
            ("timezone", self.timezone.as_ref()),
            ("limit", Some(&GROUPS_MAX.to_string())),
        ]
        .map(|(name, value)| Some((name.to_owned(), value?.clone())));
        given.into_iter().flatten().collect()
    }

    /// The id of a group: the values of its key, or a hash of them where they cannot stand in an id.
    fn id(&self, group: &Map<String, Value>) -> Result<String, Failure> {
        if self.key.is_empty() {
            return Ok("all".into());
        }
        let mut values = Vec::with_capacity(self.key.len());
        for name in &self.key {
            let value = group
                .get(name)
                .ok_or_else(|| Failure::for_good(format!("key names \"{name}\", which is no column")))?;
            values.push(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let joined = values.join("~");
        if RecordId::parse(&joined).is_ok() {
            return Ok(joined);
        }
        Ok(sha256(joined.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Keeps summaries.
pub struct Summarise {
    records: Arc<RecordService>,
}

impl fmt::Debug for Summarise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summarise").finish_non_exhaustive()
    }
}

impl Handler for Summarise {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, JobOutcome> {
        self.keep(job).boxed()
    }
}

impl Summarise {
    /// Summaries of these records.
    #[must_use]
    pub fn new(records: Arc<RecordService>) -> Self {
        Self { records }
    }

    async fn keep(&self, job: &Running) -> JobOutcome {
        let order: Order = job.payload()?;
        let caller = Caller::operator();
        let groups = self.groups(&caller, &order).await?;
        let mut before = self.present(&caller, &order.into).await?;
        let (mut pieces, mut unchanged) = (Vec::new(), 0_u64);
        for (number, (id, group)) in (1..).zip(&groups) {
            let is_same =
                before.remove(id).is_some_and(|known| group.iter().all(|(name, value)| known.get(name) == Some(value)));
            if is_same {
                unchanged += 1;
                continue;
            }
            let record = group.iter().map(|(name, value)| (name.clone(), value.clone()));
            let record: Map<String, Value> = record.chain([("id".to_owned(), json!(id))]).collect();
            pieces.push(Piece { number, text: Bytes::from(Value::Object(record).to_string()), fault: None });
        }
        let taken = self.records.take_in(&caller, &order.into, records::Format::Jsonl, &pieces).await;
        let (written, mut rejected) = taken?;
        let gone: BTreeSet<String> = before.into_keys().collect();
        for id in &gone {
            match self.records.delete(&caller, &order.into, id, None).await {
                Ok(()) | Err(RecordError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let count = rejected.len();
        rejected.truncate(REJECTED_TOLD);
        let result = json!({
            "groups": groups.len(), "written": written, "unchanged": unchanged, "removed": gone.len(), "rejected": count, "errors": rejected,
        });
        Ok(to_raw_value(&result).ok())
    }

    /// The groups as they are now, each by its id.
    async fn groups(&self, caller: &Caller, order: &Order) -> Result<BTreeMap<String, Map<String, Value>>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            items: Vec<Map<String, Value>>,
            groups: usize,
        }
        let answer = self.records.aggregate(caller, &order.from, &order.parameters()).await?;
        let Answer { items, groups } =
            serde_json::from_slice(&answer).map_err(|error| Failure::for_good(error.to_string()))?;
        if groups > items.len() {
            return Err(Failure::for_good(format!(
                "there are {groups} groups, and a summary has at most {GROUPS_MAX}"
            )));
        }
        let mut found = BTreeMap::new();
        for group in items {
            if found.insert(order.id(&group)?, group).is_some() {
                return Err(Failure::for_good("two groups have the same key; name every column of group in key"));
            }
        }
        Ok(found)
    }

    /// The records of the summary as they are, each by its id.
    async fn present(&self, caller: &Caller, into: &str) -> Result<BTreeMap<String, Map<String, Value>>, Failure> {
        let mut found = BTreeMap::new();
        let mut cursor = None;
        loop {
            let mut parameters = vec![("limit".to_owned(), PAGE.to_string())];
            parameters.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor)));
            let page = self.records.list(caller, into, &parameters).await?;
            for item in page.items {
                let record: Map<String, Value> =
                    serde_json::from_slice(&item).map_err(|error| Failure::for_good(error.to_string()))?;
                let id = record.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                found.insert(id, record);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }
}
