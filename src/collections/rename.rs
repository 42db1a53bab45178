//! What goes on under another name: which old one each new one continues, and how to look at records that still have
//! the names from before.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    catalog::{Collection, split_direction},
    field::Field,
    model::{CollectionDef, CollectionError, FieldDef, Rename},
    outline,
    trigger::TriggerDef,
};
use crate::{kernel::FieldError, store::key::Direction};

/// For each wanted item, given by its name and the name that it says it had, which present one it continues. A former
/// name counts while the present still has it and the new name is free, be it because another rename frees it.
pub(super) fn continued<'n>(present: &[&'n str], wanted: &[(&str, Option<&str>)]) -> Vec<Option<&'n str>> {
    let present: HashSet<&'n str> = present.iter().copied().collect();
    let mut taken: HashSet<&str> = HashSet::new();
    let mut found = vec![None; wanted.len()];
    loop {
        let before = taken.len();
        for (place, (name, from)) in found.iter_mut().zip(wanted).filter(|(place, _)| place.is_none()) {
            let from = from.filter(|from| from != name).and_then(|from| present.get(from).copied());
            let free = !present.contains(*name) || taken.contains(*name);
            if free && let Some(from) = from.filter(|from| !taken.contains(from)) {
                taken.insert(from);
                *place = Some(from);
            }
        }
        if taken.len() == before {
            break;
        }
    }
    for (place, (name, _)) in found.iter_mut().zip(wanted).filter(|(place, _)| place.is_none()) {
        *place = present.get(*name).copied().filter(|name| taken.insert(name));
    }
    found
}

/// The fields that are renamed, first of all one whose new name was no field's before.
pub(super) fn of_fields(old: &[FieldDef], new: &[FieldDef]) -> Vec<Rename> {
    let present: Vec<&str> = old.iter().map(|field| field.name.as_str()).collect();
    let wanted: Vec<_> = new.iter().map(|field| (field.name.as_str(), field.renamed_from.as_deref())).collect();
    let pairs = continued(&present, &wanted).into_iter().zip(new);
    let renamed = pairs.filter_map(|(from, field)| from.filter(|from| *from != field.name).map(|from| (from, field)));
    let mut renames: Vec<_> = renamed.map(|(from, to)| Rename { from: from.to_owned(), to: to.name.clone() }).collect();
    renames.sort_by_key(|rename| present.contains(&rename.to.as_str()));
    renames
}

/// Refuses a former name that leads nowhere, which may be a mistake that would cost the field's values.
pub(super) fn check_used(old: &[FieldDef], new: &[FieldDef], renames: &[Rename]) -> Result<(), CollectionError> {
    let is_there = |name: &str| old.iter().any(|field| field.name == name);
    let mut errors = Vec::new();
    for (position, field) in new.iter().enumerate() {
        let Some(from) = field.renamed_from.as_deref().filter(|from| *from != field.name) else { continue };
        let used = renames.iter().any(|rename| rename.to == field.name);
        let done = is_there(&field.name) && (!is_there(from) || new.iter().any(|other| other.name == from));
        if !used && !done {
            let detail = match is_there(from) {
                true => format!("the collection has both \"{from}\" and \"{}\"", field.name),
                false => format!("there is no field \"{from}\""),
            };
            errors.push(FieldError::new(format!("/fields/{position}/renamedFrom"), "not_found", detail));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(CollectionError::Invalid(errors)) }
}

/// The stored collection with its fields under their new names, which reads records that have the old ones.
pub(super) fn under_new_names(stored: &Arc<Collection>, renames: Vec<Rename>) -> Arc<Collection> {
    if renames.is_empty() {
        return Arc::clone(stored);
    }
    let (mut def, mut fields) = (stored.def.clone(), stored.fields.clone());
    rename_fields(&mut def, &renames);
    for (field, renamed) in fields.iter_mut().zip(&def.fields) {
        field.name.clone_from(&renamed.name);
    }
    def.renames = renames;
    Arc::new(Collection::draft(def, fields))
}

/// Gives fields their new names, in indexes too.
pub(super) fn rename_fields(def: &mut CollectionDef, renames: &[Rename]) {
    let names: HashMap<&str, &str> = renames.iter().map(|rename| (rename.from.as_str(), rename.to.as_str())).collect();
    for field in &mut def.fields {
        if let Some(to) = names.get(field.name.as_str()) {
            (*to).clone_into(&mut field.name);
        }
    }
    rename_in_triggers(&mut def.triggers, renames);
    for term in def.indexes.iter_mut().flat_map(|index| &mut index.fields) {
        let (name, direction) = split_direction(term);
        if let Some(to) = names.get(name) {
            *term = format!("{}{to}", if direction == Direction::Descending { "-" } else { "" });
        }
    }
}

/// Gives fields their new names in what triggers show of records.
pub(super) fn rename_in_triggers(triggers: &mut [TriggerDef], renames: &[Rename]) {
    for name in triggers.iter_mut().filter_map(|trigger| trigger.fields.as_mut()).flatten() {
        if let Some(rename) = renames.iter().find(|rename| rename.from == *name) {
            name.clone_from(&rename.to);
        }
    }
    let to = |name: &str| renames.iter().find(|rename| rename.from == name).map(|rename| rename.to.clone());
    for payload in triggers.iter_mut().filter_map(|trigger| trigger.payload.as_mut()) {
        outline::rename(payload, &to);
    }
}

/// Relations and views under the new names of the collections that they lead to.
pub(super) fn follow(def: &CollectionDef, moved: &HashMap<&str, &str>) -> CollectionDef {
    let mut def = def.clone();
    let relations = def.fields.iter_mut().filter_map(|field| field.collection.as_mut());
    for target in relations.chain(def.view.as_mut().map(|view| &mut view.from)) {
        if let Some(to) = moved.get(target.as_str()) {
            (*to).clone_into(target);
        }
    }
    def
}

/// A collection for others to name. Fields that are none are left out, for their own check refuses them.
pub(super) fn named(def: &CollectionDef) -> Collection {
    let fields = def.fields.iter().filter_map(|field| Field::compile(field).ok()).collect();
    Collection::draft(def.clone(), fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there, what is wanted, and which each continues.
    type Row<'a> = (&'a [&'a str], &'a [(&'a str, Option<&'a str>)], &'a [Option<&'a str>]);

    #[test]
    fn a_former_name_counts_while_it_is_there_and_the_new_one_is_free() {
        let rows: [Row<'_>; 9] = [
            (&["a"], &[("a", None)], &[Some("a")]),
            (&["a"], &[("b", None)], &[None]),
            (&["a"], &[("b", Some("a"))], &[Some("a")]),
            (&["b"], &[("b", Some("a"))], &[Some("b")]),
            (&["a", "b"], &[("b", Some("a"))], &[Some("b")]),
            (&[], &[("b", Some("a"))], &[None]),
            // The old name is given to something new.
            (&["a"], &[("a", None), ("b", Some("a"))], &[None, Some("a")]),
            // One rename makes room for the next; two that swap have none.
            (&["a", "b"], &[("b", Some("a")), ("c", Some("b"))], &[Some("a"), Some("b")]),
            (&["a", "b"], &[("b", Some("a")), ("a", Some("b"))], &[Some("b"), Some("a")]),
        ];
        for (present, wanted, expected) in rows {
            assert_eq!(continued(present, wanted), expected, "{present:?} to {wanted:?}");
        }
        assert_eq!(continued(&["a"], &[("b", Some("a")), ("c", Some("a"))]), [Some("a"), None], "one continues it");
    }

    #[test]
    fn the_first_rename_has_a_name_that_is_new() {
        let field = |name: &str, from: Option<&str>| FieldDef {
            name: name.into(),
            kind: "string".into(),
            renamed_from: from.map(str::to_owned),
            ..FieldDef::default()
        };
        let renames = of_fields(
            &[field("a", None), field("b", None)],
            &[field("b", Some("a")), field("c", Some("b")), field("a", None)],
        );
        let pairs: Vec<_> = renames.iter().map(|rename| (rename.from.as_str(), rename.to.as_str())).collect();
        assert_eq!(pairs, [("b", "c"), ("a", "b")]);
    }
}
