//! Jobs and queues as clients see them: making jobs, looking at them, and working on them from outside.
//!
//! The queue itself is [`crate::queue`]. What is asked here is who may do what: `queues` covers every queue, `queues.emails` one of them.
//! `create` makes jobs, `list` and `read` see them, `update` cancels and retries them and changes queues, `delete` removes, `work` takes
//! jobs and ends them.

pub mod api;
mod dto;
pub mod queues;
mod service;
pub mod work;

pub use service::JobService;
