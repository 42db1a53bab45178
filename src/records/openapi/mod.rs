//! What each collection adds to the OpenAPI document: typed paths and schemas of its own.
//!
//! Everything is derived from the collection's definition; the endpoints themselves are the same for all collections.

mod example;
mod names;
mod parameters;
mod paths;
mod pattern;
mod schema;
#[cfg(test)]
mod tests;
mod text;
mod transfer;

use names::{Name, Names};
use paths::Paths;
pub use transfer::archives;

use crate::{
    collections::{Catalog, Collection},
    http::openapi::{Fragment, Object, Tag},
};

/// What one collection of the catalog adds to the document.
#[must_use]
pub fn fragment(collection: &Collection, catalog: &Catalog) -> Fragment {
    describe(collection, &Names::of(catalog).get(collection.number(), &collection.def.name))
}

/// What every collection adds, by name. For all of them at once this is less work than [`fragment`] for each.
#[must_use]
pub fn fragments(catalog: &Catalog) -> Vec<Fragment> {
    let names = Names::of(catalog);
    let each = |collection: &Collection| describe(collection, &names.get(collection.number(), &collection.def.name));
    catalog.sorted().into_iter().map(|collection| each(collection)).collect()
}

fn describe(collection: &Collection, name: &Name) -> Fragment {
    let schema = |suffix: &str| format!("{}{suffix}", name.schema);
    let [record, create, update, list] = names::SUFFIXES.map(schema);
    let list_schema = schema::list(collection, &record);
    let description = collection.def.description.clone().filter(|text| !text.trim().is_empty());
    Fragment {
        paths: Paths { collection, name }.items(),
        schemas: Object::from_iter([
            (record, schema::record(collection)),
            (create, schema::create(collection)),
            (update, schema::update(collection)),
            (list, list_schema),
        ]),
        tags: vec![Tag {
            name: collection.def.name.clone(),
            description: description.unwrap_or_else(|| format!("Records of `{}`.", collection.def.name)),
        }],
    }
}
