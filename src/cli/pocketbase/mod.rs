//! `stead import pocketbase pb_data`: collections, rules, records and users of a PocketBase, through the API.
//!
//! `read` reads SQLite; `map`, `field`, `index`, `rules` and `sign_in` say what things become; `agree` settles that with
//! the server, `send` sends the records, `report` tells what came of all. Not here: files, which stay where they are.

mod agree;
mod field;
mod filter;
mod index;
mod map;
mod read;
mod report;
mod rules;
mod send;
mod sign_in;
#[cfg(test)]
mod tests;
mod value;

use std::{
    collections::HashSet,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use hyper::Method;
use serde_json::Value;

use super::client::Client;
use crate::{collections::system, config::Config};
use map::{Mapping, SUPERUSERS};
use read::Source;
use report::{CollectionReport, FieldReport, Report, RuleReport};
use send::Sender;

/// Flags of `import pocketbase`.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options of `import pocketbase`")]
pub(super) struct PocketBaseArgs {
    /// The auth collection whose records sign in [default: the only one]
    #[arg(long, value_name = "COLLECTION")]
    users: Option<String>,
    /// Leave superusers out, instead of making them admins
    #[arg(long)]
    no_superusers: bool,
    /// Write the report as JSON, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl PocketBaseArgs {
    /// Whether any of them is given.
    pub(super) fn any(&self) -> bool {
        self.users.is_some() || self.no_superusers || self.report.is_some()
    }
}

pub(super) async fn run(
    config: &Config,
    folder: &Path,
    args: PocketBaseArgs,
    upsert: bool,
    dry_run: bool,
) -> anyhow::Result<()> {
    let source = Source::open(folder)?;
    let mut report = Report { dry_run, ..Report::default() };
    let mut mappings = map::map(&source, args.users.as_deref(), &mut report)?;
    let mut client = Client::connect(config).await?;
    let done = take_over(&mut client, config, &source, &mut mappings, &args, upsert, &mut report).await;
    client.close().await;
    // What came over before a failure is told, too.
    tell(&report, args.report.as_deref())?;
    done?;
    if report.rejected_count > 0 {
        bail!("{} records were rejected", report.rejected_count);
    }
    Ok(())
}

fn tell(report: &Report, file: Option<&Path>) -> anyhow::Result<()> {
    std::io::stdout().write_all(report.text().as_bytes())?;
    let Some(file) = file else { return Ok(()) };
    let json = serde_json::to_vec_pretty(report)?;
    std::fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
}

async fn take_over(
    client: &mut Client,
    config: &Config,
    source: &Source,
    mappings: &mut [Mapping],
    args: &PocketBaseArgs,
    upsert: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    if !upsert {
        refuse_existing(client, mappings, report.dry_run, report).await?;
    }
    agree::agree(client, mappings, report).await?;
    for mapping in &*mappings {
        let described = describe(mapping, source.count(&mapping.source.name)?);
        report.collections.push(described);
    }
    if source.count("_externalAuths")? > 0 {
        report.note("", "users", "_externalAuths", "links of users to other providers are not taken over");
    }
    if args.no_superusers {
        report.note("", "users", SUPERUSERS, "left out, as asked");
    }
    if report.dry_run {
        return Ok(());
    }
    agree::apply(client, mappings, false).await?;
    let mode = if upsert { "upsert" } else { "create" };
    let body_bytes_max = config.http.body_bytes_max;
    let mut sender = Sender { client, source, report, mode, body_bytes_max, refused: HashSet::new() };
    for (position, mapping) in mappings.iter().enumerate() {
        let imported = sender.records(mapping).await?;
        if let Some(of) = sender.report.collections.get_mut(position) {
            of.imported = imported;
        }
    }
    for mapping in mappings.iter().filter(|mapping| mapping.has_late()) {
        sender.late_relations(mapping).await?;
    }
    if !args.no_superusers {
        sender.superusers().await?;
    }
    if let Err(error) = agree::apply(client, mappings, true).await {
        let reason = format!("what relations require stays open, for records lack it: {error}");
        report.note("", "field", "relations in a circle", reason);
    }
    Ok(())
}

/// Leaves collections alone that are there already: their rules may have been changed since.
async fn refuse_existing(
    client: &mut Client,
    mappings: &[Mapping],
    dry_run: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let listed = client.json(Method::GET, "/api/v1/collections", Vec::new()).await?;
    let items = listed.get("items").and_then(Value::as_array);
    let names: Vec<_> = items.into_iter().flatten().filter_map(|item| item.get("name")?.as_str()).collect();
    let existing = |mapping: &&Mapping| mapping.to != system::USERS && names.contains(&mapping.to.as_str());
    let existing: Vec<_> = mappings.iter().filter(existing).map(|mapping| mapping.to.as_str()).collect();
    if existing.is_empty() {
        return Ok(());
    }
    let reason = "there already; --upsert brings collections and records to what PocketBase has";
    if !dry_run {
        bail!("{} are {reason}", existing.join(", "));
    }
    report.note("", "collection", existing.join(", "), reason);
    Ok(())
}

fn describe(mapping: &Mapping, found: u64) -> CollectionReport {
    let fields = mapping.fields.iter().map(|field| FieldReport {
        from: field.from.clone(),
        to: field.to.clone(),
        kind: field.def.as_ref().map_or_else(|| "its own".to_owned(), |def| def.kind.clone()),
    });
    let rules = &mapping.rules;
    let here = [&rules.list, &rules.read, &rules.create, &rules.update, &rules.delete];
    let rules = mapping.source.rules.iter().zip(read::RULES).zip(here).filter_map(|((from, (_, name)), to)| {
        Some(RuleReport { rule: name.to_owned(), from: from.clone()?, to: to.clone()? })
    });
    CollectionReport {
        from: mapping.source.name.clone(),
        to: mapping.to.clone(),
        found,
        imported: 0,
        fields: fields.collect(),
        rules: rules.collect(),
    }
}
