//! The limit: a poem handler that returns one record's bytes and does nothing else, alone and behind poem's stock layers.
//! It runs as a child process of the benchmark, so that its CPU time is counted as the server's is. Not a model of Stead.

use anyhow::Context as _;
use clap::ValueEnum;
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::middleware::{CatchPanic, Compression, Cors, SetHeader, Tracing};
use poem::{Endpoint, EndpointExt as _, Response, Route, Server, get, handler};

use crate::data;

/// The one path that it serves.
pub(crate) const PATH: &str = "/api/v1/collections/posts/records/r00000000000001";

/// What stands in front of the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layer {
    /// Nothing.
    None,
    /// A log line for each request, as JSON to standard error.
    Tracing,
    /// Compression, of an answer that is too small to gain by it.
    Compression,
    /// Twelve static headers.
    Headers,
    /// Cross-origin rules, seen from the same origin.
    Cors,
    /// Panics become answers.
    CatchPanic,
    /// All of these.
    Stock,
}

impl Layer {
    /// The row's name in the report.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::None => "bare handler",
            Self::Tracing => "+ Tracing (logs JSON)",
            Self::Compression => "+ Compression (gzip asked)",
            Self::Headers => "+ SetHeader (12 headers)",
            Self::Cors => "+ Cors (no Origin sent)",
            Self::CatchPanic => "+ CatchPanic",
            Self::Stock => "stock pipeline (all of these)",
        }
    }

    /// Whether the row's requests ask for compression.
    pub(crate) const fn gzip(self) -> bool {
        matches!(self, Self::Compression | Self::Stock)
    }
}

/// Serves on tokio's default runtime until the process is ended.
pub(crate) fn serve(layer: Layer) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        if matches!(layer, Layer::Tracing | Layer::Stock) {
            tracing_subscriber::fmt().json().with_writer(std::io::stderr).init();
        }
        let app = Route::new().at("/api/v1/collections/posts/records/:id", get(read_record));
        match layer {
            Layer::None => listen(app).await,
            Layer::Tracing => listen(app.with(Tracing)).await,
            Layer::Compression => listen(app.with(Compression::new())).await,
            Layer::Headers => listen(app.with(static_headers())).await,
            Layer::Cors => listen(app.with(Cors::new())).await,
            Layer::CatchPanic => listen(app.with(CatchPanic::new())).await,
            Layer::Stock => {
                let inner = app.with(Compression::new()).with(CatchPanic::new()).with(static_headers());
                listen(inner.with(Cors::new()).with(Tracing)).await
            }
        }
    })
}

async fn listen(app: impl Endpoint + 'static) -> anyhow::Result<()> {
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await?;
    let addr = acceptor.local_addr().first().and_then(|a| a.as_socket_addr().copied()).context("an address")?;
    println!("stead ready on http://{addr}");
    Server::new_with_acceptor(acceptor).run(app).await?;
    Ok(())
}

#[handler]
fn read_record() -> Response {
    Response::builder().content_type("application/json").body(data::STORED)
}

/// The set that helmet sends by default.
fn static_headers() -> SetHeader {
    SetHeader::new()
        .overriding("content-security-policy", "default-src 'self';base-uri 'self';object-src 'none'")
        .overriding("cross-origin-opener-policy", "same-origin")
        .overriding("cross-origin-resource-policy", "same-origin")
        .overriding("origin-agent-cluster", "?1")
        .overriding("referrer-policy", "no-referrer")
        .overriding("strict-transport-security", "max-age=31536000; includeSubDomains")
        .overriding("x-content-type-options", "nosniff")
        .overriding("x-dns-prefetch-control", "off")
        .overriding("x-download-options", "noopen")
        .overriding("x-frame-options", "SAMEORIGIN")
        .overriding("x-permitted-cross-domain-policies", "none")
        .overriding("x-xss-protection", "0")
}
