//! A consistent state to read from, taken at a commit.

use std::{collections::HashMap, sync::Arc};

use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::{Epoch, Epochs, Read, Scan, StoreError, table::Visit, tx::Counters};

pub(crate) type Bytes = &'static [u8];

/// One state of the store; cheap to clone, safe to share among threads.
#[derive(Clone, Debug)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

/// The tables of one state, opened once and shared by all readers.
pub(crate) struct Inner {
    tables: Vec<(&'static str, ReadOnlyTable<Bytes, Bytes>)>,
    seq: u64,
    epochs: Epochs,
    newest: Newest,
}

/// The seq of the newest change of each collection that changed since the store was opened, and the seq at that moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest {
    pub(crate) opened: u64,
    pub(crate) by_collection: Arc<HashMap<u32, u64>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("seq", &self.seq).finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) fn take(
        database: &redb::Database,
        names: &[&'static str],
        counters: Counters,
        newest: Newest,
    ) -> Result<Self, StoreError> {
        let transaction = database.begin_read().map_err(StoreError::failed)?;
        let open = |name: &&'static str| open_table(&transaction, name);
        let tables = names.iter().map(open).collect::<Result<_, _>>().map_err(StoreError::failed)?;
        Ok(Self { tables, seq: counters.seq, epochs: counters.epochs, newest })
    }
}

fn open_table(
    transaction: &ReadTransaction,
    name: &'static str,
) -> Result<(&'static str, ReadOnlyTable<Bytes, Bytes>), TableError> {
    Ok((name, transaction.open_table(TableDefinition::new(name))?))
}

impl Snapshot {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The seq of the newest change that this state has.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.inner.seq
    }

    /// The value of an epoch in this state.
    #[must_use]
    pub fn epoch(&self, epoch: Epoch) -> u64 {
        self.inner.epochs.get(epoch)
    }

    /// A number that is the same in two states exactly when no record of the collection changed between them, as long as
    /// the process lives.
    #[must_use]
    pub fn collection_seq(&self, collection: u32) -> u64 {
        self.inner.newest.by_collection.get(&collection).copied().unwrap_or(self.inner.newest.opened)
    }

    fn table(&self, name: &'static str) -> Result<&ReadOnlyTable<Bytes, Bytes>, StoreError> {
        let found = self.inner.tables.iter().find(|(known, _)| *known == name);
        found.map(|(_, table)| table).ok_or_else(|| unknown_table(name))
    }
}

pub(crate) fn unknown_table(name: &str) -> StoreError {
    StoreError::corrupt(format_args!("no table {name} was declared when the store opened"))
}

impl Read for Snapshot {
    fn view<R>(&self, table: &'static str, key: &[u8], view: impl FnOnce(Option<&[u8]>) -> R) -> Result<R, StoreError> {
        let found = self.table(table)?.get(key)?;
        Ok(view(found.as_ref().map(redb::AccessGuard::value)))
    }

    fn scan<E: From<StoreError>>(
        &self,
        table: &'static str,
        from: &[u8],
        to: &[u8],
        scan: Scan,
        visit: Visit<'_, E>,
    ) -> Result<(), E> {
        scan_table(self.table(table)?, from, to, scan, visit)
    }
}

/// [`Read::scan`] on a table of the engine, of a snapshot or of a transaction.
pub(crate) fn scan_table<E: From<StoreError>>(
    table: &impl ReadableTable<Bytes, Bytes>,
    from: &[u8],
    to: &[u8],
    scan: Scan,
    visit: Visit<'_, E>,
) -> Result<(), E> {
    if !to.is_empty() && from >= to {
        return Ok(());
    }
    let range = if to.is_empty() { table.range(from..) } else { table.range(from..to) };
    let mut range = range.map_err(StoreError::from)?;
    loop {
        let next = match scan {
            Scan::Forward => range.next(),
            Scan::Backward => range.next_back(),
        };
        let Some(entry) = next else { return Ok(()) };
        let (key, value) = entry.map_err(StoreError::from)?;
        if visit(key.value(), value.value())?.is_break() {
            return Ok(());
        }
    }
}
