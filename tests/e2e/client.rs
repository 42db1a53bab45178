//! A small HTTP client: one kept-alive connection, JSON bodies, whole answers.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use crate::process::{DEADLINE, Server, Site};

pub(crate) const EMAIL: &str = "ann@example.com";
pub(crate) const PASSWORD: &str = "a long enough password";

/// A connection, with the token of a session once there is one.
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {:?}", self.body))
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::try_open(address, None).await.unwrap()
    }

    /// Connects to a server that may be dead by now.
    pub(crate) async fn try_open(address: SocketAddr, token: Option<String>) -> anyhow::Result<Self> {
        let stream = timeout(DEADLINE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // An error of the connection shows as an error of the request on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, token })
    }

    /// Makes the first admin with the command line, while the server runs, and signs in.
    pub(crate) async fn admin(site: &Site, server: &Server) -> Self {
        let arguments = ["admin", "create", "--email", EMAIL, "--password-stdin"];
        site.run_with_input(&arguments, PASSWORD).success();
        let mut client = Self::open(server.address).await;
        client.sign_in().await;
        client
    }

    pub(crate) async fn sign_in(&mut self) {
        self.sign_in_as(EMAIL, PASSWORD).await;
    }

    pub(crate) async fn sign_in_as(&mut self, email: &str, password: &str) {
        let body = json!({ "email": email, "password": password });
        let session = self.post("/api/v1/auth/login", &body).await.expect(200);
        self.token = Some(session["accessToken"].as_str().unwrap().to_owned());
    }

    pub(crate) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// Sends a request; an error means that nobody knows what came of it.
    pub(crate) async fn send(&mut self, method: Method, path: &str, body: impl Into<Bytes>) -> anyhow::Result<Reply> {
        self.send_as(method, path, None, body).await
    }

    /// [`Client::send`] with the type of the body, for servers that must be told.
    pub(crate) async fn send_as(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Reply> {
        let mut request = Request::builder().method(method).uri(path).header("host", "stead");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body.into()))?;
        let exchange = async {
            self.sender.ready().await?;
            let answer = self.sender.send_request(request).await?;
            let (parts, body) = answer.into_parts();
            Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: body.collect().await?.to_bytes() })
        };
        timeout(DEADLINE, exchange).await?
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, Bytes::new()).await.unwrap()
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, body.to_string()).await.unwrap()
    }

    /// Every record of a collection, as an export gives them out.
    pub(crate) async fn records(&mut self, collection: &str) -> Vec<Value> {
        let reply = self.get(&format!("/api/v1/collections/{collection}/export")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        lines(std::str::from_utf8(&reply.body).unwrap())
    }
}

/// The values of JSON lines.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
