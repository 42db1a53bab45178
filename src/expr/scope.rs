//! What the checker asks about names.

use super::{Hop, Kind, Root};

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The steps over relations.
    pub via: Vec<Hop>,
    /// A number by which [`Values`](super::Values) finds the value again.
    pub slot: usize,
    /// The kind of the value, or of each value when there are many.
    pub kind: Kind,
    /// Whether the field holds many values.
    pub many: bool,
    /// How many segments of the path were used, at least one. The others go into a JSON value.
    pub consumed: usize,
}

/// Knows the fields that an expression may name.
pub trait Scope {
    /// Resolves a path of at least one segment.
    ///
    /// # Errors
    /// A message for the author of the expression: `no field "x"; did you mean "y"?`
    fn resolve(&self, root: Root, path: &[&str]) -> Result<Resolved, String>;

    /// The steps of a path that leads to records, and the fields of those.
    ///
    /// # Errors
    /// As [`Scope::resolve`]; also when the path leads to values.
    fn records(&self, root: Root, path: &[&str]) -> Result<(Vec<Hop>, Box<dyn Scope + '_>), String>;
}
