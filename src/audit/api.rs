//! The endpoint of the audit log.

use poem::Request;
use poem_openapi::{Object, OpenApi, Tags, param::Query as Parameter, payload::Json};
use serde_json::Value;

use super::{AuditService, Event, Query};
use crate::{
    http::{ApiError, caller_of, time_parameter},
    kernel::Code,
};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Security events.
    Audit,
}

/// A security event.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "AuditEvent", example, skip_serializing_if_is_none)]
struct EventResponse {
    /// Its place in the log.
    number: u64,
    /// When it happened.
    time: String,
    /// What happened: `session.created`, `role.updated`, …
    kind: String,
    /// Who did it: the id of a user, or a name of the system's own; empty for a guest.
    actor: String,
    /// Who acted as the actor.
    impersonator: Option<String>,
    /// To whom or what it happened.
    subject: String,
    /// The address of the client.
    address: Option<String>,
    /// The id of the request.
    request_id: String,
    /// What else there is to know of it.
    detail: Option<Value>,
}

impl From<Event> for EventResponse {
    fn from(event: Event) -> Self {
        Self {
            number: event.number,
            time: event.time.to_string(),
            kind: event.kind,
            actor: event.actor,
            impersonator: event.impersonator,
            subject: event.subject,
            address: event.address.map(|address| address.to_string()),
            request_id: event.request_id,
            detail: Some(event.detail).filter(|detail| !detail.is_null()),
        }
    }
}

impl poem_openapi::types::Example for EventResponse {
    fn example() -> Self {
        Self {
            number: 42,
            time: "2026-01-31T09:30:00Z".into(),
            kind: "session.created".into(),
            actor: "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into(),
            impersonator: None,
            subject: "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into(),
            address: Some("192.0.2.7".into()),
            request_id: "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3d".into(),
            detail: None,
        }
    }
}

/// Events, newest first.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "AuditEventList", example, skip_serializing_if_is_none)]
struct EventList {
    /// The events.
    items: Vec<EventResponse>,
    /// Give it as `cursor` for the events before these; absent when there are none.
    next_cursor: Option<String>,
}

impl poem_openapi::types::Example for EventList {
    fn example() -> Self {
        Self { items: vec![EventResponse::example()], next_cursor: Some("42".into()) }
    }
}

/// The endpoint of the audit log.
#[derive(Debug)]
pub struct AuditApi {
    /// The use cases.
    pub audit: AuditService,
}

#[OpenApi(tag = "Tag::Audit")]
impl AuditApi {
    /// List security events
    ///
    /// Who has the permission `audit:list` may call this. Newest first.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    #[oai(path = "/audit", method = "get", operation_id = "listAuditEvents")]
    async fn list(
        &self,
        request: &Request,
        /// Events of this kind (`session.created`), or of this group of kinds (`session`).
        #[oai(validator(max_length = 64))]
        kind: Parameter<Option<String>>,
        /// Events by this actor.
        #[oai(validator(max_length = 64))]
        actor: Parameter<Option<String>>,
        /// Events that happened to this user or thing.
        #[oai(validator(max_length = 64))]
        subject: Parameter<Option<String>>,
        /// Events from then on, in RFC 3339.
        #[oai(validator(max_length = 40))]
        since: Parameter<Option<String>>,
        /// Events before then, in RFC 3339.
        #[oai(validator(max_length = 40))]
        until: Parameter<Option<String>>,
        /// The most events of a page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Parameter<usize>,
        /// The `nextCursor` of the page before.
        #[oai(validator(max_length = 20))]
        cursor: Parameter<Option<String>>,
    ) -> Result<Json<EventList>, ApiError> {
        let query = Query {
            kind: kind.0,
            actor: actor.0,
            subject: subject.0,
            since: time_parameter("since", since.0)?,
            until: time_parameter("until", until.0)?,
            before: cursor.0.map(|text| text.parse().map_err(|_| bad_cursor())).transpose()?,
            limit: limit.0,
        };
        let (events, next) = self.audit.list(&*caller_of(request)?, query).await?;
        let items = events.into_iter().map(EventResponse::from).collect();
        Ok(Json(EventList { items, next_cursor: next.map(|number| number.to_string()) }))
    }
}

fn limit_default() -> usize {
    50
}

fn bad_cursor() -> ApiError {
    ApiError::new(Code::InvalidCursor, "the cursor is none of a page of events; start again without it")
}
