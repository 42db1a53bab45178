//! Queues as clients see them: what holds for their jobs, how many there are, whether they start.

pub mod api;
pub(in crate::jobs) mod dto;
