//! What a caller sees: which fields, and of which records that relations lead to.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    authorize::{Opening, open},
    service::Caller,
};
use crate::{
    access::{Action, AuthValues},
    collections::{Collection, Sight, Slot, Unseen, catalog::FIRST_FIELD},
    expr::Expr,
};

/// A caller at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallerSight<'a> {
    pub(super) caller: &'a Caller,
    pub(super) now: Timestamp,
}

impl CallerSight<'_> {
    /// The condition under which the caller sees a field of a record that the caller may see.
    fn condition(&self, collection: &Collection, slot: Slot) -> Expr {
        if !collection.is_visible(slot) {
            return Expr::Constant(false);
        }
        let rule = collection.rules.fields.iter().find(|rule| rule.slot == slot).and_then(|rule| rule.read.as_ref());
        match rule {
            // The rules of fields stay in force in views: what a view opens are records.
            Some(rule) if !self.caller.principal.may(collection.source_name(), Action::Read) => {
                rule.bind(&AuthValues { principal: &self.caller.principal, now: self.now }, self.now)
            }
            _ => Expr::Constant(true),
        }
    }

    /// What the caller sees of the records of a collection.
    pub(super) fn mask(&self, collection: &Collection) -> Mask {
        if collection.rules.fields.is_empty() && collection.fields.iter().all(|field| !field.hidden) {
            return Mask::default();
        }
        let slots = FIRST_FIELD..collection.slot_count();
        let conditions = slots.map(|slot| (slot, self.condition(collection, slot)));
        Mask { veiled: conditions.filter(|(_, condition)| *condition != Expr::Constant(true)).collect() }
    }
}

impl Sight for CallerSight<'_> {
    /// A field that is not seen in every record cannot be named: what it compares with would tell its value.
    fn shows(&self, collection: &Collection, slot: Slot) -> bool {
        self.condition(collection, slot) == Expr::Constant(true)
    }

    fn guard(&self, collection: &Collection) -> Result<Option<Arc<Expr>>, Unseen> {
        match open(self.caller, collection, Action::Read, |rules| &rules.read, self.now) {
            Ok(Opening::All) => Ok(None),
            Ok(Opening::Matching(rule)) => Ok(Some(Arc::new(rule))),
            Err(_) => Err(Unseen),
        }
    }
}

/// The fields that a caller does not see, or only in records that match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask {
    pub(super) veiled: Vec<(Slot, Expr)>,
}
