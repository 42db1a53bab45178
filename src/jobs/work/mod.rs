//! Working on jobs from outside: a worker takes jobs of a queue for a while, tells that it is still at it, and ends them.

pub mod api;
mod dto;
mod stream;
