//! `stead config check` and `stead config show`.

use std::io::Write as _;

use clap::Subcommand;

use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the configuration: exit code 0 when it is valid, 2 with every fault when it is not
    Check,
    /// Print the effective configuration as TOML, secrets hidden
    Show,
}

/// The configuration was checked when it was loaded; who comes here has a valid one.
pub(super) fn run(config: &Config, command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check => writeln!(std::io::stdout(), "the configuration is valid")?,
        ConfigCommand::Show => write!(std::io::stdout(), "{}", config.redacted())?,
    }
    Ok(())
}
