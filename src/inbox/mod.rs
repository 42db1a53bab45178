//! What users are told inside the application, and what they want to hear of by mail.
//!
//! Each user has an inbox of bounded length, and preferences by category. Who tells them something stands above; here is what is kept, and
//! what users do with it.

pub mod api;
mod dto;
mod model;
mod repo;
mod service;
mod unsubscribe;

pub use model::{Digest, Entry, InboxError, Pending, Preferences};
pub use repo::{TABLES, forget_user, wants_mail};
pub use service::{InboxService, Told};
