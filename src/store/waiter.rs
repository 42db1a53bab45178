//! Who hears of a commit. What is to be searched, told or kept follows the log instead; this is for who waits for something else.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// One who waits, or all who watch.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// One of those who wait is woken.
    One(Arc<Notify>),
    /// The number moves on.
    All(Arc<watch::Sender<u64>>),
}

impl Waiter {
    /// The commit is on disk.
    pub(crate) fn wake(&self) {
        match self {
            Self::One(waiter) => waiter.notify_one(),
            Self::All(number) => number.send_modify(|number| *number = number.wrapping_add(1)),
        }
    }
}
