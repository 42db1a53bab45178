//! One operation's view of the write transaction: reads that see its own writes, writes that can be undone.

use std::{cell::Cell, sync::Arc};

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use tokio::sync::{Notify, watch};

use super::{
    Epoch, Epochs, KeyCodec, Read, Scan, StoreError, Table, ValueCodec,
    log::{self, Change},
    snapshot::{Bytes, scan_table, unknown_table},
    table::Visit,
    waiter::Waiter,
};

/// The tables of a write transaction, opened once for a whole batch of operations.
pub(crate) struct Tables<'txn>(Vec<(&'static str, redb::Table<'txn, Bytes, Bytes>)>);

impl<'txn> Tables<'txn> {
    pub(crate) fn open(transaction: &'txn WriteTransaction, names: &[&'static str]) -> Result<Self, StoreError> {
        let open = |name: &&'static str| {
            let table = transaction.open_table(TableDefinition::new(name)).map_err(StoreError::failed)?;
            Ok((*name, table))
        };
        names.iter().map(open).collect::<Result<_, StoreError>>().map(Self)
    }

    fn get(&self, name: &'static str) -> Result<&redb::Table<'txn, Bytes, Bytes>, StoreError> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, table)| table).ok_or_else(|| unknown_table(name))
    }

    fn get_mut(&mut self, name: &'static str) -> Result<&mut redb::Table<'txn, Bytes, Bytes>, StoreError> {
        let found = self.0.iter_mut().find(|(known, _)| *known == name);
        found.map(|(_, table)| table).ok_or_else(|| unknown_table(name))
    }
}

impl std::fmt::Debug for Tables<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What an operation replaced: where, and the value before.
#[derive(Debug)]
struct Undo {
    table: &'static str,
    key: Vec<u8>,
    before: Option<Vec<u8>>,
}

/// The most writes of one operation: what it replaces is kept in memory until the commit, and every other writer waits.
const WRITES_MAX: usize = 250_000;
/// The most bytes that one operation writes and replaces.
const BYTES_MAX: usize = 256 << 20;

/// The counters that go with the data: undone with it, published with the commit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) seq: u64,
    pub(crate) epochs: Epochs,
}

/// A write operation's hold on the store. Made by [`Store::write`](super::Store::write) only.
#[derive(Debug)]
pub struct Tx<'txn> {
    tables: Tables<'txn>,
    counters: Counters,
    before: Counters,
    undo: Vec<Undo>,
    writes: u64,
    touched: Vec<u32>,
    touched_before: usize,
    fault: Option<StoreError>,
    /// Bytes that this operation wrote and replaced.
    bytes: usize,
    reached: Cell<u64>,
    /// Who is woken by the commit.
    woken: Vec<Waiter>,
    woken_before: usize,
}

impl<'txn> Tx<'txn> {
    pub(crate) fn new(tables: Tables<'txn>, counters: Counters) -> Self {
        Self {
            tables,
            counters,
            before: counters,
            undo: Vec::new(),
            writes: 0,
            touched: Vec::new(),
            touched_before: 0,
            fault: None,
            bytes: 0,
            reached: Cell::new(0),
            woken: Vec::new(),
            woken_before: 0,
        }
    }

    /// Refuses what would make this operation larger than one may be.
    fn admit(&mut self, bytes: usize) -> Result<(), StoreError> {
        self.bytes += bytes;
        if self.undo.len() >= WRITES_MAX {
            return Err(StoreError::TooLarge("250,000 entries"));
        }
        if self.bytes > BYTES_MAX { Err(StoreError::TooLarge("256 MiB")) } else { Ok(()) }
    }

    /// Puts a value under a key, in place of any value that was there.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read or the value not be written.
    pub fn put<K: KeyCodec + ?Sized, V: ValueCodec>(
        &mut self,
        table: Table<K, V>,
        key: &K,
        value: &V,
    ) -> Result<(), StoreError> {
        let (mut key_bytes, mut value_bytes) = (Vec::with_capacity(64), Vec::with_capacity(256));
        key.encode(&mut key_bytes);
        value.encode(&mut value_bytes)?;
        self.put_bytes(table.name(), key_bytes, &value_bytes)
    }

    /// [`Tx::put`] for bytes that are encoded already.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    pub fn put_bytes(&mut self, table: &'static str, key: Vec<u8>, value: &[u8]) -> Result<(), StoreError> {
        self.admit(key.len() + value.len())?;
        let replaced = match self.tables.get_mut(table)?.insert(key.as_slice(), value) {
            Ok(before) => Ok(before.map(|guard| guard.value().to_vec())),
            Err(error) => Err(StoreError::from(error)),
        };
        self.remember(table, key, replaced).map(|_| ())
    }

    /// Removes a key. Answers whether there was a value.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    pub fn delete<K: KeyCodec + ?Sized, V>(&mut self, table: Table<K, V>, key: &K) -> Result<bool, StoreError> {
        let mut bytes = Vec::with_capacity(64);
        key.encode(&mut bytes);
        self.delete_bytes(table.name(), bytes)
    }

    /// [`Tx::delete`] for a key that is encoded already.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    pub fn delete_bytes(&mut self, table: &'static str, key: Vec<u8>) -> Result<bool, StoreError> {
        self.admit(key.len())?;
        let removed = match self.tables.get_mut(table)?.remove(key.as_slice()) {
            Ok(before) => Ok(before.map(|guard| guard.value().to_vec())),
            Err(error) => Err(StoreError::from(error)),
        };
        self.remember(table, key, removed)
    }

    /// The value that the newest put or deletion of this operation replaced.
    #[must_use]
    pub fn replaced(&self) -> Option<&[u8]> {
        self.undo.last()?.before.as_deref()
    }

    /// Appends to the change log. Answers the entry's seq.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    pub fn log(&mut self, change: &Change<'_>) -> Result<u64, StoreError> {
        let seq = self.counters.seq + 1;
        self.put_bytes(log::TABLE, seq.to_be_bytes().to_vec(), change.to_json().as_bytes())?;
        self.counters.seq = seq;
        if self.touched.last() != Some(&change.collection) {
            self.touched.push(change.collection);
        }
        Ok(seq)
    }

    /// The seq of the newest change, those of this operation included.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.counters.seq
    }

    /// The value of an epoch, as this operation has left it.
    #[must_use]
    pub fn epoch(&self, epoch: Epoch) -> u64 {
        self.counters.epochs.get(epoch)
    }

    /// Moves an epoch on, so that what readers hold in memory under it is read anew.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    pub fn bump(&mut self, epoch: Epoch) -> Result<(), StoreError> {
        let next = self.epoch(epoch) + 1;
        *self.counters.epochs.slot(epoch) = next;
        self.put_bytes(super::open::META, epoch.name().as_bytes().to_vec(), &next.to_be_bytes())
    }

    /// Wakes one who waits, once what this operation did is on disk.
    pub fn wake(&mut self, waiter: Arc<Notify>) {
        self.woken.push(Waiter::One(waiter));
    }

    /// Moves a number on, and so wakes all who watch it, once what this operation did is on disk.
    pub fn move_on(&mut self, number: Arc<watch::Sender<u64>>) {
        self.woken.push(Waiter::All(number));
    }

    /// Starts the next operation of the batch: what came before can no longer be undone.
    pub(crate) fn begin_operation(&mut self) {
        self.undo.clear();
        self.bytes = 0;
        self.reached.set(0);
        self.before = self.counters;
        self.touched_before = self.touched.len();
        self.woken_before = self.woken.len();
    }

    /// Replays the undo list of the current operation.
    pub(crate) fn undo_operation(&mut self) -> Result<(), StoreError> {
        while let Some(undo) = self.undo.pop() {
            let table = self.tables.get_mut(undo.table)?;
            match undo.before {
                Some(value) => table.insert(undo.key.as_slice(), value.as_slice()).map(|_| ())?,
                None => table.remove(undo.key.as_slice()).map(|_| ())?,
            }
        }
        self.counters = self.before;
        self.touched.truncate(self.touched_before);
        self.woken.truncate(self.woken_before);
        Ok(())
    }

    /// Whether anything was written since the transaction began, undone or not.
    pub(crate) fn is_dirty(&self) -> bool {
        self.writes > 0
    }

    /// Who is to be woken.
    pub(crate) fn take_woken(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.woken)
    }

    /// The collections of which the log tells something in this transaction.
    pub(crate) fn touched(&self) -> &[u32] {
        &self.touched
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// The first fault of the engine, also when the operation that met it went on.
    pub(crate) fn fault(&self) -> Option<&StoreError> {
        self.fault.as_ref()
    }

    fn remember(
        &mut self,
        table: &'static str,
        key: Vec<u8>,
        replaced: Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<bool, StoreError> {
        match replaced {
            Ok(before) => {
                let existed = before.is_some();
                self.bytes += before.as_ref().map_or(0, Vec::len);
                self.writes += 1;
                self.undo.push(Undo { table, key, before });
                Ok(existed)
            }
            Err(error) => {
                self.fault.get_or_insert_with(|| error.clone());
                Err(error)
            }
        }
    }
}

impl Read for Tx<'_> {
    fn view<R>(&self, table: &'static str, key: &[u8], view: impl FnOnce(Option<&[u8]>) -> R) -> Result<R, StoreError> {
        let found = self.tables.get(table)?.get(key)?;
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
        scan_table(self.tables.get(table)?, from, to, scan, visit)
    }

    fn reached(&self) -> Option<&Cell<u64>> {
        Some(&self.reached)
    }
}
