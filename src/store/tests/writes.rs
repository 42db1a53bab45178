//! All or nothing, one log, one owner.

use std::ops::ControlFlow;

use super::{NOTES, put_note, schema};
use crate::store::{Epoch, Migration, OpenError, Options, Raw, Read, Scan, Schema, Store, StoreError, log};

fn open(folder: &std::path::Path) -> Store {
    Store::open(&folder.join("stead.redb"), &Options::default(), &schema()).unwrap()
}

fn seqs(store: &Store) -> Vec<u64> {
    let mut seqs = Vec::new();
    store
        .read(|snap| {
            log::read::<StoreError>(snap, 0, &mut |entry| {
                seqs.push(entry.seq);
                Ok(ControlFlow::Continue(()))
            })
        })
        .unwrap();
    seqs
}

fn note(store: &Store, id: &str) -> Option<Vec<u8>> {
    store.read(|snap| snap.get(NOTES, id)).unwrap().map(|Raw(bytes)| bytes)
}

#[tokio::test]
async fn a_write_is_read_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let seq = store.write(|tx| put_note(tx, "a", "one")).await.unwrap();
    assert_eq!((seq, note(&store, "a")), (1, Some(b"one".to_vec())));
    store.close().await;
    assert!(matches!(store.write(|tx| put_note(tx, "b", "two")).await, Err(StoreError::Closed)));
    drop(store);
    let store = open(folder.path());
    assert_eq!(note(&store, "a"), Some(b"one".to_vec()));
    assert_eq!(store.write(|tx| put_note(tx, "b", "two")).await.unwrap(), 2);
}

#[tokio::test]
async fn a_failed_or_panicking_operation_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.write(|tx| put_note(tx, "kept", "old")).await.unwrap();
    let failing = store.write::<(), StoreError, _>(|tx| {
        put_note(tx, "kept", "new")?;
        put_note(tx, "extra", "x")?;
        tx.delete(NOTES, "kept")?;
        tx.bump(Epoch::Schema)?;
        Err(StoreError::corrupt("the operation's own reason"))
    });
    let panicking = store.write::<(), StoreError, _>(|tx| {
        put_note(tx, "kept", "newer")?;
        panic!("as a bug would")
    });
    let fine = store.write(|tx| put_note(tx, "fine", "y"));
    let (failed, panicked, fine) = tokio::join!(failing, panicking, fine);
    assert!(matches!(failed, Err(StoreError::Corrupt(_))));
    assert!(matches!(panicked, Err(StoreError::Panicked)));
    assert_eq!(fine.unwrap(), 2, "the log has no gap where the failed ones were");
    assert_eq!(note(&store, "kept"), Some(b"old".to_vec()));
    assert_eq!((note(&store, "extra"), note(&store, "fine")), (None, Some(b"y".to_vec())));
    assert_eq!(seqs(&store), [1, 2]);
    assert_eq!(store.snapshot().epoch(Epoch::Schema), 0);
}

#[tokio::test]
async fn operations_of_one_batch_see_each_other_and_readers_see_commits_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let before = store.snapshot();
    let first = store.write(|tx| put_note(tx, "a", "one"));
    let second = store.write(|tx| {
        let found = tx.get(NOTES, "a")?;
        put_note(tx, "b", "two")?;
        Ok::<_, StoreError>(found.is_some())
    });
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_ok() && second.unwrap());
    assert!(before.get(NOTES, "a").unwrap().is_none());
    let mut keys = Vec::new();
    let snap = store.snapshot();
    snap.scan::<StoreError>(NOTES.name(), b"a", b"c", Scan::Backward, &mut |key, _| {
        keys.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    assert_eq!(keys, [b"b".to_vec(), b"a".to_vec()]);
}

#[tokio::test]
async fn a_full_queue_answers_busy_and_accepted_operations_survive_closing() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { queue_max: 2, ..Options::default() };
    let store = Store::open(&folder.path().join("stead.redb"), &options, &schema()).unwrap();
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (started, running) = std::sync::mpsc::channel::<()>();
    let held = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .write(move |tx| {
                    started.send(()).unwrap();
                    gate.recv().unwrap();
                    put_note(tx, "held", "x")
                })
                .await
        }
    });
    tokio::task::spawn_blocking(move || running.recv().unwrap()).await.unwrap();
    let mut accepted = Vec::new();
    for index in 0..2 {
        let write = store.write(move |tx| put_note(tx, &format!("n{index}"), "x"));
        accepted.push(Box::pin(write));
        // The first poll is what queues it.
        assert!(futures_util::future::poll_immediate(accepted.last_mut().unwrap()).await.is_none());
    }
    assert!(matches!(store.write(|tx| put_note(tx, "more", "x")).await, Err(StoreError::Busy)));
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    release.send(()).unwrap();
    assert!(held.await.unwrap().is_ok());
    for write in accepted {
        write.await.unwrap();
    }
    closing.await.unwrap();
    drop(store);
    assert_eq!(seqs(&open(folder.path())), [1, 2, 3]);
}

#[test]
fn a_second_owner_gets_a_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let _store = open(folder.path());
    let error = Store::open(&folder.path().join("stead.redb"), &Options::default(), &schema()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is in use by another stead process; stop it, or choose another folder with --data")
    );
}

#[tokio::test]
async fn an_older_file_is_migrated_once_and_a_newer_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stead.redb");
    let store = open(folder.path());
    store.write(|tx| put_note(tx, "a", "one")).await.unwrap();
    store.close().await;
    drop(store);
    let migrated = Schema {
        migrations: vec![Migration { to: 2, run: |tx| put_note(tx, "b", "from the step").map(|_| ()) }],
        ..schema()
    };
    let store = Store::open(&path, &Options::default(), &migrated).unwrap();
    assert_eq!(note(&store, "b"), Some(b"from the step".to_vec()));
    assert_eq!(seqs(&store), [1, 2], "a step goes on with the log where it ended");
    store.write(|tx| tx.delete(NOTES, "b")).await.unwrap();
    store.close().await;
    drop(store);
    let store = Store::open(&path, &Options::default(), &migrated).unwrap();
    assert_eq!(note(&store, "b"), None, "a step runs once");
    store.close().await;
    drop(store);
    let error = Store::open(&path, &Options::default(), &schema()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1 }));
    assert!(error.to_string().contains("install that version or restore an older backup"));
}

#[tokio::test]
async fn an_operation_that_grows_too_large_is_refused_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let before = seqs(&store);
    let many = store.write::<(), StoreError, _>(|tx| {
        (0..250_001).try_for_each(|n| tx.put(NOTES, &*format!("n{n:06}"), &Raw(b"x".to_vec())).map(drop))
    });
    assert!(matches!(many.await, Err(StoreError::TooLarge("250,000 entries"))));
    let long = Raw(vec![b'x'; 4 << 20]);
    let large = store.write::<(), StoreError, _>(move |tx| {
        (0..64).try_for_each(|n| tx.put(NOTES, &*format!("l{n:02}"), &long).map(drop))
    });
    assert!(matches!(large.await, Err(StoreError::TooLarge("256 MiB"))));
    assert_eq!((note(&store, "n000000"), note(&store, "l00"), seqs(&store)), (None, None, before));
    store.write(|tx| put_note(tx, "fine", "y")).await.unwrap();
    assert_eq!(note(&store, "fine"), Some(b"y".to_vec()), "others go on");
}
