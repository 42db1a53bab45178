//! The endpoints of records. They are plain routes, for their schemas change while the server runs; the document
//! describes them by collection.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use poem::{
    Endpoint, Request, RequestBody, Response, Route, delete, endpoint, get,
    http::{HeaderName, HeaderValue, StatusCode, header},
};

pub use super::transfer::api::takes_stream;
use super::{Bulk, Caller, Idempotency, KEY_MAX, RecordService, Shown, takeover::TakeoverMode, transfer};
use crate::{
    http::{
        ApiError, Renewal, address_of, at, caller_of, json_response, query_parameters, read_body, read_bytes,
        request_id_of,
    },
    kernel::{Code, FieldError},
};

const LIST: &str = "/collections/:collection/records";
const ONE: &str = "/collections/:collection/records/:id";
const HISTORY: &str = "/collections/:collection/records/:id/history";
const UPSERT: &str = "/collections/:collection/upsert";
const BATCH: &str = "/batch";
const AGGREGATE: &str = "/collections/:collection/aggregate";
const TAKEOVER: &str = "/collections/:collection/takeover";

/// Adds the routes of records under the base path `base`, which is `/api/v1`.
pub fn mount(route: Route, records: &Arc<RecordService>) -> Route {
    let route = route
        .at(
            LIST,
            at(
                "/api/v1/collections/:collection/records",
                delete(on(records, remove_all))
                    .get(on(records, list))
                    .post(on(records, create))
                    .patch(on(records, patch_all)),
            ),
        )
        .at(HISTORY, at("/api/v1/collections/:collection/records/:id/history", get(on(records, history))))
        .at(UPSERT, at("/api/v1/collections/:collection/upsert", poem::post(on(records, upsert))))
        .at(BATCH, at("/api/v1/batch", poem::post(on(records, batch))))
        .at(
            ONE,
            at(
                "/api/v1/collections/:collection/records/:id",
                delete(on(records, remove)).get(on(records, read)).put(on(records, replace)).patch(on(records, patch)),
            ),
        )
        .at(AGGREGATE, at("/api/v1/collections/:collection/aggregate", get(on(records, aggregate))));
    transfer::api::mount(route, records)
}

/// Adds the routes that nobody but the operator has; they are not on the network, and so not in the document.
pub fn mount_operator(route: Route, records: &Arc<RecordService>) -> Route {
    route.at(TAKEOVER, at("/api/v1/collections/:collection/takeover", poem::post(on(records, take_over))))
}

/// A request with the body apart, as handlers take it.
pub(super) struct Call {
    pub(super) records: Arc<RecordService>,
    pub(super) request: Request,
    pub(super) body: RequestBody,
}

/// A handler as an endpoint.
pub(super) fn on<F, Fut>(records: &Arc<RecordService>, handler: F) -> impl Endpoint<Output = Response> + 'static
where
    F: Fn(Call) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
{
    let records = Arc::clone(records);
    endpoint::make(move |request: Request| {
        let records = Arc::clone(&records);
        let (request, body) = request.split();
        async move { handler(Call { records, request, body }).await.map_err(poem::Error::from) }
    })
}

impl Call {
    pub(super) fn caller(&self) -> Result<Caller, ApiError> {
        let (request_id, address) = (request_id_of(&self.request), address_of(&self.request));
        let renewal = self.request.data::<Renewal>().cloned();
        Ok(Caller { principal: caller_of(&self.request)?, request_id, address, renewal })
    }

    fn parameter(&self, name: &str) -> Result<String, ApiError> {
        let found = self.request.raw_path_param(name).unwrap_or_default();
        let decoded = percent_encoding::percent_decode_str(found).decode_utf8();
        decoded.map(std::borrow::Cow::into_owned).map_err(|_| ApiError::new(Code::BadRequest, "the path is not UTF-8"))
    }

    pub(super) fn collection(&self) -> Result<String, ApiError> {
        self.parameter("collection")
    }

    /// Whether `If-None-Match` names this tag.
    fn knows(&self, etag: &str) -> bool {
        let known = self.request.header(header::IF_NONE_MATCH).unwrap_or_default();
        known.split(',').any(|known| known.trim().trim_start_matches("W/") == etag)
    }

    /// The version that `If-Match` names.
    fn expected(&self) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.request.header(header::IF_MATCH).filter(|value| *value != "*") else { return Ok(None) };
        let version = value.trim().trim_start_matches("W/").trim_matches('"').parse();
        version
            .map(Some)
            .map_err(|_| ApiError::new(Code::BadRequest, "If-Match must be an ETag of the record, such as \"3\""))
    }
}

impl Call {
    /// The `Idempotency-Key` of the request, with a digest of all that the answer depends on.
    fn idempotency(&self, body: &[u8]) -> Result<Option<Idempotency>, ApiError> {
        let Some(key) = self.request.headers().get("idempotency-key") else { return Ok(None) };
        let fits = |key: &&str| (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        let key = key.to_str().ok().filter(fits).ok_or_else(|| {
            let detail = format!("Idempotency-Key must have 1 to {KEY_MAX} visible ASCII characters");
            ApiError::new(Code::BadRequest, detail)
        })?;
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.request.method().as_str(), &self.request.original_uri().to_string()] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        context.update(body);
        let fingerprint = URL_SAFE_NO_PAD.encode(context.finish());
        Ok(Some(Idempotency { key: key.to_owned(), fingerprint }))
    }

    /// Which records a request about many means. It must say so: forgetting a filter is not asking for all.
    fn bulk(&self) -> Result<Bulk, ApiError> {
        let (mut filter, mut dry_run, mut errors) = (None, false, Vec::new());
        for (name, value) in query_parameters(&self.request)? {
            match (name.as_str(), value.as_str()) {
                ("filter", _) if !value.trim().is_empty() => filter = Some(value),
                ("dryRun", "true" | "false") => dry_run = value == "true",
                ("dryRun", _) => errors.push(FieldError::new("dryRun", "type", "must be true or false")),
                ("filter", _) => {}
                _ => errors.push(FieldError::new(&name, "unknown_parameter", "there are filter and dryRun")),
            }
        }
        if filter.is_none() {
            let detail = "says which records are meant; `true` means all of them";
            errors.push(FieldError::new("filter", "required", detail));
        }
        match filter {
            Some(filter) if errors.is_empty() => Ok(Bulk { filter, dry_run }),
            _ => Err(ApiError::new(Code::InvalidParameter, "a parameter is not valid; see errors").with_errors(errors)),
        }
    }
}

fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

fn one(status: StatusCode, shown: Shown) -> Response {
    let mut response = json_response(status, shown.json);
    response.headers_mut().insert(header::ETAG, etag(shown.version));
    response
}

async fn list(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let known = |etag: &str| call.knows(etag);
    let listed = call.records.list_json(&call.caller()?, &call.collection()?, &parameters, known).await?;
    let mut response = match listed.json {
        Some(json) => Response::builder().content_type("application/json").body(json),
        None => StatusCode::NOT_MODIFIED.into(),
    };
    // RFC 9211 tells whether a page was made or kept.
    let status = listed.hit.map(|hit| if hit { "stead; hit" } else { "stead; fwd=miss" });
    let texts = [
        (header::ETAG, listed.etag.as_deref()),
        (header::CACHE_CONTROL, listed.cache_control.as_deref()),
        (HeaderName::from_static("cache-status"), status),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

async fn aggregate(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let answer = call.records.aggregate(&call.caller()?, &call.collection()?, &parameters).await?;
    Ok(json_response(StatusCode::OK, answer))
}

async fn create(mut call: Call) -> Result<Response, ApiError> {
    let body = read_body(&call.request, &mut call.body).await?;
    let collection = call.collection()?;
    let (caller, idempotency) = (call.caller()?, call.idempotency(&body)?);
    let shown = match idempotency {
        None => call.records.create(&caller, &collection, &body).await?,
        Some(idempotency) => call.records.create_once(&caller, &collection, &body, idempotency).await?.shown,
    };
    Ok(created(&collection, shown))
}

fn created(collection: &str, shown: Shown) -> Response {
    let location = format!("/api/v1/collections/{collection}/records/{}", shown.id);
    let mut response = one(StatusCode::CREATED, shown);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn upsert(mut call: Call) -> Result<Response, ApiError> {
    let body = read_body(&call.request, &mut call.body).await?;
    let parameters = query_parameters(&call.request)?;
    let by = match parameters.as_slice() {
        [] => vec!["id".to_owned()],
        [(name, fields)] if name == "by" => fields.split(',').map(|field| field.trim().to_owned()).collect(),
        _ => {
            return Err(ApiError::new(
                Code::InvalidParameter,
                "there is only by, which names fields of a unique index",
            ));
        }
    };
    let (collection, idempotency) = (call.collection()?, call.idempotency(&body)?);
    let answer = call.records.upsert(&call.caller()?, &collection, by, &body, idempotency).await?;
    match answer.status {
        201 => Ok(created(&collection, answer.shown)),
        _ => Ok(one(StatusCode::OK, answer.shown)),
    }
}

async fn batch(mut call: Call) -> Result<Response, ApiError> {
    let body = read_body(&call.request, &mut call.body).await?;
    let idempotency = call.idempotency(&body)?;
    let answer = call.records.batch(&call.caller()?, &body, idempotency).await?;
    Ok(json_response(StatusCode::OK, answer.shown.json))
}

async fn patch_all(mut call: Call) -> Result<Response, ApiError> {
    let body = read_body(&call.request, &mut call.body).await?;
    let (bulk, idempotency) = (call.bulk()?, call.idempotency(&body)?);
    let answer = call.records.update_all(&call.caller()?, &call.collection()?, bulk, &body, idempotency).await?;
    Ok(json_response(StatusCode::OK, answer.shown.json))
}

async fn remove_all(call: Call) -> Result<Response, ApiError> {
    let (bulk, idempotency) = (call.bulk()?, call.idempotency(&[])?);
    let answer = call.records.delete_all(&call.caller()?, &call.collection()?, bulk, idempotency).await?;
    Ok(json_response(StatusCode::OK, answer.shown.json))
}

async fn read(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let collection = call.collection()?;
    let caching = call.records.caching(&collection, &parameters)?;
    let shown = call.records.read(call.caller()?, collection, call.parameter("id")?, parameters).await?;
    let tag = etag(shown.version);
    let mut response = match caching.by_version && call.knows(tag.to_str().unwrap_or_default()) {
        true => Response::builder().status(StatusCode::NOT_MODIFIED).header(header::ETAG, tag).finish(),
        false => one(StatusCode::OK, shown),
    };
    if let Some(value) = caching.cache_control {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, value.try_into().unwrap_or(HeaderValue::from_static("no-cache")));
    }
    Ok(response)
}

async fn history(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let body = call.records.history(call.caller()?, call.collection()?, call.parameter("id")?, parameters).await?;
    Ok(json_response(StatusCode::OK, body))
}

async fn patch(call: Call) -> Result<Response, ApiError> {
    change(call, false).await
}

async fn replace(call: Call) -> Result<Response, ApiError> {
    change(call, true).await
}

async fn change(mut call: Call, replace: bool) -> Result<Response, ApiError> {
    let body = read_body(&call.request, &mut call.body).await?;
    let (collection, id, expected) = (call.collection()?, call.parameter("id")?, call.expected()?);
    let shown = call.records.update(&call.caller()?, &collection, &id, body, replace, expected).await?;
    Ok(one(StatusCode::OK, shown))
}

async fn remove(call: Call) -> Result<Response, ApiError> {
    let (collection, id, expected) = (call.collection()?, call.parameter("id")?, call.expected()?);
    call.records.delete(&call.caller()?, &collection, &id, expected).await?;
    Ok(Response::builder().status(StatusCode::NO_CONTENT).finish())
}

async fn take_over(mut call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let mode = match parameters.as_slice() {
        [(name, value)] if name == "mode" => TakeoverMode::named(value),
        _ => None,
    };
    let mode = mode
        .ok_or_else(|| ApiError::new(Code::InvalidParameter, "there is only mode, which is create, upsert or patch"))?;
    let lines = read_bytes(&call.request, &mut call.body).await?;
    let report = call.records.take_over(&call.caller()?, &call.collection()?, &lines, mode).await?;
    Ok(json_response(StatusCode::OK, serde_json::to_vec(&report).unwrap_or_default()))
}
