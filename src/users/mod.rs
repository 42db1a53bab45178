//! Users: records of the collection `users`, with credentials beside them, and the way to the first one.

pub mod api;
mod directory;
mod dto;
mod error;
mod explain;
pub mod flows;
mod migrate;
pub mod own;
mod service;
pub mod sso;

pub use directory::RecordDirectory;
pub use error::UserError;
pub use explain::{Explanation, Question, Reason};
pub use migrate::LIST_ADMINS;
pub use service::{NewPassword, UserService};
