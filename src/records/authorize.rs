//! Who may do what with a record: the roles of the caller, else the rules of the collection.

use jiff::Timestamp;

use super::{
    RecordError,
    input::{Draft, Members},
    operator,
    service::{Caller, not_found},
    sight::{CallerSight, Mask},
    view::View,
};
use crate::{
    access::{Action, AuthValues},
    collections::{
        Collection, Slot, Slots,
        catalog::{CompiledRules, FIRST_FIELD},
        read_head, system,
    },
    expr::Expr,
    kernel::FieldError,
    roles,
    store::{Read, StoreError},
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
    let Some(view) = &collection.view else { return open_own(caller, collection, action, rule, now) };
    if !matches!(action, Action::List | Action::Read) {
        return Err(read_only(collection));
    }
    // Nobody sees more of a view than there is in it, be it by a role or by a rule.
    let base = view.base.bind(&AuthValues { principal: &caller.principal, now }, now);
    Ok(Opening::Matching(match open_own(caller, collection, action, rule, now)? {
        Opening::All => base,
        Opening::Matching(rule) => Expr::all([base, rule]),
    }))
}

/// Why a view cannot be written.
pub(super) fn read_only(view: &Collection) -> RecordError {
    RecordError::ReadOnly { view: view.def.name.clone(), source_name: view.source_name().to_owned() }
}

fn open_own(
    caller: &Caller,
    collection: &Collection,
    action: Action,
    rule: impl Fn(&CompiledRules) -> &Option<Expr>,
    now: Timestamp,
) -> Result<Opening, RecordError> {
    let forbidden = || RecordError::Forbidden(collection.def.name.clone());
    if caller.principal.may(&collection.def.name, action) {
        return Ok(Opening::All);
    }
    if !caller.principal.in_scope(&collection.def.name, action) {
        return Err(forbidden());
    }
    let rule = rule(&collection.rules).as_ref().ok_or_else(forbidden)?;
    let auth = AuthValues { principal: &caller.principal, now };
    match rule.bind(&auth, now) {
        Expr::Constant(true) => Ok(Opening::All),
        Expr::Constant(false) => Err(forbidden()),
        rule => Ok(Opening::Matching(rule)),
    }
}

/// Refuses a new record that the rule does not open.
pub(super) fn check_creation(opening: &Opening, view: View<'_>) -> Result<(), RecordError> {
    let Opening::Matching(rule) = opening else { return Ok(()) };
    if view.satisfies(rule)? { Ok(()) } else { Err(RecordError::Forbidden(view.collection.def.name.clone())) }
}

/// Refuses a change of a stored record: as forbidden to who may see it, as not found to who may not.
pub(super) fn check_write(
    caller: &Caller,
    action: Action,
    rule: impl Fn(&CompiledRules) -> &Option<Expr>,
    view: View<'_>,
    id: &str,
) -> Result<(), RecordError> {
    let collection = view.collection;
    if opens(open(caller, collection, action, rule, view.now), view)? {
        return Ok(());
    }
    let visible = opens(open(caller, collection, Action::Read, |rules| &rules.read, view.now), view)?;
    if visible { Err(RecordError::Forbidden(collection.def.name.clone())) } else { Err(not_found(collection, id)) }
}

fn opens(opening: Result<Opening, RecordError>, view: View<'_>) -> Result<bool, RecordError> {
    match opening {
        Ok(Opening::All) => Ok(true),
        Ok(Opening::Matching(rule)) => view.satisfies(&rule),
        Err(RecordError::Forbidden(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Refuses values of single fields that the caller may not give; each is named. A value that stays as it is, or that a
/// new record would have anyway, is nobody's doing.
pub(super) fn check_fields(caller: &Caller, action: Action, draft: &Draft, view: View<'_>) -> Result<(), RecordError> {
    let collection = view.collection;
    if collection.rules.fields.is_empty() || caller.principal.may(&collection.def.name, action) {
        return Ok(());
    }
    let auth = AuthValues { principal: &caller.principal, now: view.now };
    let mask = CallerSight { caller, now: view.now }.mask(collection);
    let mut errors = Vec::new();
    for field in &collection.rules.fields {
        let Some(rule) = &field.write else { continue };
        let own = collection.field(field.slot);
        let default = own.map(|own| own.default.as_str());
        let before = view.old.map_or(default, |old| old.get(field.slot).or(default));
        let Some(value) = draft.value(field.slot) else { continue };
        // Letting an unseen value pass where it stays the same would tell what it is.
        let told = view.old.is_none() || sees(&mask, field.slot, view)?;
        if told && Some(value) == before {
            continue;
        }
        if !view.satisfies(&rule.bind(&auth, view.now))? {
            let name = collection.slot_name(field.slot);
            errors.push(FieldError::at(name, "forbidden", "you may not give or change this field here"));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(RecordError::FieldsForbidden(errors)) }
}

/// Whether a field of a record is seen.
fn sees(mask: &Mask, slot: Slot, view: View<'_>) -> Result<bool, RecordError> {
    let veil = mask.veiled.iter().find(|(veiled, _)| *veiled == slot);
    veil.map_or(Ok(true), |(_, condition)| view.satisfies(condition))
}

/// Refuses operators on fields that the caller does not see in the record: what comes of them would tell their values.
pub(super) fn check_operators(caller: &Caller, members: &Members<'_>, view: View<'_>) -> Result<(), RecordError> {
    let mut operators = members.iter().filter(|(_, value)| operator::is_operator(value)).peekable();
    if operators.peek().is_none() {
        return Ok(());
    }
    let mask = CallerSight { caller, now: view.now }.mask(view.collection);
    let mut errors = Vec::new();
    for (name, _) in operators {
        let Some(slot) = view.collection.slot(name) else { continue };
        if !sees(&mask, slot, view)? {
            errors.push(FieldError::at(name, "forbidden", "you do not see this field here, so give it a whole value"));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(RecordError::FieldsForbidden(errors)) }
}

/// The fields that stay when a whole record does not name them: those that its sender does not see or may not write, for it says
/// nothing about them.
pub(super) fn kept_fields(caller: &Caller, collection: &Collection, now: Timestamp) -> Vec<Slot> {
    let auth = AuthValues { principal: &caller.principal, now };
    let open = |rule: &Option<Expr>, action| {
        let by_rule = |rule: &Expr| rule.bind(&auth, now) == Expr::Constant(true);
        caller.principal.may(&collection.def.name, action) || rule.as_ref().is_none_or(by_rule)
    };
    let ruled = collection.rules.fields.iter();
    let closed = ruled.filter(|field| !(open(&field.read, Action::Read) && open(&field.write, Action::Update)));
    let hidden = (FIRST_FIELD..collection.slot_count()).filter(|slot| !collection.is_visible(*slot));
    closed.map(|field| field.slot).chain(hidden).collect()
}

/// Refuses what would give rights that the caller does not have: by a rule nobody changes what gives rights, and by a permission
/// nobody more than they have, nor anything of a user who has more.
pub(super) fn check_rights(
    source: &impl Read,
    caller: &Caller,
    collection: &Collection,
    action: Action,
    draft: &Draft,
    old: Option<&Slots<'_>>,
) -> Result<(), RecordError> {
    if collection.def.name != system::USERS {
        return Ok(());
    }
    let field = |name: &str| collection.slot(name);
    let before =
        |slot: Slot| old.and_then(|old| old.get(slot)).or(collection.field(slot).map(|field| field.default.as_str()));
    if !caller.principal.may(system::USERS, action) {
        let gives = |slot: Slot| draft.value(slot).is_some_and(|value| Some(value) != before(slot));
        let gives_rights = system::RIGHTS.iter().filter_map(|name| field(name)).any(gives);
        // Whoever has the address has the account: `/auth/change-email` asks for the password.
        let moves = old.is_some() && field("email").is_some_and(gives);
        if gives_rights || moves {
            return Err(RecordError::Forbidden(system::USERS.into()));
        }
        return check_over(source, caller, collection, old, action);
    }
    check_over(source, caller, collection, old, action)?;
    let Some(roles) = field("roles") else { return Ok(()) };
    let (held, given) = (names(old.and_then(|old| old.get(roles)))?, names(draft.value(roles).or(before(roles)))?);
    let mut errors = Vec::new();
    for (position, name) in given.iter().enumerate().filter(|(_, name)| !held.contains(name)) {
        let pointer = format!("/roles/{position}");
        match roles::role(source, name)? {
            None => errors.push(FieldError::new(pointer, "unknown_role", format!("there is no role \"{name}\""))),
            Some(role) if caller.principal.covers(&role.compiled()) => {}
            Some(_) => return Err(RecordError::Forbidden(system::USERS.into())),
        }
    }
    let changed = held.iter().any(|name| !given.contains(name)) || given.iter().any(|name| !held.contains(name));
    let plain = old.is_none() && draft.value(roles).is_none_or(|value| Some(value) == before(roles));
    if changed && !plain && !caller.principal.may("roles", Action::Assign) {
        return Err(RecordError::Forbidden("roles (it takes roles:assign)".into()));
    }
    if errors.is_empty() { Ok(()) } else { Err(RecordError::Invalid(errors)) }
}

/// Refuses who may change users, by a permission or a rule, but not this one, for the user may do what they may not. By a rule
/// everyone may be opened their own record.
pub(super) fn check_over(
    source: &impl Read,
    caller: &Caller,
    collection: &Collection,
    old: Option<&Slots<'_>>,
    action: Action,
) -> Result<(), RecordError> {
    let Some(old) = old.filter(|_| collection.def.name == system::USERS) else { return Ok(()) };
    if !caller.principal.may(system::USERS, action) && read_head(old).id == caller.principal.id.as_str() {
        return Ok(());
    }
    for name in names(collection.slot("roles").and_then(|slot| old.get(slot)))? {
        let role = roles::role(source, &name)?;
        if role.is_some_and(|role| !caller.principal.covers(&role.compiled())) {
            return Err(RecordError::Forbidden(system::USERS.into()));
        }
    }
    Ok(())
}

fn names(list: Option<&str>) -> Result<Vec<String>, StoreError> {
    list.map_or(Ok(Vec::new()), |list| serde_json::from_str(list).map_err(StoreError::corrupt))
}

pub(super) fn check_version(slots: &Slots<'_>, expected: Option<i64>) -> Result<(), RecordError> {
    let version = read_head(slots).version;
    match expected {
        Some(expected) if expected != version => Err(RecordError::Stale(version)),
        _ => Ok(()),
    }
}
