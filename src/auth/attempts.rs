//! Attempts to sign in to one account: after a few that failed in a row, each next one has to wait longer.
//!
//! Accounts are counted by what was given as their name, so those that do not exist behave alike. The counts are in memory and
//! bounded; the limit for each address stands before them.

use jiff::Timestamp;
use moka::{ops::compute::Op, sync::Cache};

use super::AuthError;
use crate::access::secret::sha256;

/// The most accounts that are counted.
const ACCOUNTS_MAX: u64 = 100_000;
/// Attempts that may fail before one has to wait.
const FREE: u32 = 5;
/// The longest wait, in seconds.
const WAIT_SECONDS_MAX: u32 = 900;
/// After how long without an attempt all is forgotten, in seconds.
const MEMORY_SECONDS: i64 = 3_600;

/// Counts attempts.
#[derive(Clone, Debug)]
pub(super) struct Attempts {
    accounts: Cache<[u8; 32], Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    /// For how many seconds the next attempt has to wait.
    fn wait(self, now: Timestamp) -> u32 {
        let Some(doublings) = self.count.checked_sub(FREE) else { return 0 };
        let wait = 1_u32.checked_shl(doublings).filter(|wait| *wait < WAIT_SECONDS_MAX).unwrap_or(WAIT_SECONDS_MAX);
        let passed = u32::try_from(now.duration_since(self.last).as_secs().max(0)).unwrap_or(u32::MAX);
        wait.saturating_sub(passed)
    }
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { accounts: Cache::new(ACCOUNTS_MAX) }
    }

    /// Counts an attempt as failed until it succeeds, so that many at once do not pass together. Answers how many have failed in a
    /// row, this one included.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`].
    pub(super) fn begin(&self, account: &str, now: Timestamp) -> Result<u32, AuthError> {
        let mut wait = 0;
        let mut count = 0;
        self.accounts.entry(sha256(account.as_bytes())).and_compute_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let known = known.filter(|known| now.duration_since(known.last).as_secs() < MEMORY_SECONDS);
            wait = known.map_or(0, |known| known.wait(now));
            if wait > 0 {
                return Op::Nop;
            }
            count = known.map_or(0, |known| known.count).saturating_add(1);
            Op::Put(Failures { count, last: now })
        });
        if wait > 0 { Err(AuthError::TooManyAttempts(wait)) } else { Ok(count) }
    }

    /// The attempt succeeded.
    pub(super) fn succeeded(&self, account: &str) {
        self.accounts.invalidate(&sha256(account.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn failures_in_a_row_make_the_next_one_wait() {
        let attempts = Attempts::new();
        for count in 1..=5 {
            assert_eq!(attempts.begin("ann", at(0)).unwrap(), count);
        }
        for (second, wait) in [(0, 1), (1, 0), (1, 2), (2, 1), (3, 0), (3, 4)] {
            match attempts.begin("ann", at(second)) {
                Err(AuthError::TooManyAttempts(seconds)) => assert_eq!(seconds, wait, "at {second}"),
                other => assert_eq!((other.is_ok(), wait), (true, 0), "at {second}"),
            }
        }
        assert!(attempts.begin("bob", at(3)).is_ok(), "others do not wait");
        attempts.succeeded("ann");
        assert_eq!(attempts.begin("ann", at(3)).unwrap(), 1);
    }

    #[test]
    fn no_wait_is_longer_than_a_quarter_of_an_hour() {
        let attempts = Attempts::new();
        let mut now = 0;
        for _ in 0..100 {
            now += match attempts.begin("ann", at(now)) {
                Err(AuthError::TooManyAttempts(seconds)) => i64::from(seconds),
                _ => 0,
            };
        }
        assert!(attempts.begin("ann", at(now + 900)).is_ok());
        assert_eq!(attempts.begin("ann", at(now + 900 + 3_600)).unwrap(), 1, "an hour later all is forgotten");
    }
}
