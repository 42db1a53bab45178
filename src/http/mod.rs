//! What HTTP is the same for every feature: problems, the caller, the pipeline around all routes.

mod body;
mod bounds;
mod captcha;
mod cookie;
mod cors;
mod gate;
mod headers;
mod live;
pub mod openapi;
mod pipeline;
mod problem;
mod rate;
mod visitor;

pub use body::{
    BodyLimits, BoundedBody, BoundedForm, JsonBody, JsonReply, NoContent, Streamed, json_response, query_parameters,
    read_body, read_bytes, stream_response, time_parameter,
};
pub use captcha::Captcha;
pub use cookie::{Cookies, Held};
pub use gate::{Authenticate, Gate, Renewal, Session, Streams};
pub use live::{EventStream, LiveCaller, LivePlace, LiveStreams, beat, event};
pub use pipeline::{Pipeline, PipelineOptions, RequestId, at};
pub use problem::ApiError;
pub use rate::{RateLimiter, Verdict};
pub use visitor::{address_of, caller_of, device_of, network_of, request_id_of, who_of};
