//! Threads that hash passwords: as many as are needed, up to a bound, and of lower priority than the rest of the server, so that a
//! storm of sign-ins leaves room for other requests. They end when nothing waits.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::sync::oneshot;

use super::AuthError;
use crate::store::StoreError;

/// How many wait for each thread.
const WAITING_PER_THREAD: usize = 16;
/// How many wait at least, for a server with few cores.
const WAITING_MIN: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Runs work of the kind that takes a core for long.
#[derive(Clone)]
pub(super) struct Hashing {
    threads_max: usize,
    /// One more is sent away, so that a storm does not take every request that the server works on.
    waiting_max: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    threads: usize,
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashing").field("threads_max", &self.threads_max).finish_non_exhaustive()
    }
}

impl Hashing {
    pub(super) fn new(threads_max: usize) -> Self {
        let waiting_max = threads_max.saturating_mul(WAITING_PER_THREAD).max(WAITING_MIN);
        Self { threads_max, waiting_max, state: Arc::default() }
    }

    /// Runs `work` when a thread is free.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many wait; [`AuthError::Crypto`] when it panicked; those of `work`.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, AuthError> + Send + 'static,
    ) -> Result<R, AuthError> {
        let (done, result) = oneshot::channel();
        self.add(Box::new(move || {
            // Who has gone away meanwhile needs no hash.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        }))?;
        result.await.map_err(|_| AuthError::Crypto("hashing panicked"))?
    }

    fn add(&self, job: Job) -> Result<(), AuthError> {
        let mut state = lock(&self.state);
        if state.waiting.len() >= self.waiting_max {
            return Err(StoreError::Busy.into());
        }
        if state.threads < self.threads_max {
            let shared = Arc::clone(&self.state);
            let thread = thread::Builder::new().name("hash".into()).spawn(move || work_off(&shared));
            thread.map_err(|_| AuthError::Crypto("no thread to hash on"))?;
            state.threads += 1;
        }
        state.waiting.push_back(job);
        Ok(())
    }
}

/// The life of a thread.
fn work_off(state: &Mutex<State>) {
    give_way();
    loop {
        // A statement of its own, for the lock ends with it.
        let job = next(&mut lock(state));
        let Some(job) = job else { return };
        // Whoever waits for it learns of a panic when its channel closes.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// The next job; without one, the thread that asks is to end.
fn next(state: &mut State) -> Option<Job> {
    let job = state.waiting.pop_front();
    if job.is_none() {
        state.threads -= 1;
    }
    job
}

/// Nothing panics under the lock.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets other threads go first.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        /// Where all cores are wanted, other work gets three quarters of their time.
        const NICENESS: i32 = 5;
        // There, the priority of a process is that of a thread. Without it, hashing goes on as fast as anything.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, mpsc};

    use super::*;

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_threads_and_no_more_wait_than_fit() {
        let hashing = Hashing::new(2);
        let (started, begun) = mpsc::channel();
        let gate = Arc::new(Barrier::new(3));
        let mut running = Vec::new();
        for _ in 0..2 {
            let (started, gate, hashing) = (started.clone(), Arc::clone(&gate), hashing.clone());
            running.push(tokio::spawn(async move {
                let work = move || {
                    started.send(()).unwrap();
                    gate.wait();
                    Ok(1)
                };
                hashing.run(work).await
            }));
        }
        let both = tokio::task::spawn_blocking(move || (begun.recv().unwrap(), begun.recv().unwrap()));
        both.await.unwrap();
        for _ in 0..WAITING_MIN {
            hashing.add(Box::new(|| ())).unwrap();
        }
        assert!(matches!(hashing.run(|| Ok(1)).await, Err(AuthError::Store(StoreError::Busy))));
        assert_eq!(lock(&hashing.state).threads, 2);
        tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
        for task in running {
            assert_eq!(task.await.unwrap().unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_leaves_the_thread() {
        let hashing = Hashing::new(1);
        let work = || -> Result<(), AuthError> { panic!("on purpose") };
        assert!(matches!(hashing.run(work).await, Err(AuthError::Crypto(_))));
        assert_eq!(hashing.run(|| Ok(2)).await.unwrap(), 2);
    }
}
