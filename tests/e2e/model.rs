//! What must be stored: the naive model that the crash test compares the server with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Records that other records must not share a `code` with, with an index of every kind.
pub(crate) const ITEMS: &str = "items";
/// Records that go with their item.
pub(crate) const NOTES: &str = "notes";
/// What items point at; they stay.
pub(crate) const TAGS: &str = "tags";
pub(crate) const TAG_IDS: [&str; 6] = ["t0", "t1", "t2", "t3", "t4", "t5"];

/// The collection and id of a record.
pub(crate) type Key = (&'static str, String);
/// Records by key, without the times at which they were made and changed.
pub(crate) type Records = BTreeMap<Key, Value>;
/// What one request changes, whole or not at all; `None` is a deletion.
pub(crate) type Effect = BTreeMap<Key, Option<Value>>;

pub(crate) fn collections() -> [Value; 3] {
    [
        json!({ "name": TAGS, "fields": [{ "name": "label", "type": "string" }] }),
        json!({
            "name": ITEMS,
            "fields": [
                { "name": "code", "type": "string", "required": true, "unique": true },
                { "name": "group", "type": "string" },
                { "name": "rank", "type": "integer" },
                { "name": "tags", "type": "relation", "collection": TAGS, "many": true },
                { "name": "payload", "type": "text", "required": true },
            ],
            "indexes": [{ "fields": ["group", "-rank"] }],
        }),
        json!({
            "name": NOTES,
            "fields": [
                { "name": "item", "type": "relation", "collection": ITEMS, "required": true, "onDelete": "cascade" },
                { "name": "text", "type": "text", "required": true },
            ],
        }),
    ]
}

pub(crate) fn apply(records: &mut Records, effect: &Effect) {
    for (key, value) in effect {
        match value {
            Some(value) => records.insert(key.clone(), value.clone()),
            None => records.remove(key),
        };
    }
}

/// A record as the model keeps it.
pub(crate) fn without_times(mut record: Value) -> Value {
    let members = record.as_object_mut().unwrap();
    assert!(members.remove("createdAt").is_some() && members.remove("updatedAt").is_some(), "{members:?}");
    record
}

/// Where two states differ, for a person.
pub(crate) fn difference(wanted: &Records, found: &Records) -> String {
    let keys = wanted.keys().chain(found.keys().filter(|key| !wanted.contains_key(*key)));
    let differing = keys.filter(|key| wanted.get(*key) != found.get(*key));
    let lines =
        differing.map(|key| format!("{key:?}:\n  wanted {:?}\n  found  {:?}\n", wanted.get(key), found.get(key)));
    lines.take(5).collect()
}
