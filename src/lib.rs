//! Stead: a complete application backend in one binary.

pub mod access;
pub mod app;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod collections;
pub mod config;
pub mod docs;
pub mod expr;
pub mod health;
pub mod http;
pub mod jobs;
pub mod kernel;
pub mod keys;
pub mod mail;
pub mod openapi;
pub mod outgoing;
pub mod pages;
pub mod queue;
pub mod records;
pub mod roles;
pub mod schedules;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod users;
