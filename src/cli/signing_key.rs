//! `stead signing-key rotate`.

use std::io::Write as _;

use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use super::client::Client;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum SigningKeyCommand {
    /// Take a new key for signing access tokens; works while the server runs and while it does not
    #[command(after_help = "\
Examples:
  stead signing-key rotate                 tokens of the old key stay good until they end
  stead signing-key rotate --at-once       they end now; everyone refreshes")]
    Rotate {
        /// End tokens of the old key now, because somebody else may have it
        #[arg(long)]
        at_once: bool,
    },
}

pub(super) async fn run(config: &Config, command: SigningKeyCommand) -> anyhow::Result<()> {
    let SigningKeyCommand::Rotate { at_once } = command;
    let body = json!({ "atOnce": at_once }).to_string().into_bytes();
    let mut client = Client::connect(config).await?;
    let made = client.json(Method::POST, "/api/v1/auth/signing-keys/rotate", body).await;
    client.close().await;
    let kid = made?.get("kid").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    writeln!(std::io::stdout(), "tokens are signed with the key {kid} from now on")?;
    Ok(())
}
