//! Schedules: jobs that are made at times, by a cron expression, at an interval, or once.
//!
//! A schedule knows its next time, and one task sleeps until the first of all. What is due is made in one transaction with what is noted of
//! it and the time after, so a crash makes no run twice and loses none; what was due while the server was down is made up for as the
//! schedule says. Not here: what jobs are, which is [`crate::queue`].

pub mod api;
mod dto;
mod due;
mod input;
mod keeper;
mod model;
mod repo;
mod service;
#[cfg(test)]
mod tests;
mod timing;

pub use model::{Missed, Outcome, Overlap, Run, Schedule, ScheduleError};
pub use repo::{TABLES, with_queue};
pub use service::Schedules;
pub use timing::Timing;
