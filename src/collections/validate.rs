//! From what a client sends to a definition that fits, or to every reason why it does not.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    catalog::{Catalog, Collection, SYSTEM_FIELDS, split_direction},
    field::{Check, Field},
    model::{CollectionDef, CollectionError, FIELDS_MAX, FieldDef, INDEX_FIELDS_MAX, INDEXES_MAX, IndexInput, Rules},
    rename,
    scope::{RecordScope, Schemas},
    trigger,
    view::{self, CheckView},
};
use crate::{
    expr::{self, Expr, ExprError},
    kernel::FieldError,
};

/// Names that collections cannot have: words of the API's own.
const RESERVED_COLLECTIONS: [&str; 27] = [
    "account",
    "admin",
    "aggregate",
    "audit",
    "auth",
    "batch",
    "collections",
    "docs",
    "files",
    "health",
    "jobs",
    "keys",
    "mail",
    "metrics",
    "notifications",
    "openapi",
    "pulls",
    "queues",
    "realtime",
    "records",
    "roles",
    "schedules",
    "search",
    "system",
    "templates",
    "uploads",
    "webhooks",
];
/// Names that fields cannot have: words of the expression language and of answers.
const RESERVED_FIELDS: [&str; 6] = ["expand", "true", "false", "null", "in", "collection"];
const NAME_MAX: usize = 63;
const DESCRIPTION_MAX: usize = 2_000;
const RULE_PATHS: [&str; 5] = ["list", "read", "create", "update", "delete"];

/// An index that a definition asks for: its terms, and whether it is unique and made by an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedIndex {
    pub(super) fields: Vec<String>,
    pub(super) unique: bool,
    pub(super) implicit: bool,
}

/// What a definition has to fit, besides itself.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// All collections.
    pub(super) catalog: &'a Catalog,
    /// Checks the aggregates of views.
    pub(super) views: &'a dyn CheckView,
    /// The names of all queues.
    pub(super) queues: &'a BTreeSet<String>,
}

/// Checks a definition whose parts are given. Answers the indexes that it asks for.
pub(super) fn check(
    def: &CollectionDef,
    indexes: &[IndexInput],
    around: Around<'_>,
) -> Result<(Vec<Field>, Vec<WantedIndex>), CollectionError> {
    let Around { catalog, views, queues } = around;
    let mut errors = Vec::new();
    check_name(def, catalog, &mut errors);
    if def.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_MAX) {
        errors.push(FieldError::at(
            "description",
            "too_long",
            format_args!("must have at most {DESCRIPTION_MAX} characters"),
        ));
    }
    if def.cache_control.as_deref().is_some_and(|text| !is_cache_control(text)) {
        let detail = "must be directives of RFC 9111 for answers, such as \"private, max-age=60\"";
        errors.push(FieldError::at("cacheControl", "format", detail));
    }
    if let Some(view) = &def.view {
        errors.extend(view::faults(def, view, catalog, views));
        if !indexes.is_empty() {
            errors.push(FieldError::at(
                "indexes",
                "invalid",
                "a view is served by indexes of the collection that it reads",
            ));
        }
        return if errors.is_empty() { Ok((Vec::new(), Vec::new())) } else { Err(CollectionError::Invalid(errors)) };
    }
    let fields = check_fields(def, catalog, &mut errors);
    let wanted = wanted_indexes(def, indexes);
    if errors.is_empty() {
        let draft = Collection::draft(def.clone(), fields.clone());
        check_indexes(&draft, indexes, &wanted, &mut errors);
        trigger::faults(&draft, queues, &mut errors);
        let after = drafted(catalog, &draft);
        check_rules(catalog, &after, &draft, &mut errors);
        check_views(catalog, &after, &draft, views, &mut errors);
    }
    if errors.is_empty() { Ok((fields, wanted)) } else { Err(CollectionError::Invalid(errors)) }
}

/// Whether this is a name for a collection, a field or a column.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a text is directives of [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2) and its extensions for
/// stale answers ([RFC 5861](https://www.rfc-editor.org/rfc/rfc5861)).
fn is_cache_control(text: &str) -> bool {
    const PLAIN: [&str; 8] = [
        "public",
        "private",
        "no-cache",
        "no-store",
        "no-transform",
        "must-revalidate",
        "proxy-revalidate",
        "immutable",
    ];
    const SECONDS: [&str; 4] = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];
    let seconds =
        |value: &str| value.len() <= 10 && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let fits = |directive: &str| match directive.split_once('=') {
        None => PLAIN.contains(&directive),
        Some((name, value)) => SECONDS.contains(&name) && seconds(value),
    };
    text.len() <= 200 && text.split(',').map(str::trim).all(fits)
}

/// Whether no collection can have this name, though its letters would do.
#[must_use]
pub fn is_reserved_collection(name: &str) -> bool {
    RESERVED_COLLECTIONS.contains(&name.to_lowercase().as_str())
}

/// Whether no field can have this name, though its letters would do.
#[must_use]
pub fn is_reserved_field(name: &str) -> bool {
    SYSTEM_FIELDS.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) || RESERVED_FIELDS.contains(&name)
}

fn name_grammar() -> String {
    format!("must start with a letter and have up to {NAME_MAX} letters, digits and underscores")
}

fn check_name(def: &CollectionDef, catalog: &Catalog, errors: &mut Vec<FieldError>) {
    let name = def.name.as_str();
    if name.is_empty() {
        errors.push(FieldError::at("name", "required", "a collection has a name"));
    } else if !is_name(name) {
        errors.push(FieldError::at("name", "pattern", name_grammar()));
    } else if is_reserved_collection(name) {
        errors.push(FieldError::at(
            "name",
            "reserved",
            format_args!("\"{name}\" is a word of the API; choose another name"),
        ));
    } else if catalog.defined(name).is_some_and(|other| other.number() != def.number) {
        errors.push(FieldError::at("name", "unique", format_args!("there is a collection \"{name}\" already")));
    }
}

fn check_fields(def: &CollectionDef, catalog: &Catalog, errors: &mut Vec<FieldError>) -> Vec<Field> {
    if def.fields.len() > FIELDS_MAX {
        errors.push(FieldError::at("fields", "items", format_args!("a collection has at most {FIELDS_MAX} fields")));
    }
    let mut names = HashSet::new();
    let mut fields = Vec::new();
    for (index, field) in def.fields.iter().enumerate() {
        let pointer = |attribute: &str| format!("/fields/{index}/{attribute}");
        check_field_name(&field.name, &pointer("name"), !names.insert(field.name.to_lowercase()), errors);
        match Field::compile(field) {
            Ok(compiled) => {
                check_target(&compiled, def, catalog, &pointer("collection"), errors);
                fields.push(compiled);
            }
            Err(unfit) => errors.push(FieldError::new(pointer(unfit.attribute), "invalid", unfit.detail)),
        }
    }
    fields
}

fn check_field_name(name: &str, pointer: &str, duplicate: bool, errors: &mut Vec<FieldError>) {
    let system = SYSTEM_FIELDS.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    if !is_name(name) {
        errors.push(FieldError::new(pointer, "pattern", name_grammar()));
    } else if system {
        errors.push(FieldError::new(pointer, "reserved", format_args!("every record has \"{name}\" already")));
    } else if RESERVED_FIELDS.contains(&name) {
        errors.push(FieldError::new(
            pointer,
            "reserved",
            format_args!("\"{name}\" has a meaning of its own; choose another name"),
        ));
    } else if duplicate {
        errors.push(FieldError::new(pointer, "unique", format_args!("there is a field \"{name}\" already")));
    }
}

fn check_target(field: &Field, def: &CollectionDef, catalog: &Catalog, pointer: &str, errors: &mut Vec<FieldError>) {
    if let Check::Relation { collection, .. } = &field.check
        && *collection != def.name
        && catalog.by_name(collection).is_none()
    {
        let detail = match catalog.defined(collection) {
            Some(_) => format!("\"{collection}\" is a view; point at the collection that it reads"),
            None => format!("there is no collection \"{collection}\"; create it first"),
        };
        errors.push(FieldError::new(pointer, "not_found", detail));
    }
}

/// The indexes that a client lists, and those that attributes and relations imply and no listed one serves.
fn wanted_indexes(def: &CollectionDef, listed: &[IndexInput]) -> Vec<WantedIndex> {
    let explicit =
        listed.iter().map(|index| WantedIndex { fields: index.fields.clone(), unique: index.unique, implicit: false });
    let mut wanted: Vec<_> = explicit.collect();
    for field in &def.fields {
        let serves = |index: &WantedIndex| {
            let first = index.fields.first().is_some_and(|first| *first == field.name);
            first && (!field.unique || (index.unique && index.fields.len() == 1))
        };
        let needed = field.unique || field.indexed || field.kind == "relation";
        if needed && !wanted.iter().any(serves) {
            wanted.push(WantedIndex { fields: vec![field.name.clone()], unique: field.unique, implicit: true });
        }
    }
    wanted
}

fn check_indexes(draft: &Collection, listed: &[IndexInput], wanted: &[WantedIndex], errors: &mut Vec<FieldError>) {
    if wanted.len() > INDEXES_MAX {
        let detail = format!("a collection has at most {INDEXES_MAX} indexes, those of single fields included");
        errors.push(FieldError::at("indexes", "items", detail));
    }
    for (position, index) in listed.iter().enumerate() {
        let pointer = format!("/indexes/{position}");
        let terms: HashSet<&str> = index.fields.iter().map(|term| split_direction(term).0).collect();
        if index.fields.is_empty() || index.fields.len() > INDEX_FIELDS_MAX || terms.len() != index.fields.len() {
            let detail = format!("an index has 1 to {INDEX_FIELDS_MAX} different fields");
            errors.push(FieldError::new(format!("{pointer}/fields"), "items", detail));
        }
        if listed.iter().take(position).any(|other| other.fields == index.fields) {
            errors.push(FieldError::new(pointer.clone(), "unique", "there is an index over these fields already"));
        }
        for (place, term) in index.fields.iter().enumerate() {
            check_index_field(draft, index, term, &format!("{pointer}/fields/{place}"), errors);
        }
    }
    for (position, field) in draft.def.fields.iter().enumerate() {
        let compiled = draft.fields.get(position);
        if (field.unique || field.indexed) && !compiled.is_some_and(Field::is_indexable) {
            let attribute = if field.unique { "unique" } else { "indexed" };
            let detail = format!("a {} field cannot have an index", describe(field));
            errors.push(FieldError::new(format!("/fields/{position}/{attribute}"), "invalid", detail));
        }
    }
}

fn check_index_field(draft: &Collection, index: &IndexInput, term: &str, pointer: &str, errors: &mut Vec<FieldError>) {
    let (name, _) = split_direction(term);
    let Some(slot) = draft.slot(name) else {
        return errors.push(FieldError::new(pointer, "not_found", format_args!("there is no field \"{name}\"")));
    };
    let Some(field) = draft.field(slot) else { return };
    if !field.is_indexable() {
        let def = draft.def.fields.iter().find(|def| def.name == name);
        let detail = format!("a {} field cannot have an index", def.map_or_else(String::new, describe));
        errors.push(FieldError::new(pointer, "invalid", detail));
    } else if field.many.is_some() && (index.fields.len() > 1 || index.unique) {
        errors.push(FieldError::new(
            pointer,
            "invalid",
            "a field with many has an index of its own, which is not unique",
        ));
    }
}

fn describe(field: &FieldDef) -> String {
    if field.kind == "text" { "text (use string with max up to 4096)".into() } else { field.kind.clone() }
}

/// The collections as they would be with a draft in the place of the collection of its number, under its new name if it
/// gets one.
fn drafted(before: &Catalog, draft: &Collection) -> Catalog {
    let old = before.by_number(draft.number()).map_or(draft.def.name.as_str(), |stored| &stored.def.name);
    let moved = HashMap::from([(old, draft.def.name.as_str())]);
    let all = before.all_defined().into_iter().filter(|other| other.number() != draft.number());
    let followed = all.map(|other| Arc::new(rename::named(&rename::follow(&other.def, &moved))));
    Catalog::draft(before.epoch, followed.chain([Arc::new(draft.clone())]).collect())
}

/// Every rule of the draft compiles, and every rule of another collection that compiled still does.
fn check_rules(before: &Catalog, after: &Catalog, draft: &Collection, errors: &mut Vec<FieldError>) {
    for rule in rules_of(&draft.def) {
        if let Err(error) = rule.compile(draft, after) {
            errors.push(FieldError::new(rule.pointer, "invalid", error));
        }
    }
    for other in before.sorted().into_iter().filter(|other| other.number() != draft.number()) {
        let Some(other_after) = after.by_number(other.number()) else { continue };
        for rule in rules_of(&other.def) {
            let held = rule.compile(other, before).is_ok();
            if let Err(error) = rule.compile(other_after, after)
                && held
            {
                let (pointer, name) = (rule.pointer, &other.def.name);
                let detail = format!("the rule {pointer} of {name} would not hold any more: {error}");
                errors.push(FieldError::at(changed_part(before, draft), "in_use", detail));
            }
        }
    }
}

/// Every view that holds now would hold afterwards.
fn check_views(
    before: &Catalog,
    after: &Catalog,
    draft: &Collection,
    views: &dyn CheckView,
    errors: &mut Vec<FieldError>,
) {
    for (name, FieldError { pointer, detail, .. }) in broken_views(before, after, views) {
        let detail = format!("the view {name} would not hold any more: {pointer}: {detail}");
        errors.push(FieldError::at(changed_part(before, draft), "in_use", detail));
    }
}

/// What others must have named, if they do not hold any more: the name, if there is a new one, else a field.
fn changed_part(before: &Catalog, draft: &Collection) -> &'static str {
    let renamed = before.by_number(draft.number()).is_some_and(|stored| stored.def.name != draft.def.name);
    if renamed { "name" } else { "fields" }
}

/// The views that hold, and would not as they and all else will be, each with its first fault.
fn broken_views(before: &Catalog, after: &Catalog, views: &dyn CheckView) -> Vec<(String, FieldError)> {
    let fault = |def: &CollectionDef, catalog: &Catalog| {
        view::faults(def, def.view.as_ref()?, catalog, views).into_iter().next()
    };
    let will_be = |def: &CollectionDef| after.defined(&def.name).map_or_else(|| def.clone(), |found| found.def.clone());
    let defs = before.all_defined().into_iter().map(|defined| &defined.def);
    let sound = defs.filter(|def| def.view.is_some() && fault(def, before).is_none());
    sound.filter_map(|def| Some((def.name.clone(), fault(&will_be(def), after)?))).collect()
}

/// An expression of a definition, with where it stands.
struct Rule<'d> {
    pointer: String,
    source: &'d str,
    of_trigger: bool,
}

impl Rule<'_> {
    fn compile(&self, collection: &Collection, schemas: &dyn Schemas) -> Result<Expr, ExprError> {
        let scope = match self.of_trigger {
            true => RecordScope::trigger(collection, schemas),
            false => RecordScope::rule(collection, schemas),
        };
        expr::compile(self.source, &scope)
    }
}

fn rule(pointer: String, source: Option<&str>, of_trigger: bool) -> Option<Rule<'_>> {
    source.map(|source| Rule { pointer, source, of_trigger })
}

/// Every rule of a definition, and every condition of a trigger.
fn rules_of(def: &CollectionDef) -> Vec<Rule<'_>> {
    let Rules { list, read, create, update, delete } = &def.rules;
    let of_records = RULE_PATHS.iter().zip([list, read, create, update, delete]);
    let mut found: Vec<_> =
        of_records.filter_map(|(name, source)| rule(format!("/rules/{name}"), source.as_deref(), false)).collect();
    for (position, field) in def.fields.iter().enumerate() {
        let Some(rules) = &field.rules else { continue };
        for (name, source) in [("read", &rules.read), ("write", &rules.write)] {
            found.extend(rule(format!("/fields/{position}/rules/{name}"), source.as_deref(), false));
        }
    }
    for (position, trigger) in def.triggers.iter().enumerate() {
        found.extend(rule(format!("/triggers/{position}/when"), trigger.when.as_deref(), true));
    }
    found
}

/// The views that read this collection, or whose rules and filters lead to it.
pub(super) fn foreign_views(catalog: &Catalog, def: &CollectionDef, views: &dyn CheckView) -> Vec<String> {
    let others = catalog.all_defined().into_iter().filter(|other| other.number() != def.number).cloned();
    let broken = broken_views(catalog, &Catalog::draft(catalog.epoch, others.collect()), views);
    broken.into_iter().map(|(name, _)| name).collect()
}

/// The rules of other collections that lead to this one, as `collection/rules/list`.
pub(super) fn foreign_rules(catalog: &Catalog, def: &CollectionDef) -> Vec<String> {
    #[derive(Debug)]
    struct Without<'a>(&'a Catalog, u32);
    impl Schemas for Without<'_> {
        fn named(&self, name: &str) -> Option<&Collection> {
            self.0.by_name(name).map(|found| &**found).filter(|found| found.number() != self.1)
        }
    }
    let mut names = Vec::new();
    for other in catalog.sorted().into_iter().filter(|other| other.number() != def.number) {
        let without = Without(catalog, def.number);
        let breaks = |rule: &Rule<'_>| rule.compile(other, catalog).is_ok() && rule.compile(other, &without).is_err();
        let broken = rules_of(&other.def).into_iter().filter(breaks);
        names.extend(broken.map(|rule| format!("{}{}", other.def.name, rule.pointer)));
    }
    names
}
