//! The endpoints of imports and exports.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use poem::{
    Request, Response, Route, get,
    http::{HeaderValue, Method, StatusCode, header},
    post,
};

use super::{
    ArchiveImport, ArchiveOptions, Ended, Format, Import, ImportOptions, ImportReport, Intake, TransferError,
    parameters::Parameters,
};
use crate::{
    http::{ApiError, BodyLimits, Streamed, at, json_response, query_parameters, stream_response},
    kernel::Code,
    records::{
        RecordService,
        api::{Call, on},
    },
};

const IMPORT: &str = "/collections/:collection/import";
const EXPORT: &str = "/collections/:collection/export";
const ARCHIVE: &str = "/export";
const ARCHIVE_IMPORT: &str = "/import";
const ARCHIVE_MEDIA_TYPE: &str = "application/x-tar";

/// Whether a request brings a stream of any length.
#[must_use]
pub fn takes_stream(method: &Method, path: &str) -> bool {
    let of_collection = |path: &str| path.split_once('/').is_some_and(|(_, rest)| rest == "import");
    let of_collection = path.strip_prefix("/api/v1/collections/").is_some_and(of_collection);
    method == Method::POST && (of_collection || path == "/api/v1/import")
}

/// Adds the routes.
pub(in crate::records) fn mount(route: Route, records: &Arc<RecordService>) -> Route {
    route
        .at(IMPORT, at("/api/v1/collections/:collection/import", post(on(records, import))))
        .at(EXPORT, at("/api/v1/collections/:collection/export", get(on(records, export))))
        .at(ARCHIVE, at("/api/v1/export", get(on(records, archive))))
        .at(ARCHIVE_IMPORT, at("/api/v1/import", post(on(records, import_archive))))
}

async fn import(mut call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let mut parameters = Parameters::read(&parameters, &["mode", "dryRun", "format", "progress"]);
    let (mode, dry_run, format) = (parameters.mode(), parameters.flag("dryRun"), parameters.format());
    let progress = parameters.flag("progress");
    parameters.check()?;
    let format = format.map_or_else(|| format_of(&call.request), Ok)?;
    let BodyLimits { bytes_max: record_bytes_max, idle } = BodyLimits::of(&call.request);
    let options = ImportOptions { format, mode, dry_run, record_bytes_max, idle };
    let (caller, collection) = (call.caller()?, call.collection()?);
    let request_id = caller.request_id.clone();
    let body = call.body.take().map_err(|_| ApiError::new(Code::BadRequest, "the body was read already"))?;
    let import = Import::new(&call.records, caller, collection, options, body.into_bytes_stream())?;
    take_in(import, progress, request_id).await
}

async fn import_archive(mut call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let mut parameters = Parameters::read(&parameters, &["mode", "definitions", "collections", "dryRun", "progress"]);
    let (mode, definitions) = (parameters.mode(), parameters.definitions());
    let (dry_run, progress) = (parameters.flag("dryRun"), parameters.flag("progress"));
    let chosen = parameters.collections().map(|names| names.into_iter().map(str::to_owned).collect());
    parameters.check()?;
    if let Some(kind) = call.request.header(header::CONTENT_TYPE).filter(|kind| !is_archive(kind)) {
        let detail = format!("the body is {kind}; it must be {ARCHIVE_MEDIA_TYPE}");
        return Err(ApiError::new(Code::UnsupportedMediaType, detail));
    }
    let BodyLimits { bytes_max: record_bytes_max, idle } = BodyLimits::of(&call.request);
    let options = ArchiveOptions { mode, definitions, chosen, dry_run, record_bytes_max, idle };
    let caller = call.caller()?;
    let request_id = caller.request_id.clone();
    let body = call.body.take().map_err(|_| ApiError::new(Code::BadRequest, "the body was read already"))?;
    let import = ArchiveImport::new(&call.records, caller, options, body.into_bytes_stream());
    take_in(import, progress, request_id).await
}

fn is_archive(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    [ARCHIVE_MEDIA_TYPE, "application/tar", "application/octet-stream"]
        .iter()
        .any(|own| essence.eq_ignore_ascii_case(own))
}

/// Answers when everything is taken in, or tells how far it is.
async fn take_in(import: impl Intake, progress: bool, request_id: String) -> Result<Response, ApiError> {
    if progress {
        return Ok(told(import, request_id));
    }
    let (report, error) = import.run().await;
    match error {
        None => Ok(json_response(StatusCode::OK, serde_json::to_vec(&report).unwrap_or_default())),
        Some(error) if report.counts.processed == 0 && report.steps.is_empty() => Err(error.into()),
        Some(error) => Err(ApiError::from(error).with_report(serde_json::to_value(report).unwrap_or_default())),
    }
}

/// The format that a body says it has.
fn format_of(request: &Request) -> Result<Format, ApiError> {
    let Some(kind) = request.header(header::CONTENT_TYPE) else { return Ok(Format::Jsonl) };
    Format::of_media_type(kind).ok_or_else(|| {
        let known = Format::ALL.map(Format::media_type).join(", ");
        ApiError::new(Code::UnsupportedMediaType, format!("the body is {kind}; it must be one of {known}"))
    })
}

/// The import as an answer that says how far it is, chunk by chunk.
fn told(import: impl Intake, request_id: String) -> Response {
    let lines = stream::unfold((import, request_id), |(mut import, request_id)| async move {
        let mut report = import.step().await?;
        report.error = import.take_error().map(|error| ended(error, &request_id));
        Some((line(&report), (import, request_id)))
    });
    stream_response(Format::Jsonl.media_type(), Streamed::Live, lines)
}

fn line(report: &ImportReport) -> Result<Bytes, serde_json::Error> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    Ok(line.into())
}

/// What ended an import when the head of its answer has long been sent.
fn ended(error: TransferError, request_id: &str) -> Ended {
    let error = ApiError::from(error);
    if let Some(cause) = error.cause() {
        tracing::error!(request_id, cause, "an import failed");
    }
    Ended { code: error.code().wire(), detail: error.to_string() }
}

async fn export(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let accepted = call.request.header(header::ACCEPT).and_then(Format::accepted).unwrap_or(Format::Jsonl);
    let (format, chunks) = call.records.export(&call.caller()?, &call.collection()?, &parameters, accepted)?;
    let mut response = stream_response(format.media_type(), Streamed::Bulk, chunks);
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

async fn archive(call: Call) -> Result<Response, ApiError> {
    let parameters = query_parameters(&call.request)?;
    let chunks = call.records.archive(&call.caller()?, &parameters)?;
    let mut response = stream_response(ARCHIVE_MEDIA_TYPE, Streamed::Bulk, chunks);
    let disposition = HeaderValue::from_static("attachment; filename=\"export.tar\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}
