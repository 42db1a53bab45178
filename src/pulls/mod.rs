//! Pulls: records that another server gives out, as JSON or CSV, brought into a collection by a job, again and again by a schedule.
//!
//! An item is written when it is new or another one than at the last pull, so what did not change is left alone, as is what was removed
//! here. Like an import, a pull says of each item that does not fit why, and sets off no triggers.

mod handler;
mod order;
mod repo;

pub use handler::Pull;
pub use repo::TABLES;

/// The kind of jobs that pull.
pub const KIND: &str = "sync.pull";
