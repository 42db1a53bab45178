//! A real PocketBase with data in it, made through its own API.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    time::Instant,
};

use hyper::Method;
use serde_json::{Value, json};

use crate::{
    client::Client,
    process::{DEADLINE, Process, Site},
};

pub(super) const ROOT: &str = "root@example.com";
pub(super) const ROOT_PASSWORD: &str = "the root of it all";

/// A PocketBase that runs, and its superuser.
pub(super) struct PocketBase {
    process: Process,
    address: SocketAddr,
    client: Client,
}

#[expect(clippy::disallowed_methods, reason = "the tests are told where their tools are")]
fn command(site: &Site, arguments: &[&str]) -> Command {
    let tools = std::env::var_os("TEST_TOOLS_DIR");
    let tools = PathBuf::from(tools.expect("TEST_TOOLS_DIR names the folder of tools; tests/run installs them"));
    let binary = tools.join("venv/bin/pocketbase");
    assert!(binary.exists(), "{} is not there; tests/run installs it", binary.display());
    let mut command = Command::new(binary);
    command.args(arguments).arg("--dir").arg(site.path("pb_data"));
    command
}

impl PocketBase {
    pub(super) async fn start(site: &Site) -> Self {
        Process::spawn(command(site, &["superuser", "upsert", ROOT, ROOT_PASSWORD])).finish().success();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Process::spawn(command(site, &["serve", "--http", &address.to_string()]));
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < DEADLINE, "PocketBase does not listen");
            tokio::task::yield_now().await;
        }
        let mut client = Client::try_open(address, None).await.unwrap();
        let token = sign_in(&mut client, "_superusers", ROOT, ROOT_PASSWORD).await;
        let client = Client::try_open(address, Some(token)).await.unwrap();
        Self { process, address, client }
    }

    /// Stops it as systemd would.
    pub(super) fn stop(self) {
        self.process.signal("TERM");
        self.process.finish();
    }

    pub(super) async fn call(&mut self, method: Method, path: &str, body: &Value) -> Value {
        let reply = self.client.send_as(method, path, Some("application/json"), body.to_string()).await.unwrap();
        assert!(reply.status < 300, "{path}: {} {}", reply.status, String::from_utf8_lossy(&reply.body));
        if reply.body.is_empty() { Value::Null } else { reply.json() }
    }

    /// Makes a collection; answers its id.
    pub(super) async fn collection(&mut self, definition: &Value) -> String {
        text(&self.call(Method::POST, "/api/collections", definition).await["id"])
    }

    /// Makes a record; answers it.
    pub(super) async fn record(&mut self, collection: &str, record: &Value) -> Value {
        self.call(Method::POST, &format!("/api/collections/{collection}/records"), record).await
    }

    /// Gives a record files, each with its name as content.
    pub(super) async fn upload(&mut self, collection: &str, id: &str, files: &[(&str, &str)]) -> Value {
        let part = |(field, name): &(&str, &str)| {
            format!("--part\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\r\n{name}\r\n")
        };
        let body = files.iter().map(part).collect::<String>() + "--part--\r\n";
        let path = format!("/api/collections/{collection}/records/{id}");
        let kind = Some("multipart/form-data; boundary=part");
        self.client.send_as(Method::PATCH, &path, kind, body).await.unwrap().expect(200)
    }

    /// What a user of PocketBase may list.
    pub(super) async fn seen_by(&self, user: (&str, &str), collection: &str) -> Vec<String> {
        let mut client = Client::try_open(self.address, None).await.unwrap();
        let token = sign_in(&mut client, "users", user.0, user.1).await;
        let mut client = Client::try_open(self.address, Some(token)).await.unwrap();
        let list = client.get(&format!("/api/collections/{collection}/records?perPage=500")).await.expect(200);
        let mut ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect();
        ids.sort();
        ids
    }
}

async fn sign_in(client: &mut Client, collection: &str, email: &str, password: &str) -> String {
    let path = format!("/api/collections/{collection}/auth-with-password");
    let body = json!({"identity": email, "password": password}).to_string();
    let reply = client.send_as(Method::POST, &path, Some("application/json"), body).await.unwrap();
    text(&reply.expect(200)["token"])
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
