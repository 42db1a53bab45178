//! The endpoints of records. They are plain routes, for their schemas change while the server runs; the document
//! describes them by collection.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use poem::{
    Body, Endpoint, Request, RequestBody, Response, Route, delete, endpoint, get,
    http::{HeaderValue, StatusCode, header},
};

use super::{Caller, ImportMode, Page, RecordService, Shown, takeover::TakeoverMode};
use crate::{
    http::{ApiError, at, caller_of, json_response, query_parameters, read_body, read_bytes, request_id_of},
    kernel::Code,
};

const LIST: &str = "/collections/:collection/records";
const ONE: &str = "/collections/:collection/records/:id";
const IMPORT: &str = "/collections/:collection/import";
const AGGREGATE: &str = "/collections/:collection/aggregate";
const EXPORT: &str = "/collections/:collection/export";
const TAKEOVER: &str = "/collections/:collection/takeover";

/// Adds the routes of records under the base path `base`, which is `/api/v1`.
pub fn mount(route: Route, records: &Arc<RecordService>) -> Route {
    route
        .at(LIST, at("/api/v1/collections/:collection/records", get(on(records, list)).post(on(records, create))))
        .at(
            ONE,
            at(
                "/api/v1/collections/:collection/records/:id",
                delete(on(records, remove)).get(on(records, read)).put(on(records, replace)).patch(on(records, patch)),
            ),
        )
        .at(AGGREGATE, at("/api/v1/collections/:collection/aggregate", get(on(records, aggregate))))
        .at(IMPORT, at("/api/v1/collections/:collection/import", poem::post(on(records, import))))
        .at(EXPORT, at("/api/v1/collections/:collection/export", get(on(records, export))))
}

/// Adds the routes that nobody but the operator has; they are not on the network, and so not in the document.
pub fn mount_operator(route: Route, records: &Arc<RecordService>) -> Route {
    route.at(TAKEOVER, at("/api/v1/collections/:collection/takeover", poem::post(on(records, take_over))))
}

/// A request with the body apart, as handlers take it.
struct Call {
    records: Arc<RecordService>,
    request: Request,
    body: RequestBody,
}

/// A handler as an endpoint.
fn on<F, Fut>(records: &Arc<RecordService>, handler: F) -> impl Endpoint<Output = Response> + 'static
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
    fn caller(&self) -> Result<Caller, ApiError> {
        Ok(Caller { principal: caller_of(&self.request)?, request_id: request_id_of(&self.request) })
    }

    fn parameter(&self, name: &str) -> Result<String, ApiError> {
        let found = self.request.raw_path_param(name).unwrap_or_default();
        let decoded = percent_encoding::percent_decode_str(found).decode_utf8();
        decoded.map(std::borrow::Cow::into_owned).map_err(|_| ApiError::new(Code::BadRequest, "the path is not UTF-8"))
    }

    fn collection(&self) -> Result<String, ApiError> {
        self.parameter("collection")
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
    let page = call.records.list(&call.caller()?, &call.collection()?, &parameters).await?;
    Ok(json_response(StatusCode::OK, page_json(&page)))
}

/// The page as JSON text, made of the records' own texts.
fn page_json(page: &Page) -> Vec<u8> {
    let size: usize = page.items.iter().map(|item| item.len() + 1).sum();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(b"{\"items\":[");
    for (index, item) in page.items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.extend_from_slice(b"],\"nextCursor\":");
    match &page.next_cursor {
        // A cursor is base64, which JSON does not escape.
        Some(cursor) => out.extend_from_slice(format!("\"{cursor}\"").as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    if let Some(page) = page.page {
        out.extend_from_slice(format!(",\"page\":{page}").as_bytes());
    }
    if let Some(total) = page.total {
        out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
    }
    if let Some(explain) = &page.explain {
        out.extend_from_slice(format!(",\"explain\":{explain}").as_bytes());
    }
    out.push(b'}');
    out
}

async fn aggregate(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let answer = call.records.aggregate(&call.caller()?, &call.collection()?, &parameters).await?;
    Ok(json_response(StatusCode::OK, answer))
}

async fn create(mut call: Call) -> Result<Response, ApiError> {
    let body = read_body(&call.request, &mut call.body).await?;
    let collection = call.collection()?;
    let shown = call.records.create(&call.caller()?, &collection, &body).await?;
    let location = format!("/api/v1/collections/{collection}/records/{}", shown.id);
    let mut response = one(StatusCode::CREATED, shown);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn read(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let shown = call.records.read(&call.caller()?, &call.collection()?, &call.parameter("id")?, &parameters)?;
    let tag = etag(shown.version);
    let known = call.request.header(header::IF_NONE_MATCH).unwrap_or_default();
    if known.split(',').any(|known| known.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes()) {
        return Ok(Response::builder().status(StatusCode::NOT_MODIFIED).header(header::ETAG, tag).finish());
    }
    Ok(one(StatusCode::OK, shown))
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

async fn import(mut call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let mode = match parameters.as_slice() {
        [] => ImportMode::Create,
        [(name, value)] if name == "mode" && value == "create" => ImportMode::Create,
        [(name, value)] if name == "mode" && value == "upsert" => ImportMode::Upsert,
        _ => return Err(ApiError::new(Code::InvalidParameter, "there is only mode, which is create or upsert")),
    };
    let lines = read_bytes(&call.request, &mut call.body).await?;
    let report = call.records.import(&call.caller()?, &call.collection()?, &lines, mode).await?;
    Ok(json_response(StatusCode::OK, serde_json::to_vec(&report).unwrap_or_default()))
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

async fn export(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let filter = match parameters.as_slice() {
        [] => String::new(),
        [(name, value)] if name == "filter" => value.clone(),
        _ => return Err(ApiError::new(Code::InvalidParameter, "there is only filter")),
    };
    let chunks = call.records.export(&call.caller()?, &call.collection()?, &filter)?;
    let body = Body::from_bytes_stream(chunks.map_err(std::io::Error::other).boxed());
    Ok(Response::builder().content_type("application/x-ndjson").body(body))
}
