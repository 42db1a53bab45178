//! The audit log: every security event, with who did it, to whom, from where and in which request.
//!
//! An event is written in the transaction of what it tells of, so neither is there without the other. What happens to records
//! stands in the change log instead.

pub mod api;
mod repo;
mod service;

pub use repo::{Event, TABLES, record};
pub use service::{AuditError, AuditService, Query};
