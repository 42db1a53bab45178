//! Views: what makes a saved query a collection that can be read, and whether its definition holds.
//!
//! A view of records is the collection that it reads under another name: the same numbers, slots and indexes, with the
//! fields that it does not list hidden, and a condition that every reader is bound to. A view of groups is the same, but
//! nobody reads its records; what is asked of them is checked and worked out by `records`, which knows aggregates.

use std::{collections::HashSet, fmt};

use super::{
    catalog::{Collection, SYSTEM_FIELDS, compile_rules},
    model::{CollectionDef, FIELDS_MAX, Rules, ViewDef},
    scope::{CallerScope, Knows, RecordScope, Schemas},
};
use crate::{
    expr::{self, Expr, Scope},
    kernel::FieldError,
};

/// What a collection has that is a view.
#[derive(Clone, Debug)]
pub struct View {
    /// The view's own number; the collection's is that of the collection that it reads.
    pub number: u32,
    /// The name of the collection that it reads.
    pub source: String,
    /// Which records of it are the view's.
    pub base: Expr,
    /// The definition.
    pub def: ViewDef,
}

/// Checks the aggregate of a view. Implemented by `records`, which knows the language of aggregates.
pub trait CheckView: fmt::Debug + Send + Sync {
    /// Every fault of the view's aggregate over `source`, by the members of the view.
    fn faults(&self, view: &ViewDef, source: &Collection, schemas: &dyn Schemas) -> Vec<FieldError>;
}

/// The view as a collection that can be read. What does not hold any more opens nothing: a change that would break it was
/// refused, so this is a fault of the server, which must not open what was closed.
pub(super) fn compile(def: &CollectionDef, view: &ViewDef, schemas: &dyn Schemas) -> Collection {
    let source = schemas.named(&view.from);
    if source.is_none() {
        tracing::error!(view = def.name, "a stored view reads a collection that is not there; it has no records");
    }
    let mut made = source.map_or_else(|| Collection::draft(def.clone(), Vec::new()), Clone::clone);
    made.def.name.clone_from(&def.name);
    made.def.description.clone_from(&def.description);
    made.def.rules.clone_from(&def.rules);
    (made.def.triggers, made.triggers) = (Vec::new(), Vec::new());
    made.def.system = false;
    for (field, compiled) in made.def.fields.iter_mut().zip(&mut made.fields) {
        let hidden = field.hidden || view.fields.as_ref().is_some_and(|shown| !shown.contains(&field.name));
        (field.hidden, compiled.hidden) = (hidden, hidden);
        // Groups show no field of a record.
        field.rules = field.rules.take().filter(|_| !view.is_aggregate());
    }
    let base = source.map_or(Expr::Constant(false), |source| compile_base(def, view, source, schemas));
    let rules = compile_rules(&made, rule_scope(view, &made, schemas).as_ref());
    made.rules = rules;
    let (number, source) = (def.number, view.from.clone());
    made.view = Some(View { number, source, base, def: view.clone() });
    made
}

fn compile_base(def: &CollectionDef, view: &ViewDef, source: &Collection, schemas: &dyn Schemas) -> Expr {
    let Some(filter) = &view.filter else { return Expr::Constant(true) };
    expr::compile(filter, &base_scope(source, schemas)).unwrap_or_else(|error| {
        tracing::error!(view = def.name, %error, "the filter of a stored view does not compile; it has no records");
        Expr::Constant(false)
    })
}

/// What the filter of a view may name: as a rule, everything, but there is no body and no record before.
fn base_scope<'a>(source: &'a Collection, schemas: &'a dyn Schemas) -> RecordScope<'a> {
    RecordScope { knows: Knows::Caller, ..RecordScope::rule(source, schemas) }
}

/// What the rules of a view may name. A group is no record, so the rule of an aggregate knows the caller only.
fn rule_scope<'a>(view: &ViewDef, source: &'a Collection, schemas: &'a dyn Schemas) -> Box<dyn Scope + 'a> {
    match view.is_aggregate() {
        true => Box::new(CallerScope),
        false => Box::new(RecordScope::rule(source, schemas)),
    }
}

/// Every fault of the definition of a view.
pub(super) fn faults(
    def: &CollectionDef,
    view: &ViewDef,
    schemas: &dyn Schemas,
    check: &dyn CheckView,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !def.fields.is_empty() {
        let detail = "a view has fields of the collection that it reads; list them in view.fields";
        errors.push(FieldError::at("fields", "invalid", detail));
    }
    if !def.triggers.is_empty() {
        let detail = format!("a view is read only; the triggers belong to {}", view.from);
        errors.push(FieldError::at("triggers", "invalid", detail));
    }
    check_parts(view, &mut errors);
    let Some(source) = schemas.named(&view.from) else {
        let detail =
            format!("there is no collection \"{}\" that has records of its own; a view reads no view", view.from);
        errors.push(FieldError::new("/view/from", "not_found", detail));
        return errors;
    };
    check_fields(view, source, &mut errors);
    if let Some(Err(error)) = view.filter.as_deref().map(|filter| expr::compile(filter, &base_scope(source, schemas))) {
        errors.push(FieldError::new("/view/filter", "invalid", error));
    }
    if view.is_aggregate() {
        errors.extend(check.faults(view, source, schemas));
    }
    check_rules(&def.rules, view, rule_scope(view, source, schemas).as_ref(), &mut errors);
    errors
}

/// A view shows records, or groups of them.
fn check_parts(view: &ViewDef, errors: &mut Vec<FieldError>) {
    if view.is_aggregate() {
        if view.fields.is_some() {
            let detail = "a view has fields of records, or select and group; not both";
            errors.push(FieldError::new("/view/fields", "invalid", detail));
        }
        return;
    }
    for (name, member) in [("having", &view.having), ("timezone", &view.timezone)] {
        if member.is_some() {
            let detail = "only a view with select or group has it";
            errors.push(FieldError::new(format!("/view/{name}"), "invalid", detail));
        }
    }
}

fn check_fields(view: &ViewDef, source: &Collection, errors: &mut Vec<FieldError>) {
    let Some(fields) = &view.fields else {
        if source.def.system && !view.is_aggregate() {
            let detail = format!("a view of {} says which fields it shows", source.def.name);
            errors.push(FieldError::new("/view/fields", "required", detail));
        }
        return;
    };
    if fields.len() > FIELDS_MAX {
        errors.push(FieldError::new("/view/fields", "items", format_args!("at most {FIELDS_MAX} fields")));
    }
    let mut names = HashSet::new();
    for (position, name) in fields.iter().enumerate().take(FIELDS_MAX) {
        let mut fail = |code, detail: String| {
            errors.push(FieldError::new(format!("/view/fields/{position}"), code, detail));
        };
        match source.slot(name) {
            _ if SYSTEM_FIELDS.iter().any(|(system, _)| system == name) => {
                fail("reserved", format!("every record has \"{name}\"; list the others"));
            }
            None => fail("not_found", format!("there is no field \"{name}\" in {}", source.def.name)),
            Some(slot) if !source.is_visible(slot) => {
                fail("hidden", format!("\"{name}\" is hidden in {}, so no view shows it", source.def.name));
            }
            Some(_) if !names.insert(name) => fail("unique", format!("\"{name}\" stands there twice")),
            Some(_) => {}
        }
    }
}

fn check_rules(rules: &Rules, view: &ViewDef, scope: &dyn Scope, errors: &mut Vec<FieldError>) {
    let Rules { list, read, create, update, delete } = rules;
    for (name, rule) in [("list", list), ("read", read), ("create", create), ("update", update), ("delete", delete)] {
        let Some(rule) = rule else { continue };
        let pointer = format!("/rules/{name}");
        if name == "read" && view.is_aggregate() {
            errors.push(FieldError::new(pointer, "invalid", "groups have no ids to be read by; there is only list"));
        } else if !matches!(name, "list" | "read") {
            let detail = format!("a view is read only; the records are changed in {}", view.from);
            errors.push(FieldError::new(pointer, "invalid", detail));
        } else if let Err(error) = expr::compile(rule, scope) {
            errors.push(FieldError::new(pointer, "invalid", error));
        }
    }
}
