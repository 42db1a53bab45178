//! One of many concurrent writers: changes records of its own at random and remembers what was acknowledged.

use std::{net::SocketAddr, sync::Arc};

use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    client::{Client, Reply},
    model::{Effect, ITEMS, Key, NOTES, Records, TAG_IDS, apply, difference, without_times},
    random::Random,
};

const GROUPS: [&str; 4] = ["red", "green", "blue", "grey"];
/// Lines of an import: enough to be caught in the middle.
const IMPORT_LINES: usize = 8;

/// A writer, and what it knows.
pub(crate) struct Writer {
    prefix: String,
    random: Random,
    made: u64,
    records: Records,
    /// What the request changes that was never answered.
    pending: Option<Effect>,
    pub(crate) tally: Tally,
}

/// How many requests came to which end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    /// Never answered, and stored.
    pub(crate) stored_in_silence: u64,
    /// Never answered, and not stored.
    pub(crate) lost_in_silence: u64,
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |a, b| Self {
            acknowledged: a.acknowledged + b.acknowledged,
            stored_in_silence: a.stored_in_silence + b.stored_in_silence,
            lost_in_silence: a.lost_in_silence + b.lost_in_silence,
        })
    }
}

/// A request, the status it must be answered with, and what it then has changed.
struct Step {
    method: Method,
    path: String,
    body: String,
    status: u16,
    effect: Effect,
}

impl Writer {
    pub(crate) fn new(number: u64, seed: u64) -> Self {
        Self {
            prefix: format!("w{number}-"),
            random: Random::new(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            made: 0,
            records: Records::new(),
            pending: None,
            tally: Tally::default(),
        }
    }

    /// Writes until the server is gone; each acknowledgement is a permit of `acknowledged`.
    pub(crate) async fn run(mut self, address: SocketAddr, token: String, acknowledged: Arc<Semaphore>) -> Self {
        let Ok(mut client) = Client::try_open(address, Some(token)).await else { return self };
        loop {
            let step = self.step();
            self.pending = Some(step.effect.clone());
            let Ok(reply) = client.send(step.method.clone(), &step.path, step.body.clone()).await else { return self };
            check_reply(&step, &reply);
            self.pending = None;
            apply(&mut self.records, &step.effect);
            self.tally.acknowledged += 1;
            acknowledged.add_permits(1);
        }
    }

    /// Compares what the server has of this writer's with what it acknowledged; a request that was never answered is
    /// there as a whole or not at all.
    pub(crate) fn settle(&mut self, found: &Records) {
        let own = |(_, id): &Key| id.starts_with(&self.prefix);
        let found: Records = found.iter().filter(|(key, _)| own(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut with_pending = self.records.clone();
        let pending = self.pending.take().filter(|effect| !effect.is_empty());
        apply(&mut with_pending, pending.as_ref().unwrap_or(&Effect::new()));
        assert!(
            found == self.records || found == with_pending,
            "writer {}: with what was in flight ({pending:?}), and what was acknowledged:\n{}",
            self.prefix,
            difference(&self.records, &found)
        );
        match pending {
            Some(_) if found == self.records => self.tally.lost_in_silence += 1,
            Some(_) => self.tally.stored_in_silence += 1,
            None => {}
        }
        self.records = found;
    }

    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }

    fn step(&mut self) -> Step {
        let item = self.any(ITEMS);
        match (self.random.below(100), item) {
            (0..30, Some(id)) => self.patch(&id),
            (30..50, Some(id)) => self.delete(&id),
            (50..55, Some(id)) => self.create_duplicate(&id),
            (55..65, Some(id)) => self.create_note(&id),
            (65..70, _) => self.import(),
            _ => self.create(),
        }
    }

    fn any(&mut self, collection: &str) -> Option<String> {
        let ids: Vec<_> = self.records.keys().filter(|(own, _)| *own == collection).map(|(_, id)| id).collect();
        self.random.pick(&ids).map(|id| (*id).clone())
    }

    fn new_id(&mut self) -> String {
        self.made += 1;
        format!("{}{}", self.prefix, self.made)
    }

    fn payload(&mut self) -> String {
        let length = usize::try_from(self.random.below(400)).unwrap();
        format!("{:016x}{}", self.random.next(), "x".repeat(length))
    }

    /// The fields that every write of an item sets.
    fn values(&mut self) -> Value {
        let group = if self.random.below(10) == 0 { Value::Null } else { json!(self.random.pick(&GROUPS)) };
        let first = usize::try_from(self.random.below(4)).unwrap();
        let count = usize::try_from(self.random.below(3)).unwrap();
        let tags = &TAG_IDS[first..first + count];
        json!({ "group": group, "rank": self.random.below(100), "tags": tags, "payload": self.payload() })
    }

    fn item(&mut self) -> (String, Value) {
        let id = self.new_id();
        let mut item = self.values();
        item["id"] = json!(id);
        item["code"] = json!(format!("code {id}"));
        (id, item)
    }

    fn create(&mut self) -> Step {
        let (id, item) = self.item();
        made(ITEMS, id, item)
    }

    fn create_note(&mut self, item: &str) -> Step {
        let id = self.new_id();
        let note = json!({ "id": id, "item": item, "text": self.payload() });
        made(NOTES, id, note)
    }

    /// A record that the unique index refuses.
    fn create_duplicate(&mut self, other: &str) -> Step {
        let (id, mut item) = self.item();
        item["code"] = self.records[&(ITEMS, other.to_owned())]["code"].clone();
        Step { status: 422, effect: Effect::new(), ..made(ITEMS, id, item) }
    }

    fn patch(&mut self, id: &str) -> Step {
        let key = (ITEMS, id.to_owned());
        let mut patch = self.values();
        if self.random.below(4) == 0 {
            patch["code"] = json!(format!("code {id} {}", self.random.next()));
        }
        let mut item = self.records[&key].clone();
        for (name, value) in patch.as_object().unwrap() {
            item[name] = value.clone();
        }
        item["version"] = json!(item["version"].as_i64().unwrap() + 1);
        Step {
            method: Method::PATCH,
            path: format!("/api/v1/collections/{ITEMS}/records/{id}"),
            body: patch.to_string(),
            status: 200,
            effect: Effect::from([(key, Some(item))]),
        }
    }

    /// A deletion takes the item's notes along.
    fn delete(&mut self, id: &str) -> Step {
        let goes = |(key, record): &(&Key, &Value)| key.1 == id || record["item"] == id;
        Step {
            method: Method::DELETE,
            path: format!("/api/v1/collections/{ITEMS}/records/{id}"),
            body: String::new(),
            status: 204,
            effect: self.records.iter().filter(goes).map(|(key, _)| (key.clone(), None)).collect(),
        }
    }

    fn import(&mut self) -> Step {
        let items: Vec<_> = (0..IMPORT_LINES).map(|_| self.item()).collect();
        Step {
            method: Method::POST,
            path: format!("/api/v1/collections/{ITEMS}/import"),
            body: items.iter().map(|(_, item)| format!("{item}\n")).collect(),
            status: 200,
            effect: items.into_iter().map(|(id, item)| ((ITEMS, id), Some(first_version(item)))).collect(),
        }
    }
}

fn made(collection: &'static str, id: String, record: Value) -> Step {
    Step {
        method: Method::POST,
        path: format!("/api/v1/collections/{collection}/records"),
        body: record.to_string(),
        status: 201,
        effect: Effect::from([((collection, id), Some(first_version(record)))]),
    }
}

fn first_version(mut record: Value) -> Value {
    record["version"] = json!(1);
    record
}

/// An answer is what the step says, and shows the record as it then is.
fn check_reply(step: &Step, reply: &Reply) {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status, step.status, "{} {} {}: {text}", step.method, step.path, step.body);
    if step.path.ends_with("/import") {
        let report = reply.json();
        assert_eq!((&report["imported"], &report["rejected"]), (&json!(IMPORT_LINES), &json!([])));
    } else if let Some(Some(record)) = step.effect.values().next() {
        assert_eq!(without_times(reply.json()), *record);
    }
}
