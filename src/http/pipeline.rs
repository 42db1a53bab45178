//! The one layer around all routes. It does what a stack of stock layers would do, in one pass over the request and
//! one over the answer: request id, CORS, limits, timeout, panics, errors, security headers, compression, log line.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, StreamExt as _};
use ipnet::IpNet;
use poem::{
    Body, Endpoint, EndpointExt as _, IntoResponse as _, PathPattern, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    web::{Compress, CompressionAlgo, CompressionLevel},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    ApiError, RateLimiter, Verdict,
    body::{BodyLimits, Streamed, too_large},
    cors::Cors,
    gate::UserTag,
    headers, problem,
    visitor::{ClientAddress, client_address, network_of},
};
use crate::{
    config::{Config, Http},
    kernel::{Clock, Code, IdSource},
};

const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The id of a request: the client's own when it is fit for a log, else a new one.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

/// The path template of the route that answered.
#[derive(Clone, Copy, Debug)]
struct Template(&'static str);

/// Names the route in the log by its template, so that the log holds no ids.
pub fn at<E: Endpoint + 'static>(template: &'static str, endpoint: E) -> impl Endpoint<Output = Response> + 'static {
    endpoint.map_to_response().around(move |inner, request| async move {
        let mut answer = inner.call(request).await;
        match &mut answer {
            Ok(response) => response.set_data(Template(template)),
            Err(error) => error.set_data(Template(template)),
        }
        answer
    })
}

/// What the pipeline is made with.
#[derive(Clone)]
pub struct PipelineOptions {
    /// The HTTP section of the configuration.
    pub http: Http,
    /// Addresses whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether each request is logged.
    pub log_requests: bool,
    /// The limit for each address.
    pub per_address: Option<Arc<RateLimiter<IpAddr>>>,
    /// The limit for each address at sign-in.
    pub sign_in: Option<Arc<RateLimiter<IpAddr>>>,
    /// The paths of sign-in.
    pub sign_in_paths: &'static [&'static str],
    /// Whether a request of this method and path has a body that is read as a stream of any length, in any time.
    pub takes_stream: fn(&Method, &str) -> bool,
    /// The methods that a path knows, for the answer to another one.
    pub methods_of: Arc<dyn Fn(&str) -> HeaderValue + Send + Sync>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for PipelineOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipelineOptions").field("http", &self.http).finish_non_exhaustive()
    }
}

impl PipelineOptions {
    /// As the configuration says.
    #[must_use]
    pub fn new(config: &Config, sign_in_paths: &'static [&'static str], clock: Arc<dyn Clock>) -> Self {
        Self {
            http: config.http.clone(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            log_requests: config.log.requests,
            per_address: RateLimiter::per_minute("address", config.rate_limit.per_address_per_minute).map(Arc::new),
            sign_in: RateLimiter::per_minute("sign-in", config.rate_limit.sign_in_per_minute).map(Arc::new),
            sign_in_paths,
            takes_stream: |_, _| false,
            methods_of: Arc::new(|_| HeaderValue::from_static("")),
            clock,
        }
    }

    /// With bodies that are read as streams.
    #[must_use]
    pub fn with_streams(self, takes_stream: fn(&Method, &str) -> bool) -> Self {
        Self { takes_stream, ..self }
    }

    /// With what tells the methods of a path.
    #[must_use]
    pub fn with_methods(self, methods_of: impl Fn(&str) -> HeaderValue + Send + Sync + 'static) -> Self {
        Self { methods_of: Arc::new(methods_of), ..self }
    }
}

/// The layer.
pub struct Pipeline<E> {
    inner: E,
    options: PipelineOptions,
    cors: Cors,
    ids: IdSource,
    slots: Arc<Semaphore>,
    timeout: Duration,
}

impl<E> std::fmt::Debug for Pipeline<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What is known of a request before it is answered.
struct Asked {
    started: Instant,
    method: Method,
    uri: Uri,
    id: Arc<str>,
    origin: Option<HeaderValue>,
    encoding: Option<CompressionAlgo>,
    verdict: Option<Verdict>,
    address: Option<IpAddr>,
}

impl<E: Endpoint<Output = Response>> Pipeline<E> {
    /// The pipeline around `inner`.
    pub fn new(inner: E, options: PipelineOptions) -> Self {
        let cors = Cors::new(&options.http.cors_origins, options.http.cors_max_age_seconds);
        let slots = Arc::new(Semaphore::new(options.http.requests_max));
        let timeout = Duration::from_millis(options.http.timeout_ms);
        Self { inner, options, cors, ids: IdSource::default(), slots, timeout }
    }

    fn ask(&self, request: &Request) -> Asked {
        let encoding = if self.options.http.compression { accepted_encoding(request.headers()) } else { None };
        Asked {
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            id: self.request_id(request),
            origin: self.cors.allowed(request),
            encoding,
            verdict: None,
            address: client_address(request, &self.options.trusted_proxies),
        }
    }

    fn request_id(&self, request: &Request) -> Arc<str> {
        let fit = |id: &&str| {
            (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match request.header(REQUEST_ID).filter(fit) {
            Some(given) => given.into(),
            None => self.ids.next(self.options.clock.now()).as_str().into(),
        }
    }

    /// Counts the request against the limits of its address.
    fn limit(&self, request: &Request, asked: &mut Asked) -> Result<(), ApiError> {
        let sign_in = self.options.sign_in_paths.contains(&request.uri().path());
        let limiters = [self.options.per_address.as_ref(), self.options.sign_in.as_ref().filter(|_| sign_in)];
        for limiter in limiters.into_iter().flatten() {
            let Some(address) = asked.address else { continue };
            let verdict = limiter.check(&network_of(address));
            asked.verdict = Some(verdict);
            if let Some(seconds) = verdict.retry_after_seconds {
                let detail = "too many requests from your address; slow down";
                return Err(ApiError::new(Code::RateLimited, detail).retry_after(seconds));
            }
        }
        Ok(())
    }

    async fn answer(&self, mut request: Request, asked: &mut Asked) -> poem::Result<Response> {
        self.limit(&request, asked)?;
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let detail = "the server works on as many requests as it can; try again shortly";
            return Err(ApiError::new(Code::Overloaded, detail).retry_after(1).into());
        };
        let limit = self.options.http.body_bytes_max;
        let is_stream = (self.options.takes_stream)(request.method(), request.uri().path());
        let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) && !is_stream {
            return Err(too_large(limit).into());
        }
        let idle = Duration::from_millis(self.options.http.stream_idle_ms);
        request.set_data(BodyLimits { bytes_max: limit, idle });
        request.set_data(RequestId(Arc::clone(&asked.id)));
        request.set_data(ClientAddress(asked.address));
        let call = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        // Whoever reads a stream waits for no part of it longer than `idle`.
        let answer = match is_stream {
            true => Ok(call.await),
            false => tokio::time::timeout(self.timeout, call).await,
        };
        match answer {
            Ok(Ok(answer)) => answer.map(|response| hold(response, slot)),
            Ok(Err(_panic)) => {
                Err(problem::internal("a handler panicked; the panic's message stands before this line".into()).into())
            }
            Err(_elapsed) => Err(ApiError::new(Code::Timeout, "the request took longer than the server allows").into()),
        }
    }

    /// From an error to its answer. What the error carried for the log and the headers goes with it.
    fn problem(&self, mut error: poem::Error, asked: &Asked) -> Response {
        let (template, tag) = (error.data::<Template>().copied(), error.data::<UserTag>().cloned());
        let pattern = error.data::<PathPattern>().cloned();
        let verdict = error.data::<Verdict>().copied();
        let unknown_method = error.status() == StatusCode::METHOD_NOT_ALLOWED;
        if error.is_from_response() {
            return error.into_response();
        }
        error.set_error_message(error.to_string());
        let error = ApiError::of(error);
        if let Some(cause) = error.cause() {
            tracing::error!(request_id = &*asked.id, cause, "a request failed");
        }
        let mut response = error.into_response(&asked.id);
        if let Some(template) = template {
            response.set_data(template);
        }
        if let Some(pattern) = pattern {
            response.set_data(pattern);
        }
        if let Some(tag) = tag {
            response.set_data(tag);
        }
        if let Some(verdict) = verdict {
            verdict.write(response.headers_mut());
        }
        if unknown_method {
            // RFC 9110, 15.5.6
            response.headers_mut().insert(header::ALLOW, (self.options.methods_of)(asked.uri.path()));
        }
        response
    }

    async fn finish(&self, mut response: Response, asked: Asked) -> Response {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(&*asked.id) {
            headers.insert(REQUEST_ID, id);
        }
        if self.options.http.security_headers {
            headers::write(headers);
        }
        if let Some(verdict) = asked.verdict {
            verdict.write(headers);
        }
        self.cors.write(asked.origin.clone(), headers);
        if self.options.log_requests {
            log(&asked, &response);
        }
        match asked.encoding {
            Some(encoding) => compress(response, encoding, self.options.http.compression_bytes_min).await,
            None => response,
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Pipeline<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let mut asked = self.ask(&request);
        if let Some(response) = self.cors.preflight(&request, asked.origin.as_ref()) {
            return Ok(self.finish(response, asked).await);
        }
        let answer = self.answer(request, &mut asked).await;
        let response = answer.unwrap_or_else(|error| self.problem(error, &asked));
        Ok(self.finish(response, asked).await)
    }
}

/// Keeps the place of a request until its answer is sent, when that is made while it is sent.
fn hold(mut response: Response, slot: OwnedSemaphorePermit) -> Response {
    if matches!(response.data::<Streamed>(), None | Some(Streamed::Events)) {
        return response;
    }
    let body = response.take_body().into_bytes_stream();
    response.set_body(Body::from_bytes_stream(body.inspect(move |_| {
        let _held = &slot;
    })));
    response
}

/// The route that answered, as a template: only its prefix when none below knew the path, `-` when none did at all.
fn route_of(response: &Response) -> &str {
    let own = response.data::<Template>().map(|template| template.0);
    own.or_else(|| response.data::<PathPattern>().map(|pattern| &*pattern.0)).unwrap_or("-")
}

fn log(asked: &Asked, response: &Response) {
    let template = route_of(response);
    let user = response.data::<UserTag>().map_or("-", |tag| &*tag.0);
    let duration_us = u64::try_from(asked.started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        target: "request",
        method = asked.method.as_str(),
        path = template,
        request_id = &*asked.id,
        user,
        status = response.status().as_u16(),
        duration_us,
    );
}

/// The best encoding that the client accepts: zstd, then brotli, then gzip.
fn accepted_encoding(headers: &HeaderMap) -> Option<CompressionAlgo> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let names = [("zstd", CompressionAlgo::ZSTD), ("br", CompressionAlgo::BR), ("gzip", CompressionAlgo::GZIP)];
    let accepts = |name: &str| {
        accepted.split(',').any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let own = parts.next().is_some_and(|own| own.eq_ignore_ascii_case(name));
            let refused =
                parts.any(|part| matches!(part.replace(' ', "").as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            own && !refused
        })
    };
    names.into_iter().find(|(name, _)| accepts(name)).map(|(_, algorithm)| algorithm)
}

/// Compresses texts from a size on, and streams always. Other bodies are in memory, so asking for their size costs nothing.
async fn compress(mut response: Response, algorithm: CompressionAlgo, bytes_min: usize) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let text =
        kind.starts_with("text/") || kind.contains("json") || kind.contains("javascript") || kind.contains("svg");
    let streamed = response.data::<Streamed>().copied();
    // A compressor holds back what a live stream is there to tell at once.
    if !text
        || matches!(streamed, Some(Streamed::Live | Streamed::Events))
        || response.headers().contains_key(header::CONTENT_ENCODING)
    {
        return response;
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if streamed.is_some() {
        return Compress::new(response, algorithm).with_quality(CompressionLevel::Fastest).into_response();
    }
    let Ok(bytes) = response.take_body().into_bytes().await else { return response };
    let small = bytes.len() < bytes_min;
    response.set_body(Body::from(bytes));
    if small {
        return response;
    }
    Compress::new(response, algorithm).with_quality(CompressionLevel::Fastest).into_response()
}
