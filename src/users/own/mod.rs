//! What users do with their whole account: take its data along, and delete it.

pub mod api;
mod service;

pub use service::OwnAccount;
