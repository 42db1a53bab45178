//! Holding the store's writer, so that a test sees what is true while writes wait.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use stead::store::{Store, StoreError, Tx};

use super::{Answer, TestApp};

/// The writer stands still until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _release: mpsc::Sender<()>,
}

impl TestApp {
    /// Lets the writer stand still, from when it has nothing else to do.
    pub(crate) async fn hold_writer(&self) -> Held {
        let (held, started) = hold(self.store());
        started.await.expect("the writer runs what it is given");
        held
    }

    /// Keeps the writer's queue full from now on, whatever it takes out of it.
    pub(crate) fn flood_writer(&self) -> Flood {
        let (store, ended) = (self.store().clone(), Arc::new(AtomicBool::new(false)));
        let until = Arc::clone(&ended);
        let runtime = tokio::runtime::Handle::current();
        let flooding = std::thread::spawn(move || {
            let _entered = runtime.enter();
            let mut kept = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let (held, write) = hold_unpolled(&store);
                let mut write = Box::pin(write);
                // The first poll puts the operation into the queue, or tells that it is full.
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                if write.as_mut().poll(&mut context).is_pending() {
                    kept.push((held, write));
                }
            }
        });
        Flood { ended, flooding: Some(flooding) }
    }

    /// Lets the writer stand still right behind the one write that a request makes, and answers with the answer: the
    /// work that follows the write in the background has not begun. Needs `store.batch_max` of 1.
    pub(crate) async fn held_behind(&self, request: impl Future<Output = Answer> + Send + 'static) -> (Answer, Held) {
        let first = self.hold_writer().await;
        let request = tokio::spawn(request);
        self.until("the request's write waits", async || self.store().queue_depth().0 == 1).await;
        let (held, started) = hold(self.store());
        self.until("the second hold waits", async || self.store().queue_depth().0 == 2).await;
        drop(first);
        let answer = request.await.expect("the request ends");
        started.await.expect("the writer runs what it is given");
        (answer, held)
    }
}

/// The writer's queue is full until this is dropped.
#[derive(Debug)]
pub(crate) struct Flood {
    ended: Arc<AtomicBool>,
    flooding: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(flooding) = self.flooding.take() {
            flooding.join().expect("flooding does not panic");
        }
    }
}

/// An operation that holds the writer until it is let go, not yet given to the writer.
fn hold_unpolled(store: &Store) -> (Held, impl Future<Output = Result<(), StoreError>> + Send + 'static) {
    let (release, released) = mpsc::channel::<()>();
    let store = store.clone();
    let write = async move {
        // An error means that the test let go.
        let hold = move |_: &mut Tx<'_>| {
            let _ = released.recv();
            Ok(())
        };
        store.write(hold).await
    };
    (Held { _release: release }, write)
}

fn hold(store: &Store) -> (Held, tokio::sync::oneshot::Receiver<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = tokio::sync::oneshot::channel();
    let store = store.clone();
    tokio::spawn(async move {
        let held = store.write(move |_| {
            let _ = start.send(());
            // An error means that the test let go.
            let _ = released.recv();
            Ok::<_, StoreError>(())
        });
        held.await
    });
    (Held { _release: release }, started)
}
