//! Users: records of the collection `users`, with credentials beside them, and the way to the first one.

pub mod api;
mod error;
mod service;

pub use error::UserError;
pub use service::{RecordDirectory, UserService};
