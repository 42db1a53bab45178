//! All collections as they will be, so that definitions which name each other can be checked before any is stored.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::model::PlanInput;
use crate::collections::{
    catalog::{Catalog, Collection},
    model::{CollectionDef, CollectionInput, FieldDef, IndexInput, Rename},
    rename,
    service::{new_def, stored_fields},
    system,
};

/// The schema to come.
pub(super) struct Target {
    /// All collections as they will be. New ones have numbers that no collection has.
    pub(super) after: Catalog,
    /// The wanted collections, in the order in which they were sent.
    pub(super) drafts: Vec<Draft>,
    /// Those that are not mentioned, with relations under the names that their targets will have.
    pub(super) kept: Vec<(Arc<Collection>, CollectionDef)>,
    /// Those that go.
    pub(super) gone: Vec<Arc<Collection>>,
}

/// A wanted collection.
pub(super) struct Draft {
    /// What it continues: as it is stored, and with relations under the names that their targets will have.
    pub(super) stored: Option<(Arc<Collection>, CollectionDef)>,
    /// The wanted definition.
    pub(super) def: CollectionDef,
    /// Which of its fields had other names.
    pub(super) renames: Vec<Rename>,
    /// The indexes that it lists.
    pub(super) indexes: Vec<IndexInput>,
}

impl Target {
    /// What `before` becomes.
    pub(super) fn of(input: &PlanInput, before: &Catalog, now: Timestamp) -> Self {
        let present = before.all_defined();
        let names: Vec<&str> = present.iter().map(|collection| collection.def.name.as_str()).collect();
        let wanted = input.collections.iter().map(|wanted| (name_of(wanted), wanted.renamed_from.as_deref()));
        let continued = rename::continued(&names, &wanted.collect::<Vec<_>>());
        let pairs = continued.iter().zip(&input.collections);
        let moved: HashMap<&str, &str> =
            pairs.filter_map(|(from, wanted)| from.map(|from| (from, name_of(wanted)))).collect();

        let drafts: Vec<Draft> = continued
            .iter()
            .zip(&input.collections)
            .enumerate()
            .map(|(position, (from, wanted))| {
                let stored = from.and_then(|from| before.defined(from));
                let stored = stored.map(|stored| (Arc::clone(stored), rename::follow(&stored.def, &moved)));
                Draft::of(wanted, stored, position, now)
            })
            .collect();
        let others = present.into_iter().filter(|collection| !moved.contains_key(collection.def.name.as_str()));
        let (gone, kept): (Vec<_>, Vec<_>) = others.cloned().partition(|other| input.prune && !other.def.system);
        let kept: Vec<_> =
            kept.into_iter().map(|kept| (Arc::clone(&kept), rename::follow(&kept.def, &moved))).collect();
        let all = drafts.iter().map(|draft| &draft.def).chain(kept.iter().map(|(_, def)| def));
        let after = Catalog::draft(before.epoch, all.map(rename::named).map(Arc::new).collect());
        Self { after, drafts, kept, gone }
    }
}

impl Draft {
    fn of(
        input: &CollectionInput,
        stored: Option<(Arc<Collection>, CollectionDef)>,
        position: usize,
        now: Timestamp,
    ) -> Self {
        let indexes = input.indexes.clone().unwrap_or_default();
        let Some((stored, followed)) = stored else {
            let provisional = u32::try_from(position).map_or(0, |position| u32::MAX - 1 - position);
            let def = CollectionDef { number: provisional, ..new_def(input, now, false) };
            return Self { stored: None, def, renames: Vec::new(), indexes };
        };
        let input = if stored.def.system { completed(input, &stored.def.name) } else { input.clone() };
        let fields = input.fields.unwrap_or_default();
        let def = CollectionDef {
            name: input.name.unwrap_or_default(),
            description: input.description,
            cache_control: input.cache_control.filter(|text| !text.is_empty()),
            view: input.view,
            rules: input.rules.unwrap_or_default(),
            triggers: input.triggers.unwrap_or_default(),
            fields: stored_fields(&fields),
            updated_at: now,
            ..stored.def.clone()
        };
        let renames = rename::of_fields(&stored.def.fields, &fields);
        Self { stored: Some((stored, followed)), def, renames, indexes }
    }
}

fn name_of(input: &CollectionInput) -> &str {
    input.name.as_deref().unwrap_or_default()
}

/// A system collection of which only the additions need to be said.
fn completed(input: &CollectionInput, name: &str) -> CollectionInput {
    let own = system::inputs().into_iter().find(|own| own.name.as_deref() == Some(name)).unwrap_or_default();
    let listed = input.fields.clone().unwrap_or_default();
    let is_listed = |field: &FieldDef| listed.iter().any(|other| other.name == field.name);
    let mut fields: Vec<_> = own.fields.unwrap_or_default().into_iter().filter(|field| !is_listed(field)).collect();
    fields.extend(listed.iter().cloned());
    CollectionInput {
        description: input.description.clone().or(own.description),
        rules: input.rules.clone().or(own.rules),
        fields: Some(fields),
        ..input.clone()
    }
}
