//! The steps from one definition of a collection to another.

use serde_json::{Map, Value, json};

use super::{
    effect,
    model::{Action, Effect, Step},
};
use crate::collections::{
    commit::explicit_indexes,
    model::{CollectionDef, FieldDef, IndexInput, Rename, ViewDef},
    rename,
    trigger::TriggerDef,
};

/// The steps by which a collection becomes `new`, with these listed indexes; `old` is the collection as it is, with
/// relations under the names that their targets will have.
pub(super) fn steps(
    old: Option<&CollectionDef>,
    new: &CollectionDef,
    indexes: &[IndexInput],
    renames: &[Rename],
) -> Vec<Step> {
    let mut steps = Steps { collection: &new.name, steps: Vec::new() };
    let description = new.description.as_ref().map(|text| json!(text));
    let mut before = match old {
        Some(old) => old.clone(),
        None => {
            let after = description.clone().map(|text| json!({ "description": text }));
            steps.add(Action::CreateCollection, None, (None, after), Effect::Safe);
            CollectionDef { view: None, fields: Vec::new(), indexes: Vec::new(), ..new.clone() }
        }
    };
    if before.name != new.name {
        let names = (Some(json!(before.name)), Some(json!(new.name)));
        steps.add(Action::RenameCollection, None, names, Effect::Safe);
    }
    if before.description != new.description {
        let old = before.description.as_ref().map(|text| json!(text));
        steps.add(Action::ChangeDescription, None, (old, description), Effect::Safe);
    }
    if before.cache_control != new.cache_control || (old.is_none() && new.cache_control.is_some()) {
        let value = |def: &CollectionDef| def.cache_control.as_ref().map(|text| json!(text));
        steps.add(Action::ChangeCaching, None, (old.and_then(value), value(new)), Effect::Safe);
    }
    if before.view != new.view {
        let value = |view: &Option<ViewDef>| view.as_ref().map(|view| json!(view));
        steps.add(Action::ChangeView, None, (value(&before.view), value(&new.view)), Effect::Safe);
    }
    for Rename { from, to } in renames {
        steps.add(Action::RenameField, Some(to), (Some(json!(from)), Some(json!(to))), Effect::Safe);
    }
    rename::rename_fields(&mut before, renames);
    fields(&mut steps, &before.fields, &new.fields);
    for (index, action) in changed_indexes(&explicit_indexes(&before), indexes) {
        let value = Some(json!(index));
        let values = if action == Action::AddIndex { (None, value) } else { (value, None) };
        steps.add(action, None, values, Effect::Safe);
    }
    let was = old.map(|old| json!(old.rules)).unwrap_or_default();
    rules(&mut steps, &was, &json!(new.rules));
    let was = old.map(|_| before.triggers).unwrap_or_default();
    if was != new.triggers {
        let value = |triggers: &[TriggerDef]| (!triggers.is_empty()).then(|| json!(triggers));
        steps.add(Action::ChangeTriggers, None, (value(&was), value(&new.triggers)), Effect::Safe);
    }
    steps.steps
}

struct Steps<'n> {
    collection: &'n str,
    steps: Vec<Step>,
}

impl Steps<'_> {
    fn add(
        &mut self,
        action: Action,
        name: Option<&str>,
        (before, after): (Option<Value>, Option<Value>),
        effect: Effect,
    ) {
        let (collection, name) = (self.collection.to_owned(), name.map(str::to_owned));
        self.steps.push(Step { collection, action, name, before, after, effect });
    }
}

fn fields(steps: &mut Steps<'_>, old: &[FieldDef], new: &[FieldDef]) {
    let find = |fields: &[FieldDef], name: &str| fields.iter().position(|field| field.name == name);
    for field in old.iter().filter(|field| find(new, &field.name).is_none()) {
        steps.add(Action::DropField, Some(&field.name), (Some(json!(field)), None), Effect::Destructive);
    }
    for field in new {
        let Some(before) = find(old, &field.name).and_then(|position| old.get(position)) else {
            steps.add(Action::AddField, Some(&field.name), (None, Some(json!(field))), Effect::Safe);
            continue;
        };
        let (was, is) = differing(&attributes(before), &attributes(field));
        if !(was.is_empty() && is.is_empty()) {
            let values = (Some(Value::Object(was)), Some(Value::Object(is)));
            steps.add(Action::ChangeField, Some(&field.name), values, effect::of_change(before, field));
        }
    }
    let names = |fields: &[FieldDef], others: &[FieldDef]| -> Vec<String> {
        fields.iter().filter(|field| find(others, &field.name).is_some()).map(|field| field.name.clone()).collect()
    };
    let (was, is) = (names(old, new), names(new, old));
    if was != is {
        steps.add(Action::MoveFields, None, (Some(json!(was)), Some(json!(is))), Effect::Safe);
    }
}

/// The attributes of a field, without those that say what would hold anyway.
fn attributes(field: &FieldDef) -> Map<String, Value> {
    let mut field = field.clone();
    field.nullable = field.nullable.filter(|nullable| *nullable == field.required);
    field.on_delete = field.on_delete.filter(|on_delete| *on_delete != Default::default());
    let Value::Object(mut attributes) = json!(field) else { return Map::new() };
    let may_be_false = ["nullable", "default"];
    attributes
        .retain(|name, value| name != "name" && (*value != json!(false) || may_be_false.contains(&name.as_str())));
    attributes
}

/// The members of each that the other has not.
fn differing(old: &Map<String, Value>, new: &Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    let without = |these: &Map<String, Value>, others: &Map<String, Value>| {
        let differs = |(name, value): &(&String, &Value)| others.get(*name) != Some(*value);
        these.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    (without(old, new), without(new, old))
}

/// The listed indexes that go, then those that come.
fn changed_indexes(old: &[IndexInput], new: &[IndexInput]) -> Vec<(IndexInput, Action)> {
    let gone = old.iter().filter(|index| !new.contains(index)).map(|index| (index.clone(), Action::DropIndex));
    let come = new.iter().filter(|index| !old.contains(index)).map(|index| (index.clone(), Action::AddIndex));
    gone.chain(come).collect()
}

fn rules(steps: &mut Steps<'_>, old: &Value, new: &Value) {
    for name in ["list", "read", "create", "update", "delete"] {
        let (was, is) = (old.get(name).cloned(), new.get(name).cloned());
        if was != is {
            steps.add(Action::ChangeRule, Some(name), (was, is), Effect::Safe);
        }
    }
}
