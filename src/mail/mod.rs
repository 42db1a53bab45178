//! Mail: an outbox that is written with what the mail tells of, and the jobs that empty it over SMTP. A job may bring a mail of its own, too.
//!
//! A mail is there exactly when its cause is. It is sent at least once, tried again with growing pauses for a day, and then given up.
//! Without a server for mail the outbox keeps everything, where admins read it. Once sent, a mail's text is removed: it may hold a link
//! that signs somebody in.

pub mod api;
mod email;
mod handler;
mod model;
mod repo;
mod service;
mod smtp;

pub use handler::SendEmail;
pub use model::{Content, Mail, MailState, Message};
pub use repo::TABLES;
pub use service::{MailError, MailService, Query, Test};
pub use smtp::{Smtp, SmtpError};

/// The kind of jobs that send mail.
pub const KIND: &str = "email.send";
/// The queue of the server's own mail.
pub const QUEUE: &str = "emails";
