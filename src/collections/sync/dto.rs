//! Schemas and plans as the OpenAPI document describes them. The bodies themselves are read into the types of `model`.

use poem_openapi::{Enum, Object, types::Example};
use serde_json::{Value, json};

use crate::collections::dto::CollectionWanted;

/// The collections that are wanted.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
pub(super) struct PlanRequest {
    /// Each collection as a whole.
    #[oai(validator(max_items = 1000))]
    collections: Vec<CollectionWanted>,
    /// Whether collections that are not mentioned are deleted, but for those that Stead needs; otherwise they stay.
    #[oai(default)]
    prune: bool,
}

/// The collections that are wanted, and under which conditions.
#[derive(Object)]
#[oai(rename_all = "camelCase", deny_unknown_fields, example)]
pub(super) struct ApplyRequest {
    /// Each collection as a whole.
    #[oai(validator(max_items = 1000))]
    collections: Vec<CollectionWanted>,
    /// Whether collections that are not mentioned are deleted, but for those that Stead needs; otherwise they stay.
    #[oai(default)]
    prune: bool,
    /// Whether steps are taken that lose values.
    #[oai(default)]
    allow_destructive: bool,
    /// The `base` of a plan. When the schema has changed since, nothing is done and the answer is 409.
    #[oai(skip_serializing_if_is_none)]
    base: Option<String>,
}

/// What a step does.
#[derive(Enum)]
#[oai(rename_all = "camelCase")]
pub(super) enum Action {
    CreateCollection,
    RenameCollection,
    DeleteCollection,
    ChangeDescription,
    ChangeCaching,
    ChangeView,
    AddField,
    RenameField,
    ChangeField,
    DropField,
    MoveFields,
    AddIndex,
    DropIndex,
    ChangeRule,
    ChangeTriggers,
}

/// What a step means for stored records. `safe`: every value stays. `checked`: every value stays, and the step is refused
/// when a record does not fit. `destructive`: values are lost that no further change brings back.
#[derive(Enum)]
#[oai(rename_all = "camelCase")]
pub(super) enum Effect {
    Safe,
    Checked,
    Destructive,
}

/// One difference.
#[derive(Object)]
pub(super) struct Step {
    /// The collection, by the name that it will have.
    collection: String,
    /// What is done.
    action: Action,
    /// The field or the rule that is meant.
    #[oai(skip_serializing_if_is_none)]
    name: Option<String>,
    /// What was; of a field that changes, the attributes that differ.
    #[oai(skip_serializing_if_is_none)]
    before: Option<Value>,
    /// What will be; of a field that changes, the attributes that differ.
    #[oai(skip_serializing_if_is_none)]
    after: Option<Value>,
    /// What it means for stored records.
    effect: Effect,
}

/// How many steps there are.
#[derive(Object)]
pub(super) struct Summary {
    /// Collections to make.
    create: u32,
    /// Collections to change.
    change: u32,
    /// Collections to delete.
    delete: u32,
    /// Destructive steps among all.
    destructive: u32,
}

/// How the collections become those that are wanted.
#[derive(Object)]
#[oai(example)]
pub(super) struct Plan {
    /// Stands for the schema from which the plan starts, or that was applied; another one when any definition changes.
    base: String,
    /// The steps, collection by collection; none when nothing differs.
    steps: Vec<Step>,
    /// How many there are.
    summary: Summary,
}

impl Example for PlanRequest {
    fn example() -> Self {
        Self { collections: vec![CollectionWanted::example()], prune: false }
    }
}

impl Example for ApplyRequest {
    fn example() -> Self {
        let base = Some("tBJ6JkzJ0bE_oU1z".into());
        Self { collections: vec![CollectionWanted::example()], prune: false, allow_destructive: false, base }
    }
}

impl Example for Plan {
    fn example() -> Self {
        let step = |action, name: &str, before, after, effect| Step {
            collection: "posts".into(),
            action,
            name: Some(name.into()),
            before,
            after,
            effect,
        };
        let max = |max: u32| Some(json!({ "max": max }));
        let gone = Some(json!({ "name": "views", "type": "integer", "required": false }));
        let steps = vec![
            step(Action::DropField, "views", gone, None, Effect::Destructive),
            step(Action::ChangeField, "title", max(80), max(200), Effect::Safe),
        ];
        let summary = Summary { create: 0, change: 1, delete: 0, destructive: 1 };
        Self { base: "tBJ6JkzJ0bE_oU1z".into(), steps, summary }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::{ParseFromJSON, ToJSON};

    use super::*;
    use crate::collections::sync::model;

    /// What is described is what is written and read.
    #[test]
    fn the_description_fits_the_model() {
        let example = Plan::example().to_json().unwrap();
        let plan: model::Plan = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&plan).unwrap(), example);
        assert_eq!(model::Summary::of(&plan.steps), plan.summary);
        serde_json::from_value::<model::PlanInput>(PlanRequest::example().to_json().unwrap()).unwrap();
        serde_json::from_value::<model::SchemaInput>(ApplyRequest::example().to_json().unwrap()).unwrap();
        let actions = [
            model::Action::CreateCollection,
            model::Action::RenameCollection,
            model::Action::DeleteCollection,
            model::Action::ChangeDescription,
            model::Action::ChangeCaching,
            model::Action::ChangeView,
            model::Action::AddField,
            model::Action::RenameField,
            model::Action::ChangeField,
            model::Action::DropField,
            model::Action::MoveFields,
            model::Action::AddIndex,
            model::Action::DropIndex,
            model::Action::ChangeRule,
            model::Action::ChangeTriggers,
        ];
        for action in actions {
            let name = serde_json::to_value(action).unwrap();
            assert!(Action::parse_from_json(Some(name.clone())).is_ok(), "{name}");
        }
    }
}
