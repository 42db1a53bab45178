//! Reading bodies and queries, writing JSON answers.

use std::{marker::PhantomData, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use jiff::Timestamp;
use poem::{
    Body, IntoResponse, Request, RequestBody, Response,
    http::{StatusCode, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::{Serialize, de::DeserializeOwned};

use super::ApiError;
use crate::kernel::{Code, FieldError};

/// The type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// The bounds of a body, put into each request by the pipeline.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The most bytes of a body that is read whole, or of one part of a stream.
    pub bytes_max: usize,
    /// How long a stream may stand still.
    pub idle: Duration,
}

impl BodyLimits {
    /// Those of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        request.data().copied().unwrap_or(Self { bytes_max: usize::MAX, idle: Duration::MAX })
    }
}

/// Marks an answer whose body is never held whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streamed {
    /// Much of it, as fast as the client takes it.
    Bulk,
    /// Little of it, each part when there is news.
    Live,
    /// The same, without end: it holds a place of its own, not that of a request.
    Events,
}

/// An answer that is made while it is sent.
pub fn stream_response<E: std::error::Error + Send + Sync + 'static>(
    content_type: &str,
    kind: Streamed,
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Response {
    let body = Body::from_bytes_stream(chunks.map_err(std::io::Error::other));
    let mut response = Response::builder().content_type(content_type).body(body);
    response.set_data(kind);
    response
}

/// Reads a JSON body whole, within the limit.
///
/// # Errors
/// 413 when it is larger than the limit, 415 when it is of another type, 400 when the client broke off.
pub async fn read_body(request: &Request, body: &mut RequestBody) -> Result<Vec<u8>, ApiError> {
    let json = |value: &str| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
    };
    if let Some(value) = request.header(header::CONTENT_TYPE).filter(|value| !json(value)) {
        let detail = format!("the body is {value}; it must be application/json");
        return Err(ApiError::new(Code::UnsupportedMediaType, detail));
    }
    read_bytes(request, body).await
}

/// Reads a body of any type whole, within the limit.
///
/// # Errors
/// 413 when it is larger than the limit, 400 when the client broke off.
pub async fn read_bytes(request: &Request, body: &mut RequestBody) -> Result<Vec<u8>, ApiError> {
    read_within(body, BodyLimits::of(request).bytes_max).await
}

async fn read_within(body: &mut RequestBody, limit: usize) -> Result<Vec<u8>, ApiError> {
    let body = body.take().map_err(|_| ApiError::new(Code::BadRequest, "the body was read already"))?;
    match body.into_bytes_limit(limit).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(poem::error::ReadBodyError::PayloadTooLarge) => Err(too_large(limit)),
        Err(_) => Err(ApiError::new(Code::BadRequest, "the body ended early")),
    }
}

pub(super) fn too_large(limit: usize) -> ApiError {
    ApiError::new(Code::BodyTooLarge, format!("the body is larger than {limit} bytes"))
}

/// The parameters of the query, decoded, in order.
///
/// # Errors
/// 400 when the query is not form-encoded.
pub fn query_parameters(request: &Request) -> Result<Vec<(String, String)>, ApiError> {
    let Some(query) = request.uri().query() else { return Ok(Vec::new()) };
    // What follows would put replacement characters in the place of bytes that are no text.
    if percent_encoding::percent_decode_str(query).decode_utf8().is_err() {
        return Err(ApiError::new(Code::BadRequest, "the query is not UTF-8"));
    }
    serde_urlencoded::from_str(query).map_err(|_| ApiError::new(Code::BadRequest, "the query is not form-encoded"))
}

/// A time in a parameter of the query.
///
/// # Errors
/// 400 when it is none.
pub fn time_parameter(name: &str, text: Option<String>) -> Result<Option<Timestamp>, ApiError> {
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|_| {
        let errors = vec![FieldError::new(name, "format", "must be a time in RFC 3339, such as 2026-01-31T09:30:00Z")];
        ApiError::new(Code::InvalidParameter, "a parameter is not valid; see errors").with_errors(errors)
    })
}

/// An answer whose body is JSON text already.
#[must_use]
pub fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    Response::builder().status(status).content_type("application/json").body(body)
}

/// The answer of an operation that has nothing to tell but that it is done.
#[derive(Clone, Copy, Debug, poem_openapi::ApiResponse)]
pub enum NoContent {
    /// It is done.
    #[oai(status = 204)]
    Done,
}

/// A JSON body of type `T`, described in the document as `S`. Unlike the framework's own, a body that does not fit
/// answers 422 with the place. Its bounds are for the feature to check, with everything else that there is to say of it.
#[derive(Debug)]
pub struct JsonBody<T, S = T>(pub T, PhantomData<fn() -> S>);

impl<'a, T: DeserializeOwned + Send, S: Type> ApiExtractor<'a> for JsonBody<T, S> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        S::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: S::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let bytes = read_body(request, body).await?;
        Ok(Self(parse(&bytes)?, PhantomData))
    }
}

/// A JSON body of type `T` within the bounds that the document states for it, described there as `S`.
#[derive(Debug)]
pub struct BoundedBody<T, S = T>(pub T, PhantomData<fn() -> S>);

impl<'a, T: DeserializeOwned + Send, S: Type + 'static> ApiExtractor<'a> for BoundedBody<T, S> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        S::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: S::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let bytes = read_body(request, body).await?;
        let parsed = parse(&bytes)?;
        super::bounds::check::<S>(&bytes)?;
        Ok(Self(parsed, PhantomData))
    }
}

/// A form of type `T` within the bounds that the document states for it. Its fields are texts.
#[derive(Debug)]
pub struct BoundedForm<T>(pub T);

impl<'a, T: DeserializeOwned + Send + Type + 'static> ApiExtractor<'a> for BoundedForm<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: FORM, schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let kind = request.content_type().and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(FORM) {
            return Err(ApiError::new(Code::UnsupportedMediaType, format!("the body must be {FORM}")).into());
        }
        let bytes = read_bytes(request, body).await?;
        let fields = serde_urlencoded::from_bytes::<serde_json::Map<String, serde_json::Value>>(&bytes)
            .and_then(|fields| serde_json::to_vec(&fields).map_err(serde::de::Error::custom));
        let fields = fields.map_err(|_| ApiError::new(Code::BadRequest, "the body is not form-encoded"))?;
        let parsed = parse(&fields)?;
        super::bounds::check::<T>(&fields)?;
        Ok(Self(parsed))
    }
}

/// A JSON answer of type `T`, described in the document as `S`.
#[derive(Debug)]
pub struct JsonReply<T, S, const STATUS: u16 = 200>(T, PhantomData<fn() -> S>);

impl<T, S, const STATUS: u16> JsonReply<T, S, STATUS> {
    /// An answer with this value.
    pub fn new(value: T) -> Self {
        Self(value, PhantomData)
    }
}

impl<T: Serialize + Send, S, const STATUS: u16> IntoResponse for JsonReply<T, S, STATUS> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        match serde_json::to_vec(&self.0) {
            Ok(body) => json_response(status, body),
            Err(error) => super::problem::internal(error.to_string()).into_response(""),
        }
    }
}

impl<T: Serialize + Send, S: Type, const STATUS: u16> ApiResponse for JsonReply<T, S, STATUS> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "application/json", schema: S::schema_ref() }];
        let description = if STATUS == 201 { "It was made." } else { "What was asked for." };
        let response =
            MetaResponse { description, status: Some(STATUS), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        S::register(registry);
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut reader);
    let value = parsed.map_err(|error| {
        // The parser calls a member that stands there twice a fault of the data, though no schema would take it.
        let twice = error.inner().to_string().starts_with("duplicate field");
        if error.inner().is_data() && !twice {
            let errors = vec![FieldError::of_type(&error)];
            return ApiError::new(Code::ValidationFailed, "the body is not valid; see errors").with_errors(errors);
        }
        ApiError::new(Code::InvalidJson, format!("the body is not JSON: {}", error.inner()))
    })?;
    reader.end().map_err(|error| ApiError::new(Code::InvalidJson, format!("the body is not JSON: {error}")))?;
    Ok(value)
}
