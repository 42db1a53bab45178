//! Templates: what mails and notifications say, in the languages that are there, with values put in.
//!
//! Those that the server itself needs are built in and may be told otherwise; others are made by who runs the server. A template is tried
//! with the examples of its variables before it is kept, so that what was kept can be rendered. What HTML says is escaped, and the text of a mail
//! is made of its HTML where there is none.

pub mod api;
mod built_in;
mod check;
mod dto;
mod input;
mod model;
mod render;
mod repo;
mod service;

pub use model::{Rendered, Template, TemplateError, VariableType};
pub use repo::{TABLES, forget_user};
pub use service::Templates;
