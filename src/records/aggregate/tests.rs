//! Aggregates against a naive model: whatever the indexes, filter, groups and aggregates, the answer is what counting
//! and adding by hand over all records gives.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::subsequence};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{GROUP_BYTES_MAX, GROUPS_MAX, groups::Groups, request::Request};
use crate::{
    expr::{self, Field, Values},
    kernel::{Code, DomainError as _},
    records::tests::{World, filter, indexes, row},
};

const KEYS: [&str; 13] = [
    "color",
    "size",
    "weight",
    "price",
    "sold",
    "day",
    "moment",
    "tags",
    "version",
    "year(moment)",
    "month(day)",
    "week(day)",
    "hour(moment)",
];
const MEASURES: [&str; 16] = [
    "count",
    "count as n",
    "sum(size)",
    "avg(size)",
    "min(size)",
    "max(size)",
    "sum(price)",
    "min(price)",
    "max(price)",
    "distinct(price)",
    "min(color)",
    "max(day)",
    "max(moment)",
    "distinct(color)",
    "distinct(tags)",
    "max(weight)",
];

/// The records' values of a field, as a model sees them: a list of one for all but `tags`.
fn values(record: &Value, field: &str) -> Vec<Value> {
    match &record[field] {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        value => vec![value.clone()],
    }
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// What a record's group shows under a key, for each group that it is in.
fn model_keys(record: &Value, key: &str) -> Vec<Value> {
    let (unit, field) = key.trim_end_matches(')').split_once('(').map_or(("", key), |(unit, field)| (unit, field));
    let of = |value: Value| match (unit, field) {
        ("year", _) => value.as_str().unwrap()[..4].into(),
        ("month", _) => value.as_str().unwrap()[..7].into(),
        // The days of the rows lie in one week.
        ("week", _) => "2026-W01".into(),
        (_, "price") => decimal(&value).normalize().to_string().into(),
        _ => value,
    };
    match values(record, field) {
        none if none.is_empty() && field != "tags" => vec![Value::Null],
        some => some.into_iter().map(of).collect(),
    }
}

fn model_measure(records: &[&Value], measure: &str) -> Value {
    if measure.starts_with("count") {
        return records.len().into();
    }
    let (function, field) = measure.trim_end_matches(')').split_once('(').unwrap();
    let all: Vec<Value> = records.iter().flat_map(|record| values(record, field)).collect();
    let whole = || all.iter().map(|value| value.as_i64().unwrap());
    let (empty, least) = (all.is_empty(), function == "min");
    match (function, field) {
        ("distinct", "price") => all.iter().map(decimal).collect::<BTreeSet<_>>().len().into(),
        ("distinct", _) => all.iter().map(Value::to_string).collect::<BTreeSet<_>>().len().into(),
        _ if empty => Value::Null,
        ("sum", "size") => whole().sum::<i64>().into(),
        ("avg", _) => (whole().sum::<i64>() as f64 / all.len() as f64).into(),
        ("sum", _) => all.iter().map(decimal).sum::<Decimal>().to_string().into(),
        (_, "size") => if least { whole().min() } else { whole().max() }.into(),
        (_, "price") => {
            let prices = all.iter().map(decimal);
            if least { prices.min() } else { prices.max() }.unwrap().to_string().into()
        }
        (_, "weight") => all.iter().map(|value| value.as_f64().unwrap()).max_by(f64::total_cmp).into(),
        _ => {
            let texts = all.iter().map(|value| value.as_str().unwrap());
            if least { texts.min() } else { texts.max() }.into()
        }
    }
}

/// Every group's columns, by the JSON texts of its keys.
fn model(records: &[Value], keys: &[&str], measures: &[&str]) -> BTreeMap<Vec<String>, Vec<Value>> {
    let mut groups: BTreeMap<Vec<String>, (Vec<Value>, Vec<&Value>)> = BTreeMap::new();
    if keys.is_empty() {
        groups.insert(Vec::new(), (Vec::new(), Vec::new()));
    }
    for record in records {
        let mut own = vec![Vec::new()];
        for key in keys {
            let shown = model_keys(record, key);
            own = own
                .iter()
                .flat_map(|so_far| shown.iter().map(|one| [so_far.clone(), vec![one.clone()]].concat()))
                .collect();
        }
        for key in own {
            let texts = key.iter().map(Value::to_string).collect();
            groups.entry(texts).or_insert((key, Vec::new())).1.push(record);
        }
    }
    let columns = |(keys, records): (Vec<Value>, Vec<&Value>)| {
        keys.into_iter().chain(measures.iter().map(|measure| model_measure(&records, measure))).collect()
    };
    groups.into_iter().map(|(texts, group)| (texts, columns(group))).collect()
}

/// Whether groups stand in the order of two columns: null first, then by value.
fn ordered(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => b.is_null().cmp(&a.is_null()),
        (Value::Number(a), Value::Number(b)) => a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => a.as_str().unwrap().cmp(b.as_str().unwrap()),
    }
}

async fn ask(world: &World, parameters: &[(&str, String)]) -> Value {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let answer = world.records.aggregate(&world.caller, "things", &parameters).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

async fn check(world: &World, filter: &str, keys: &[&str], measures: &[&str]) {
    let records: Vec<Value> = world
        .scan(if filter.is_empty() { "1 = 1" } else { filter })
        .iter()
        .map(|record| serde_json::from_slice(record).unwrap())
        .collect();
    let expected = model(&records, keys, measures);
    let parameters = [
        ("filter", filter.to_owned()),
        ("group", keys.join(",")),
        ("select", measures.join(",")),
        ("limit", "1000".to_owned()),
    ];
    let answer = ask(world, &parameters).await;
    let what = format!("{parameters:?}: {answer}");
    let columns = |item: &Value| item.as_object().unwrap().values().cloned().collect::<Vec<_>>();
    let items: Vec<Vec<Value>> = answer["items"].as_array().unwrap().iter().map(columns).collect();
    let texts = |row: &Vec<Value>| row[..keys.len()].iter().map(Value::to_string).collect::<Vec<_>>();
    let found: BTreeMap<_, _> = items.iter().map(|row| (texts(row), row.clone())).collect();
    assert_eq!(found, expected, "{what}");
    assert_eq!((items.len(), &answer["groups"]), (expected.len(), &json!(expected.len())), "{what}");
    if let Some(key) = keys.first().filter(|key| **key != "price") {
        assert!(items.is_sorted_by(|a, b| ordered(&a[0], &b[0]).is_le()), "{key}: {what}");
    }
}

fn question() -> impl Strategy<Value = (String, Vec<&'static str>, Vec<&'static str>)> {
    let filter = prop_oneof![1 => Just(String::new()), 2 => filter()];
    let keys = subsequence(KEYS.to_vec(), 0..=3).prop_shuffle();
    let measures = prop_oneof![
        1 => Just(vec!["count"]),
        2 => subsequence(MEASURES.to_vec(), 1..=4).prop_shuffle(),
    ];
    (filter, keys, measures)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_what_adding_by_hand_gives(
        indexes in indexes(),
        late in any::<bool>(),
        rows in vec(row(), 0..60),
        questions in vec(question(), 16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new(&indexes, late, &rows).await;
            for (filter, keys, measures) in questions {
                check(&world, &filter, &keys, &measures).await;
            }
            // What an index alone can answer, for every index that there is.
            for index in &indexes {
                let fields: Vec<&str> = index.iter().map(|term| term.trim_start_matches('-')).collect();
                for key in fields.iter().filter(|field| KEYS.contains(field)) {
                    check(&world, "", &[key], &["count"]).await;
                }
            }
        });
    }
}

/// One value for every field.
struct Same(expr::Value<'static>);

impl Values for Same {
    fn value(&self, _: &Field) -> expr::Value<'_> {
        self.0.clone()
    }

    fn each(&self, _: &Field, _: &mut dyn FnMut(&dyn Values) -> bool) {}

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// Takes in records with these values, and answers how many came in before a fault, and the fault.
async fn fill(group: &str, select: &str, values: impl Iterator<Item = expr::Value<'static>>) -> (usize, String) {
    let world = World::new(&[], false, &[]).await;
    let parameters = [("group", group), ("select", select)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let request = world.asking(|asking| Request::parse(asking, &parameters)).unwrap();
    let mut groups = Groups::new(&request).unwrap();
    let mut taken = 0;
    for value in values {
        match groups.take(&Same(value), 1) {
            Ok(()) => taken += 1,
            Err(fault) => {
                assert_eq!(fault.code(), Code::ValidationFailed);
                return (taken, fault.to_string());
            }
        }
    }
    (taken, String::new())
}

#[tokio::test]
async fn memory_has_an_end() {
    let numbers = |count: usize| (0..i64::try_from(count).unwrap()).map(expr::Value::Int);
    let (taken, fault) = fill("size", "count", numbers(GROUPS_MAX + 1)).await;
    assert_eq!((taken, fault.contains("more than 100000 groups")), (GROUPS_MAX, true), "{fault}");
    let texts = |count: usize| (0..count).map(|n| expr::Value::Str(format!("{n:04}{}", "x".repeat(999_996)).into()));
    let megabytes = GROUP_BYTES_MAX / 1_000_000;
    for (group, select) in [("color", "count"), ("", "distinct(color)")] {
        let again = texts(megabytes).chain(texts(2)).chain(texts(megabytes + 1).skip(megabytes));
        let (taken, fault) = fill(group, select, again).await;
        assert_eq!((taken, fault.contains("64 MiB")), (megabytes + 2, true), "{fault}");
    }
    let (taken, fault) = fill("size,color", "max(color)", texts(megabytes)).await;
    assert_eq!(
        (taken, fault.contains("64 MiB")),
        (megabytes / 3, true),
        "a group holds its keys and its greatest text"
    );
    // A text that is no longer the greatest takes nothing.
    assert_eq!(fill("", "max(color)", texts(2 * megabytes)).await, (2 * megabytes, String::new()));
}
