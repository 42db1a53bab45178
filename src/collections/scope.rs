//! The names that expressions may use: a collection's fields, and the caller's.

use super::catalog::{Collection, FIRST_FIELD};
use super::field::Check;
use crate::expr::{Kind, Resolved, Root, Scope};

/// What rules may name of the caller, with the slot of each.
pub const AUTH_FIELDS: [(&str, Kind, bool); 3] =
    [("id", Kind::Str, false), ("email", Kind::Str, false), ("roles", Kind::Str, true)];

/// Names of rules: fields of the record, of the body, of the record before, and of the caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleScope<'a> {
    /// The collection whose rules they are.
    pub collection: &'a Collection,
}

/// Names of a client's filter: fields of the record that the client may see.
#[derive(Clone, Copy, Debug)]
pub struct FilterScope<'a> {
    /// The collection that is listed.
    pub collection: &'a Collection,
}

impl Scope for RuleScope<'_> {
    fn resolve(&self, root: Root, path: &[&str]) -> Result<Resolved, String> {
        match root {
            Root::Auth => resolve_auth(path),
            Root::Record | Root::Body | Root::Old => resolve_field(self.collection, path, |_| true),
        }
    }
}

impl Scope for FilterScope<'_> {
    fn resolve(&self, root: Root, path: &[&str]) -> Result<Resolved, String> {
        match root {
            Root::Auth => resolve_auth(path),
            Root::Record => resolve_field(self.collection, path, |slot| self.collection.is_visible(slot)),
            Root::Body | Root::Old => Err("a filter knows the record and @auth, not @request.body or @old".into()),
        }
    }
}

fn resolve_auth(path: &[&str]) -> Result<Resolved, String> {
    let name = path.first().copied().unwrap_or_default();
    let found = AUTH_FIELDS.iter().enumerate().find(|(_, (known, ..))| *known == name);
    let (slot, (_, kind, many)) =
        found.ok_or_else(|| format!("no field \"@auth.{name}\"; there are id, email, roles"))?;
    Ok(Resolved { slot, kind: *kind, many: *many, consumed: 1 })
}

fn resolve_field(collection: &Collection, path: &[&str], visible: impl Fn(usize) -> bool) -> Result<Resolved, String> {
    let name = path.first().copied().unwrap_or_default();
    let slot = collection.slot(name).filter(|slot| visible(*slot));
    let slot = slot.ok_or_else(|| unknown(collection, name, visible))?;
    let (kind, many) = collection.kind(slot);
    if path.len() > 1 && matches!(collection.field(slot).map(|field| &field.check), Some(Check::Relation { .. })) {
        return Err(format!(
            "\"{name}\" is a relation; a filter compares its id, fields behind it cannot be named yet"
        ));
    }
    Ok(Resolved { slot, kind, many, consumed: 1 })
}

fn unknown(collection: &Collection, name: &str, visible: impl Fn(usize) -> bool) -> String {
    let slots = (0..FIRST_FIELD + collection.fields.len()).filter(|slot| visible(*slot));
    let names = slots.map(|slot| collection.slot_name(slot));
    let close = names.filter(|known| distance(known, name) <= 2).min_by_key(|known| distance(known, name));
    match close {
        Some(close) => format!("no field \"{name}\" in {}; did you mean \"{close}\"?", collection.def.name),
        None => format!("no field \"{name}\" in {}", collection.def.name),
    }
}

/// How many letters differ, at most: the Levenshtein distance of two short names, whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            next.push((at(&row, j) + usize::from(x != *y)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
