//! What a newcomer meets: every command of the README, the document under public linters and generators of
//! clients, and the pages in a browser.
//!
//! These tests need tools besides cargo; `tests/run` installs them and names their folder in `TEST_TOOLS_DIR`. Without
//! it, each test that needs a tool fails and says so: nothing is skipped.
#![expect(clippy::disallowed_methods, reason = "the tools' folder is given in the environment")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod browser;
mod clients;
mod document;
mod readme;
mod server;

use std::path::PathBuf;

/// The folder into which `tests/run` installs tools.
fn tools() -> PathBuf {
    let folder = std::env::var_os("TEST_TOOLS_DIR");
    PathBuf::from(folder.expect("run the tests by `tests/run`, which installs the tools that this one needs"))
}
