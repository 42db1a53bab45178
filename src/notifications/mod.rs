//! Telling users something, by a template: in their inbox, by mail, and to a webhook, as far as each wants to hear of it.
//!
//! All of it is one transaction, for up to a thousand of them. Mails that a user wants gathered wait for the next digest, which a job
//! sends. The same can be asked for as a job, so that schedules and changes of records tell users something, too.

pub mod api;
mod digest;
mod handler;
mod order;
mod service;

pub use digest::SendDigest;
pub use handler::Notify;
pub use order::NotificationError;
pub use service::{Notifications, Parts};

/// The kind of jobs that tell users something.
pub const KIND: &str = "notification.send";
/// The kind of jobs that send what was gathered for a user.
pub const DIGEST_KIND: &str = "notification.digest";

/// The tables of this feature.
pub const TABLES: [&str; 1] = [handler::SENT.name()];
