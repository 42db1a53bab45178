//! `stead config check` and `stead config show`.

use std::io::Write as _;

use clap::Subcommand;

use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the configuration: exit code 0 when it is valid, 2 with every fault when it is not
    #[command(after_help = "\
Example:
  stead config check --config /etc/stead/stead.toml")]
    Check,
    /// Print the effective configuration as TOML, secrets hidden
    #[command(after_help = "\
Examples:
  stead config show                           what holds, from every source
  stead config show --config new.toml         what would hold with another file")]
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
