//! `stead schema`: collections as files say. What differs is found and carried out by the server; here files are read
//! and written, and plans shown.

mod files;
mod print;

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
};

use anyhow::bail;
use clap::{Args, Subcommand};
use hyper::Method;
use serde::Serialize;
use serde_json::Value;

use super::client::{Client, describe};
use crate::{
    collections::{
        CollectionDef, CollectionInput,
        sync::{Plan, PlanInput, SchemaInput},
    },
    config::Config,
};

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Show how the collections differ from what a folder of TOML files says
    #[command(after_help = "\
Examples:
  stead schema plan                     what `stead schema apply` would do with config/collections
  stead schema plan --check             the same, and exit with 1 when anything differs (0 when nothing does)")]
    Plan {
        #[command(flatten)]
        wanted: Wanted,
        /// Exit with 1 when the collections differ from the files
        #[arg(long)]
        check: bool,
    },
    /// Bring the collections to what a folder of TOML files says, all of it or nothing
    #[command(after_help = "\
Examples:
  stead schema apply config/examples/chinook  make what is missing, change what differs, keep the rest
  stead schema apply --allow-destructive      also where values are lost, by a dropped field for one")]
    Apply {
        #[command(flatten)]
        wanted: Wanted,
        /// Take steps that lose values too
        #[arg(long)]
        allow_destructive: bool,
    },
    /// Write a TOML file for each collection; removes no file
    #[command(after_help = "\
Example:
  stead schema pull                     write config/collections as the server is")]
    Pull {
        /// The folder to write to
        #[arg(default_value = DEFAULT_FOLDER)]
        folder: PathBuf,
    },
}

const DEFAULT_FOLDER: &str = "config/collections";

/// Which collections are wanted.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// The folder, with one file for each collection
    #[arg(default_value = DEFAULT_FOLDER)]
    folder: PathBuf,
    /// Delete collections that have no file
    #[arg(long)]
    prune: bool,
}

pub(super) async fn run(config: &Config, command: SchemaCommand) -> anyhow::Result<()> {
    match command {
        SchemaCommand::Plan { wanted, check } => {
            let collections = files::read_folder(&wanted.folder)?;
            let mut client = Client::connect(config).await?;
            let planned = plan(&mut client, collections, wanted.prune).await;
            client.close().await;
            let (plan, _) = planned?;
            if check && !plan.steps.is_empty() {
                bail!("the collections differ from {}", wanted.folder.display());
            }
            Ok(())
        }
        SchemaCommand::Apply { wanted, allow_destructive } => {
            let collections = files::read_folder(&wanted.folder)?;
            let mut client = Client::connect(config).await?;
            let applied = apply(&mut client, collections, wanted.prune, allow_destructive).await;
            client.close().await;
            applied
        }
        SchemaCommand::Pull { folder } => {
            let mut client = Client::connect(config).await?;
            let listed = client.json(Method::GET, "/api/v1/collections", Vec::new()).await;
            client.close().await;
            let items = listed?.get_mut("items").map(Value::take).unwrap_or_default();
            let defs: Vec<CollectionDef> = serde_json::from_value(items)?;
            files::write_folder(&folder, &defs)
        }
    }
}

/// Shows the steps that lead to these collections. Answers them, and the collections.
async fn plan(
    client: &mut Client,
    collections: Vec<CollectionInput>,
    prune: bool,
) -> anyhow::Result<(Plan, Vec<CollectionInput>)> {
    let input = PlanInput { collections, prune };
    let plan = post(client, "plan", &input, &input.collections).await?;
    let mut stdout = std::io::stdout();
    stdout.write_all(print::plan(&plan, stdout.is_terminal()).as_bytes())?;
    Ok((plan, input.collections))
}

async fn apply(
    client: &mut Client,
    collections: Vec<CollectionInput>,
    prune: bool,
    allow_destructive: bool,
) -> anyhow::Result<()> {
    let (plan, collections) = plan(client, collections, prune).await?;
    if plan.steps.is_empty() {
        return Ok(());
    }
    if plan.summary.destructive > 0 && !allow_destructive {
        bail!("nothing was changed, for values would be lost; --allow-destructive allows it");
    }
    let input = SchemaInput { collections, prune, allow_destructive, base: Some(plan.base) };
    let applied = post(client, "apply", &input, &input.collections).await?;
    std::io::stdout().write_all(print::done(&applied).as_bytes())?;
    Ok(())
}

/// Sends a schema; a problem becomes an error that names collections rather than their places in the body.
async fn post(
    client: &mut Client,
    what: &str,
    body: &impl Serialize,
    collections: &[CollectionInput],
) -> anyhow::Result<Plan> {
    let body = serde_json::to_vec(body)?;
    let answer = client.send(Method::POST, &format!("/api/v1/schema/{what}"), body).await?;
    let status = answer.status;
    let mut value: Value = serde_json::from_slice(&answer.bytes().await?)?;
    if status < 400 {
        return Ok(serde_json::from_value(value)?);
    }
    for error in value.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(pointer) = error.get_mut("pointer") {
            *pointer = named(pointer.as_str().unwrap_or_default(), collections).into();
        }
    }
    bail!("{}", describe(&value))
}

/// A pointer into the body as one into the file of a collection.
fn named(pointer: &str, collections: &[CollectionInput]) -> String {
    let inner = pointer.strip_prefix("/collections/").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    let place = inner.and_then(|(position, rest)| Some((collections.get(position.parse::<usize>().ok()?)?, rest)));
    match place {
        Some((input, rest)) => format!("{} /{rest}", input.name.as_deref().unwrap_or_default()),
        None => pointer.to_owned(),
    }
}
