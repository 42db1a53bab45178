//! Webhooks: other servers are told of changes of records, signed as [Standard Webhooks](https://www.standardwebhooks.com) says.
//!
//! A follower of the change log makes a job for each change that a webhook is to hear of, together with how far it has read, so that no
//! change is told by two jobs and none by no job. The job posts the message, and is tried for more than a day. Nothing is posted to
//! addresses of this machine or a private network, unless the configuration allows it.

pub mod api;
mod deliver;
mod dto;
mod follower;
mod input;
mod model;
mod repo;
mod service;
mod sign;

pub use deliver::Deliver;
pub use model::{Disabled, Subscription, Webhook, WebhookError};
pub use repo::TABLES;
pub use service::Webhooks;

/// The kind of jobs that post messages.
pub const KIND: &str = "webhook.deliver";
/// The queue of these jobs.
pub const QUEUE: &str = "webhooks";
