//! The API as commands use it: through the socket of the server that runs, or in this process while none does.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use futures_util::{
    Stream, StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request,
    body::{Bytes, Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::{
    app::{self, App},
    config::Config,
    kernel::SystemClock,
    server::CONTROL_SOCKET,
    store::OpenError,
};

/// A client with the rights of the operator.
pub(super) struct Client {
    way: Way,
}

enum Way {
    Socket(http1::SendRequest<UnsyncBoxBody<Bytes, std::io::Error>>),
    InProcess(Box<App>),
}

/// An answer, its body read as it comes.
pub(super) struct Answer {
    pub(super) status: u16,
    body: AnswerBody,
}

enum AnswerBody {
    Socket(Incoming),
    InProcess(BoxStream<'static, std::io::Result<Bytes>>),
}

impl Client {
    /// Reaches the data folder of the configuration.
    pub(super) async fn connect(config: &Config) -> anyhow::Result<Self> {
        match app::open_store(config) {
            Ok(store) => {
                let app = App::start(config, store, Arc::new(SystemClock)).await?;
                Ok(Self { way: Way::InProcess(Box::new(app)) })
            }
            Err(in_use @ OpenError::InUse { .. }) => {
                let socket = config.server.data.join(CONTROL_SOCKET);
                let stream = UnixStream::connect(&socket)
                    .await
                    .with_context(|| format!("{in_use} (and no server answers on {})", socket.display()))?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                // An error of the connection shows as an error of the request on it.
                tokio::spawn(async move { drop(connection.await) });
                Ok(Self { way: Way::Socket(sender) })
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Sends a request with a body of JSON.
    pub(super) async fn send(&mut self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
        self.stream(method, path, stream::iter((!body.is_empty()).then(|| Ok(Bytes::from(body))))).await
    }

    /// Sends a request with a body that is made while it is sent. The answer may come before its end.
    pub(super) async fn stream(
        &mut self,
        method: Method,
        path: &str,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> anyhow::Result<Answer> {
        match &mut self.way {
            Way::Socket(sender) => {
                sender.ready().await?;
                let request = Request::builder().method(method).uri(path).header("host", "stead");
                let body = UnsyncBoxBody::new(StreamBody::new(body.map_ok(Frame::data)));
                let answer = sender.send_request(request.body(body)?).await?;
                Ok(Answer { status: answer.status().as_u16(), body: AnswerBody::Socket(answer.into_body()) })
            }
            Way::InProcess(app) => {
                let request = poem::Request::builder().method(method).uri(path.parse()?);
                let request = request.body(poem::Body::from_bytes_stream(body));
                let answer = app.operator.call(request).await.map_err(|error| anyhow::anyhow!("{error}"))?;
                Ok(Answer {
                    status: answer.status().as_u16(),
                    body: AnswerBody::InProcess(answer.into_body().into_bytes_stream().boxed()),
                })
            }
        }
    }

    /// Sends a request and reads a JSON answer; a problem becomes an error that says it.
    pub(super) async fn json(&mut self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Value> {
        let answer = self.send(method, path, body).await?;
        let status = answer.status;
        let text = answer.bytes().await?;
        let value: Value = if text.is_empty() { Value::Null } else { serde_json::from_slice(&text)? };
        if status < 400 { Ok(value) } else { bail!("{}", describe(&value)) }
    }

    /// Ends the client; in this process, commits and closes the store.
    pub(super) async fn close(self) {
        if let Way::InProcess(app) = self.way {
            app.close().await;
        }
    }
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> anyhow::Result<Option<Bytes>> {
        match &mut self.body {
            AnswerBody::Socket(incoming) => loop {
                match incoming.frame().await.transpose()? {
                    None => return Ok(None),
                    Some(frame) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            },
            AnswerBody::InProcess(stream) => Ok(stream.next().await.transpose()?),
        }
    }

    /// The whole body.
    pub(super) async fn bytes(mut self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// A problem document as a person reads it.
pub(super) fn describe(problem: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = vec![text(problem, "detail")];
    let errors = problem.get("errors").and_then(Value::as_array);
    for error in errors.into_iter().flatten() {
        lines.push(format!("  {}: {}", text(error, "pointer"), text(error, "detail")));
    }
    lines.join("\n")
}
