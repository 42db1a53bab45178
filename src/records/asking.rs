//! What a client that asks for records may name: fields in filters, sort keys and projections, relations to expand.

use std::sync::Arc;

use super::{
    RecordError,
    show::{Expansion, Shape},
    sight::CallerSight,
};
use crate::{
    access::AuthValues,
    collections::{Catalog, Collection, RecordScope, Sight as _, Slot},
    expr::{self, Expr, Root, Scope as _},
    kernel::FieldError,
};

/// The most relations that one request expands.
const EXPANSIONS_MAX: usize = 20;
/// The most fields that one request chooses.
const FIELDS_MAX: usize = 500;

/// A caller who asks for records of one collection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) sight: CallerSight<'a>,
    pub(super) catalog: &'a Catalog,
    pub(super) collection: &'a Collection,
    pub(super) hops_max: usize,
}

impl<'a> Asking<'a> {
    pub(super) fn scope(&self) -> RecordScope<'_> {
        RecordScope::filter(self.collection, self.catalog, &self.sight, self.hops_max)
    }

    /// The filter, checked; an empty one lets everything pass.
    pub(super) fn filter(&self, source: &str) -> Result<Expr, RecordError> {
        match source.trim() {
            "" => Ok(Expr::Constant(true)),
            source => expr::compile(source, &self.scope()).map_err(RecordError::Filter),
        }
    }

    /// The filter with the caller and the instant put in.
    pub(super) fn bound(&self, filter: &Expr) -> Expr {
        let CallerSight { caller, now } = self.sight;
        filter.bind(&AuthValues { principal: &caller.principal, now }, now)
    }

    /// A field that may be named, or why it may not.
    pub(super) fn slot(&self, name: &str) -> Result<Slot, String> {
        let slot = self.collection.slot(name).filter(|slot| self.sight.shows(self.collection, *slot));
        slot.ok_or_else(|| format!("{} has no field \"{name}\"", self.collection.def.name))
    }

    /// The shape of one record's answer.
    pub(super) fn shape(&self, parameters: &[(String, String)]) -> Result<Shape, RecordError> {
        let (mut fields, mut expand, mut errors) = (None, None, Vec::new());
        for (name, value) in parameters {
            let place = match name.as_str() {
                "fields" => &mut fields,
                "expand" => &mut expand,
                _ => {
                    let detail = "one record knows the parameters fields and expand";
                    errors.push(FieldError::new(name, "unknown_parameter", detail));
                    continue;
                }
            };
            if place.replace(value.as_str()).is_some() {
                errors.push(FieldError::new(name, "duplicate", "stands there twice"));
            }
        }
        let shape = self.shaped(fields, expand, &mut errors);
        if errors.is_empty() { Ok(shape) } else { Err(RecordError::Parameters(errors)) }
    }

    /// The shape that `fields` and `expand` ask for, with every fault in them.
    pub(super) fn shaped(&self, fields: Option<&str>, expand: Option<&str>, errors: &mut Vec<FieldError>) -> Shape {
        let mut shape = Shape::whole(self.sight.mask(self.collection));
        let paths = expand.into_iter().flat_map(|paths| paths.split(',')).map(str::trim);
        for (index, path) in paths.enumerate() {
            if index == EXPANSIONS_MAX {
                errors.push(FieldError::new("expand", "items", format!("at most {EXPANSIONS_MAX} relations")));
                break;
            }
            let names: Vec<&str> = path.split('.').collect();
            let expanded = match names.len() > self.hops_max {
                true => Err(format!("\"{path}\" follows more than {} relations", self.hops_max)),
                false => self.expand(&names, &mut shape),
            };
            if let Err(detail) = expanded {
                errors.push(FieldError::new("expand", "unknown_field", detail));
            }
        }
        if let Some(fields) = fields {
            shape.fields = Some(Vec::new());
            let paths: Vec<&str> = fields.split(',').map(str::trim).collect();
            if paths.len() > FIELDS_MAX {
                errors.push(FieldError::new("fields", "items", format!("at most {FIELDS_MAX} fields")));
            }
            for path in paths.into_iter().take(FIELDS_MAX) {
                let names: Vec<&str> = path.split('.').collect();
                if let Err(detail) = self.choose(&names, &mut shape) {
                    errors.push(FieldError::new("fields", "unknown_field", detail));
                }
            }
        }
        shape
    }

    /// The same caller asking for records of another collection.
    fn about(&self, collection: &'a Collection) -> Self {
        Self { collection, ..*self }
    }

    fn expand(&self, names: &[&str], shape: &mut Shape) -> Result<(), String> {
        let Some((name, rest)) = names.split_first() else { return Ok(()) };
        if !shape.expand.iter().any(|known| known.name == *name) {
            let expansion = self.expansion(name)?;
            shape.expand.push(expansion);
        }
        let Some(found) = shape.expand.iter_mut().find(|known| known.name == *name) else { return Ok(()) };
        let collection = self.catalog.by_number(found.hop.to).ok_or_else(|| format!("\"{name}\" leads nowhere"))?;
        self.about(collection).expand(rest, &mut found.shape)
    }

    fn expansion(&self, name: &str) -> Result<Expansion, String> {
        let scope = self.scope();
        let (via, _) = scope.records(Root::Record, &[name]).map_err(|detail| match self.slot(name) {
            Ok(_) if detail.contains("leads to no records") => format!("\"{name}\" is no relation"),
            _ => detail,
        })?;
        let hop = via.into_iter().next().ok_or_else(|| format!("\"{name}\" is no relation"))?;
        let collection = self.catalog.by_number(hop.to).ok_or_else(|| format!("\"{name}\" leads nowhere"))?;
        let shape = Shape::whole(self.sight.mask(collection));
        Ok(Expansion { name: name.to_owned(), hop, collection: Arc::clone(collection), shape })
    }

    /// Adds a field, perhaps of an expanded relation, to what is shown.
    fn choose(&self, names: &[&str], shape: &mut Shape) -> Result<(), String> {
        match names {
            [] => Ok(()),
            [name] => {
                // A field that is shown in some records only may be asked for; it is then shown in those.
                let slot = self.collection.slot(name).filter(|slot| self.collection.is_visible(*slot));
                let slot = slot.ok_or_else(|| format!("{} has no field \"{name}\"", self.collection.def.name))?;
                let fields = shape.fields.get_or_insert_default();
                if !fields.contains(&slot) {
                    fields.push(slot);
                }
                Ok(())
            }
            [name, rest @ ..] => {
                let found = shape.expand.iter_mut().find(|known| known.name == *name);
                let found = found.ok_or_else(|| format!("expand \"{name}\" to show fields of it"))?;
                let collection =
                    self.catalog.by_number(found.hop.to).ok_or_else(|| format!("\"{name}\" leads nowhere"))?;
                self.about(collection).choose(rest, &mut found.shape)
            }
        }
    }
}
