//! The names that expressions may use: a collection's fields, those of records that relations lead to, and the caller's.

use std::sync::Arc;

use super::catalog::{Collection, FIRST_FIELD, ID, Slot};
use super::field::Check;
use crate::expr::{Expr, Hop, Kind, Resolved, Root, Scope};

/// What rules may name of the caller, with the slot of each.
pub const AUTH_FIELDS: [(&str, Kind, bool); 4] = [
    ("id", Kind::Str, false),
    ("email", Kind::Str, false),
    ("roles", Kind::Str, true),
    ("verified", Kind::Bool, false),
];

/// How many relations a path of a rule may follow. Paths of filters have a bound of their own, which is not greater.
pub const HOPS_MAX: usize = 6;

/// What stands between the collection and the field in the name of a relation that is followed backwards.
const BACK: &str = "_via_";

/// Finds the collections that relations lead to.
pub trait Schemas: std::fmt::Debug {
    /// The collection with this name.
    fn named(&self, name: &str) -> Option<&Collection>;
}

/// What whoever writes an expression may see.
pub trait Sight: std::fmt::Debug {
    /// Whether a field may be named.
    fn shows(&self, collection: &Collection, slot: Slot) -> bool;

    /// What records that a relation leads to must satisfy to be seen; `None` for nothing.
    ///
    /// # Errors
    /// When none can be seen at all.
    fn guard(&self, collection: &Collection) -> Result<Option<Arc<Expr>>, Unseen>;
}

/// No record of a collection can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unseen;

/// The sight of rules, which see everything.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Sight for Everything {
    fn shows(&self, _: &Collection, _: Slot) -> bool {
        true
    }

    fn guard(&self, _: &Collection) -> Result<Option<Arc<Expr>>, Unseen> {
        Ok(None)
    }
}

/// The names of one collection's expressions.
#[derive(Clone, Copy, Debug)]
pub struct RecordScope<'a> {
    /// The collection whose records are judged.
    pub collection: &'a Collection,
    /// The collections that relations lead to.
    pub schemas: &'a dyn Schemas,
    /// What the author may see.
    pub sight: &'a dyn Sight,
    /// How many relations a path may follow.
    pub hops_max: usize,
    /// What it knows besides the record.
    pub knows: Knows,
}

/// What an expression knows besides the record that it judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    /// The caller: a filter.
    Caller,
    /// The caller, the body and the record before: a rule.
    Request,
    /// The record before, for it is judged whoever changes the record: a condition of a trigger.
    Change,
}

impl<'a> RecordScope<'a> {
    /// The scope of a rule.
    #[must_use]
    pub fn rule(collection: &'a Collection, schemas: &'a dyn Schemas) -> Self {
        Self { collection, schemas, sight: &Everything, hops_max: HOPS_MAX, knows: Knows::Request }
    }

    /// The scope of a client's filter.
    #[must_use]
    pub fn filter(collection: &'a Collection, schemas: &'a dyn Schemas, sight: &'a dyn Sight, hops_max: usize) -> Self {
        Self { collection, schemas, sight, hops_max, knows: Knows::Caller }
    }

    /// The scope of the condition of a trigger.
    #[must_use]
    pub fn trigger(collection: &'a Collection, schemas: &'a dyn Schemas) -> Self {
        Self { knows: Knows::Change, ..Self::rule(collection, schemas) }
    }

    fn check_root(&self, root: Root) -> Result<(), String> {
        match (self.knows, root) {
            (Knows::Caller, Root::Body | Root::Old) => {
                Err("a filter knows the record and @auth, not @request.body or @old".into())
            }
            (Knows::Change, Root::Body | Root::Auth) => {
                Err("a trigger knows the record and @old, not @auth or @request.body".into())
            }
            _ => Ok(()),
        }
    }

    /// The field of this collection with this name.
    fn slot(&self, name: &str) -> Result<Slot, String> {
        let seen = |slot: &Slot| self.sight.shows(self.collection, *slot);
        self.collection.slot(name).filter(seen).ok_or_else(|| unknown(self.collection, name, |slot| seen(&slot)))
    }

    /// The step that a name stands for, when it is a relation or one followed backwards.
    fn hop(&self, name: &str) -> Result<Option<(Hop, &'a Collection)>, String> {
        if let Some((other, field)) = name.split_once(BACK) {
            return self.back(other, field).map(Some);
        }
        let slot = self.slot(name)?;
        let Some(Check::Relation { collection: target, .. }) = self.collection.field(slot).map(|field| &field.check)
        else {
            return Ok(None);
        };
        let target = self.schemas.named(target).ok_or_else(|| format!("\"{name}\" leads to no collection"))?;
        let many = self.collection.kind(slot).1;
        let guard = self.guard(name, target)?;
        Ok(Some((Hop { to: target.number(), slot, back: false, many, guard }, target)))
    }

    fn back(&self, other: &str, field: &str) -> Result<(Hop, &'a Collection), String> {
        let name = || format!("{other}{BACK}{field}");
        let fault = || {
            format!(
                "no field \"{}\": no relation \"{field}\" of {other} points at {}",
                name(),
                self.collection.def.name
            )
        };
        let target = self.schemas.named(other).ok_or_else(fault)?;
        let shown = |slot: &Slot| self.sight.shows(target, *slot);
        let slot = target.slot(field).filter(shown).ok_or_else(fault)?;
        let points_here = match target.field(slot).map(|field| &field.check) {
            Some(Check::Relation { collection, .. }) => {
                self.schemas.named(collection).is_some_and(|found| found.number() == self.collection.number())
            }
            _ => false,
        };
        if !points_here {
            return Err(fault());
        }
        let guard = self.guard(&name(), target)?;
        let unique = target.def.fields.iter().any(|def| def.name == field && def.unique);
        Ok((Hop { to: target.number(), slot, back: true, many: !unique, guard }, target))
    }

    fn guard(&self, name: &str, target: &Collection) -> Result<Option<Arc<Expr>>, String> {
        let unseen = |_| format!("\"{name}\": you may not read records of {}", target.def.name);
        self.sight.guard(target).map_err(unseen)
    }

    fn inside(&self, collection: &'a Collection) -> Self {
        Self { collection, ..*self }
    }

    fn too_deep(&self, path: &[&str]) -> String {
        format!("\"{}\" follows more than {} relations", path.join("."), self.hops_max)
    }
}

impl Scope for RecordScope<'_> {
    fn resolve(&self, root: Root, path: &[&str]) -> Result<Resolved, String> {
        self.check_root(root)?;
        if root == Root::Auth {
            return resolve_auth(path);
        }
        let (mut via, mut scope, mut consumed) = (Vec::new(), *self, 0);
        loop {
            let rest = path.get(consumed..).unwrap_or_default();
            let name = rest.first().copied().unwrap_or_default();
            let is_back = name.contains(BACK);
            // The id behind a relation is the relation's own value.
            let ends = rest.len() < 2 || matches!(rest, [_, "id"]);
            if ends && !is_back {
                let slot = scope.slot(name)?;
                let is_relation = scope.hop(name).is_ok_and(|hop| hop.is_some());
                let (kind, many) = scope.collection.kind(slot);
                let consumed = consumed + if is_relation { rest.len() } else { 1 };
                let many = many || via.iter().any(|hop: &Hop| hop.many);
                return Ok(Resolved { via, slot, kind, many, consumed });
            }
            let Some((hop, target)) = scope.hop(name)? else {
                let slot = scope.slot(name)?;
                let (kind, many) = scope.collection.kind(slot);
                let many = many || via.iter().any(|hop: &Hop| hop.many);
                return Ok(Resolved { via, slot, kind, many, consumed: consumed + 1 });
            };
            if via.len() == self.hops_max {
                return Err(self.too_deep(path));
            }
            via.push(hop);
            consumed += 1;
            scope = scope.inside(target);
            if consumed == path.len() {
                let many = via.iter().any(|hop| hop.many);
                return Ok(Resolved { via, slot: ID, kind: Kind::Str, many, consumed });
            }
        }
    }

    fn records(&self, root: Root, path: &[&str]) -> Result<(Vec<Hop>, Box<dyn Scope + '_>), String> {
        self.check_root(root)?;
        let (mut via, mut scope) = (Vec::new(), *self);
        for name in path {
            let Some((hop, target)) = scope.hop(name)? else {
                return Err(format!("\"{name}\" leads to no records; compare its values: any({}) = …", path.join(".")));
            };
            if via.len() == self.hops_max {
                return Err(self.too_deep(path));
            }
            via.push(hop);
            scope = scope.inside(target);
        }
        let hops_max = self.hops_max - via.len();
        Ok((via, Box::new(Self { hops_max, ..scope })))
    }
}

/// The names of an expression about nothing but the caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallerScope;

impl Scope for CallerScope {
    fn resolve(&self, root: Root, path: &[&str]) -> Result<Resolved, String> {
        match root {
            Root::Auth => resolve_auth(path),
            _ => Err("groups are no records, so the rule of an aggregate knows @auth only".into()),
        }
    }

    fn records(&self, root: Root, path: &[&str]) -> Result<(Vec<Hop>, Box<dyn Scope + '_>), String> {
        self.resolve(root, path)?;
        Err(format!("\"{}\" leads to no records", path.join(".")))
    }
}

fn resolve_auth(path: &[&str]) -> Result<Resolved, String> {
    let name = path.first().copied().unwrap_or_default();
    let found = AUTH_FIELDS.iter().enumerate().find(|(_, (known, ..))| *known == name);
    let (slot, (_, kind, many)) =
        found.ok_or_else(|| format!("no field \"@auth.{name}\"; there are id, email, roles, verified"))?;
    Ok(Resolved { via: Vec::new(), slot, kind: *kind, many: *many, consumed: 1 })
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
