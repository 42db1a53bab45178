//! What the server makes of the collections: what it refuses is left out and listed, until it takes the rest.

use anyhow::bail;
use hyper::Method;
use serde_json::{Value, json};

use super::{map::Mapping, report::Report};
use crate::{
    cli::client::{Client, describe},
    collections::{CollectionInput, Rules, system},
};

/// How often the server is asked: each answer names all faults of a kind.
const ROUNDS_MAX: usize = 20;

/// Changes the mappings to what the server takes.
pub(super) async fn agree(client: &mut Client, mappings: &mut [Mapping], report: &mut Report) -> anyhow::Result<()> {
    for _ in 0..ROUNDS_MAX {
        let inputs: Vec<_> = mappings.iter().map(|mapping| mapping.input(true)).collect();
        let Some(problem) = post(client, "plan", json!({ "collections": inputs })).await? else { return Ok(()) };
        let errors = problem.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut left_out = Vec::new();
        for error in &errors {
            let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
            left_out.extend(fault(text("pointer"), text("detail")));
        }
        // From behind, so that the places of the others stay.
        left_out.sort_by_key(|fault: &Fault| std::cmp::Reverse(fault.place));
        left_out.dedup_by(|a, b| a.place == b.place && a.part == b.part);
        let taken = left_out.iter().filter(|fault| leave_out(mappings, fault, report)).count();
        if taken == 0 {
            bail!("{}", describe(&problem));
        }
    }
    bail!("the server takes these collections in no form")
}

/// Makes the collections; `whole` when every record has all its relations.
pub(super) async fn apply(client: &mut Client, mappings: &[Mapping], whole: bool) -> anyhow::Result<()> {
    let inputs: Vec<CollectionInput> = mappings.iter().map(|mapping| mapping.input(whole)).collect();
    match post(client, "apply", json!({ "collections": inputs })).await? {
        None => Ok(()),
        Some(problem) => bail!("{}", describe(&problem)),
    }
}

/// The problem that the server answers, if it does.
async fn post(client: &mut Client, what: &str, body: Value) -> anyhow::Result<Option<Value>> {
    let answer = client.send(Method::POST, &format!("/api/v1/schema/{what}"), body.to_string().into_bytes()).await?;
    let status = answer.status;
    let problem = serde_json::from_slice(&answer.bytes().await?)?;
    Ok((status >= 400).then_some(problem))
}

/// What the server refuses: a part of the collection at a place.
struct Fault {
    place: (usize, usize),
    part: Part,
    detail: String,
}

#[derive(PartialEq, Eq)]
enum Part {
    Rule(String),
    Index,
    /// An attribute of a field.
    Attribute(String),
}

fn fault(pointer: &str, detail: &str) -> Option<Fault> {
    let mut parts = pointer.strip_prefix("/collections/")?.split('/');
    let collection = parts.next()?.parse().ok()?;
    let (kind, at) = (parts.next()?, parts.next()?);
    let (place, part) = match kind {
        "rules" => (0, Part::Rule(at.to_owned())),
        "indexes" => (at.parse().ok()?, Part::Index),
        "fields" => (at.parse().ok()?, Part::Attribute(parts.next()?.to_owned())),
        _ => return None,
    };
    Some(Fault { place: (collection, place), part, detail: detail.to_owned() })
}

/// Leaves out a part; answers whether there was one that can be.
fn leave_out(mappings: &mut [Mapping], fault: &Fault, report: &mut Report) -> bool {
    let (collection, at) = fault.place;
    let Some(mapping) = mappings.get_mut(collection) else { return false };
    let from = mapping.source.name.clone();
    match &fault.part {
        Part::Rule(name) => {
            let Some(rule) = rule(&mut mapping.rules, name).and_then(Option::take) else { return false };
            report.note(&from, "rule", format!("{name}: {rule}"), format!("closed: {}", fault.detail));
        }
        Part::Index if at < mapping.indexes.len() => {
            let index = mapping.indexes.remove(at);
            report.note(&from, "index", index.fields.join(", "), fault.detail.as_str());
        }
        Part::Index => return false,
        Part::Attribute(attribute) => {
            // The server puts the fields that it has by itself before those of a system collection.
            let own = system::fields_of(&mapping.to).len();
            let place = at.checked_sub(own);
            let mut given = mapping.fields.iter_mut().filter(|field| field.def.is_some());
            let field = place.and_then(|place| given.nth(place));
            let Some(def) = field.and_then(|field| field.def.as_mut()) else { return false };
            let had = match attribute.as_str() {
                "pattern" => def.pattern.take().is_some(),
                "min" => def.min.take().is_some(),
                "max" => def.max.take().is_some(),
                "unique" => std::mem::take(&mut def.unique),
                "indexed" => std::mem::take(&mut def.indexed),
                "rules" => def.rules.take().is_some() && !std::mem::replace(&mut def.hidden, true),
                _ => false,
            };
            if had {
                report.note(&from, "field", format!("{}: {attribute}", def.name), fault.detail.as_str());
            }
            return had;
        }
    }
    true
}

fn rule<'r>(rules: &'r mut Rules, name: &str) -> Option<&'r mut Option<String>> {
    Some(match name {
        "list" => &mut rules.list,
        "read" => &mut rules.read,
        "create" => &mut rules.create,
        "update" => &mut rules.update,
        "delete" => &mut rules.delete,
        _ => return None,
    })
}
