//! Rate limits: a number of requests a minute for each key, with the standard headers.

use std::{
    hash::Hash,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{
    Quota, RateLimiter as Governor,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use poem::http::{HeaderMap, HeaderValue};

/// After how many checks idle keys are forgotten.
const SWEEP_EVERY: u32 = 10_000;
const WINDOW_SECONDS: u32 = 60;

/// A limit for each key.
pub struct RateLimiter<K: Hash + Eq + Clone> {
    name: &'static str,
    limit: NonZeroU32,
    governor: Governor<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    checks: AtomicU32,
}

impl<K: Hash + Eq + Clone> std::fmt::Debug for RateLimiter<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimiter").field("name", &self.name).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// What a limit says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    name: &'static str,
    limit: u32,
    remaining: u32,
    /// After how many seconds to come back; `None` when the request may pass.
    pub retry_after_seconds: Option<u32>,
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// A limit of so many requests a minute, which may come at once. `None` for 0: no limit.
    #[must_use]
    pub fn per_minute(name: &'static str, limit: u32) -> Option<Self> {
        let limit = NonZeroU32::new(limit)?;
        let governor = Governor::dashmap(Quota::per_minute(limit)).with_middleware();
        Some(Self { name, limit, governor, clock: DefaultClock::default(), checks: AtomicU32::new(0) })
    }

    /// Counts a request of this key.
    pub fn check(&self, key: &K) -> Verdict {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.governor.retain_recent();
        }
        let (remaining, retry_after_seconds) = match self.governor.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(seconds_up(until.wait_time_from(self.clock.now())))),
        };
        Verdict { name: self.name, limit: self.limit.get(), remaining, retry_after_seconds }
    }
}

fn seconds_up(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(WINDOW_SECONDS).max(1)
}

impl Verdict {
    /// Adds `RateLimit` and `RateLimit-Policy`
    /// ([draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/)).
    pub fn write(self, headers: &mut HeaderMap) {
        // The first token that was used is back after this long.
        let reset = self.retry_after_seconds.unwrap_or_else(|| WINDOW_SECONDS.div_ceil(self.limit));
        let policy = format!("\"{}\";q={};w={WINDOW_SECONDS}", self.name, self.limit);
        let state = format!("\"{}\";r={};t={reset}", self.name, self.remaining);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(name, value);
            }
        }
    }
}
