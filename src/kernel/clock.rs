//! Time as a parameter: the only place that reads the wall clock.

use jiff::Timestamp;

/// Tells the time. Services hold one, so that a test can set it.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, to the millisecond: what clients of every language can hold.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}
