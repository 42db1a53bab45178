//! A data folder that no server has open, looked at through the library: the change log has no gap and tells the
//! records, and the indexes are what the records say.

use std::{collections::BTreeMap, fmt::Debug, ops::ControlFlow, path::Path};

use stead::{
    collections::{
        Catalog, Slots,
        layout::{self, DATA, GONE, INDEX},
    },
    config::Config,
    store::{ChangeKind, Epoch, Read, Scan, Snapshot, StoreError, log},
};

/// Records as a follower of the change log knows them: it reads on from where it has come to.
#[derive(Default)]
pub(crate) struct Replica {
    seq: u64,
    records: BTreeMap<Vec<u8>, String>,
    /// The seq of the newest change of each record, those that are gone included.
    newest: BTreeMap<Vec<u8>, u64>,
}

/// Opens the store, lets `replica` follow the log, and checks everything. Answers the seq of the newest change.
pub(crate) async fn audit(data: &Path, replica: &mut Replica) -> u64 {
    let mut config = Config::default();
    data.clone_into(&mut config.server.data);
    let store = stead::app::open_store(&config).unwrap();
    store.read(|snapshot| {
        replica.follow(snapshot);
        assert_eq!(replica.seq, snapshot.seq(), "the newest change");
        check_records(snapshot, replica);
        check_indexes(snapshot);
    });
    store.close().await;
    replica.seq
}

impl Replica {
    fn follow(&mut self, snapshot: &Snapshot) {
        let after = self.seq;
        let visit = &mut |entry: log::ChangeEntry| {
            assert_eq!(entry.seq, self.seq + 1, "a gap in the change log");
            self.seq = entry.seq;
            if entry.entity != "records" {
                return Ok::<_, StoreError>(ControlFlow::Continue(()));
            }
            let key = layout::record_key(entry.collection, &entry.id);
            let previous = self.newest.insert(key.clone(), entry.seq);
            assert_eq!(entry.previous, previous, "the change before: {entry:?}");
            let before = match &entry.new {
                Some(new) => self.records.insert(key, new.get().to_owned()),
                None => self.records.remove(&key),
            };
            let expected = match (&before, &entry.new) {
                (None, Some(_)) => ChangeKind::Created,
                (Some(_), Some(_)) => ChangeKind::Updated,
                (_, None) => ChangeKind::Deleted,
            };
            assert_eq!(entry.kind, expected, "{entry:?}");
            assert_eq!(before.as_deref(), entry.old.as_ref().map(|old| old.get()), "the value before: {entry:?}");
            Ok(ControlFlow::Continue(()))
        };
        log::read(snapshot, after, visit).unwrap();
    }
}

fn check_records(snapshot: &Snapshot, replica: &Replica) {
    let stored = table(snapshot, DATA);
    let text = |value: &[u8]| String::from_utf8(layout::text_of(value).to_vec()).unwrap();
    let texts: BTreeMap<_, _> = stored.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    assert_same("records, as the log tells them", &replica.records, &texts);
    let of_stored = stored.iter().map(|(key, value)| (key.clone(), layout::text_and_seq(value).1.unwrap()));
    let gone = table(snapshot, GONE);
    let of_gone = gone.iter().map(|(key, seq)| (key.clone(), u64::from_be_bytes(seq.as_slice().try_into().unwrap())));
    assert_same("newest changes, as the log tells them", &replica.newest, &of_stored.chain(of_gone).collect());
}

/// Compares the table of all index entries with what the stored records make.
fn check_indexes(snapshot: &Snapshot) {
    let catalog = Catalog::load(snapshot, snapshot.epoch(Epoch::Schema)).unwrap();
    let mut rebuilt = BTreeMap::new();
    for collection in catalog.sorted() {
        layout::scan_records::<StoreError>(snapshot, collection.number(), "", &mut |id, record| {
            let slots = Slots::read(collection, record)?;
            for index in collection.indexes.iter().filter(|index| !index.failed) {
                for entry in layout::entries(collection, index, &slots, id) {
                    rebuilt.insert(entry.key, layout::entry_value(id).to_vec());
                }
            }
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    }
    assert_same("index entries, as the records make them", &rebuilt, &table(snapshot, INDEX));
}

fn table(snapshot: &Snapshot, name: &'static str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut entries = BTreeMap::new();
    snapshot
        .scan::<StoreError>(name, &[], &[], Scan::Forward, &mut |key, value| {
            entries.insert(key.to_vec(), value.to_vec());
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    entries
}

#[track_caller]
fn assert_same<V: PartialEq + Debug>(what: &str, wanted: &BTreeMap<Vec<u8>, V>, found: &BTreeMap<Vec<u8>, V>) {
    let keys = wanted.keys().chain(found.keys().filter(|key| !wanted.contains_key(*key)));
    let differing = keys.filter(|key| wanted.get(*key) != found.get(*key)).take(5);
    let text = |key: &Vec<u8>| {
        format!("{}:\n  wanted {:?}\n  found  {:?}\n", key.escape_ascii(), wanted.get(key), found.get(key))
    };
    let differences: String = differing.map(text).collect();
    assert!(differences.is_empty(), "{what}: {} wanted, {} found\n{differences}", wanted.len(), found.len());
}
