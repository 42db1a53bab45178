//! The API from outside: every test starts the whole application and speaks HTTP to it.
//!
//! One file per feature. Each says what must be answered, and what must not be told.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed assumption of a test is a failed test"
)]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod captcha;
mod collections;
mod explain;
mod factor;
mod flows;
mod health;
mod jobs;
mod keys;
mod mail;
mod notifications;
mod operations;
mod own;
mod pipeline;
mod pulls;
mod records;
mod retention;
mod roles;
mod schedules;
mod sessions;
mod streams;
mod summaries;
mod takeover;
mod templates;
mod users;
mod webhooks;
