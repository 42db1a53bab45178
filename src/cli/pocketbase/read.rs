//! PocketBase's data folder: its collections and rows, read from SQLite and never written.
//!
//! Everything is read in one transaction, so it is of one moment while PocketBase goes on writing.

use std::path::Path;

use anyhow::{Context as _, bail};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::{Connection, OpenFlags, Row, Statement};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// The file of the data folder that has collections and records.
pub(super) const DATABASE: &str = "data.db";
/// How long a lock of PocketBase's is waited for.
const BUSY_MS: u64 = 10_000;
/// What has a meaning in the URI of a file.
const PATH: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%');

/// The database, as of one moment.
pub(super) struct Source {
    connection: Connection,
}

/// A collection of PocketBase.
#[derive(Clone, Debug, Default)]
pub(super) struct Collection {
    pub(super) id: String,
    pub(super) name: String,
    /// `base`, `auth` or `view`.
    pub(super) kind: String,
    pub(super) fields: Vec<FieldSpec>,
    /// SQL statements.
    pub(super) indexes: Vec<String>,
    /// The rules of [`RULES`].
    pub(super) rules: [Option<String>; 5],
    /// What only collections of a kind have: of `auth` how users sign in.
    pub(super) options: Value,
}

/// The names of rules, here and in Stead.
pub(super) const RULES: [(&str, &str); 5] = [
    ("listRule", "list"),
    ("viewRule", "read"),
    ("createRule", "create"),
    ("updateRule", "update"),
    ("deleteRule", "delete"),
];

/// A field of PocketBase: the attributes of all its types.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FieldSpec {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) hidden: bool,
    pub(super) min: Value,
    pub(super) max: Value,
    pub(super) pattern: Option<String>,
    pub(super) only_int: bool,
    pub(super) values: Option<Vec<String>>,
    pub(super) max_select: Option<u32>,
    pub(super) min_select: Option<u32>,
    pub(super) collection_id: Option<String>,
    pub(super) cascade_delete: bool,
    pub(super) max_size: Option<u64>,
    pub(super) on_create: bool,
    pub(super) on_update: bool,
    pub(super) only_domains: Option<Vec<String>>,
    pub(super) except_domains: Option<Vec<String>>,
}

impl Source {
    /// Opens the database of a data folder, whether PocketBase runs or not.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(DATABASE);
        let opened = Self::open_as(&file, "mode=ro").or_else(|error| {
            // Without a log of writes nothing is running, and a folder that cannot be written to needs no lock.
            let log = folder.join(format!("{DATABASE}-wal"));
            let quiet = std::fs::metadata(log).map_or(true, |log| log.len() == 0);
            if quiet { Self::open_as(&file, "immutable=1") } else { Err(error) }
        });
        opened.with_context(|| format!("cannot read {}", file.display()))
    }

    fn open_as(file: &Path, mode: &str) -> rusqlite::Result<Self> {
        let path = file.display().to_string();
        let uri = format!("file:{}?{mode}", utf8_percent_encode(&path, PATH));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
        connection.execute_batch("BEGIN; SELECT 1 FROM sqlite_master LIMIT 1;")?;
        Ok(Self { connection })
    }

    /// All collections, those of PocketBase's own included.
    pub(super) fn collections(&self) -> anyhow::Result<Vec<Collection>> {
        let has_fields = "SELECT count(*) FROM pragma_table_info('_collections') WHERE name = 'fields'";
        if self.number(has_fields)? == 0 {
            bail!(
                "this is no data folder of PocketBase 0.23 or newer; start a newer PocketBase on a copy of it once, which \
                 brings it up to date"
            );
        }
        let sql = "SELECT id, name, type, fields, indexes, options, listRule, viewRule, createRule, updateRule, deleteRule \
                   FROM _collections ORDER BY rowid";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut collections = Vec::new();
        while let Some(row) = rows.next()? {
            collections.push(collection(row)?);
        }
        Ok(collections)
    }

    /// How many rows a table has.
    pub(super) fn count(&self, table: &str) -> anyhow::Result<u64> {
        self.number(&format!("SELECT count(*) FROM {}", quoted(table)))
    }

    /// How many characters the longest value of a column has.
    pub(super) fn longest(&self, table: &str, column: &str) -> anyhow::Result<u64> {
        self.number(&format!("SELECT coalesce(max(length({})), 0) FROM {}", quoted(column), quoted(table)))
    }

    /// How many values of a column are there and begin with none of these.
    pub(super) fn others(&self, table: &str, column: &str, prefixes: &[&str]) -> anyhow::Result<u64> {
        let column = quoted(column);
        let unlike: String = prefixes.iter().map(|prefix| format!(" AND {column} NOT LIKE '{prefix}%'")).collect();
        self.number(&format!("SELECT count(*) FROM {} WHERE {column} != ''{unlike}", quoted(table)))
    }

    fn number(&self, sql: &str) -> anyhow::Result<u64> {
        let number: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or(0))
    }

    /// The columns of all rows, in the order in which they were stored.
    pub(super) fn select(&self, table: &str, columns: &[&str]) -> anyhow::Result<Statement<'_>> {
        let columns: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
        let sql = format!("SELECT {} FROM {} ORDER BY rowid", columns.join(", "), quoted(table));
        self.connection.prepare(&sql).with_context(|| format!("cannot read the records of {table}"))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn collection(row: &Row<'_>) -> anyhow::Result<Collection> {
    let name: String = row.get(1)?;
    let unreadable = || format!("cannot read the definition of {name}");
    let rules = [row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?, row.get(10)?];
    Ok(Collection {
        id: row.get(0)?,
        kind: row.get(2)?,
        fields: json(row, 3).with_context(unreadable)?,
        indexes: json(row, 4).with_context(unreadable)?,
        options: json(row, 5).with_context(unreadable)?,
        rules,
        name: name.clone(),
    })
}

fn json<T: DeserializeOwned + Default>(row: &Row<'_>, column: usize) -> anyhow::Result<T> {
    let text: Option<String> = row.get(column)?;
    let text = text.unwrap_or_default();
    if text.is_empty() { Ok(T::default()) } else { Ok(serde_json::from_str(&text)?) }
}
