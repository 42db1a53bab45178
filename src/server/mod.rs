//! The server's life: listen, tell that it is ready, serve, drain, close.

mod hang_up;

use std::{io::Write as _, path::Path, time::Duration};

use anyhow::Context as _;
use poem::{
    Server,
    listener::{Listener as _, TcpAcceptor, UnixListener},
};
use tokio::{net::TcpListener, sync::watch};

pub use self::hang_up::HangUp;
use crate::{app::App, config::Config};

/// The operator's socket in the data folder.
pub const CONTROL_SOCKET: &str = "control.sock";

/// Opens the port. Who comes now waits until the server is ready.
///
/// # Errors
/// When the address cannot be had.
pub async fn bind(listen: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}: is another server there? Choose another address with --listen")
    })
}

/// Serves until `stop` resolves or the store fails, then drains.
///
/// # Errors
/// When the operator's socket cannot be opened, or the store failed.
pub async fn run(
    app: App,
    config: &Config,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let control =
        control_listener(&config.server.data)?.into_acceptor().await.context("cannot open the operator's socket")?;
    let (stopping, stopped) = watch::channel(false);
    let drain = Duration::from_secs(config.server.shutdown_timeout_seconds);
    let idle = Duration::from_secs(config.server.idle_timeout_seconds);
    let public = Server::new_with_acceptor(HangUp(TcpAcceptor::from_tokio(listener)?)).idle_timeout(idle);
    let public = public.run_with_graceful_shutdown(app.public.clone(), until(stopped.clone()), Some(drain));
    let control = Server::new_with_acceptor(HangUp(control)).run_with_graceful_shutdown(
        app.operator.clone(),
        until(stopped),
        Some(drain),
    );
    let (public, control) = (tokio::spawn(public), tokio::spawn(control));

    announce_setup(&app, &address.to_string()).await?;
    writeln!(std::io::stdout(), "stead ready on http://{address}")?;

    let mut failed = app.store.failed();
    let failure = tokio::select! {
        () = stop => None,
        cause = failed.wait_for(Option::is_some) => cause.ok().and_then(|cause| cause.clone()),
    };
    tracing::info!("stopping: requests are finished, then the store is closed");
    app.stopping();
    stopping.send_replace(true);
    for task in [public, control] {
        task.await??;
    }
    // The socket's file means that a server runs; an error means that it is gone already.
    let _ = std::fs::remove_file(config.server.data.join(CONTROL_SOCKET));
    app.close().await;
    match failure {
        None => Ok(()),
        Some(cause) => anyhow::bail!(
            "the store failed and the server stopped: {cause}; nothing acknowledged is lost. Check the disk, then start again"
        ),
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Listens on the operator's socket. A file left by a server that was killed is no server: the store's lock is ours.
fn control_listener(data: &Path) -> anyhow::Result<UnixListener<std::path::PathBuf>> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = data.join(CONTROL_SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).context("cannot replace the operator's socket");
        }
        _ => {}
    }
    Ok(UnixListener::bind(path).with_permissions(std::fs::Permissions::from_mode(0o600)))
}

/// Tells the operator how to make the first admin, while there is no user.
async fn announce_setup(app: &App, address: &str) -> anyhow::Result<()> {
    if let Some(token) = app.users.open_setup().await? {
        let mut stderr = std::io::stderr();
        writeln!(
            stderr,
            "No user yet. Make the first admin, once, at:\n\n    http://{address}/setup#{token}\n\nor with: stead admin create --email you@example.com --password-stdin"
        )?;
    }
    Ok(())
}
