//! News of what changes, told while it happens, over one open connection for each client.
//!
//! Topics stand for what a client shows. So far there are queues of jobs; records and the inbox come with the followers of the log.

pub mod api;
mod news;
