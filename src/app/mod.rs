//! The composition root: the only place that constructs services, routes and background tasks.

mod housekeeping;
mod routes;
mod services;
mod workers;

use std::{path::Path, sync::Arc, time::Duration};

use poem::endpoint::BoxEndpoint;
use tokio::sync::oneshot;

use self::{routes::Parts, services::Services, workers::AtWork};
use crate::{
    audit, auth,
    collections::{self, Catalogs, maintenance},
    config::Config,
    http::LiveStreams,
    inbox,
    kernel::Clock,
    keys::{self, KeyService},
    mail, notifications, pulls,
    queue::{self, Jobs},
    records, roles, schedules,
    store::{self, OpenError, Options, Store},
    templates,
    users::{self, UserService, flows},
    webhooks,
};

/// The name of the store's file in the data folder.
const STORE_FILE: &str = "stead.redb";
const CACHE_BYTES_MIN: usize = 32 << 20;
const CACHE_BYTES_MAX: usize = 256 << 20;

/// An endpoint that serves everything.
pub type Served = Arc<BoxEndpoint<'static>>;

/// The running application, without any listener.
pub struct App {
    /// What the network sees.
    pub public: Served,
    /// The same for the operator of the machine, who is an admin without an account.
    pub operator: Served,
    /// The store.
    pub store: Store,
    /// Users.
    pub users: Arc<UserService>,
    /// The collections.
    pub catalogs: Arc<Catalogs>,
    maintenance: Option<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>,
    jobs: Jobs,
    workers: Option<AtWork>,
    keys: Arc<KeyService>,
    housekeeping: Vec<tokio::task::JoinHandle<()>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Opens the store in a data folder, which is made when it is not there.
///
/// # Errors
/// [`OpenError`].
pub fn open_store(config: &Config) -> Result<Store, OpenError> {
    let folder = &config.server.data;
    make_folder(folder).map_err(|error| OpenError::Engine { path: folder.clone(), cause: error.to_string() })?;
    let own = [
        &collections::TABLES[..],
        &records::TABLES,
        &audit::TABLES,
        &roles::TABLES,
        &keys::TABLES,
        &mail::TABLES,
        &templates::TABLES,
        &inbox::TABLES,
        &notifications::TABLES,
        &queue::TABLES,
        &schedules::TABLES,
        &webhooks::TABLES,
        &pulls::TABLES,
        &flows::TABLES,
    ];
    let tables = own.into_iter().flatten().copied().chain(auth::tables()).collect();
    let schema = store::Schema { tables, migrations: vec![users::LIST_ADMINS, auth::JOIN_FACTORS] };
    Store::open(&folder.join(STORE_FILE), &options(config), &schema)
}

/// Makes the data folder, which is nobody else's to read: it holds hashes and keys.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn options(config: &Config) -> Options {
    let cache_bytes = match config.store.cache_bytes {
        0 => (machine_memory() / 64).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX),
        given => given,
    };
    Options {
        cache_bytes,
        queue_max: config.store.queue_max,
        batch_max: config.store.batch_max,
        seal_after: Duration::from_millis(config.store.seal_after_ms),
        scans_max: config.store.scans_max,
    }
}

/// The machine's memory in bytes; 0 when it cannot be known.
fn machine_memory() -> usize {
    let text = std::fs::read_to_string(Path::new("/proc/meminfo")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<usize>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// The cores of the machine.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl App {
    /// Constructs everything on an open store.
    ///
    /// # Errors
    /// When the store cannot be read, or a configured key not be used.
    pub async fn start(config: &Config, store: Store, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let services = Services::new(config, store, clock).await?;
        let parts = Parts { config, services: &services, live: LiveStreams::new(config) };
        let public = Arc::new(parts.public()?);
        let operator = Arc::new(parts.operator()?);
        let maintenance = Some(spawn_maintenance(&services.catalogs));
        let housekeeping = housekeeping::start(config, &services);
        let workers = Some(AtWork::start(config, &services).await?);
        let Services { store, users, catalogs, keys, jobs, .. } = services;
        Ok(Self { public, operator, store, users, catalogs, maintenance, jobs, workers, keys, housekeeping })
    }

    /// The server is about to stop: whoever waits for something is answered, so that nobody holds the stop up.
    pub fn stopping(&self) {
        self.jobs.close();
    }

    /// Ends the background tasks and closes the store: what was accepted is committed.
    pub async fn close(mut self) {
        if let Some((stop, task)) = self.maintenance.take() {
            // The task may have ended by itself, when the store failed.
            let _ = stop.send(());
            let _ = task.await;
        }
        if let Some(workers) = self.workers.take() {
            workers.end().await;
        }
        self.housekeeping.iter().for_each(tokio::task::JoinHandle::abort);
        housekeeping::flush_once(&self.keys).await;
        self.store.close().await;
    }
}

fn spawn_maintenance(catalogs: &Arc<Catalogs>) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let task = maintenance::run(Arc::clone(catalogs), async move {
        let _ = stopped.await;
    });
    (stop, tokio::spawn(task))
}
