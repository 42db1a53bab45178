//! What came over and what did not, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

/// How many rejected records the report has one by one; the others are counted.
const REJECTED_MAX: usize = 1_000;
/// How many of them are shown.
const SHOWN_MAX: usize = 20;

/// The whole report.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Whether nothing was written.
    pub(super) dry_run: bool,
    /// What became of collections.
    pub(super) collections: Vec<CollectionReport>,
    /// Users that came with a password's hash.
    pub(super) passwords: u64,
    /// Superusers that became admins.
    pub(super) admins: u64,
    /// What was not taken over, or not as it was.
    pub(super) notes: Vec<Note>,
    /// How many records were rejected.
    pub(super) rejected_count: u64,
    /// The first of them.
    pub(super) rejected: Vec<Rejected>,
}

/// A collection.
#[derive(Debug, Default, Serialize)]
pub(super) struct CollectionReport {
    /// Its name in PocketBase.
    pub(super) from: String,
    /// Its name in Stead.
    pub(super) to: String,
    /// How many records it has in PocketBase.
    pub(super) found: u64,
    /// How many of them came over.
    pub(super) imported: u64,
    /// Fields, by both names.
    pub(super) fields: Vec<FieldReport>,
    /// Rules that were translated.
    pub(super) rules: Vec<RuleReport>,
}

/// A field.
#[derive(Debug, Serialize)]
pub(super) struct FieldReport {
    /// Its name in PocketBase.
    pub(super) from: String,
    /// Its name in Stead.
    pub(super) to: String,
    /// Its type in Stead.
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A rule.
#[derive(Debug, Serialize)]
pub(super) struct RuleReport {
    /// Its name in Stead.
    pub(super) rule: String,
    /// What it was.
    pub(super) from: String,
    /// What it is.
    pub(super) to: String,
}

/// Something that was not taken over, or not as it was.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Note {
    /// The collection in PocketBase; empty for what belongs to none.
    pub(super) collection: String,
    /// What kind of thing it is: `collection`, `field`, `file`, `rule`, `index`, `users`.
    pub(super) kind: &'static str,
    /// The thing: a name, an index, a rule with its text.
    pub(super) item: String,
    /// What became of it, and why.
    pub(super) reason: String,
}

/// A record that was not taken over, or not as a whole.
#[derive(Debug, Serialize)]
pub(super) struct Rejected {
    /// The collection in PocketBase.
    pub(super) collection: String,
    /// The record's id.
    pub(super) id: String,
    /// Why.
    pub(super) reason: String,
}

impl Report {
    pub(super) fn note(
        &mut self,
        collection: &str,
        kind: &'static str,
        item: impl Into<String>,
        reason: impl Into<String>,
    ) {
        let (collection, item, reason) = (collection.to_owned(), item.into(), reason.into());
        self.notes.push(Note { collection, kind, item, reason });
    }

    pub(super) fn reject(&mut self, collection: &str, id: &str, reason: impl Into<String>) {
        self.rejected_count += 1;
        if self.rejected.len() < REJECTED_MAX {
            let (collection, id) = (collection.to_owned(), id.to_owned());
            self.rejected.push(Rejected { collection, id, reason: reason.into() });
        }
    }

    /// The report as a person reads it.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a text does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}", if self.dry_run { "What would be taken over" } else { "Taken over" })?;
        let width = self.collections.iter().map(|c| named(&c.from, &c.to).len()).max().unwrap_or(0);
        for collection in &self.collections {
            let name = named(&collection.from, &collection.to);
            let CollectionReport { found, imported, .. } = collection;
            let records =
                if self.dry_run { format!("{found} records") } else { format!("{imported} of {found} records") };
            writeln!(out, "  {name:width$}  {records}")?;
            if self.dry_run {
                for FieldReport { from, to, kind } in &collection.fields {
                    writeln!(out, "      {} ({kind})", named(from, to))?;
                }
            }
            for RuleReport { rule, from, to } in &collection.rules {
                let from = if from.is_empty() { "everyone" } else { from };
                writeln!(
                    out,
                    "      {rule}: {to}{}",
                    if from == to { String::new() } else { format!("   (was: {from})") }
                )?;
            }
        }
        if !self.dry_run {
            writeln!(out, "  {} passwords, {} admins", self.passwords, self.admins)?;
        }
        if !self.notes.is_empty() {
            writeln!(out, "\nNot taken over, or not as it was")?;
        }
        for Note { collection, kind, item, reason } in &self.notes {
            let place = if collection.is_empty() { String::new() } else { format!("{collection}: ") };
            writeln!(out, "  {place}{kind} {item}\n      {reason}")?;
        }
        if self.rejected_count > 0 {
            writeln!(out, "\nRejected records: {}", self.rejected_count)?;
        }
        for Rejected { collection, id, reason } in self.rejected.iter().take(SHOWN_MAX) {
            writeln!(out, "  {collection} {id}: {reason}")?;
        }
        if self.rejected_count > SHOWN_MAX as u64 {
            writeln!(out, "  …; --report FILE has more of them")?;
        }
        Ok(())
    }
}

fn named(from: &str, to: &str) -> String {
    if from == to { from.to_owned() } else { format!("{from} → {to}") }
}
