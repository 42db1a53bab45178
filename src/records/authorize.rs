//! Who may do what with a record: the roles of the caller, else the rules of the collection.

use jiff::Timestamp;

use super::{
    RecordError,
    input::Draft,
    prepare::Prepared,
    service::{Caller, not_found},
    view::View,
};
use crate::{
    access::{Action, AuthValues},
    collections::{Collection, Slots, catalog::CompiledRules, read_head, system},
    expr::Expr,
};

/// What the caller's roles and the collection's rules open.
#[derive(Debug)]
pub(super) enum Opening {
    /// Every record.
    All,
    /// The records that match.
    Matching(Expr),
}

/// What the caller may do with the records of a collection, as far as no record needs to be looked at.
pub(super) fn open(
    caller: &Caller,
    collection: &Collection,
    action: Action,
    rule: impl Fn(&CompiledRules) -> &Option<Expr>,
    now: Timestamp,
) -> Result<Opening, RecordError> {
    if caller.principal.may(&collection.def.name, action) {
        return Ok(Opening::All);
    }
    let forbidden = || RecordError::Forbidden(collection.def.name.clone());
    let rule = rule(&collection.rules).as_ref().ok_or_else(forbidden)?;
    let auth = AuthValues { principal: &caller.principal, now };
    match rule.bind(&auth, now) {
        Expr::Constant(true) => Ok(Opening::All),
        Expr::Constant(false) => Err(forbidden()),
        rule => Ok(Opening::Matching(rule)),
    }
}

pub(super) fn check_creation(
    opening: &Opening,
    collection: &Collection,
    draft: &Draft,
    prepared: &Prepared,
    now: Timestamp,
) -> Result<(), RecordError> {
    let Opening::Matching(rule) = opening else { return Ok(()) };
    let slots = Slots::read(collection, prepared.new.as_deref().unwrap_or_default())?;
    let body = draft.slots(collection);
    let view = View { body: Some(&body), ..View::of(collection, &slots, now) };
    if rule.eval(&view) { Ok(()) } else { Err(RecordError::Forbidden(collection.def.name.clone())) }
}

/// Refuses a change of a stored record: as forbidden to who may see it, as not found to who may not.
pub(super) fn check_write(
    caller: &Caller,
    collection: &Collection,
    action: Action,
    rule: impl Fn(&CompiledRules) -> &Option<Expr>,
    view: View<'_>,
    id: &str,
) -> Result<(), RecordError> {
    let allowed = match open(caller, collection, action, rule, view.now) {
        Ok(Opening::All) => true,
        Ok(Opening::Matching(rule)) => rule.eval(&view),
        Err(RecordError::Forbidden(_)) => false,
        Err(other) => return Err(other),
    };
    if allowed {
        return Ok(());
    }
    let visible = match open(caller, collection, Action::Read, |rules| &rules.read, view.now) {
        Ok(Opening::All) => true,
        Ok(Opening::Matching(rule)) => rule.eval(&view),
        Err(_) => false,
    };
    if visible { Err(RecordError::Forbidden(collection.def.name.clone())) } else { Err(not_found(collection, id)) }
}

/// Refuses a user who, by a rule, may write users, but not what gives rights. Only a permission opens that.
pub(super) fn check_rights(
    caller: &Caller,
    collection: &Collection,
    action: Action,
    draft: &Draft,
    old: Option<&Slots<'_>>,
) -> Result<(), RecordError> {
    if collection.def.name != system::USERS || caller.principal.may(system::USERS, action) {
        return Ok(());
    }
    let gives_rights = system::RIGHTS.iter().filter_map(|name| collection.slot(name)).any(|slot| {
        let before = old.and_then(|old| old.get(slot)).or(collection.field(slot).map(|field| field.default.as_str()));
        draft.value(slot).is_some_and(|value| Some(value) != before)
    });
    if gives_rights { Err(RecordError::Forbidden(system::USERS.into())) } else { Ok(()) }
}

pub(super) fn check_version(slots: &Slots<'_>, expected: Option<i64>) -> Result<(), RecordError> {
    let version = read_head(slots).version;
    match expected {
        Some(expected) if expected != version => Err(RecordError::Stale(version)),
        _ => Ok(()),
    }
}
