//! The writer thread: takes every operation that waits, runs each on one transaction, commits once, then answers all.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Instant,
};

use redb::Database;
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    Options, Shared, StoreError,
    open::META,
    snapshot::{self, Newest},
    tx::{Counters, Tables, Tx},
    waiter::Waiter,
};

/// What is sent to the writer.
enum Message {
    Run(Box<dyn Operation>),
    Close(oneshot::Sender<()>),
}

/// An operation with its types erased.
trait Operation: Send {
    /// Runs it. False when its writes must be undone.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller: what the operation gave, or the fault that undid the whole batch.
    fn answer(self: Box<Self>, fault: Option<&StoreError>);
}

struct Submitted<F, T, E> {
    operation: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Operation for Submitted<F, T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(operation) = self.operation.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| operation(tx)));
        let result = result.unwrap_or_else(|_| Err(StoreError::Panicked.into()));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, fault: Option<&StoreError>) {
        let answer = match (fault, self.result) {
            (Some(fault), _) => Err(fault.clone().into()),
            (None, Some(result)) => result,
            (None, None) => Err(StoreError::Closed.into()),
        };
        // A caller that went away does not want the answer; its operation stands.
        let _ = self.reply.send(answer);
    }
}

/// The sending side: a bounded queue and the thread behind it.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: SyncSender<Message>,
    waiting: Arc<AtomicUsize>,
    queue_max: usize,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Run(_) => "Run",
            Self::Close(_) => "Close",
        })
    }
}

impl Writer {
    pub(crate) fn start(
        database: Database,
        names: Vec<&'static str>,
        (counters, newest): (Counters, Newest),
        options: Options,
        shared: Arc<Shared>,
    ) -> Result<Self, StoreError> {
        let queue_max = options.queue_max;
        let (queue, inbox) = sync_channel(queue_max);
        let waiting = Arc::new(AtomicUsize::new(0));
        let worker = Worker {
            database,
            names,
            counters,
            newest,
            options,
            shared,
            waiting: Arc::clone(&waiting),
            unsealed: true,
            runtime: Handle::try_current().ok(),
        };
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || worker.run(&inbox))
            .map_err(StoreError::failed)?;
        Ok(Self { queue, waiting, queue_max, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn submit<T, E, F>(&self, operation: F) -> Result<oneshot::Receiver<Result<T, E>>, StoreError>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let submitted = Submitted { operation: Some(operation), result: None, reply };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = self.queue.try_send(Message::Run(Box::new(submitted)));
        sent.map(|()| answer).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => StoreError::Busy,
                TrySendError::Disconnected(_) => StoreError::Closed,
            }
        })
    }

    pub(crate) fn depth(&self) -> (usize, usize) {
        (self.waiting.load(Ordering::Relaxed), self.queue_max)
    }

    pub(crate) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        let queue = self.queue.clone();
        // The queue may be full, and a blocking send must not hold an async thread.
        let sent = tokio::task::spawn_blocking(move || queue.send(Message::Close(reply))).await;
        if matches!(sent, Ok(Ok(()))) {
            // An error means that the writer ended without an answer, which is closed too.
            let _ = closed.await;
        }
        let thread = self.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread logged its own end; there is nothing to add.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// The thread's side.
struct Worker {
    database: Database,
    names: Vec<&'static str>,
    counters: Counters,
    newest: Newest,
    options: Options,
    shared: Arc<Shared>,
    waiting: Arc<AtomicUsize>,
    /// Whether the file would open slowly after a crash. Opening it for writing makes it so.
    unsealed: bool,
    /// The runtime in which the store was opened, and in which the callers live.
    runtime: Option<Handle>,
}

/// Why the thread ends.
enum End {
    Asked(oneshot::Sender<()>),
    Abandoned,
    Failed,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Message>) {
        // A panic outside an operation is a fault of the engine or of this file: stop, rather than go on in doubt.
        let end = catch_unwind(AssertUnwindSafe(|| self.serve(inbox))).unwrap_or_else(|_| {
            self.fail(&StoreError::failed("the writer panicked"));
            End::Failed
        });
        if !matches!(end, End::Failed) && self.unsealed {
            self.seal();
        }
        self.shared.closed.store(true, Ordering::Relaxed);
        drop(self.database);
        if let End::Asked(reply) = end {
            // Whoever asked may have given up waiting.
            let _ = reply.send(());
        }
    }

    fn serve(&mut self, inbox: &Receiver<Message>) -> End {
        let mut batch = Vec::with_capacity(self.options.batch_max);
        let mut company = false;
        loop {
            let first = if self.unsealed {
                inbox.recv_timeout(self.options.seal_after)
            } else {
                inbox.recv().map_err(Into::into)
            };
            let mut close = None;
            match first {
                Ok(Message::Run(operation)) => batch.push(operation),
                Ok(Message::Close(reply)) => return End::Asked(reply),
                Err(RecvTimeoutError::Timeout) => {
                    if !self.seal() {
                        return End::Failed;
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return End::Abandoned,
            }
            if company {
                // Those who were just answered are about to ask again: let them, for a larger batch costs each less.
                thread::yield_now();
            }
            while batch.len() < self.options.batch_max && close.is_none() {
                match inbox.try_recv() {
                    Ok(Message::Run(operation)) => batch.push(operation),
                    Ok(Message::Close(reply)) => close = Some(reply),
                    Err(_) => break,
                }
            }
            company = batch.len() > 1;
            self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            if !self.run_batch(&mut batch) {
                return End::Failed;
            }
            if let Some(reply) = close {
                return End::Asked(reply);
            }
        }
    }

    /// Runs a batch, commits it and answers. False when the store has failed.
    fn run_batch(&mut self, batch: &mut Vec<Box<dyn Operation>>) -> bool {
        let committed = self.commit_batch(batch);
        if let Err(fault) = &committed {
            self.fail(fault);
        }
        self.answer(std::mem::take(batch), committed.as_ref().err().cloned());
        committed.is_ok()
    }

    /// Answers a batch. Waking each caller from this thread would cost a system call for each; a task of the callers'
    /// own runtime wakes them for nothing.
    fn answer(&self, batch: Vec<Box<dyn Operation>>, fault: Option<StoreError>) {
        let alone = batch.len() == 1;
        let answer_all = move || batch.into_iter().for_each(|operation| operation.answer(fault.as_ref()));
        match self.runtime.as_ref().filter(|_| !alone) {
            Some(runtime) => drop(runtime.spawn(async move { answer_all() })),
            None => answer_all(),
        }
    }

    fn commit_batch(&mut self, batch: &mut [Box<dyn Operation>]) -> Result<(), StoreError> {
        let transaction = self.database.begin_write().map_err(StoreError::failed)?;
        let mut tx = Tx::new(Tables::open(&transaction, &self.names)?, self.counters);
        for operation in batch.iter_mut() {
            tx.begin_operation();
            let keep = operation.run(&mut tx);
            if let Some(fault) = tx.fault() {
                return Err(fault.clone());
            }
            if !keep {
                tx.undo_operation()?;
            }
        }
        let (counters, dirty, touched) = (tx.counters(), tx.is_dirty(), tx.touched().to_vec());
        let woken = tx.take_woken();
        drop(tx);
        if !dirty {
            return transaction.abort().map_err(StoreError::failed);
        }
        let began = Instant::now();
        transaction.commit().map_err(StoreError::failed)?;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.shared.commit_us.store(took, Ordering::Relaxed);
        self.unsealed = true;
        if !touched.is_empty() {
            let newest = Arc::make_mut(&mut self.newest.by_collection);
            newest.extend(touched.into_iter().map(|collection| (collection, counters.seq)));
        }
        self.publish(counters)?;
        woken.iter().for_each(Waiter::wake);
        Ok(())
    }

    /// Lets readers see the commit. Runs before the answers, so that a caller reads its own write.
    fn publish(&mut self, counters: Counters) -> Result<(), StoreError> {
        let inner = snapshot::Inner::take(&self.database, &self.names, counters, self.newest.clone())?;
        self.shared.current.store(Arc::new(inner));
        if counters.seq != self.counters.seq {
            self.shared.newest_seq.send_replace(counters.seq);
        }
        self.counters = counters;
        Ok(())
    }

    /// Saves the allocator's state with a small commit of its own, so that opening after a crash needs no repair.
    fn seal(&mut self) -> bool {
        let sealed = self.commit_seal();
        if let Err(fault) = &sealed {
            self.fail(fault);
        }
        self.unsealed = false;
        sealed.is_ok()
    }

    fn commit_seal(&mut self) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().map_err(StoreError::failed)?;
        transaction.set_quick_repair(true);
        let mut tx = Tx::new(Tables::open(&transaction, &[META])?, self.counters);
        tx.put_bytes(META, b"sealed".to_vec(), &self.counters.seq.to_be_bytes())?;
        drop(tx);
        transaction.commit().map_err(StoreError::failed)?;
        self.publish(self.counters)
    }

    fn fail(&self, fault: &StoreError) {
        let cause = format!("{fault:?}");
        tracing::error!(%cause, "the store failed; nothing of the last batch was acknowledged");
        self.shared.failed.send_replace(Some(cause.into()));
    }
}
