//! Roles: named sets of permissions, kept in the store, compiled once for each state of it.
//!
//! Who holds which role stands in the records of `users`; [`Holders`] tells it where it is needed here.

pub mod api;
mod error;
mod model;
mod repo;
mod service;

pub use error::RoleError;
pub use model::{ADMIN, Role, RoleSet};
pub use repo::{TABLES, role};
pub use service::{Holders, RoleInput, RoleService, Roles};
