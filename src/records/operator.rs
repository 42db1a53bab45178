//! Operators in a patch: changes that depend on the value that is there, so that two clients who make them at the same
//! time both count.
//!
//! `{"views": {"$increment": 1}}`, `{"tags": {"$append": ["new"]}}`, `{"tags": {"$remove": ["old"]}}`. They are carried out
//! on the record as the transaction finds it. A `json` field has none: there an object is a merge patch.

use std::collections::HashSet;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::input::members;
use crate::collections::{Check, Field};

/// The most items of an operand: as many as a list can have.
const OPERAND_MAX: usize = 1_000;

/// What is wrong with an operator: a stable code and a text.
pub(super) type Fault = (&'static str, String);

/// Whether a member of a body is an operator, or means to be one.
pub(super) fn is_operator(raw: &str) -> bool {
    raw.starts_with('{')
        && members(raw.as_bytes())
            .is_ok_and(|members| matches!(members.as_slice(), [(name, _)] if name.starts_with('$')))
}

/// The value that an operator makes of the one before, as JSON text; nothing when `raw` is no operator.
pub(super) fn applied(field: &Field, before: &str, raw: &str) -> Result<Option<String>, Fault> {
    if !raw.starts_with('{') || matches!(field.check, Check::Json(_) | Check::GeoPoint) {
        return Ok(None);
    }
    let members = members(raw.as_bytes()).map_err(|error| ("type", error.to_string()))?;
    let [(name, operand)] = members.as_slice() else { return Ok(None) };
    match (&**name, field.many.is_some()) {
        ("$increment", false) => increment(field, before, operand).map(Some),
        ("$append", true) => append(before, operand).map(Some),
        ("$remove", true) => remove(before, operand).map(Some),
        ("$increment" | "$append" | "$remove", _) => {
            Err(("operator", format!("{name} does not apply to a field of this type")))
        }
        (other, _) if other.starts_with('$') => {
            Err(("operator", format!("there is no operator {other}; there are $increment, $append, $remove")))
        }
        _ => Ok(None),
    }
}

fn increment(field: &Field, before: &str, operand: &str) -> Result<String, Fault> {
    let unfit = |what: &str| ("type", format!("$increment takes {what}"));
    // An absent number counts as zero.
    let before = if before == "null" { "0" } else { before.trim_matches('"') };
    match field.check {
        Check::Integer(_) => {
            let by: i64 = operand.parse().map_err(|_| unfit("an integer"))?;
            let sum = before.parse::<i64>().ok().and_then(|value| value.checked_add(by));
            sum.map(|sum| sum.to_string()).ok_or(("too_large", "the sum has more than 64 bits".into()))
        }
        Check::Number(_) => {
            let by: f64 = operand.parse().map_err(|_| unfit("a number"))?;
            let sum = before.parse::<f64>().unwrap_or(0.0) + by;
            match sum.is_finite() {
                true => Ok(serde_json::Value::from(sum).to_string()),
                false => Err(("too_large", "the sum is larger than any number".into())),
            }
        }
        Check::Decimal(_) => {
            let by = Decimal::from_str_exact(operand.trim_matches('"')).map_err(|_| unfit("a decimal"))?;
            let sum = Decimal::from_str_exact(before).ok().and_then(|value| value.checked_add(by));
            sum.map(|sum| format!("\"{sum}\"")).ok_or(("too_large", "the sum has more than 28 digits".into()))
        }
        _ => Err(("operator", "$increment does not apply to a field of this type".into())),
    }
}

fn items(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

fn operand_items(operand: &str) -> Result<Vec<&RawValue>, Fault> {
    let items = items(operand).ok_or(("type", "takes a list of items".to_owned()))?;
    match items.len() > OPERAND_MAX {
        true => Err(("items", format!("takes at most {OPERAND_MAX} items"))),
        false => Ok(items),
    }
}

/// Adds the items that are not in the list yet; a list holds no item twice.
fn append(before: &str, operand: &str) -> Result<String, Fault> {
    let mut list = items(before).unwrap_or_default();
    let mut known: HashSet<String> = list.iter().map(|item| meant(item)).collect();
    for item in operand_items(operand)? {
        if known.insert(meant(item)) {
            list.push(item);
        }
    }
    Ok(written(&list))
}

fn remove(before: &str, operand: &str) -> Result<String, Fault> {
    let gone: HashSet<String> = operand_items(operand)?.into_iter().map(meant).collect();
    let mut list = items(before).unwrap_or_default();
    list.retain(|item| !gone.contains(&meant(item)));
    Ok(written(&list))
}

/// What an item says, however it escapes its characters.
fn meant(item: &RawValue) -> String {
    serde_json::from_str(item.get()).unwrap_or_else(|_| item.get().to_owned())
}

fn written(list: &[&RawValue]) -> String {
    let items: Vec<&str> = list.iter().map(|item| item.get()).collect();
    format!("[{}]", items.join(","))
}
