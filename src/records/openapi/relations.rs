//! Where relations of a collection lead, in both directions: what can be expanded, and what paths of filters may follow.

use super::names::Names;
use crate::collections::{Catalog, Check, Collection};

/// A relation as paths name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    /// Its name in paths: `author`, `comments_via_post`.
    pub(super) name: String,
    /// The name of the schema of the records that it leads to.
    pub(super) schema: String,
    /// Whether it may lead to more than one.
    pub(super) many: bool,
}

/// The relations of a collection, its own before those of others.
pub(super) fn of(collection: &Collection, catalog: &Catalog, names: &Names) -> Vec<Relation> {
    let schema = |of: &Collection| names.get(of.number(), &of.def.name).schema;
    let leads_to =
        |check: &Check, name: &str| matches!(check, Check::Relation { collection, .. } if collection == name);
    let mut found = Vec::new();
    for field in collection.fields.iter().filter(|field| !field.hidden) {
        let Check::Relation { collection: target, .. } = &field.check else { continue };
        let Some(target) = catalog.by_name(target) else { continue };
        found.push(Relation { name: field.name.clone(), schema: schema(target), many: field.many.is_some() });
    }
    for other in catalog.sorted() {
        for (def, field) in super::schema::fields(other) {
            if field.hidden || !leads_to(&field.check, collection.source_name()) {
                continue;
            }
            let name = format!("{}_via_{}", other.def.name, field.name);
            found.push(Relation { name, schema: schema(other), many: !def.unique });
        }
    }
    found
}
