//! Stead: a complete application backend in one binary.

pub mod expr;
pub mod kernel;
pub mod store;
