//! Mail: an outbox that is written with what the mail tells of, and a sender that empties it over SMTP.
//!
//! A mail is there exactly when its cause is. It is sent at least once, tried again with growing pauses for a day, and then given up.
//! Without a server for mail the outbox keeps everything, where admins read it. Once sent, a mail's text is removed: it may hold a link
//! that signs somebody in.

pub mod api;
mod model;
mod repo;
mod sender;
mod service;

pub use model::{Mail, MailState, Message};
pub use repo::{TABLES, enqueue};
pub use sender::{Sender, SmtpError};
pub use service::{MailError, MailService, Query};
