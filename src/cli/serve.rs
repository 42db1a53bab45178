//! `stead serve`.

use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::{app, app::App, config::Config, kernel::SystemClock, server, telemetry};

/// Flags of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8090]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

impl ServeArgs {
    pub(super) fn flags(&self) -> Option<(String, String)> {
        self.listen.clone().map(|listen| ("server.listen".to_owned(), listen))
    }
}

pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    telemetry::start(&config.log);
    // Signals are heard from here on, so that none is missed while the store opens.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = server::bind(&config.server.listen).await?;
    // With port 0 only now it is known where clients reach the server.
    let mut config = config.clone();
    config.server.listen = listener.local_addr()?.to_string();
    let store = app::open_store(&config)?;
    let app = App::start(&config, store, Arc::new(SystemClock)).await?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    server::run(app, &config, listener, stop).await
}
