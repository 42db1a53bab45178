//! Items of `group` and `select` against the collection: which field, which function, whether they fit.

use super::{
    bucket::Unit,
    request::{Function, Key, Measure},
    term::Item,
};
use crate::{
    collections::is_name,
    expr::{Field, Kind, Resolved, Root, Scope},
};

/// Names that columns cannot have: words of the expression language.
const RESERVED: [&str; 4] = ["true", "false", "null", "in"];
/// What is shown of a text that the client sent.
const ECHO_CHARS_MAX: usize = 64;

/// What is wrong: a stable code, and a text.
pub(super) type Fault = (&'static str, String);

/// Reads an item whose column has a fit name; `what` says what it should be.
pub(super) fn item<'t>(text: &'t str, what: &str) -> Result<Item<'t>, Fault> {
    let item = Item::parse(text).ok_or_else(|| ("invalid", format!("{} is not {what}", echo(text))))?;
    match item.alias.filter(|alias| !is_name(alias) || RESERVED.contains(alias)) {
        None => Ok(item),
        Some(alias) => {
            let grammar = "a name has a letter, then letters, digits and underscores";
            Err(("pattern", format!("{} cannot name a column; {grammar}", echo(alias))))
        }
    }
}

/// A group key: a field, or a unit of time of one.
pub(super) fn key(scope: &dyn Scope, item: &Item<'_>) -> Result<Key, Fault> {
    let unit = item.function.map(|name| Unit::named(name).ok_or_else(|| no_function("unit of time", name, &units())));
    let unit = unit.transpose()?;
    let field = field(scope, item.name)?;
    match unit {
        Some(unit) if field.many || !unit.fits(field.kind) => {
            let name = item.function.unwrap_or_default();
            Err(("type", format!("there is no {name} of \"{}\", which is {}", field.name, field.kind.name())))
        }
        None if field.kind == Kind::Json => Err(("type", format!("\"{}\" makes no groups, as it is JSON", field.name))),
        _ => Ok(Key { field, unit }),
    }
}

/// An aggregate.
pub(super) fn measure(scope: &dyn Scope, item: &Item<'_>) -> Result<Measure, Fault> {
    let no_aggregate = |name| no_function("aggregate", name, &functions());
    let Some(name) = item.function else {
        let count = || Measure { name: item.column(), function: Function::Count, field: None };
        return if item.name == "count" { Ok(count()) } else { Err(no_aggregate(item.name)) };
    };
    let function = Function::named(name).ok_or_else(|| no_aggregate(name))?;
    let field = field(scope, item.name)?;
    if !function.fits(field.kind) {
        return Err(("type", format!("{name} does not take \"{}\", which is {}", field.name, field.kind.name())));
    }
    Ok(Measure { name: item.column(), function, field: Some(field) })
}

/// The field that a name or a path over relations leads to, as far as the caller may see it.
fn field(scope: &dyn Scope, name: &str) -> Result<Field, Fault> {
    let path: Vec<&str> = name.split('.').collect();
    let Resolved { via, slot, kind, many, consumed } =
        scope.resolve(Root::Record, &path).map_err(|detail| ("unknown_field", detail))?;
    if consumed < path.len() {
        return Err(("unknown_field", format!("{} leads into a value, of which a part cannot be taken", echo(name))));
    }
    Ok(Field { root: Root::Record, via, slot, kind, many, name: name.to_owned(), rest: Vec::new() })
}

fn no_function(what: &str, name: &str, known: &str) -> Fault {
    ("unknown_function", format!("there is no {what} {}; there are {known}", echo(name)))
}

fn units() -> String {
    Unit::ALL.map(|(name, _)| name).join(", ")
}

fn functions() -> String {
    format!("count, {}", Function::ALL.map(|(name, _)| format!("{name}(field)")).join(", "))
}

/// What the client sent, in quotes, shortened.
pub(super) fn echo(text: &str) -> String {
    format!("{:?}", text.trim().chars().take(ECHO_CHARS_MAX).collect::<String>())
}
