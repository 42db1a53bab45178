//! What the endpoints of webhooks read and answer.

use poem_openapi::{
    Enum, Object,
    types::{Any, Example},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Order, Subscription, Webhook};
use crate::{
    collections::Event,
    queue::{Attempt, Listed},
};

const ID: &str = "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c";
const TIME: &str = "2026-01-31T09:30:00Z";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What happens to a record.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "camelCase", rename = "WebhookEvent")]
pub(super) enum EventName {
    Create,
    Update,
    Delete,
}

impl From<Event> for EventName {
    fn from(event: Event) -> Self {
        match event {
            Event::Create => Self::Create,
            Event::Update => Self::Update,
            Event::Delete => Self::Delete,
        }
    }
}

/// Changes of a collection's records of which a webhook is told.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "WebhookSubscription", example, skip_serializing_if_is_none)]
pub(super) struct SubscriptionDto {
    /// The collection. Whoever subscribes to it must be permitted to read all of its records.
    collection: String,
    /// What has to happen.
    #[oai(validator(min_items = 1, max_items = 3))]
    on: Vec<EventName>,
    /// The fields that are told besides id, createdAt, updatedAt and version; all that are not hidden when absent.
    #[oai(validator(max_items = 200))]
    fields: Option<Vec<String>>,
    /// In which records: an expression about the record and, as `@old`, the one before, such as `status != @old.status`.
    when: Option<String>,
}

impl From<Subscription> for SubscriptionDto {
    fn from(subscription: Subscription) -> Self {
        let Subscription { collection, on, fields, when, .. } = subscription;
        Self { collection, on: on.into_iter().map(Into::into).collect(), fields, when }
    }
}

impl Example for SubscriptionDto {
    fn example() -> Self {
        Self {
            collection: "orders".into(),
            on: vec![EventName::Create, EventName::Update],
            fields: None,
            when: Some("status != @old.status".into()),
        }
    }
}

/// A webhook to be made.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "WebhookCreate", example, skip_serializing_if_is_none)]
pub(super) struct WebhookCreate {
    /// Where messages are posted: `https://`, and no address of a private network, unless the server's configuration allows it.
    #[oai(validator(min_length = 1, max_length = 2000))]
    url: String,
    /// What it is for, for people.
    #[oai(validator(max_length = 1000))]
    description: Option<String>,
    /// Of what it is told.
    #[oai(validator(min_items = 1, max_items = 50))]
    subscriptions: Vec<SubscriptionDto>,
    /// Whether messages about one record come one after the other, in order: none is posted before the one before it was accepted or given up.
    ordered: Option<bool>,
    /// Whether it rests.
    paused: Option<bool>,
}

impl Example for WebhookCreate {
    fn example() -> Self {
        Self {
            url: "https://example.com/hooks/orders".into(),
            description: Some("Tells the warehouse.".into()),
            subscriptions: vec![SubscriptionDto::example()],
            ordered: Some(true),
            paused: None,
        }
    }
}

/// What is to be other about a webhook; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "WebhookUpdate", example, skip_serializing_if_is_none)]
pub(super) struct WebhookUpdate {
    /// Where messages are posted.
    #[oai(validator(min_length = 1, max_length = 2000))]
    url: Option<String>,
    /// What it is for, for people; an empty text removes it.
    #[oai(validator(max_length = 1000))]
    description: Option<String>,
    /// Of what it is told: all of it.
    #[oai(validator(min_items = 1, max_items = 50))]
    subscriptions: Option<Vec<SubscriptionDto>>,
    /// Whether messages about one record come in order.
    ordered: Option<bool>,
    /// Whether it rests; what happens meanwhile is not told later. False brings one back that was disabled, too.
    paused: Option<bool>,
}

impl Example for WebhookUpdate {
    fn example() -> Self {
        Self { url: None, description: None, subscriptions: None, ordered: None, paused: Some(false) }
    }
}

/// A webhook.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Webhook", example, skip_serializing_if_is_none)]
pub(super) struct WebhookResponse {
    /// The id.
    id: String,
    /// Where messages are posted.
    url: String,
    /// What it is for, for people.
    description: Option<String>,
    /// Of what it is told.
    subscriptions: Vec<SubscriptionDto>,
    /// Whether messages about one record come in order.
    ordered: bool,
    /// Whether it rests.
    paused: bool,
    /// Since when it is told nothing any more, for its endpoint is gone or accepted nothing for too long.
    disabled_at: Option<String>,
    /// Why.
    disabled_reason: Option<String>,
    /// When a message was last accepted, to the minute.
    accepted_at: Option<String>,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
    /// What messages are signed with: only when it is made.
    secret: Option<String>,
}

impl WebhookResponse {
    pub(super) fn new(webhook: Webhook, secret: Option<String>) -> Self {
        let disabled = webhook.disabled.map(|disabled| (disabled.at.to_string(), disabled.reason));
        let (disabled_at, disabled_reason) = disabled.unzip();
        Self {
            id: webhook.id,
            url: webhook.url,
            description: webhook.description,
            subscriptions: webhook.subscriptions.into_iter().map(Into::into).collect(),
            ordered: webhook.ordered,
            paused: webhook.paused,
            disabled_at,
            disabled_reason,
            accepted_at: webhook.accepted_at.map(|at| at.to_string()),
            created_by: webhook.created_by,
            created_at: webhook.created_at.to_string(),
            updated_at: webhook.updated_at.to_string(),
            secret,
        }
    }
}

impl Example for WebhookResponse {
    fn example() -> Self {
        let WebhookCreate { url, description, subscriptions, .. } = WebhookCreate::example();
        Self {
            id: ID.into(),
            url,
            description,
            subscriptions,
            ordered: true,
            paused: false,
            disabled_at: None,
            disabled_reason: None,
            accepted_at: Some(TIME.into()),
            created_by: ID.into(),
            created_at: TIME.into(),
            updated_at: TIME.into(),
            secret: None,
        }
    }
}

/// Webhooks.
#[derive(Debug, Object)]
#[oai(rename = "WebhookList", example)]
pub(super) struct WebhookListResponse {
    /// The webhooks, the oldest first.
    pub(super) items: Vec<WebhookResponse>,
}

impl Example for WebhookListResponse {
    fn example() -> Self {
        Self { items: vec![WebhookResponse::example()] }
    }
}

/// For how long the secret before is used, too.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "WebhookRotation", example)]
pub(super) struct RotationRequest {
    /// So many seconds; a day when absent. 0 ends it at once.
    #[serde(default = "day")]
    #[oai(default = "day", validator(maximum(value = "2592000")))]
    pub(super) grace_seconds: u32,
}

fn day() -> u32 {
    86_400
}

impl Example for RotationRequest {
    fn example() -> Self {
        Self { grace_seconds: day() }
    }
}

/// A new secret.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "WebhookSecret", example)]
pub(super) struct SecretResponse {
    /// What messages are signed with from now on. It is told only here.
    pub(super) secret: String,
    /// Until when they are signed with the one before, too.
    pub(super) old_until: String,
}

impl Example for SecretResponse {
    fn example() -> Self {
        Self { secret: SECRET.into(), old_until: TIME.into() }
    }
}

/// An attempt to post a message that did not succeed.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "WebhookAttempt")]
pub(super) struct AttemptDto {
    /// When it began.
    started_at: String,
    /// When it ended.
    ended_at: String,
    /// The status and the begin of the answer, or why there was none.
    error: String,
}

/// A message to a webhook.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "WebhookDelivery", example, skip_serializing_if_is_none)]
pub(super) struct DeliveryResponse {
    /// The id; the header `webhook-id` is `msg_` and this.
    id: String,
    /// What is told: `orders.create`, or `test`.
    #[oai(rename = "type")]
    kind: String,
    /// How far the job is that posts it: `ready`, `running`, `failed` (to be tried again), `succeeded`, `dead`, …
    state: String,
    /// How often it was posted.
    attempts: u32,
    /// When the change was seen.
    created_at: String,
    /// When it is tried next.
    due_at: Option<String>,
    /// When it was accepted or given up.
    finished_at: Option<String>,
    /// The body; in lists it is left out.
    body: Option<Any<Value>>,
    /// The status, the time it took and the begin of the answer that accepted it.
    response: Option<Any<Value>>,
    /// Why the newest attempt failed.
    error: Option<String>,
    /// The attempts that did not succeed; in lists it is left out.
    history: Option<Vec<AttemptDto>>,
}

impl DeliveryResponse {
    pub(super) fn new(listed: Listed, history: Option<Vec<Attempt>>) -> Self {
        let Listed { id, job, status, state, .. } = listed;
        // It was JSON when it was stored.
        let order: Option<Order> = serde_json::from_str(job.payload.get()).ok();
        let body: Value = order.and_then(|order| serde_json::from_str(order.body.get()).ok()).unwrap_or_default();
        let attempt = |attempt: Attempt| AttemptDto {
            started_at: attempt.started_at.to_string(),
            ended_at: attempt.ended_at.to_string(),
            error: attempt.error,
        };
        Self {
            id: id.to_string(),
            kind: body.get("type").and_then(Value::as_str).unwrap_or_default().to_owned(),
            state: state.name().to_owned(),
            attempts: status.attempts,
            created_at: job.created_at.to_string(),
            due_at: status.due_at.filter(|_| !state.is_final()).map(|at| at.to_string()),
            finished_at: status.finished_at.map(|at| at.to_string()),
            body: history.is_some().then_some(Any(body)),
            response: status.result.and_then(|result| serde_json::from_str(result.get()).ok()).map(Any),
            error: status.error,
            history: history.map(|attempts| attempts.into_iter().map(attempt).collect()),
        }
    }
}

impl Example for DeliveryResponse {
    fn example() -> Self {
        Self {
            id: ID.into(),
            kind: "orders.create".into(),
            state: "succeeded".into(),
            attempts: 1,
            created_at: TIME.into(),
            due_at: None,
            finished_at: Some(TIME.into()),
            body: Some(Any(
                json!({"type": "orders.create", "timestamp": TIME, "data": {"collection": "orders", "event": "create", "id": "7", "record": {"id": "7"}}}),
            )),
            response: Some(Any(json!({"status": 204, "milliseconds": 31, "answer": ""}))),
            error: None,
            history: Some(Vec::new()),
        }
    }
}

/// Messages to a webhook.
#[derive(Debug, Object)]
#[oai(rename = "WebhookDeliveryList", example, skip_serializing_if_is_none)]
pub(super) struct DeliveryListResponse {
    /// The messages, the newest first.
    pub(super) items: Vec<DeliveryResponse>,
    /// The `before` of the next page, when there may be one.
    pub(super) next: Option<String>,
}

impl Example for DeliveryListResponse {
    fn example() -> Self {
        Self { items: vec![DeliveryResponse::example()], next: None }
    }
}
