//! What a client says of a whole schema, and the steps that lead there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::collections::{
    commit::explicit_indexes,
    model::{CollectionDef, CollectionInput},
};

/// The collections that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanInput {
    /// Each collection as a whole: what it does not say, it does not have.
    pub collections: Vec<CollectionInput>,
    /// Whether other collections are deleted; otherwise they stay as they are.
    #[serde(default)]
    pub prune: bool,
}

/// The collections that are wanted, and under which conditions they are brought about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaInput {
    /// Each collection as a whole: what it does not say, it does not have.
    pub collections: Vec<CollectionInput>,
    /// Whether other collections are deleted; otherwise they stay as they are.
    #[serde(default)]
    pub prune: bool,
    /// Whether steps are taken that lose values.
    #[serde(default)]
    pub allow_destructive: bool,
    /// The `base` of a plan: refuses when the schema changed since.
    #[serde(default)]
    pub base: Option<String>,
}

/// How the collections become those that are wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Stands for the schema from which the steps lead; another one when any definition changes.
    pub base: String,
    /// The steps, collection by collection; none when nothing differs.
    pub steps: Vec<Step>,
    /// How many there are.
    pub summary: Summary,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The collection, by the name that it will have.
    pub collection: String,
    /// What is done.
    pub action: Action,
    /// The field or the rule that is meant, by the name that it will have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was; of a field that changes, the attributes that differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What will be; of a field that changes, the attributes that differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// What it means for stored records.
    pub effect: Effect,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// A new collection; what it has follows as further steps.
    CreateCollection,
    /// A collection and its records under another name.
    RenameCollection,
    /// A collection and its records gone.
    DeleteCollection,
    /// Another description.
    ChangeDescription,
    /// Another `Cache-Control` for answers.
    ChangeCaching,
    /// A view's query, new or another one.
    ChangeView,
    /// A new field.
    AddField,
    /// A field and its values under another name.
    RenameField,
    /// Other attributes of a field.
    ChangeField,
    /// A field and its values gone.
    DropField,
    /// Another order of the fields.
    MoveFields,
    /// A new index.
    AddIndex,
    /// An index gone.
    DropIndex,
    /// Another rule, or none.
    ChangeRule,
    /// Other triggers, or none.
    ChangeTriggers,
}

/// What a step means for stored records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Every value stays.
    Safe,
    /// Every value stays; the step is refused when a stored record does not fit.
    Checked,
    /// Values are lost that changing the schema back does not bring back.
    Destructive,
}

/// How many steps there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Collections to make.
    pub create: usize,
    /// Collections to change.
    pub change: usize,
    /// Collections to delete.
    pub delete: usize,
    /// Destructive steps among all.
    pub destructive: usize,
}

impl Summary {
    pub(super) fn of(steps: &[Step]) -> Self {
        let count = |action: Action| steps.iter().filter(|step| step.action == action).count();
        let touched: BTreeSet<&str> = steps.iter().map(|step| step.collection.as_str()).collect();
        let (create, delete) = (count(Action::CreateCollection), count(Action::DeleteCollection));
        let destructive = steps.iter().filter(|step| step.effect == Effect::Destructive).count();
        Self { create, change: touched.len().saturating_sub(create + delete), delete, destructive }
    }
}

impl Step {
    /// The step in a few words.
    #[must_use]
    pub fn title(&self) -> String {
        let Self { collection, name, .. } = self;
        let name = name.as_deref().unwrap_or_default();
        let text = match self.action {
            Action::CreateCollection => "make the collection",
            Action::RenameCollection => "rename the collection",
            Action::DeleteCollection => "delete the collection",
            Action::ChangeDescription => "change the description",
            Action::ChangeCaching => "change caching",
            Action::ChangeView => "change the view",
            Action::AddField => "add field",
            Action::RenameField => "rename field",
            Action::ChangeField => "change field",
            Action::DropField => "drop field",
            Action::MoveFields => "move fields",
            Action::AddIndex => "add index",
            Action::DropIndex => "drop index",
            Action::ChangeRule => "change rule",
            Action::ChangeTriggers => "change triggers",
        };
        format!("{collection}: {text} {name}").trim_end().to_owned()
    }
}

/// A stored collection as a client would send it whole.
#[must_use]
pub fn as_input(def: &CollectionDef) -> CollectionInput {
    CollectionInput {
        name: Some(def.name.clone()),
        renamed_from: None,
        description: def.description.clone(),
        view: def.view.clone(),
        fields: def.view.is_none().then(|| def.fields.clone()),
        indexes: def.view.is_none().then(|| explicit_indexes(def)),
        rules: Some(def.rules.clone()),
        triggers: Some(def.triggers.clone()).filter(|triggers| !triggers.is_empty()),
        cache_control: def.cache_control.clone(),
    }
}
