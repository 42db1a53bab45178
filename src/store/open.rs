//! Opening the file: lock, tables, migrations, and the refusal of what this binary cannot read.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwap;
use redb::{Builder, Database, DatabaseError, ReadableDatabase as _, TableDefinition, TableError};
use tokio::sync::{Semaphore, watch};

use super::{
    Epoch, Epochs, Migration, Shared, Snapshot, Store, StoreError, log, migrate,
    snapshot::{self, Bytes, Newest},
    tx::{Counters, Tables, Tx},
    writer::Writer,
};

/// Key: a name. Value: a number (u64, big-endian).
pub(crate) const META: &str = "store.meta";

/// How the store works; the defaults suit a machine of two cores.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most memory that the engine's page cache takes, in bytes.
    pub cache_bytes: usize,
    /// The most operations that wait for the writer; one more answers [`StoreError::Busy`].
    pub queue_max: usize,
    /// The most operations that share a commit.
    pub batch_max: usize,
    /// How long the writer is idle before it seals the file, so that it opens quickly after a crash.
    pub seal_after: Duration,
    /// The most scans that run at once.
    pub scans_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            queue_max: 4096,
            batch_max: 512,
            seal_after: Duration::from_millis(200),
            scans_max: 4,
        }
    }
}

/// What the binary expects in the file.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// The names of all tables.
    pub tables: Vec<&'static str>,
    /// The steps from older files, in order; the last one's number is the schema that this binary writes.
    pub migrations: Vec<Migration>,
}

impl Schema {
    /// The schema number of files without any migration.
    pub const FIRST: u64 = 1;

    fn number(&self) -> u64 {
        self.migrations.last().map_or(Self::FIRST, |last| last.to)
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names = vec![META, log::TABLE];
        names.extend(&self.tables);
        names
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file open.
    #[error("{path} is in use by another stead process; stop it, or choose another folder with --data")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer binary.
    #[error(
        "the data was written by a newer stead (schema {found}; this one reads up to {known}); install that version or restore an older backup"
    )]
    Newer {
        /// The file's schema number.
        found: u64,
        /// The newest schema number that this binary knows.
        known: u64,
    },
    /// The engine cannot read the file.
    #[error("cannot open {path}: {cause}; restore a backup if the file is damaged")]
    Engine {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        cause: String,
    },
    /// A migration or the first read failed.
    #[error("cannot prepare the store: {0:?}")]
    Prepare(#[from] StoreError),
}

impl Store {
    /// Opens the file at `path`, or makes it. Brings an older file to the schema of this binary first.
    ///
    /// # Errors
    /// [`OpenError`], whose text tells an operator what to do.
    pub fn open(path: &Path, options: &Options, schema: &Schema) -> Result<Self, OpenError> {
        let database = builder(options).create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse { path: path.to_path_buf() },
            other => OpenError::Engine { path: path.to_path_buf(), cause: other.to_string() },
        })?;
        Self::start(database, options, schema)
    }

    /// Opens a store on a storage backend of the caller's: for tests that make the disk fail.
    #[cfg(test)]
    pub(crate) fn open_on(
        backend: impl redb::StorageBackend,
        options: &Options,
        schema: &Schema,
    ) -> Result<Self, OpenError> {
        let database = builder(options)
            .create_with_backend(backend)
            .map_err(|error| OpenError::Engine { path: PathBuf::new(), cause: error.to_string() })?;
        Self::start(database, options, schema)
    }

    fn start(database: Database, options: &Options, schema: &Schema) -> Result<Self, OpenError> {
        let names = schema.names();
        prepare(&database, &names, schema)?;
        let counters = read_counters(&database, &names)?;
        let newest = Newest { opened: counters.seq, ..Newest::default() };
        let inner = snapshot::Inner::take(&database, &names, counters, newest.clone())?;
        let shared = Arc::new(Shared {
            current: ArcSwap::from_pointee(inner),
            newest_seq: watch::Sender::new(counters.seq),
            failed: watch::Sender::new(None),
            closed: AtomicBool::new(false),
            commit_us: std::sync::atomic::AtomicU64::new(0),
            scans: Arc::new(Semaphore::new(options.scans_max)),
        });
        let writer = Writer::start(database, names, (counters, newest), options.clone(), Arc::clone(&shared))?;
        Ok(Self { writer: Arc::new(writer), shared })
    }
}

fn builder(options: &Options) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    builder
}

/// Makes missing tables and runs the migrations that the file has not seen.
fn prepare(database: &Database, names: &[&'static str], schema: &Schema) -> Result<(), OpenError> {
    let known = schema.number();
    // A file of a newer binary is refused before anything is written to it.
    let found = stored_schema(database)?.unwrap_or(known);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    transact(database, names, Counters::default(), |tx| {
        if migrate::stored_schema(tx)?.is_none() { migrate::write_schema(tx, known) } else { Ok(()) }
    })?;
    for step in schema.migrations.iter().filter(|step| step.to > found) {
        tracing::info!(to = step.to, "migrating the store");
        transact(database, names, read_counters(database, names)?, |tx| {
            (step.run)(tx)?;
            migrate::write_schema(tx, step.to)
        })?;
    }
    Ok(())
}

/// The file's schema number; `None` for a file with nothing in it.
fn stored_schema(database: &Database) -> Result<Option<u64>, StoreError> {
    let transaction = database.begin_read().map_err(StoreError::failed)?;
    match transaction.open_table(TableDefinition::<Bytes, Bytes>::new(META)) {
        Ok(_) => {
            let inner = snapshot::Inner::take(database, &[META], Counters::default(), Newest::default())?;
            migrate::stored_schema(&Snapshot::new(Arc::new(inner)))
        }
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(StoreError::failed(error)),
    }
}

fn transact<R>(
    database: &Database,
    names: &[&'static str],
    counters: Counters,
    run: impl FnOnce(&mut Tx<'_>) -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    let transaction = database.begin_write().map_err(StoreError::failed)?;
    let mut tx = Tx::new(Tables::open(&transaction, names)?, counters);
    let result = run(&mut tx)?;
    drop(tx);
    transaction.commit().map_err(StoreError::failed)?;
    Ok(result)
}

fn read_counters(database: &Database, names: &[&'static str]) -> Result<Counters, StoreError> {
    let inner = snapshot::Inner::take(database, names, Counters::default(), Newest::default())?;
    let snapshot = Snapshot::new(Arc::new(inner));
    let mut epochs = Epochs::default();
    for epoch in Epoch::ALL {
        *epochs.slot(epoch) = migrate::read_number(&snapshot, epoch.name().as_bytes())?;
    }
    Ok(Counters { seq: log::newest(&snapshot)?, epochs })
}
