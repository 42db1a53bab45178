//! A clock that stands still until a test moves it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::Timestamp;
use stead::kernel::Clock;

/// The first instant of every test: 2026-01-31T09:30:00Z.
const START_MS: i64 = 1_769_851_800_000;

/// Tells the time that the test gave it. Clones share the time.
#[derive(Clone, Debug)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(START_MS)))
    }
}

impl TestClock {
    /// Lets time pass.
    pub(crate) fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// The time in so many seconds.
    pub(crate) fn in_seconds(&self, seconds: i64) -> Timestamp {
        self.now() + jiff::SignedDuration::from_secs(seconds)
    }

    /// Lets time pass.
    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.advance_ms(seconds * 1000);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).expect("a test stays within the calendar")
    }
}
