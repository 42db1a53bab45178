//! The log: where it goes, in which form, and how users are named in it.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::Log;

/// Starts logging to standard error. Later calls change nothing, so tests may all call it.
pub fn start(config: &Log) {
    let filter = config.level.parse().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true);
    let pretty = config.format == "pretty" || (config.format == "auto" && std::io::stderr().is_terminal());
    // An error means that logging has started already.
    let _ = if pretty {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
}

/// A name for a user that tells users apart in the log and does not tell who they are.
#[must_use]
pub fn user_tag(id: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, id.as_bytes());
    digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
