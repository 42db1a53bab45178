//! `stead admin create`.

use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;
use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use super::client::Client;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Make an admin; works while the server runs and while it does not
    #[command(after_help = "\
Example:
  stead admin create --email ann@example.com --password-stdin < password.txt")]
    Create {
        /// The e-mail address to sign in with
        #[arg(long)]
        email: String,
        /// Read the password from standard input: its first line
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

pub(super) async fn run(config: &Config, command: AdminCommand) -> anyhow::Result<()> {
    let AdminCommand::Create { email, password_stdin: _ } = command;
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).context("cannot read the password from standard input")?;
    let body = json!({ "email": email, "password": password.trim_end_matches(['\r', '\n']) });
    let mut client = Client::connect(config).await?;
    let made = client.json(Method::POST, "/api/v1/users/admins", body.to_string().into_bytes()).await;
    client.close().await;
    let id = made?.get("id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    writeln!(std::io::stdout(), "made the admin {email} ({id})")?;
    Ok(())
}
