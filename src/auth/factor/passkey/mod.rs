//! Passkeys ([WebAuthn](https://www.w3.org/TR/webauthn-3/)): keys of the user's devices, by which they sign in without a password, or
//! prove a second factor after one.
//!
//! A passkey is always asked to verify its user (by a PIN, a finger, a face), so it counts as two factors by itself.

pub(crate) mod api;
mod ceremony;
mod dto;
mod model;
mod service;

pub use ceremony::{Passkeys, party};
pub(super) use model::OwnPasskey;
