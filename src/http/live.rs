//! Answers that stay open and tell when there is news, as server-sent events
//! ([HTML, 9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html)).
//!
//! They hold no place among the requests that are worked on, but one of their own; and who called is asked anew while they are open.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use poem::{
    IntoResponse, Request, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type as _,
};

use super::{ApiError, Renewal, Streamed, caller_of, stream_response};
use crate::{access::Principal, config::Config, kernel::Code};

/// The media type.
const EVENTS: &str = "text/event-stream";
/// How often a stream without news says that it is there, unless connections end sooner.
const BEAT: Duration = Duration::from_secs(15);
/// The most streams that one caller has open.
const OF_CALLER_MAX: usize = 100;

/// Who calls, asked anew while an answer goes on.
#[derive(Clone, Debug)]
pub struct LiveCaller {
    renewal: Option<Renewal>,
    first: Arc<Principal>,
}

impl LiveCaller {
    /// The caller of a request.
    ///
    /// # Errors
    /// As [`caller_of`].
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        Ok(Self { renewal: request.data::<Renewal>().cloned(), first: caller_of(request)? })
    }

    /// The caller as of now; `None` when the credentials have ended, or it cannot be known.
    #[must_use]
    pub fn now(&self) -> Option<Arc<Principal>> {
        match &self.renewal {
            None => Some(Arc::clone(&self.first)),
            Some(renewal) => renewal.caller().ok().flatten(),
        }
    }

    fn id(&self) -> String {
        self.first.id.to_string()
    }
}

/// How many streams are open.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_caller: HashMap<String, usize>,
}

/// The streams that are open, within their bounds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LiveStreams {
    open: Arc<Mutex<Open>>,
    max: usize,
    /// How often a stream without news says that it is there.
    pub beat: Duration,
}

/// The place of a stream, for as long as it is open.
#[derive(Debug)]
pub struct LivePlace {
    streams: LiveStreams,
    caller: String,
}

impl LiveStreams {
    /// No streams, and the bounds of the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        // A proxy or this server ends a connection on which nothing is said.
        let beat =
            BEAT.min(Duration::from_secs(config.server.idle_timeout_seconds) / 2).max(Duration::from_millis(500));
        Self { open: Arc::default(), max: config.http.live_max, beat }
    }

    /// A place for one more.
    ///
    /// # Errors
    /// 503 when there are as many as there may be, 429 when the caller has as many as one may have.
    pub fn enter(&self, caller: &LiveCaller) -> Result<LivePlace, ApiError> {
        let caller = caller.id();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.max {
            let detail = "the server has as many streams open as it may (http.live_max); try again shortly";
            return Err(ApiError::new(Code::Overloaded, detail).retry_after(5));
        }
        let own = open.by_caller.get(&caller).copied().unwrap_or(0);
        if own >= OF_CALLER_MAX {
            let detail = format!("you have {OF_CALLER_MAX} streams open; close one first");
            return Err(ApiError::new(Code::RateLimited, detail).retry_after(5));
        }
        open.by_caller.insert(caller.clone(), own + 1);
        open.all += 1;
        drop(open);
        Ok(LivePlace { streams: self.clone(), caller })
    }
}

impl Drop for LivePlace {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(own) = open.by_caller.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                open.by_caller.remove(&self.caller);
            }
        }
    }
}

/// One event. `data` has no line breaks: it is JSON.
#[must_use]
pub fn event(name: &str, id: Option<&str>, data: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}

/// What is said when there is no news.
#[must_use]
pub fn beat() -> Bytes {
    Bytes::from_static(b": nothing new\n\n")
}

/// A stream of events as an answer.
pub struct EventStream(Response);

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventStream")
    }
}

impl EventStream {
    /// An answer that sends these events, and holds its place while it does.
    pub fn new(place: LivePlace, events: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        let events = events.map(move |event| {
            let _held = &place;
            Ok::<_, Infallible>(event)
        });
        let mut response = stream_response(EVENTS, Streamed::Events, events);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // nginx would hold back what it has not enough of.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Self(response)
    }
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for EventStream {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: EVENTS, schema: String::schema_ref() }];
        let description = "Server-sent events, for as long as the connection is open.";
        let response =
            MetaResponse { description, status: Some(200), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![response] }
    }

    fn register(_registry: &mut Registry) {}
}
