//! Second factors: codes of an authenticator app (TOTP, [RFC 6238](https://www.rfc-editor.org/rfc/rfc6238)), passkeys, and recovery codes.
//!
//! A session of somebody who has a second factor, or whose role asks for one, is *half*: until it is proven, the gate lets it do
//! nothing but prove it (or set one up), see who it is, and end.

pub(super) mod api;
mod dto;
mod model;
pub(super) mod passkey;
mod repo;
mod service;

pub use repo::JOIN_FACTORS;
pub(super) use repo::{TABLES, are_active, forget, passkey_names, summary};
pub(super) use service::PROVEN;
