//! Keys of programs, and the service accounts that are nobody's but theirs.
//!
//! A key acts for its owner, a user or a service account, and only within its scope. The secret is shown once; what is stored is its
//! hash.

mod account;
pub mod api;
mod dto;
mod error;
mod letter;
mod model;
mod repo;
mod service;

pub use error::KeyError;
pub use model::{Key, KeyInput, Owner, ServiceAccount, ServiceAccountInput, is_key};
pub use repo::{TABLES, forget_owner, has_keys, key, names_of, service_account};
pub use service::KeyService;
