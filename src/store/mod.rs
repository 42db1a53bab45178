//! The whole state in one file: snapshots to read, one writer to change it, one log of what changed.
//!
//! Everything that changes state goes through [`Store::write`]; a success answer means that the change is on
//! disk. Everything that reads goes through a [`Snapshot`], which the writer never blocks. Effects follow the
//! [change log](log), none is called from a write.
//!
//! Only this module names the engine (redb). Features see [`Tx`], [`Snapshot`], [`Table`] and the key encodings
//! of [`key`]; that seam is what lets the engine be replaced.

mod error;
pub mod key;
pub mod log;
mod migrate;
mod open;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;
mod tx;
mod waiter;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

pub use error::StoreError;
pub use log::{Change, ChangeEntry, ChangeKind};
pub use migrate::Migration;
pub use open::{OpenError, Options, Schema};
pub use snapshot::Snapshot;
pub use table::{Json, KeyCodec, Raw, Read, Scan, Table, ValueCodec};
pub use tx::Tx;

/// A number that moves whenever something changed that readers hold in memory as a whole.
///
/// It is stored with the data and read with a snapshot at no cost, so a cache is current exactly when its epoch
/// is the snapshot's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// Collections: fields, indexes, rules.
    Schema,
    /// Users, roles and what they may do.
    Access,
}

impl Epoch {
    pub(crate) const ALL: [Self; 2] = [Self::Schema, Self::Access];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Schema => "epoch.schema",
            Self::Access => "epoch.access",
        }
    }
}

/// The values of all epochs at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    schema: u64,
    access: u64,
}

impl Epochs {
    pub(crate) fn get(self, epoch: Epoch) -> u64 {
        match epoch {
            Epoch::Schema => self.schema,
            Epoch::Access => self.access,
        }
    }

    pub(crate) fn slot(&mut self, epoch: Epoch) -> &mut u64 {
        match epoch {
            Epoch::Schema => &mut self.schema,
            Epoch::Access => &mut self.access,
        }
    }
}

/// A handle to the open store; cheap to clone. The store closes with [`Store::close`], or when the last handle drops.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Arc<writer::Writer>,
    shared: Arc<Shared>,
}

/// What readers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    current: ArcSwap<snapshot::Inner>,
    newest_seq: watch::Sender<u64>,
    failed: watch::Sender<Option<Arc<str>>>,
    closed: AtomicBool,
    /// How long the newest commit took, in microseconds.
    commit_us: AtomicU64,
    scans: Arc<Semaphore>,
}

impl Store {
    /// The state after the newest commit. Costs no engine call; holds old pages alive while it lives, so keep it short.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.current.load_full())
    }

    /// Reads from the newest snapshot on the calling thread: for point reads and short ranges.
    pub fn read<R>(&self, read: impl FnOnce(&Snapshot) -> R) -> R {
        read(&self.snapshot())
    }

    /// Reads from the newest snapshot on a blocking thread: for scans that may be long. At most
    /// [`Options::scans_max`] run at once; further ones wait their turn.
    ///
    /// # Errors
    /// What `read` answers, or [`StoreError::Panicked`] when it panics.
    pub async fn scan<R, E, F>(&self, read: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Snapshot) -> Result<R, E> + Send + 'static,
    {
        let permit = Arc::clone(&self.shared.scans).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let store = self.clone();
        let scan = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&store.snapshot())
        });
        scan.await.map_err(|_| StoreError::Panicked)?
    }

    /// Runs `operation` in the writer and answers when what it did is on disk.
    ///
    /// Operations that wait together share one commit. One that answers an error or panics leaves no trace.
    ///
    /// # Errors
    /// What `operation` answers; [`StoreError::Busy`] at once when the queue is full; [`StoreError::Failed`] when
    /// the disk failed, after which every write fails and [`Store::failed`] tells.
    pub async fn write<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        self.writer.submit(operation)?.await.map_err(|_| StoreError::Closed)?
    }

    /// The seq of the newest committed change, and every newer one as it is committed. Followers wait on it.
    #[must_use]
    pub fn newest_seq(&self) -> watch::Receiver<u64> {
        self.shared.newest_seq.subscribe()
    }

    /// Why the store failed, once it has. The process should then stop: the engine cannot go on after a failed sync.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.shared.failed.subscribe()
    }

    /// Whether writes are taken: neither failed nor closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.shared.closed.load(Ordering::Relaxed) && self.shared.failed.borrow().is_none()
    }

    /// Operations that wait for the writer now, and the most that may wait.
    #[must_use]
    pub fn queue_depth(&self) -> (usize, usize) {
        self.writer.depth()
    }

    /// How long the newest commit took; zero before the first.
    #[must_use]
    pub fn commit_time(&self) -> Duration {
        Duration::from_micros(self.shared.commit_us.load(Ordering::Relaxed))
    }

    /// Commits what was accepted, seals the file so that it opens quickly, and stops the writer. Later writes answer
    /// [`StoreError::Closed`] and later reads [`StoreError::Failed`]: close after the last reader is done.
    pub async fn close(&self) {
        self.writer.close().await;
    }
}
