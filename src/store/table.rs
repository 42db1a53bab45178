//! Typed tables: a name, how a key is written, how a value is written. And the reading that snapshots and
//! transactions share.

use std::{cell::Cell, marker::PhantomData, ops::ControlFlow};

use serde::{Serialize, de::DeserializeOwned};

use super::StoreError;

/// A table of the store. Declared once, as a constant private to the `repo` that owns it, named `feature.purpose`.
#[derive(Debug)]
pub struct Table<K: ?Sized, V> {
    name: &'static str,
    types: PhantomData<fn(&K) -> V>,
}

impl<K: ?Sized, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized, V> Copy for Table<K, V> {}

impl<K: ?Sized, V> Table<K, V> {
    /// Declares a table. Its name must be among [`super::Schema::tables`] when the store opens.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, types: PhantomData }
    }

    /// The table's name in the file.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// A key that is written so that bytes order as keys do.
pub trait KeyCodec {
    /// Appends the key's bytes.
    fn encode(&self, out: &mut Vec<u8>);
}

impl KeyCodec for [u8] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl KeyCodec for str {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl KeyCodec for u32 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl KeyCodec for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

/// A value that can be written to bytes and read back.
pub trait ValueCodec: Sized {
    /// Appends the value's bytes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the value cannot be written.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), StoreError>;

    /// Reads a value.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the bytes are not such a value.
    fn decode(bytes: &[u8]) -> Result<Self, StoreError>;
}

/// A value kept as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize + DeserializeOwned> ValueCodec for Json<T> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        serde_json::to_writer(out, &self.0).map_err(StoreError::corrupt)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(bytes).map(Self).map_err(StoreError::corrupt)
    }
}

/// Bytes kept as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

impl ValueCodec for Raw {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        out.extend_from_slice(&self.0);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        Ok(Self(bytes.to_vec()))
    }
}

/// The order in which a scan visits keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Smallest key first.
    Forward,
    /// Greatest key first.
    Backward,
}

/// What a visitor of a scan answers: go on, or stop; or an error that ends the scan.
pub(super) type Visit<'f, E> = &'f mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, E>;

/// Reading, alike in a [`Snapshot`](super::Snapshot) and in a [`Tx`](super::Tx), where it sees the transaction's own writes.
pub trait Read {
    /// Shows the bytes under `key` to `view` without copying them.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    fn view<R>(&self, table: &'static str, key: &[u8], view: impl FnOnce(Option<&[u8]>) -> R) -> Result<R, StoreError>;

    /// Visits the entries with `from <= key < to` (`to` empty: to the end of the table) in the order of `scan`.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read, or what the visitor answers.
    fn scan<E: From<StoreError>>(
        &self,
        table: &'static str,
        from: &[u8],
        to: &[u8],
        scan: Scan,
        visit: Visit<'_, E>,
    ) -> Result<(), E>;

    /// How many records an operation has looked at beside its own, for whoever bounds that; nothing outside of operations.
    fn reached(&self) -> Option<&Cell<u64>> {
        None
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// [`StoreError`] when the file or the value cannot be read.
    fn get<K: KeyCodec + ?Sized, V: ValueCodec>(&self, table: Table<K, V>, key: &K) -> Result<Option<V>, StoreError> {
        let mut bytes = Vec::with_capacity(64);
        key.encode(&mut bytes);
        self.view(table.name, &bytes, |found| found.map(V::decode).transpose())?
    }

    /// Every value of a table, in the order of its keys: for tables that are small by design.
    ///
    /// # Errors
    /// [`StoreError`] when the file or a value cannot be read.
    fn values<K: ?Sized, V: ValueCodec>(&self, table: Table<K, V>) -> Result<Vec<V>, StoreError> {
        let mut values = Vec::new();
        self.scan::<StoreError>(table.name, &[], &[], Scan::Forward, &mut |_, bytes| {
            values.push(V::decode(bytes)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(values)
    }
}
