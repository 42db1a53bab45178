//! A stream of server-sent events as a client reads it.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle};

use super::{Answer, client::within};

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// An open stream. It is closed when it is dropped.
pub(crate) struct Events {
    body: Incoming,
    buffer: String,
    connection: JoinHandle<()>,
    _sender: http1::SendRequest<Full<Bytes>>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Events {
    /// Opens a stream; what is no stream is the error.
    pub(super) async fn open(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Self, Answer> {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            // However it ends, the stream ends with it.
            let _ = connection.await;
        });
        let response = sender.send_request(request).await.expect("the server answers");
        let (head, body) = response.into_parts();
        if head.headers.get("content-type").is_none_or(|kind| kind != "text/event-stream") {
            let body = body.collect().await.expect("the whole body comes").to_bytes().to_vec();
            return Err(Answer { status: head.status, headers: head.headers, body });
        }
        Ok(Self { body, buffer: String::new(), connection, _sender: sender })
    }

    /// The next event; `None` when the server has ended the stream. Comments are passed over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        within(async {
            loop {
                while let Some(end) = self.buffer.find("\n\n") {
                    let block: String = self.buffer.drain(..end + 2).collect();
                    if let Some(event) = event_of(&block) {
                        return Some(event);
                    }
                }
                let frame = self.body.frame().await?.ok()?;
                let part = frame.into_data().unwrap_or_default();
                self.buffer.push_str(std::str::from_utf8(&part).expect("events are UTF-8"));
            }
        })
        .await
    }

    /// The next event, which must have this name.
    pub(crate) async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.unwrap_or_else(|| panic!("the stream ended; {name} was to come"));
        assert_eq!(event.name, name, "{event:?}");
        event
    }
}

fn event_of(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let name = field("event")?.to_owned();
    let data = serde_json::from_str(field("data").unwrap_or("null")).expect("the data is JSON");
    Some(Event { id: field("id").unwrap_or_default().to_owned(), name, data })
}
