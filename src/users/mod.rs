//! Users: records of the collection `users`, with credentials beside them, and the way to the first one.

pub mod api;
mod directory;
mod error;
mod migrate;
mod service;

pub use directory::RecordDirectory;
pub use error::UserError;
pub use migrate::LIST_ADMINS;
pub use service::UserService;
