//! A whole schema at once: by which steps the collections would become those that files say, and taking these steps
//! in one transaction.
//!
//! Single collections are changed by the service beside; both check and store in the same way.

pub mod api;
mod diff;
mod dto;
mod effect;
mod model;
mod service;
mod target;

pub use model::{Action, Effect, Plan, PlanInput, SchemaInput, Step, Summary, as_input};
