//! Durable jobs: made in the transaction of what they belong to, handed to workers on leases, tried until they succeed or are dead.
//!
//! A job runs at least once. A worker that is silent loses it, and one that comes late cannot end it. Everything is in the store, so a
//! crash loses nothing and repeats only what was running. Nothing polls: workers are woken by the commit that has something for them,
//! and one task keeps the times.
//!
//! Here is said what clients may ask for ([`input`], [`allow()`]); who asks, and how jobs are described to clients, is for others.

mod allow;
mod bells;
mod change;
mod enqueue;
mod error;
mod finish;
pub mod input;
mod keeper;
mod keys;
mod lease;
mod list;
mod model;
mod policy;
mod queues;
mod repo;
mod service;
mod stats;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_workers;
mod watch;
mod work;
mod worker;

pub use allow::allow;
pub use change::JobChange;
pub use enqueue::{Enqueued, Making};
pub use error::QueueError;
pub use finish::{Beat, Failure, Heard};
pub use input::JobInput;
pub use lease::{Ask, Leased, LeasedJob};
pub use list::{Counted, JobPage, JobQuery, Listed};
pub use model::{Attempt, Collision, Job, JobId, JobState, Lease, NewJob, Queue, Scheduled, Status, Unique, WaitFor};
pub use policy::{Backoff, Growth, NEEDED, Policy, Rate};
pub use repo::{TABLES, exists, names};
pub use service::{Jobs, Many};
pub use stats::{Counts as MinuteCounts, Lengths, QueueMetrics};
pub use watch::{Changes, LeaseState};
pub use worker::{Handler, Outcome as JobOutcome, Running, Workers};
