//! The bounds that the document states for the members of a body. What is out of them is refused, each with its place.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{Arc, LazyLock, RwLock},
};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde_json::Value;

use super::ApiError;
use crate::kernel::{Code, FieldError, error::pointer_to};

/// What the document says of a type, once it was asked for: it is the same for each request.
static KNOWN: LazyLock<RwLock<HashMap<TypeId, Arc<Described>>>> = LazyLock::new(RwLock::default);

struct Described {
    root: MetaSchemaRef,
    registry: Registry,
    /// Whether there is any bound.
    bounded: bool,
}

/// Refuses a body that is out of the bounds of `S`, with every fault.
///
/// # Errors
/// 422.
pub(super) fn check<S: Type + 'static>(body: &[u8]) -> Result<(), ApiError> {
    let described = described::<S>();
    if !described.bounded {
        return Ok(());
    }
    // It was read as JSON before.
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut faults = Vec::new();
    described.check(&described.root, &value, "", &mut faults);
    if faults.is_empty() {
        return Ok(());
    }
    Err(ApiError::new(Code::ValidationFailed, "the body is not valid; see errors").with_errors(faults))
}

fn described<S: Type + 'static>() -> Arc<Described> {
    let id = TypeId::of::<S>();
    // A lock that was poisoned holds what it held before: nothing is changed in place.
    let known = KNOWN.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&id).cloned();
    known.unwrap_or_else(|| {
        let mut registry = Registry::new();
        S::register(&mut registry);
        let bounded = registry.schemas.values().any(|schema| {
            schema
                .properties
                .iter()
                .any(|(_, property)| matches!(property, MetaSchemaRef::Inline(inline) if has_bounds(inline)))
        });
        let described = Arc::new(Described { root: S::schema_ref(), registry, bounded });
        let mut known = KNOWN.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(id, Arc::clone(&described));
        described
    })
}

fn has_bounds(schema: &MetaSchema) -> bool {
    let own = schema.max_length.is_some() || schema.min_length.is_some() || schema.max_items.is_some();
    let number = schema.maximum.is_some() || schema.minimum.is_some() || schema.min_items.is_some();
    let items = matches!(schema.items.as_deref(), Some(MetaSchemaRef::Inline(items)) if has_bounds(items));
    own || number || items
}

impl Described {
    fn check(&self, schema: &MetaSchemaRef, value: &Value, at: &str, faults: &mut Vec<FieldError>) {
        let schema = match schema {
            MetaSchemaRef::Inline(schema) => schema,
            MetaSchemaRef::Reference(name) => match self.registry.schemas.get(name) {
                Some(schema) => schema,
                None => return,
            },
        };
        for part in &schema.all_of {
            self.check(part, value, at, faults);
        }
        let mut fault = |code, detail: String| faults.push(FieldError::new(at, code, detail));
        match value {
            Value::String(text) => {
                let length = text.chars().count();
                if let Some(most) = schema.max_length.filter(|most| length > *most) {
                    fault("too_long", format!("must have at most {most} characters"));
                }
                if let Some(least) = schema.min_length.filter(|least| length < *least) {
                    fault("too_short", format!("must have at least {least} characters"));
                }
            }
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                if let Some(most) = schema.maximum.filter(|most| number > *most) {
                    fault("too_large", format!("must be at most {most}"));
                }
                if let Some(least) = schema.minimum.filter(|least| number < *least) {
                    fault("too_small", format!("must be at least {least}"));
                }
            }
            Value::Array(items) => {
                if let Some(most) = schema.max_items.filter(|most| items.len() > *most) {
                    return fault("too_many", format!("must have at most {most} items"));
                }
                if let Some(least) = schema.min_items.filter(|least| items.len() < *least) {
                    fault("too_few", format!("must have at least {least} items"));
                }
                let Some(of) = &schema.items else { return };
                for (number, item) in items.iter().enumerate() {
                    self.check(of, item, &format!("{at}/{number}"), faults);
                }
            }
            Value::Object(members) => {
                for (name, property) in &schema.properties {
                    if let Some(member) = members.get(*name) {
                        self.check(property, member, &format!("{at}{}", pointer_to(name)), faults);
                    }
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::Object;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Object)]
    struct Inner {
        #[oai(validator(minimum(value = "1"), maximum(value = "5")))]
        number: i64,
        #[oai(validator(max_items = 2, min_items = 1))]
        list: Vec<String>,
    }

    #[derive(Debug, Object)]
    struct Outer {
        #[oai(validator(min_length = 2, max_length = 3))]
        name: Option<String>,
        inner: Inner,
        many: Vec<Inner>,
    }

    fn faults(body: &Value) -> Vec<(String, &'static str)> {
        let described = described::<Outer>();
        let mut faults = Vec::new();
        described.check(&described.root, body, "", &mut faults);
        assert_eq!(check::<Outer>(body.to_string().as_bytes()).is_err(), !faults.is_empty());
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn every_bound_is_kept_at_any_depth() {
        let good = json!({"number": 5, "list": ["a"]});
        assert_eq!(faults(&json!({"name": "äöü", "inner": good, "many": [good]})), []);
        assert_eq!(faults(&json!({"name": null, "inner": good, "many": []})), []);
        let bad = json!({"name": "a", "inner": {"number": 0, "list": ["a", "b", "c"]}, "many": [good, {"number": 6, "list": []}]});
        let expected = [
            ("/name", "too_short"),
            ("/inner/number", "too_small"),
            ("/inner/list", "too_many"),
            ("/many/1/number", "too_large"),
            ("/many/1/list", "too_few"),
        ];
        assert_eq!(faults(&bad), expected.map(|(at, code)| (at.to_owned(), code)));
        assert_eq!(faults(&json!({"name": "abcd", "inner": good, "many": []})), [("/name".to_owned(), "too_long")]);
    }
}
