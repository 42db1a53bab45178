//! From the body of a batch to its operations, or to every fault in them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Deed, OPERATIONS_MAX, Step,
    faults::Faults,
    references::{reference, unknown_ref},
};
use crate::{
    kernel::FieldError,
    records::{
        RecordError,
        input::{self, Members},
        operation::{Operation, What, owned},
    },
};

/// The longest name by which operations refer to each other.
const REF_MAX: usize = 64;

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
    collection: Option<String>,
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
    Enqueue,
}

pub(super) fn parse(body: &[u8]) -> Result<Vec<Step>, RecordError> {
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
    let raw: RawOperation<'_> =
        serde_json::from_str(raw.get()).map_err(|error| invalid("", "type", error.to_string()))?;
    let unfit = |name: &String| name.is_empty() || name.len() > REF_MAX || names.contains(name);
    if raw.r#ref.as_ref().is_some_and(unfit) {
        let detail = format!("must be a name of at most {REF_MAX} characters that no earlier operation has");
        return Err(invalid("/ref", "unique", detail));
    }
    let (id, id_of) = raw.id()?;
    if let Some(unknown) = id_of.as_ref().filter(|used| !names.contains(used)) {
        return Err(unknown_ref(unknown));
    }
    let deed = match raw.what() {
        Some(what) => Deed::Record(raw.operation(what, id)?),
        None => Deed::Enqueue(raw.job()?),
    };
    Ok(Step { deed, name: raw.r#ref, id_of })
}

fn invalid(pointer: &str, code: &'static str, detail: impl Into<String>) -> RecordError {
    RecordError::Invalid(vec![FieldError::new(pointer, code, detail.into())])
}

impl RawOperation<'_> {
    /// The id of the record, or the name in its place.
    fn id(&self) -> Result<(String, Option<String>), RecordError> {
        let needs_id = matches!(self.op, Kind::Update | Kind::Replace | Kind::Delete);
        match (self.id.map(RawValue::get), needs_id) {
            (None, true) => Err(invalid("/id", "required", "names the record")),
            (Some(_), false) if self.op == Kind::Enqueue => {
                Err(invalid("/id", "invalid", "a job has an id of its own"))
            }
            (Some(_), false) => Err(invalid("/id", "invalid", "a new record's id stands in its body")),
            (Some(text), true) => match (serde_json::from_str::<String>(text), reference(text)) {
                (Ok(text), _) => Ok((text, None)),
                (_, Some(name)) => Ok((String::new(), Some(name))),
                _ => Err(invalid("/id", "type", r#"must be an id, or {"$ref": "name"}"#)),
            },
            (None, false) => Ok((String::new(), None)),
        }
    }

    /// What is done to a record; nothing when it is a job that is made.
    fn what(&self) -> Option<What> {
        match self.op {
            Kind::Create => Some(What::Create),
            Kind::Update => Some(What::Update),
            Kind::Replace => Some(What::Replace),
            Kind::Upsert => Some(What::Upsert(self.by.clone().unwrap_or_else(|| vec!["id".into()]))),
            Kind::Delete => Some(What::Delete),
            Kind::Enqueue => None,
        }
    }

    fn operation(&self, what: What, id: String) -> Result<Operation, RecordError> {
        let collection =
            self.collection.clone().ok_or_else(|| invalid("/collection", "required", "names the collection"))?;
        if self.by.is_some() && self.op != Kind::Upsert {
            return Err(invalid("/by", "invalid", "only an upsert finds its record by fields"));
        }
        let members = match (self.body, self.op) {
            (None, Kind::Delete) => Members::new(),
            (Some(_), Kind::Delete) => return Err(invalid("/body", "invalid", "a deletion has no body")),
            _ => self.members()?,
        };
        Ok(Operation { what, collection, id, members, expected: self.if_match })
    }

    /// The members of the job.
    fn job(&self) -> Result<Members<'static>, RecordError> {
        let foreign = [
            ("/collection", self.collection.is_some()),
            ("/by", self.by.is_some()),
            ("/ifMatch", self.if_match.is_some()),
        ];
        match foreign.iter().find(|(_, given)| *given) {
            Some((pointer, _)) => {
                Err(invalid(pointer, "invalid", "is for records; everything about a job stands in its body"))
            }
            None => self.members(),
        }
    }

    fn members(&self) -> Result<Members<'static>, RecordError> {
        let body = self.body.ok_or_else(|| invalid("/body", "required", "says what is written"))?;
        Ok(owned(input::members(body.get().as_bytes())?))
    }
}
