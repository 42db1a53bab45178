//! The second factor: codes of an authenticator app (TOTP, [RFC 6238](https://www.rfc-editor.org/rfc/rfc6238)), and recovery codes.
//!
//! A session of somebody who has a second factor, or whose role asks for one, is *half*: until it is proven, the gate lets it do
//! nothing but prove it (or set one up), see who it is, and end.

pub(super) mod api;
mod dto;
mod model;
mod repo;
mod service;

pub(super) use repo::{TABLES, forget, is_active};
pub(super) use service::PROVEN;
