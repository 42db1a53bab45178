//! What each collection adds to the OpenAPI document: typed paths and schemas of its own.
//!
//! Everything is derived from the collection's definition; the endpoints themselves are the same for all collections.

mod aggregate;
mod batch;
mod example;
mod history;
mod names;
mod parameters;
mod paths;
mod pattern;
mod relations;
mod schema;
mod shapes;
#[cfg(test)]
mod tests;
mod text;
mod transfer;
mod view;

pub use batch::common_fragment;
use names::{Name, Names};
use paths::Paths;
pub use transfer::archives;
use view::Groups;

use crate::{
    collections::{Catalog, Collection},
    http::openapi::{Fragment, Tag},
};

/// What one collection of the catalog adds to the document.
#[must_use]
pub fn fragment(collection: &Collection, catalog: &Catalog) -> Fragment {
    describe(collection, catalog, &Names::of(catalog))
}

/// What every collection adds, by name. For all of them at once this is less work than [`fragment`] for each.
#[must_use]
pub fn fragments(catalog: &Catalog) -> Vec<Fragment> {
    let names = Names::of(catalog);
    let all = catalog.sorted().into_iter().chain(catalog.views());
    all.map(|collection| describe(collection, catalog, &names)).collect()
}

fn describe(collection: &Collection, catalog: &Catalog, names: &Names) -> Fragment {
    let name: &Name = &names.get(collection.own_number(), &collection.def.name);
    let relations = relations::of(collection, catalog, names);
    let schema = |suffix: &str| format!("{}{suffix}", name.schema);
    let [record, create, update, list, expand] = names::SUFFIXES.map(schema);
    let list_schema = schema::list(collection, &record);
    let description = collection.def.description.clone().filter(|text| !text.trim().is_empty());
    let whole = Paths { collection, name, relations: &relations };
    let (paths, mut schemas) = if collection.is_aggregate() {
        let groups = Groups::of(collection, catalog);
        (groups.items(&whole), groups.schemas(collection, name))
    } else if collection.view.is_some() {
        let schemas = [(record, schema::record(collection, name, !relations.is_empty())), (list, list_schema)];
        (view::items(&whole), schemas.into_iter().collect())
    } else {
        let schemas = [
            (record, schema::record(collection, name, !relations.is_empty())),
            (create, schema::create(collection, name)),
            (update, schema::update(collection, name)),
            (list, list_schema),
        ];
        (whole.items(), schemas.into_iter().collect())
    };
    if !collection.is_aggregate() {
        if !relations.is_empty() {
            schemas.insert(expand, schema::expanded(&relations));
        }
        schemas.extend(schema::enums(collection, name));
    }
    Fragment {
        paths,
        schemas,
        tags: vec![Tag {
            name: collection.def.name.clone(),
            description: description.unwrap_or_else(|| format!("Records of `{}`.", collection.def.name)),
        }],
    }
}
