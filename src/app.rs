//! The composition root: the only place that constructs services, routes and background tasks.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use poem::{Endpoint, EndpointExt as _, Route, endpoint::BoxEndpoint};
use poem_openapi::OpenApiService;
use tokio::sync::oneshot;

use crate::{
    access::Principal,
    audit::{self, AuditService, api::AuditApi},
    auth::{self, AuthParts, AuthService, Lives, Naming, Passwords, Tokens, api::AuthApi},
    collections::{self, Catalogs, CollectionService, api::CollectionsApi, maintenance, sync::api::SchemaApi, system},
    config::Config,
    docs,
    health::{self, Health},
    http::{Cookies, Gate, Pipeline, PipelineOptions, RateLimiter, Session},
    kernel::Clock,
    keys::{self, KeyService, api::KeysApi},
    openapi::{self, LiveDocument},
    records::{self, Limits, RecordService, SavedAggregates},
    roles::{self, RoleService, Roles, api::RolesApi},
    setup,
    store::{self, OpenError, Options, Store},
    telemetry,
    users::{self, RecordDirectory, UserService, api::UsersApi},
};

/// The name of the store's file in the data folder.
const STORE_FILE: &str = "stead.redb";
/// The path under which the API stands.
const BASE: &str = "/api/v1";
/// Paths that anyone may call.
const PUBLIC: [&str; 3] = [auth::api::LOGIN_PATH, auth::api::REFRESH_PATH, crate::users::api::SETUP_PATH];
/// Paths where somebody may try to guess a password or a token.
const SIGN_IN: [&str; 2] = [auth::api::LOGIN_PATH, crate::users::api::SETUP_PATH];
const CACHE_BYTES_MIN: usize = 32 << 20;
const CACHE_BYTES_MAX: usize = 256 << 20;

/// How often what has had its time is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How often it is stored when keys were last used.
const FLUSH_EVERY: Duration = Duration::from_secs(60);

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
    let own = [&collections::TABLES[..], &records::TABLES, &audit::TABLES, &roles::TABLES, &keys::TABLES];
    let tables = own.into_iter().flatten().copied().chain(auth::tables()).collect();
    let schema = store::Schema { tables, migrations: vec![users::LIST_ADMINS] };
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
        let catalogs = Arc::new(Catalogs::new(store.clone()));
        let collections =
            CollectionService::new(store.clone(), Arc::clone(&catalogs), Arc::clone(&clock), Arc::new(SavedAggregates));
        for input in system::inputs() {
            collections.ensure_system(input).await.context("cannot make the system collections")?;
        }
        let limits = Limits {
            examined_max: config.records.examined_max,
            hops_max: config.records.relation_depth_max,
            pages_bytes_max: config.records.pages_bytes_max,
        };
        let records =
            Arc::new(RecordService::new(collections.clone(), Arc::clone(&catalogs), Arc::clone(&clock), limits));
        let hashes_max = if config.auth.hashes_max == 0 { cores() } else { config.auth.hashes_max };
        let passwords = Passwords::new(config.auth.password_length_min, hashes_max);
        let naming = Naming { issuer: config.auth.issuer.clone(), audience: config.auth.audience.clone() };
        let tokens = Tokens::open(&store, &config.auth.signing_key, naming, clock.now());
        let tokens = tokens.await.context("cannot open the token keys")?;
        let directory = Arc::new(RecordDirectory::new(Arc::clone(&catalogs)));
        let roles = Arc::new(Roles::default());
        let keys = Arc::new(KeyService::new(store.clone(), Arc::clone(&roles), Arc::clone(&clock)));
        let auth = AuthParts {
            store: store.clone(),
            directory: Arc::clone(&directory) as Arc<dyn auth::Directory>,
            roles: Arc::clone(&roles),
            keys: Arc::clone(&keys),
            passwords: passwords.clone(),
            lives: lives(config),
            clock: Arc::clone(&clock),
        };
        let auth = Arc::new(AuthService::new(auth, tokens));
        let roles = Arc::new(RoleService::new(
            store.clone(),
            roles,
            vec![directory, Arc::clone(&keys) as Arc<dyn roles::Holders>],
            Arc::clone(&clock),
        ));
        let users = UserService::new(
            Arc::clone(&catalogs),
            Arc::clone(&records),
            Arc::clone(&auth),
            passwords,
            Arc::clone(&clock),
        );
        let users = Arc::new(users);
        let audit = AuditService::new(store.clone());
        let health = Health::new(Arc::clone(&catalogs));
        let parts = Parts {
            config,
            clock: Arc::clone(&clock),
            catalogs: Arc::clone(&catalogs),
            collections,
            records,
            users: Arc::clone(&users),
            auth: Arc::clone(&auth),
            roles,
            keys: Arc::clone(&keys),
            audit: audit.clone(),
            health,
        };
        let public = Arc::new(parts.public()?);
        let operator = Arc::new(parts.operator()?);
        let maintenance = Some(spawn_maintenance(&catalogs));
        let housekeeping = vec![
            tokio::spawn(sweep(auth, audit, clock, config.audit.retention_days)),
            tokio::spawn(flush(Arc::clone(&keys))),
        ];
        Ok(Self { public, operator, store, users, catalogs, maintenance, keys, housekeeping })
    }

    /// Ends the background tasks and closes the store: what was accepted is committed.
    pub async fn close(mut self) {
        if let Some((stop, task)) = self.maintenance.take() {
            // The task may have ended by itself, when the store failed.
            let _ = stop.send(());
            let _ = task.await;
        }
        self.housekeeping.iter().for_each(tokio::task::JoinHandle::abort);
        flush_once(&self.keys).await;
        self.store.close().await;
    }
}

fn lives(config: &Config) -> Lives {
    Lives {
        access_seconds: config.auth.access_token_seconds,
        refresh_seconds: config.auth.refresh_token_seconds,
        session_seconds_max: config.auth.session_seconds_max,
        grace_seconds: config.auth.refresh_grace_seconds,
    }
}

/// Removes now and then what has had its time.
async fn sweep(auth: Arc<AuthService>, audit: AuditService, clock: Arc<dyn Clock>, retention_days: u32) {
    let mut turns = tokio::time::interval(SWEEP_EVERY);
    loop {
        turns.tick().await;
        if let Err(error) = auth.sweep().await {
            tracing::warn!(%error, "sessions that have ended were not removed");
        }
        if let Err(error) = audit.prune(clock.now(), retention_days).await {
            tracing::warn!(%error, "old events of the audit log were not removed");
        }
    }
}

/// Stores now and then when keys were used.
async fn flush(keys: Arc<KeyService>) {
    let mut turns = tokio::time::interval(FLUSH_EVERY);
    loop {
        turns.tick().await;
        flush_once(&keys).await;
    }
}

async fn flush_once(keys: &KeyService) {
    if let Err(error) = keys.flush().await {
        tracing::warn!(%error, "it was not stored when keys were last used");
    }
}

fn spawn_maintenance(catalogs: &Arc<Catalogs>) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let task = maintenance::run(Arc::clone(catalogs), async move {
        let _ = stopped.await;
    });
    (stop, tokio::spawn(task))
}

/// What routes are made of.
struct Parts<'c> {
    config: &'c Config,
    clock: Arc<dyn Clock>,
    catalogs: Arc<Catalogs>,
    collections: CollectionService,
    records: Arc<RecordService>,
    users: Arc<UserService>,
    auth: Arc<AuthService>,
    roles: Arc<RoleService>,
    keys: Arc<KeyService>,
    audit: AuditService,
    health: Arc<Health>,
}

impl Parts<'_> {
    /// Everything under `/api/v1`, and what the document says of its static part.
    fn api(&self, own: Route) -> (impl Endpoint<Output = poem::Response> + use<>, String) {
        let described = (
            AuthApi { auth: Arc::clone(&self.auth), cookies: self.cookies() },
            RolesApi { roles: Arc::clone(&self.roles) },
            KeysApi { keys: Arc::clone(&self.keys) },
            AuditApi { audit: self.audit.clone() },
            UsersApi { users: Arc::clone(&self.users), auth: Arc::clone(&self.auth) },
            CollectionsApi { collections: self.collections.clone() },
            SchemaApi { collections: self.collections.clone() },
        );
        let service = OpenApiService::new(described, "Stead", env!("CARGO_PKG_VERSION")).url_prefix(BASE);
        let spec = service.spec();
        (records::api::mount(own, &self.records).nest("/", service).map_to_response(), spec)
    }

    /// All routes, with those of the API that are the listener's `own`, and the document that describes them.
    fn routes(&self, own: Route) -> anyhow::Result<(Route, Arc<LiveDocument>)> {
        let (api, spec) = self.api(own);
        let document = LiveDocument::new(
            Arc::clone(&self.catalogs),
            &spec,
            &PUBLIC,
            vec![
                health::fragment(),
                auth::api::fragment(),
                records::openapi::common_fragment(),
                records::openapi::archives(),
            ],
        )
        .context("the API's description is no JSON")?;
        let limiter = RateLimiter::per_minute("user", self.config.rate_limit.per_user_per_minute).map(Arc::new);
        let authenticate = Arc::clone(&self.auth) as Arc<dyn crate::http::Authenticate>;
        let gated = Gate::new(api, authenticate, self.cookies(), limiter, &PUBLIC);
        let open = docs::mount(health::mount(Route::new(), &self.health));
        let open = auth::api::mount(open, &self.auth);
        Ok((setup::mount(openapi::mount(open, &document)).nest(BASE, gated), document))
    }

    fn options(&self, config: &Config, document: Arc<LiveDocument>) -> PipelineOptions {
        PipelineOptions::new(config, &SIGN_IN, Arc::clone(&self.clock))
            .with_streams(records::api::takes_stream)
            .with_methods(move |path| document.methods_of(path))
    }

    fn cookies(&self) -> Cookies {
        Cookies::new(self.config.auth.cookie_secure, &self.config.http.cors_origins)
    }

    fn public(&self) -> anyhow::Result<BoxEndpoint<'static>> {
        let (routes, document) = self.routes(Route::new())?;
        let options = self.options(self.config, document);
        Ok(Pipeline::new(routes.map_to_response(), options).boxed())
    }

    /// The operator speaks through a socket in the data folder: whoever may open it owns the data.
    fn operator(&self) -> anyhow::Result<BoxEndpoint<'static>> {
        let mut config = self.config.clone();
        config.rate_limit =
            crate::config::RateLimit { per_address_per_minute: 0, per_user_per_minute: 0, sign_in_per_minute: 0 };
        let session = Session { principal: Principal::operator(), tag: telemetry::user_tag("operator").into() };
        let own = records::api::mount_operator(Route::new(), &self.records);
        let (routes, document) = self.routes(own)?;
        let options = self.options(&config, document);
        Ok(Pipeline::new(routes.data(session).map_to_response(), options).boxed())
    }
}
