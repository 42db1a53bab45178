//! A disk that fails: whatever was acknowledged is there afterwards, and nothing is there by half.

use std::{
    collections::BTreeSet,
    io,
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use proptest::prelude::*;
use redb::StorageBackend;

use super::{NOTES, put_note, schema};
use crate::store::{Options, Read, Scan, Store, StoreError, log};

/// What a disk refuses once its budget is used up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// A write fails and nothing of it is on disk.
    Write,
    /// A sync fails; what was written since the last one is lost, as on power loss.
    Sync,
    /// The file cannot grow.
    Full,
}

/// A disk in memory that remembers what a power loss would leave: the bytes as of the last sync.
#[derive(Debug)]
struct Disk {
    live: Mutex<Vec<u8>>,
    synced: Mutex<Vec<u8>>,
    fault: Fault,
    budget: AtomicI64,
}

#[derive(Clone, Debug)]
struct Handle(Arc<Disk>);

impl Disk {
    fn new(fault: Fault, bytes: Vec<u8>, budget: i64) -> Arc<Self> {
        Arc::new(Self {
            live: Mutex::new(bytes.clone()),
            synced: Mutex::new(bytes),
            fault,
            budget: AtomicI64::new(budget),
        })
    }

    fn spend(&self, fault: Fault) -> io::Result<()> {
        if self.fault == fault && self.budget.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(io::Error::other(format!("injected: {fault:?}")));
        }
        Ok(())
    }
}

type Outcome<T> = io::Result<T>;

impl StorageBackend for Handle {
    fn len(&self) -> Outcome<u64> {
        Ok(self.0.live.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Outcome<()> {
        let start = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0.live.lock().unwrap()[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Outcome<()> {
        let mut live = self.0.live.lock().unwrap();
        let len = usize::try_from(len).unwrap();
        if len > live.len() {
            self.0.spend(Fault::Full)?;
        }
        live.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> Outcome<()> {
        self.0.spend(Fault::Sync)?;
        let live = self.0.live.lock().unwrap().clone();
        *self.0.synced.lock().unwrap() = live;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Outcome<()> {
        self.0.spend(Fault::Write)?;
        let start = usize::try_from(offset).unwrap();
        self.0.live.lock().unwrap()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// Writes pairs of notes until the disk fails. Answers the pairs that were acknowledged.
async fn write_until_failure(store: &Store) -> BTreeSet<usize> {
    let mut acknowledged = BTreeSet::new();
    for round in 0..30 {
        let writes = (0..8).map(|index| {
            let pair = round * 8 + index;
            let text = "x".repeat(2000);
            let store = store.clone();
            async move {
                let written = store.write(move |tx| {
                    put_note(tx, &format!("{pair:05}-left"), &text)?;
                    put_note(tx, &format!("{pair:05}-right"), &text)
                });
                (pair, written.await)
            }
        });
        for (pair, result) in futures_util::future::join_all(writes).await {
            match result {
                Ok(_) => assert!(acknowledged.insert(pair)),
                Err(StoreError::Failed(_) | StoreError::Closed) => {}
                Err(other) => panic!("unexpected: {other:?}"),
            }
        }
        if store.failed().borrow().is_some() {
            break;
        }
    }
    acknowledged
}

fn check(store: &Store, acknowledged: &BTreeSet<usize>) {
    let snap = store.snapshot();
    let mut ids = Vec::new();
    snap.scan::<StoreError>(NOTES.name(), &[], &[], Scan::Forward, &mut |key, _| {
        ids.push(String::from_utf8(key.to_vec()).unwrap());
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    let pairs: BTreeSet<usize> = ids.iter().map(|id| id[..5].parse().unwrap()).collect();
    assert_eq!(ids.len(), pairs.len() * 2, "no operation is there by half");
    assert!(pairs.is_superset(acknowledged), "every acknowledged write is there");
    let mut next = 1;
    log::read::<StoreError>(&snap, 0, &mut |entry| {
        assert_eq!(entry.seq, next);
        next += 1;
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    assert_eq!(next - 1, ids.len() as u64, "the log tells of every note and of nothing else");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn acknowledged_writes_outlive_a_failing_disk(
        fault in prop_oneof![Just(Fault::Write), Just(Fault::Sync), Just(Fault::Full)],
        budget in 0..120_i64,
        power_loss in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let healthy = Disk::new(fault, Vec::new(), i64::MAX);
            let store = Store::open_on(Handle(Arc::clone(&healthy)), &Options::default(), &schema()).unwrap();
            store.close().await;
            drop(store);
            let bytes = healthy.live.lock().unwrap().clone();

            let disk = Disk::new(fault, bytes, budget + 8);
            let Ok(store) = Store::open_on(Handle(Arc::clone(&disk)), &Options::default(), &schema()) else { return };
            let acknowledged = write_until_failure(&store).await;
            drop(store);

            // What a power loss leaves is what was synced; a process that dies leaves all that it wrote.
            let left = if power_loss { disk.synced.lock().unwrap().clone() } else { disk.live.lock().unwrap().clone() };
            let disk = Disk::new(fault, left, i64::MAX);
            let store = Store::open_on(Handle(disk), &Options::default(), &schema()).unwrap();
            check(&store, &acknowledged);
            store.write(|tx| put_note(tx, "99999-left", "x")).await.unwrap();
        });
    }
}
