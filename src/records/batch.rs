//! Many changes of many collections in one transaction: all of them, or none.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    RecordError, RecordService,
    idempotency::{Answer, Idempotency},
    input::{self, Members},
    operation::{Done, Operation, What, owned},
    service::{Caller, Shown},
    write::Context,
};
use crate::{
    collections::{Check, Collection},
    kernel::{Code, DomainError as _, FieldError},
    store::Tx,
};

/// The most operations of a batch.
pub const OPERATIONS_MAX: usize = 1_000;
/// The longest name by which operations refer to each other.
const REF_MAX: usize = 64;
/// The most faults that are told.
const ERRORS_MAX: usize = 100;
/// The member by which a body refers to the record of an earlier operation.
const REF: &str = "$ref";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBatch<'b> {
    #[serde(borrow)]
    operations: Vec<&'b RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawOperation<'b> {
    op: Kind,
    collection: String,
    #[serde(borrow)]
    id: Option<&'b RawValue>,
    r#ref: Option<String>,
    by: Option<Vec<String>>,
    if_match: Option<i64>,
    #[serde(borrow)]
    body: Option<&'b RawValue>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Create,
    Update,
    Replace,
    Upsert,
    Delete,
}

/// An operation of a batch: it may name its record, and refer to those of earlier ones.
#[derive(Debug)]
struct Step {
    operation: Operation,
    /// The name of its record.
    name: Option<String>,
    /// The name in the place of its id.
    id_of: Option<String>,
}

impl RecordService {
    /// Carries out a batch. The answer has the results by index.
    ///
    /// # Errors
    /// [`RecordError::Batch`] with the faults of every operation that failed; nothing is written then.
    pub async fn batch(
        &self,
        caller: &Caller,
        body: &[u8],
        idempotency: Option<Idempotency>,
    ) -> Result<Answer, RecordError> {
        let steps = parse(body)?;
        let (ids, clock, by) = (Arc::clone(&self.ids), Arc::clone(&self.clock), caller.clone());
        let work = move |tx: &mut Tx<'_>, context: Context<'_>| {
            let fresh_id = || ids.next(clock.now()).to_string();
            let results = run(&steps, tx, context, &by, &fresh_id)?;
            Ok(Answer { status: 200, shown: Shown { id: String::new(), version: 0, json: json(&results) } })
        };
        self.once(caller, idempotency, Arc::new(work)).await
    }
}

fn parse(body: &[u8]) -> Result<Vec<Step>, RecordError> {
    let raw: RawBatch<'_> =
        serde_json::from_slice(body).map_err(|error| RecordError::Body(format!("the body is not a batch: {error}")))?;
    if raw.operations.is_empty() || raw.operations.len() > OPERATIONS_MAX {
        let detail = format!("a batch has 1 to {OPERATIONS_MAX} operations");
        return Err(RecordError::Invalid(vec![FieldError::at("operations", "items", detail)]));
    }
    let mut faults = Faults::default();
    let mut steps = Vec::with_capacity(raw.operations.len());
    let mut names: Vec<String> = Vec::new();
    for (index, operation) in raw.operations.iter().enumerate() {
        match step(operation, &names) {
            Ok(step) => {
                names.extend(step.name.clone());
                steps.push(step);
            }
            Err(error) => faults.take(index, "", &error),
        }
    }
    faults.into_result().map(|()| steps)
}

fn step(raw: &RawValue, names: &[String]) -> Result<Step, RecordError> {
    let invalid =
        |pointer: &str, code, detail: String| RecordError::Invalid(vec![FieldError::new(pointer, code, detail)]);
    let raw: RawOperation<'_> =
        serde_json::from_str(raw.get()).map_err(|error| invalid("", "type", error.to_string()))?;
    let needs_id = matches!(raw.op, Kind::Update | Kind::Replace | Kind::Delete);
    let (mut id, mut id_of) = (String::new(), None);
    match (raw.id.map(RawValue::get), needs_id) {
        (None, true) => return Err(invalid("/id", "required", "names the record".into())),
        (Some(_), false) => {
            return Err(invalid("/id", "invalid", "a new record's id stands in its body".into()));
        }
        (Some(text), true) => match (serde_json::from_str::<String>(text), reference(text)) {
            (Ok(text), _) => id = text,
            (_, Some(name)) => id_of = Some(name),
            _ => return Err(invalid("/id", "type", r#"must be an id, or {"$ref": "name"}"#.into())),
        },
        (None, false) => {}
    }
    let members = match (raw.body, raw.op) {
        (None, Kind::Delete) => Members::new(),
        (Some(_), Kind::Delete) => return Err(invalid("/body", "invalid", "a deletion has no body".into())),
        (None, _) => return Err(invalid("/body", "required", "says what is written".into())),
        (Some(body), _) => owned(input::members(body.get().as_bytes())?),
    };
    let unfit = |name: &String| name.is_empty() || name.len() > REF_MAX || names.contains(name);
    if raw.r#ref.as_ref().is_some_and(unfit) {
        let detail = format!("must be a name of at most {REF_MAX} characters that no earlier operation has");
        return Err(invalid("/ref", "unique", detail));
    }
    if let Some(unknown) = id_of.as_ref().filter(|used| !names.contains(used)) {
        return Err(unknown_ref(unknown));
    }
    let what = match raw.op {
        Kind::Create => What::Create,
        Kind::Update => What::Update,
        Kind::Replace => What::Replace,
        Kind::Upsert => What::Upsert(raw.by.clone().unwrap_or_else(|| vec!["id".into()])),
        Kind::Delete => What::Delete,
    };
    if raw.by.is_some() && raw.op != Kind::Upsert {
        return Err(invalid("/by", "invalid", "only an upsert finds its record by fields".into()));
    }
    let operation = Operation { what, collection: raw.collection, id, members, expected: raw.if_match };
    Ok(Step { operation, name: raw.r#ref, id_of })
}

fn unknown_ref(name: &str) -> RecordError {
    let detail = format!("no earlier operation has the ref \"{name}\"");
    RecordError::Invalid(vec![FieldError::new("", "unknown_ref", detail)])
}

/// The name in `{"$ref": "name"}`.
fn reference(text: &str) -> Option<String> {
    let members = text.starts_with('{').then(|| input::members(text.as_bytes()).ok())??;
    match members.as_slice() {
        [(name, value)] if name == REF => serde_json::from_str(value).ok(),
        _ => None,
    }
}

/// The names that a value refers to: itself, or items of a list.
fn references(value: &str) -> Vec<String> {
    if !value.contains(REF) {
        return Vec::new();
    }
    let items: Vec<&RawValue> = serde_json::from_str(value).unwrap_or_default();
    reference(value).into_iter().chain(items.iter().filter_map(|item| reference(item.get()))).collect()
}

/// A value with ids in the place of names.
fn resolved(value: &str, ids: &HashMap<&str, String>) -> Option<String> {
    let id = |text: &str| reference(text).and_then(|name| ids.get(name.as_str()).map(|id| format!("\"{id}\"")));
    if let Some(id) = id(value) {
        return Some(id);
    }
    let items: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    let items: Vec<String> = items.iter().map(|item| id(item.get()).unwrap_or_else(|| item.get().to_owned())).collect();
    Some(format!("[{}]", items.join(",")))
}

fn run(
    steps: &[Step],
    tx: &mut Tx<'_>,
    context: Context<'_>,
    caller: &Caller,
    fresh_id: &(dyn Fn() -> String + Sync),
) -> Result<Vec<Done>, RecordError> {
    let (mut ids, mut names): (HashMap<&str, String>, HashSet<&str>) = Default::default();
    let (mut results, mut faults) = (Vec::with_capacity(steps.len()), Faults::default());
    for (index, step) in steps.iter().enumerate() {
        let collection = context.catalog.find(&step.operation.collection).map(|found| &**found);
        let used = used(step, collection);
        let unknown = used.iter().find(|name| !names.contains(name.as_str()));
        names.extend(step.name.as_deref());
        if let Some(unknown) = unknown {
            faults.take(index, "", &unknown_ref(unknown));
            continue;
        }
        // The record of a name could not be written.
        if !used.iter().all(|name| ids.contains_key(name.as_str())) {
            continue;
        }
        let operation =
            if used.is_empty() { Cow::Borrowed(&step.operation) } else { Cow::Owned(with_ids(step, collection, &ids)) };
        match operation.run(tx, context, caller, fresh_id) {
            Ok(done) => {
                if let Some(name) = &step.name {
                    ids.insert(name, done.shown.id.clone());
                }
                results.push(done);
            }
            Err(error @ (RecordError::Store(_) | RecordError::Moved)) => return Err(error),
            Err(error) => {
                faults.take(index, "/body", &error);
                // A refused deletion may have done a part of what it entails, which later operations must not see.
                if operation.what == What::Delete || faults.errors.len() >= ERRORS_MAX {
                    break;
                }
            }
        }
    }
    faults.into_result().map(|()| results)
}

fn relates(collection: Option<&Collection>, name: &str) -> bool {
    let field = collection.and_then(|collection| collection.field(collection.slot(name)?));
    field.is_some_and(|field| matches!(field.check, Check::Relation { .. }))
}

/// The names that an operation uses: in the place of its id and in relations. Elsewhere `$ref` is a value like any other.
fn used(step: &Step, collection: Option<&Collection>) -> Vec<String> {
    let relations = step.operation.members.iter().filter(|(name, _)| relates(collection, name));
    relations.flat_map(|(_, value)| references(value)).chain(step.id_of.clone()).collect()
}

/// The operation with ids in the place of names. Every name that it uses has one.
fn with_ids(step: &Step, collection: Option<&Collection>, ids: &HashMap<&str, String>) -> Operation {
    let mut operation = step.operation.clone();
    for (name, value) in &mut operation.members {
        if relates(collection, name)
            && !references(value).is_empty()
            && let Some(text) = resolved(value, ids)
        {
            *value = text.into();
        }
    }
    if let Some(id) = step.id_of.as_ref().and_then(|name| ids.get(name.as_str())) {
        operation.id.clone_from(id);
    }
    operation
}

/// The faults of operations, each under its index.
#[derive(Default)]
struct Faults {
    code: Option<Code>,
    errors: Vec<FieldError>,
}

impl Faults {
    /// Notes a fault of an operation, in the member `inside` of it.
    fn take(&mut self, index: usize, inside: &str, error: &RecordError) {
        self.code.get_or_insert(error.code());
        let place = format!("/operations/{index}");
        let own = error.field_errors();
        if own.is_empty() {
            self.errors.push(FieldError::new(place.clone(), error.code().wire(), error));
        }
        // A parameter of a request by itself is a member of the operation here.
        let inside = if matches!(error, RecordError::Parameters(_)) { "/" } else { inside };
        let moved =
            |error: &FieldError| FieldError { pointer: format!("{place}{inside}{}", error.pointer), ..error.clone() };
        self.errors.extend(own.iter().map(moved));
    }

    fn into_result(self) -> Result<(), RecordError> {
        match self.code {
            None => Ok(()),
            Some(code) => Err(RecordError::Batch { code, errors: self.errors }),
        }
    }
}

fn json(results: &[Done]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + results.iter().map(|done| done.shown.json.len() + 96).sum::<usize>());
    out.extend_from_slice(b"{\"results\":[");
    for (index, Done { status, shown }) in results.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // An id has no character that JSON escapes.
        out.extend_from_slice(format!("{{\"status\":{status},\"id\":\"{}\"", shown.id).as_bytes());
        if !shown.json.is_empty() {
            out.extend_from_slice(format!(",\"version\":{},\"record\":", shown.version).as_bytes());
            out.extend_from_slice(&shown.json);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}
