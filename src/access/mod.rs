//! Who may do what: permissions, and the caller of a request.
//!
//! What a role permits is decided where roles are kept; here is only what a permission means. Random secrets are made here, too, for
//! whoever hands out credentials.

mod permission;
mod principal;
pub mod secret;
mod who;

pub use permission::{Action, GUARDED, InvalidPermission, Permissions};
pub use principal::{AuthValues, Kind, Principal};
pub use who::Who;
