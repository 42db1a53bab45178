//! The application as it is shipped, on a folder of its own, behind a real port.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher as _};
use poem::{Server, listener::TcpAcceptor};
use serde_json::{Value, json};
use stead::{
    app::{self, App},
    config::Config,
    kernel::Clock as _,
    server::HangUp,
    store::{Store, StoreError},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Mutex};

use super::{Client, TestClock};

/// The password of every user that a test does not give one.
const PASSWORD: &str = "correct horse battery";
/// How long anything may take before a test gives up.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A server to be started.
#[derive(Debug)]
pub(crate) struct Builder {
    config: Config,
    clock: TestClock,
}

impl Builder {
    /// With a changed configuration.
    pub(crate) fn with_config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// With this clock.
    pub(crate) fn with_clock(self, clock: &TestClock) -> Self {
        Self { clock: clock.clone(), ..self }
    }

    /// Starts it.
    pub(crate) async fn start(self) -> TestApp {
        let folder = tempfile::tempdir().unwrap();
        TestApp::start_in(folder, self.config, self.clock).await
    }
}

/// A server that runs.
pub(crate) struct TestApp {
    /// The time, which stands still.
    pub(crate) clock: TestClock,
    /// The running application.
    pub(crate) app: App,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    operator: SocketAddr,
    servers: tokio::task::JoinSet<()>,
    users: Mutex<HashMap<String, Client>>,
    folder: TempDir,
}

impl TestApp {
    /// A server with the configuration that is shipped.
    #[expect(clippy::new_ret_no_self, reason = "a test says `TestApp::new()…start()`")]
    pub(crate) fn new() -> Builder {
        Builder { config: Config::default(), clock: TestClock::default() }
    }

    /// A server with the configuration that is shipped, started.
    pub(crate) async fn start() -> Self {
        Self::new().start().await
    }

    async fn start_in(folder: TempDir, mut config: Config, clock: TestClock) -> Self {
        config.server.data = folder.path().to_owned();
        let store = app::open_store(&config).unwrap();
        let app = App::start(&config, store, Arc::new(clock.clone())).await.unwrap();
        let mut servers = tokio::task::JoinSet::new();
        let address = serve(&mut servers, &app.public).await;
        let operator = serve(&mut servers, &app.operator).await;
        Self { clock, app, address, operator, servers, users: Mutex::default(), folder }
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.app.store
    }

    /// The folder of the data.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Someone without credentials.
    pub(crate) fn guest(&self) -> Client {
        Client::guest(self.address)
    }

    /// The operator of the machine.
    pub(crate) fn operator(&self) -> Client {
        Client::guest(self.operator)
    }

    /// A user who may do everything.
    pub(crate) async fn admin(&self) -> Client {
        self.user("admin", &["admin"]).await
    }

    /// The user `<name>@example.com` with these roles, signed in. The first call makes the user.
    pub(crate) async fn user(&self, name: &str, roles: &[&str]) -> Client {
        let mut users = self.users.lock().await;
        if let Some(known) = users.get(name) {
            return known.clone();
        }
        let email = format!("{name}@example.com");
        let id = self.make_user(&email, PASSWORD, roles).await;
        let token = self.sign_in(&email, PASSWORD).await;
        let client = self.guest().signed_in(&id, &token);
        users.insert(name.to_owned(), client.clone());
        client
    }

    /// Makes a user. The password's hash is a cheap one, so that no test waits for what only sign-in's own tests need.
    pub(crate) async fn make_user(&self, email: &str, password: &str, roles: &[&str]) -> String {
        let made = self.record("users", json!({"email": email, "roles": roles})).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash = cheap.hash_password(password.as_bytes()).unwrap().to_string();
        let (user, now) = (id.clone(), self.clock.now());
        let stored = self.store().write(move |tx| stead::auth::put_password(tx, &user, hash, now, None));
        stored.await.unwrap_or_else(|error: StoreError| panic!("{error:?}"));
        id
    }

    /// Signs in for an access token.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> String {
        let answer = self.guest().post("/api/v1/auth/login", json!({"email": email, "password": password})).await;
        answer.ok(200)["accessToken"].as_str().unwrap().to_owned()
    }

    /// Makes a collection, as admin.
    pub(crate) async fn collection(&self, definition: Value) -> Value {
        self.operator().post("/api/v1/collections", definition).await.ok(201)
    }

    /// Makes a record, as admin, and answers with it.
    pub(crate) async fn record(&self, collection: &str, record: Value) -> Value {
        self.operator().post(&format!("/api/v1/collections/{collection}/records"), record).await.ok(201)
    }

    /// Waits until all background work of a collection is done, and answers with its definition.
    pub(crate) async fn settled(&self, collection: &str) -> Value {
        let path = format!("/api/v1/collections/{collection}");
        let read = async || self.operator().get(&path).await.ok(200);
        let done = |def: &Value| {
            let states = def["indexes"].as_array().unwrap();
            def.get("rewriting").is_none() && states.iter().all(|index| index["state"]["name"] != "building")
        };
        self.until("the collection settles", async || done(&read().await)).await;
        read().await
    }

    /// Waits for something to become true.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let wait = async {
            while !holds().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
    }

    /// Stops the server and starts it again on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| ()).await
    }

    /// Stops the server and starts it again on the same data with a changed configuration.
    pub(crate) async fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        self.servers.shutdown().await;
        self.app.close().await;
        let mut config = Config::default();
        change(&mut config);
        Self::start_in(self.folder, config, self.clock).await
    }
}

async fn serve(servers: &mut tokio::task::JoinSet<()>, endpoint: &app::Served) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new_with_acceptor(HangUp(TcpAcceptor::from_tokio(listener).unwrap()));
    let endpoint = endpoint.clone();
    servers.spawn(async move { server.run(endpoint).await.unwrap() });
    address
}
