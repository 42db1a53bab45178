//! `stead openapi`.

use std::io::Write as _;

use hyper::Method;

use super::client::Client;
use crate::config::Config;

pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let mut client = Client::connect(config).await?;
    let document = client.json(Method::GET, "/openapi.json", Vec::new()).await;
    client.close().await;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&document?)?)?;
    Ok(())
}
