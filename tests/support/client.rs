//! A client that speaks HTTP/1.1 over TCP, a connection for each request.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Answer, Events, app::DEADLINE};

/// Someone who calls the server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    headers: Vec<(String, String)>,
    /// The user's id; empty for a guest.
    pub(crate) id: String,
    /// The access token; empty for a guest.
    pub(crate) token: String,
}

impl Client {
    /// Someone without credentials.
    pub(crate) fn guest(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new(), id: String::new(), token: String::new() }
    }

    /// The same client with credentials.
    pub(crate) fn signed_in(mut self, id: &str, token: &str) -> Self {
        self.id = id.to_owned();
        self.token = token.to_owned();
        self
    }

    /// The same client with a header on every request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, body.to_string()).await
    }

    /// Sends any bytes as a body; none for no body. It is called JSON unless the client's own headers say otherwise.
    pub(crate) async fn send(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        within(exchange(self.address, self.request(method, path, body.into()))).await
    }

    /// Opens a stream of events.
    pub(crate) async fn follow(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<Events, Answer> {
        within(Events::open(self.address, self.request(method, path, body.into()))).await
    }

    fn request(&self, method: &str, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        request = request.header("host", self.address.to_string());
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if !body.is_empty() && !self.headers.iter().any(|(name, _)| name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body)).unwrap()
    }
}

async fn exchange(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.expect("the server answers");
    let (head, body) = response.into_parts();
    // A stream of events has no end; that it was opened is what there is to know.
    if head.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        connection.abort();
        return Answer { status: head.status, headers: head.headers, body: Vec::new() };
    }
    let body = body.collect().await.expect("the whole body comes").to_bytes().to_vec();
    drop(sender);
    // The server may have closed its side without having read the whole request; the answer is what counts.
    let _ = connection.await;
    Answer { status: head.status, headers: head.headers, body }
}

/// Sends bytes that are no whole request, or no request at all, and answers with all that the server says until it
/// closes or has said a whole head.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    within(say(address, bytes)).await
}

/// Ends the test when the server does not answer in time.
pub(super) async fn within<T>(exchange: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, exchange).await.expect("the server answers in time")
}

async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    while !said.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut said).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(said).unwrap()
}

/// The parameters of a query.
pub(crate) type Parameters<'a> = &'a [(&'a str, &'a str)];

/// A path with an encoded query.
pub(crate) fn query(path: &str, parameters: Parameters<'_>) -> String {
    format!("{path}?{}", serde_urlencoded::to_string(parameters).unwrap())
}
