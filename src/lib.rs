//! Stead: a complete application backend in one binary.

pub mod access;
pub mod collections;
pub mod config;
pub mod expr;
pub mod http;
pub mod kernel;
pub mod records;
pub mod store;
pub mod telemetry;
