//! Collections in TOML files, one for each, under its name.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::collections::{CollectionDef, CollectionInput, Rules, sync::as_input, system};

/// The attributes of a field that come first in a file, in the order in which a person would write them.
const FIRST: [&str; 15] = [
    "name",
    "renamedFrom",
    "type",
    "description",
    "collection",
    "values",
    "many",
    "required",
    "nullable",
    "default",
    "onDelete",
    "format",
    "pattern",
    "min",
    "max",
];

/// The collections of a folder, by name.
pub(super) fn read_folder(folder: &Path) -> anyhow::Result<Vec<CollectionInput>> {
    let mut wanted = BTreeMap::new();
    for path in paths(folder)? {
        let input = read_file(&path)?;
        if wanted.insert(input.name.clone(), input).is_some() {
            bail!("{} defines a collection that another file of the folder defines too", path.display());
        }
    }
    if wanted.is_empty() {
        bail!("there is no .toml file in {}", folder.display());
    }
    Ok(wanted.into_values().collect())
}

fn paths(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A file's collection, named as the file unless it says otherwise.
fn read_file(path: &Path) -> anyhow::Result<CollectionInput> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut input: CollectionInput =
        toml::from_str(&text).with_context(|| format!("{} is no collection", path.display()))?;
    input.name.get_or_insert_with(|| stem(path).to_owned());
    Ok(input)
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

/// Writes a file for each collection, in place of the one that defines it already. Of what Stead itself needs, only
/// what was added or changed is written.
pub(super) fn write_folder(folder: &Path, defs: &[CollectionDef]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    // A file that cannot be read defines nothing.
    let known = paths(folder)?.into_iter().filter_map(|path| Some((read_file(&path).ok()?.name?, path)));
    let known: BTreeMap<String, PathBuf> = known.collect();
    let mut stdout = std::io::stdout();
    for def in defs {
        let mut input = as_input(def);
        if def.system && !keep_additions(&mut input) {
            continue;
        }
        // Without rules, a system collection has its usual ones, and another one none.
        input.rules = input.rules.filter(|rules| def.system || *rules != Rules::default());
        let path = known.get(&def.name).cloned().unwrap_or_else(|| folder.join(format!("{}.toml", def.name)));
        if stem(&path) == def.name {
            input.name = None;
        }
        let text = to_toml(&input).with_context(|| format!("\"{}\" cannot be written as TOML", def.name))?;
        let same = std::fs::read_to_string(&path).is_ok_and(|present| present == text);
        if !same {
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        writeln!(stdout, "{} {}", if same { "kept" } else { "wrote" }, path.display())?;
    }
    Ok(())
}

/// Takes out what a system collection has by itself. Answers whether anything is left.
fn keep_additions(input: &mut CollectionInput) -> bool {
    let own = system::inputs().into_iter().find(|own| own.name == input.name).unwrap_or_default();
    let own_fields = own.fields.unwrap_or_default();
    if let Some(fields) = &mut input.fields {
        fields.retain(|field| !own_fields.iter().any(|own| own.name == field.name));
    }
    input.description = input.description.take().filter(|text| Some(text) != own.description.as_ref());
    input.rules = input.rules.take().filter(|rules| Some(rules) != own.rules.as_ref());
    let is_empty = input.fields.as_ref().is_none_or(Vec::is_empty) && input.indexes.as_ref().is_none_or(Vec::is_empty);
    let is_empty = is_empty && input.triggers.is_none();
    !is_empty || input.description.is_some() || input.rules.is_some() || input.cache_control.is_some()
}

fn to_toml(input: &CollectionInput) -> anyhow::Result<String> {
    let mut blocks = vec![block(
        "",
        &json!({ "name": input.name, "description": input.description, "cacheControl": input.cache_control }),
    )?];
    if let Some(view) = &input.view {
        blocks.push(block("[view]\n", &json!(view))?);
    }
    for field in input.fields.iter().flatten() {
        blocks.push(block("[[fields]]\n", &json!(field)).with_context(|| format!("field \"{}\"", field.name))?);
    }
    for index in input.indexes.iter().flatten() {
        blocks.push(block("[[indexes]]\n", &json!(index))?);
    }
    for trigger in input.triggers.iter().flatten() {
        blocks.push(block("[[triggers]]\n", &json!(trigger))?);
    }
    if let Some(rules) = &input.rules {
        blocks.push(block("[rules]\n", &json!(rules))?);
    }
    blocks.retain(|block| !block.is_empty());
    Ok(blocks.join("\n"))
}

/// A table of TOML, those of [`FIRST`] first and the others as they come, without those that say what would hold anyway.
fn block(header: &str, members: &Value) -> anyhow::Result<String> {
    let empty = Map::new();
    let mut text = header.to_owned();
    let mut members: Vec<_> = members.as_object().unwrap_or(&empty).iter().collect();
    members.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    for (name, value) in members {
        let default = ["required", "unique"].contains(&name.as_str()) && *value == Value::Bool(false);
        if value.is_null() || default {
            continue;
        }
        let value = toml::Value::try_from(value).with_context(|| format!("{name} = {value}"))?;
        text.push_str(&format!("{name} = {value}\n"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_collection_is_read_as_it_was() {
        let input: CollectionInput = serde_json::from_value(json!({
            "description": "Two \"quoted\" words\nand a line, with a \\ too",
            "fields": [
                {"name": "title", "type": "string", "required": true, "max": 80, "pattern": "[a-z'\"]*\\d"},
                {"name": "rating", "type": "number", "min": 0.0, "max": 5.5, "nullable": false, "default": 1.0},
                {"name": "extra", "type": "json", "default": {"a b": [1, {"c": true}]}},
                {"name": "kind", "type": "enum", "values": ["a", "b"], "many": true},
            ],
            "indexes": [{"fields": ["title", "-rating"], "unique": true}, {"fields": ["rating"]}],
            "triggers": [{"on": ["create", "update"], "queue": "q", "kind": "k", "when": "title != @old.title"},
                {"on": ["delete"], "queue": "q", "kind": "k", "fields": [], "onCollision": "skip", "serial": true}],
            "rules": {"list": "title = 'a' && rating > 1"},
        }))
        .unwrap();
        let text = to_toml(&input).unwrap();
        assert_eq!(toml::from_str::<CollectionInput>(&text).unwrap(), input, "{text}");
        assert!(text.contains("\n\n[[fields]]\nname = \"rating\"\ntype = \"number\"\nnullable = false\n"), "{text}");
        let view: CollectionInput = serde_json::from_value(json!({
            "view": {"from": "a", "filter": "b > 1", "select": "count, sum(c) as \"d\"", "group": "month(e)"},
            "rules": {"list": "true"},
        }))
        .unwrap();
        assert_eq!(toml::from_str::<CollectionInput>(&to_toml(&view).unwrap()).unwrap(), view);
        let null = json!({"fields": [{"name": "extra", "type": "json", "default": {"a": null}}]});
        let error = to_toml(&serde_json::from_value(null).unwrap()).unwrap_err();
        assert!(format!("{error:#}").contains("extra"), "{error:#}");
    }
}
