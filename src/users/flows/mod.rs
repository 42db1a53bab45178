//! What users do by mail: register, accept an invitation, prove an address, change it, set a new password, sign in.
//!
//! A request is only written down, alike for addresses that are known and others; the [`worker`] looks later who it is for and writes the
//! mail. So neither the answer nor its time tells whether an address is known. What a mail brings is a *ticket*: 256 bits, stored as a
//! hash, good once and for a while. Only what a ticket proves happens: nobody is made a user by somebody else's request.

pub mod api;
mod confirm;
mod dto;
mod letter;
mod model;
mod repo;
mod service;
mod worker;

pub(super) use confirm::Newcomer;
pub use model::{OpenInvitation, Registration, SignInProof};
pub use repo::TABLES;
pub use service::{FlowParts, Flows};
