//! What HTTP is the same for every feature: problems, the caller, the pipeline around all routes.

mod body;
mod cors;
mod gate;
mod headers;
pub mod openapi;
mod pipeline;
mod problem;
mod rate;

pub use body::{
    BodyLimits, JsonBody, JsonReply, Streamed, json_response, query_parameters, read_body, read_bytes, stream_response,
};
pub use gate::{Authenticate, Gate, Session, caller_of, request_id_of};
pub use pipeline::{Pipeline, PipelineOptions, RequestId, at};
pub use problem::ApiError;
pub use rate::{RateLimiter, Verdict};
