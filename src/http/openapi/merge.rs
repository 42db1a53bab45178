//! One document out of the static part and any number of fragments: no name twice, nothing that no one uses.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Fragment, METHODS, Object};

const COMPONENTS: &str = "#/components/";
const SCHEMAS: &str = "#/components/schemas/";

/// The whole document. A fragment whose schema or operation has a name that is taken gets another one, so the order
/// of the fragments matters where names clash.
#[must_use]
pub fn document(static_part: &Value, fragments: impl IntoIterator<Item = Fragment>) -> Value {
    let mut document = static_part.as_object().cloned().unwrap_or_default();
    let mut components = take_object(&mut document, "components");
    let mut schemas = take_object(&mut components, "schemas");
    let mut paths = take_object(&mut document, "paths");
    let mut tags = document.shift_remove("tags").and_then(into_array).unwrap_or_default();
    let mut operations: HashSet<String> = operation_ids(&paths).map(str::to_lowercase).collect();
    let mut known: HashSet<String> = schemas.keys().map(|name| name.to_lowercase()).collect();
    for mut fragment in fragments {
        rename_schemas(&mut fragment, &known);
        rename_operations(&mut fragment.paths, &operations);
        operations.extend(operation_ids(&fragment.paths).map(str::to_lowercase));
        known.extend(fragment.schemas.keys().map(|name| name.to_lowercase()));
        schemas.append(&mut fragment.schemas);
        add_paths(&mut paths, fragment.paths);
        for tag in fragment.tags {
            let is_known = tags.iter().any(|known| known.get("name").and_then(Value::as_str) == Some(&tag.name));
            if !is_known {
                tags.push(serde_json::json!(tag));
            }
        }
    }
    components.insert("schemas".into(), Value::Object(schemas));
    document.insert("tags".into(), Value::Array(tags));
    document.insert("paths".into(), Value::Object(paths));
    prune(&document, &mut components);
    document.insert("components".into(), Value::Object(components));
    Value::Object(document)
}

fn take_object(from: &mut Object, name: &str) -> Object {
    match from.shift_remove(name) {
        Some(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

fn into_array(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(items) = value { Some(items) } else { None }
}

fn operations(paths: &Object) -> impl Iterator<Item = &Object> {
    let items = paths.values().filter_map(Value::as_object);
    items.flat_map(|item| METHODS.iter().filter_map(|method| item.get(*method)?.as_object()))
}

fn operation_ids(paths: &Object) -> impl Iterator<Item = &str> {
    operations(paths).filter_map(|operation| operation.get("operationId")?.as_str())
}

/// The paths of a fragment beside those that are there. An operation that is there already stays.
fn add_paths(paths: &mut Object, added: Object) {
    for (path, item) in added {
        match (paths.get_mut(&path).and_then(Value::as_object_mut), item) {
            (Some(present), Value::Object(item)) => {
                for (method, operation) in item {
                    present.entry(method).or_insert(operation);
                }
            }
            (_, item) => {
                paths.insert(path, item);
            }
        }
    }
}

/// The first of `name`, `name` + suffix, `name` + suffix + `2`, … that is not taken, whatever the case.
fn free(name: &str, suffix: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number: u32| format!("{name}{suffix}{number}"));
    let mut candidates = [name.to_owned(), format!("{name}{suffix}")].into_iter().chain(numbered);
    candidates.find(|candidate| !is_taken(&candidate.to_lowercase())).unwrap_or_default()
}

fn rename_schemas(fragment: &mut Fragment, known: &HashSet<String>) {
    let own: HashSet<String> = fragment.schemas.keys().map(|name| name.to_lowercase()).collect();
    let mut renamed = HashMap::new();
    for name in fragment.schemas.keys().filter(|name| known.contains(&name.to_lowercase())) {
        let new = free(name, "Record", |candidate| known.contains(candidate) || own.contains(candidate));
        renamed.insert(format!("{SCHEMAS}{name}"), format!("{SCHEMAS}{new}"));
    }
    if renamed.is_empty() {
        return;
    }
    let new_name = |name: String| match renamed.get(&format!("{SCHEMAS}{name}")) {
        Some(new) => new.trim_start_matches(SCHEMAS).to_owned(),
        None => name,
    };
    let schemas = std::mem::take(&mut fragment.schemas);
    fragment.schemas = schemas.into_iter().map(|(name, schema)| (new_name(name), schema)).collect();
    let redirect = |reference: &mut String| {
        if let Some(new) = renamed.get(reference) {
            reference.clone_from(new);
        }
    };
    fragment.schemas.values_mut().chain(fragment.paths.values_mut()).for_each(|value| each_reference(value, &redirect));
}

fn rename_operations(paths: &mut Object, known: &HashSet<String>) {
    let own: HashSet<String> = operation_ids(paths).map(str::to_lowercase).collect();
    let items = paths.values_mut().filter_map(Value::as_object_mut);
    for operation in items.flat_map(|item| item.values_mut()) {
        let Some(Value::String(id)) = operation.get_mut("operationId") else { continue };
        if known.contains(&id.to_lowercase()) {
            *id = free(id, "Records", |candidate| known.contains(candidate) || own.contains(candidate));
        }
    }
}

fn each_reference(value: &mut Value, visit: &impl Fn(&mut String)) {
    match value {
        Value::String(text) if text.starts_with(COMPONENTS) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_reference(item, visit)),
        Value::Object(members) => members.values_mut().for_each(|member| each_reference(member, visit)),
        _ => {}
    }
}

fn collect_references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.extend(text.strip_prefix(COMPONENTS)),
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Object(members) => members.values().for_each(|member| collect_references(member, found)),
        _ => {}
    }
}

/// Removes the components to which no path leads. Security schemes are named otherwise and stay.
fn prune(document: &Object, components: &mut Object) {
    let mut used: HashSet<String> = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    document.values().for_each(|value| collect_references(value, &mut open));
    while let Some(reference) = open.pop() {
        if !used.insert(reference.to_owned()) {
            continue;
        }
        let component = reference.split_once('/').and_then(|(kind, name)| components.get(kind)?.get(name));
        component.into_iter().for_each(|component| collect_references(component, &mut open));
    }
    for (kind, group) in components.iter_mut().filter(|(kind, _)| *kind != "securitySchemes") {
        if let Some(group) = group.as_object_mut() {
            group.retain(|name, _| used.contains(&format!("{kind}/{name}")));
        }
    }
    components.retain(|_, group| group.as_object().is_some_and(|group| !group.is_empty()));
}
