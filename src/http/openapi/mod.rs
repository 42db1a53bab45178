//! The OpenAPI 3.1 document: raising what the framework emits, and merging what features add at run time.
//!
//! Nothing here knows a feature. A feature that has paths of its own at run time describes them as a [`Fragment`],
//! with the pieces that [`shared`] gives to all.

mod merge;
mod raise;
pub mod shared;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};

pub use merge::document;
pub use raise::raise;

/// A JSON object.
pub type Object = Map<String, Value>;

/// A group of operations in the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// The name by which operations refer to it.
    pub name: String,
    /// What the group is about, for people.
    pub description: String,
}

/// What a feature adds to the document at run time. Its schemas may refer to each other and to those of [`shared`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fragment {
    /// Path items by path.
    pub paths: Object,
    /// Schemas by name, for `components.schemas`.
    pub schemas: Object,
    /// The tags that its operations use.
    pub tags: Vec<Tag>,
}

/// The methods that a path item can have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
