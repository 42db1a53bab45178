//! `stead schema apply`: collections as files say.

use std::{
    collections::{BTreeMap, HashSet},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::client::Client;
use crate::{collections::CollectionInput, config::Config};

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Make the collections of a folder of TOML files, and change those that differ; never deletes one
    #[command(after_help = "\
Example:
  stead schema apply config/examples/chinook  make what is missing, change what differs, keep the rest")]
    Apply {
        /// The folder, with one file for each collection
        folder: PathBuf,
    },
}

pub(super) async fn run(config: &Config, command: SchemaCommand) -> anyhow::Result<()> {
    let SchemaCommand::Apply { folder } = command;
    let wanted = read_folder(&folder)?;
    let mut client = Client::connect(config).await?;
    let applied = apply(&mut client, wanted).await;
    client.close().await;
    applied
}

fn read_folder(folder: &Path) -> anyhow::Result<BTreeMap<String, CollectionInput>> {
    let mut wanted = BTreeMap::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut input: CollectionInput =
            toml::from_str(&text).with_context(|| format!("{} is no collection", path.display()))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let name = input.name.get_or_insert(stem).clone();
        if wanted.insert(name.clone(), input).is_some() {
            bail!("two files of {} define the collection \"{name}\"", folder.display());
        }
    }
    if wanted.is_empty() {
        bail!("there is no .toml file in {}", folder.display());
    }
    Ok(wanted)
}

async fn apply(client: &mut Client, mut wanted: BTreeMap<String, CollectionInput>) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    let listed = client.json(Method::GET, "/api/v1/collections", Vec::new()).await?;
    let mut known: HashSet<String> = names(&listed).collect();
    while !wanted.is_empty() {
        // A relation's target comes before the relation; what is left in a circle is tried as it is, and refused clearly.
        let next = wanted.iter().find(|(name, input)| targets(input).all(|t| known.contains(t) || t == name.as_str()));
        let name = next.or_else(|| wanted.iter().next()).map(|(name, _)| name.clone()).unwrap_or_default();
        let Some(input) = wanted.remove(&name) else { break };
        let done = apply_one(client, &name, &input, known.contains(&name))
            .await
            .with_context(|| format!("cannot apply \"{name}\""))?;
        writeln!(stdout, "{done} {name}")?;
        known.insert(name);
    }
    Ok(())
}

fn names(listed: &Value) -> impl Iterator<Item = String> + '_ {
    let items = listed.get("items").and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.get("name")?.as_str().map(str::to_owned))
}

fn targets(input: &CollectionInput) -> impl Iterator<Item = &str> {
    input.fields.iter().flatten().filter_map(|field| field.collection.as_deref())
}

async fn apply_one(
    client: &mut Client,
    name: &str,
    input: &CollectionInput,
    exists: bool,
) -> anyhow::Result<&'static str> {
    let body = without_nulls(serde_json::to_value(input)?);
    if !exists {
        client.json(Method::POST, "/api/v1/collections", body.to_string().into_bytes()).await?;
        return Ok("made");
    }
    let path = format!("/api/v1/collections/{name}");
    let stored = client.json(Method::GET, &path, Vec::new()).await?;
    if same(&stored, &body) {
        return Ok("kept");
    }
    client.json(Method::PATCH, &path, body.to_string().into_bytes()).await?;
    Ok("changed")
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, member| !member.is_null());
    }
    value
}

/// Whether a stored collection says already what a file says.
fn same(stored: &Value, wanted: &Value) -> bool {
    let indexes = stored.get("indexes").and_then(Value::as_array).into_iter().flatten();
    let explicit = indexes.filter(|index| index.get("implicit") != Some(&Value::Bool(true)));
    let explicit: Vec<Value> =
        explicit.map(|index| json!({ "fields": index["fields"], "unique": index["unique"] })).collect();
    let members = wanted.as_object().into_iter().flatten();
    members.filter(|(name, _)| *name != "name").all(|(name, value)| match name.as_str() {
        "indexes" => *value == Value::Array(explicit.clone()),
        _ => stored.get(name) == Some(value),
    })
}
