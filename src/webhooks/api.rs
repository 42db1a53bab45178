//! The endpoints of webhooks.

use jiff::SignedDuration;
use poem::Request;
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
};

use super::{
    Webhooks,
    dto::{
        DeliveryListResponse, DeliveryResponse, RotationRequest, SecretResponse, WebhookCreate, WebhookListResponse,
        WebhookResponse, WebhookUpdate,
    },
    input::WebhookInput,
};
use crate::{
    http::{ApiError, BoundedBody, NoContent, caller_of},
    queue::JobId,
};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Other servers are told of changes of records, signed as Standard Webhooks says.
    Webhooks,
}

#[derive(ApiResponse)]
enum Made {
    /// The webhook was made.
    #[oai(status = 201)]
    Created(Json<WebhookResponse>),
}

#[derive(ApiResponse)]
enum Sent {
    /// The message is under way.
    #[oai(status = 202)]
    Accepted(Json<DeliveryResponse>),
}

/// The endpoints of webhooks.
#[derive(Debug)]
pub struct WebhooksApi {
    /// The use cases.
    pub webhooks: Webhooks,
}

type Reply = Result<Json<WebhookResponse>, ApiError>;

#[OpenApi(tag = "Tag::Webhooks")]
impl WebhooksApi {
    /// List webhooks
    ///
    /// Who has the permission `webhooks:list` may call this.
    #[oai(path = "/webhooks", method = "get", operation_id = "listWebhooks")]
    async fn list(&self, request: &Request) -> Result<Json<WebhookListResponse>, ApiError> {
        let webhooks = self.webhooks.list(&*caller_of(request)?)?.into_iter();
        Ok(Json(WebhookListResponse { items: webhooks.map(|webhook| WebhookResponse::new(webhook, None)).collect() }))
    }

    /// Make a webhook
    ///
    /// Who has the permission `webhooks:create`, and may read all records of its collections, may call this. It is told of changes from now on;
    /// imported records count. Each message is a POST whose body has `type`, `timestamp` and `data`, with the headers `webhook-id`,
    /// `webhook-timestamp` and `webhook-signature`. Any status of 2xx accepts it, 410 ends the webhook, and anything else is tried
    /// again for more than a day. A message may come twice, under the same `webhook-id`.
    #[oai(path = "/webhooks", method = "post", operation_id = "createWebhook")]
    async fn create(
        &self,
        request: &Request,
        body: BoundedBody<WebhookInput, WebhookCreate>,
    ) -> Result<Made, ApiError> {
        let (webhook, secret) = self.webhooks.create(&*caller_of(request)?, body.0).await?;
        Ok(Made::Created(Json(WebhookResponse::new(webhook, Some(secret)))))
    }

    /// Read a webhook
    ///
    /// Who has the permission `webhooks:read` may call this.
    #[oai(path = "/webhooks/:webhook", method = "get", operation_id = "readWebhook")]
    async fn read(
        &self,
        request: &Request,
        /// The id of the webhook.
        #[oai(validator(min_length = 1, max_length = 64))]
        webhook: Path<String>,
    ) -> Reply {
        let webhook = self.webhooks.read(&*caller_of(request)?, &webhook.0)?;
        Ok(Json(WebhookResponse::new(webhook, None)))
    }

    /// Change a webhook
    ///
    /// Who has the permission `webhooks:update` may call this. To give another URL, or collections, takes the permission to read all records of
    /// them.
    #[oai(path = "/webhooks/:webhook", method = "patch", operation_id = "updateWebhook")]
    async fn update(
        &self,
        request: &Request,
        /// The id of the webhook.
        #[oai(validator(min_length = 1, max_length = 64))]
        webhook: Path<String>,
        body: BoundedBody<WebhookInput, WebhookUpdate>,
    ) -> Reply {
        let webhook = self.webhooks.update(&caller_of(request)?, webhook.0, body.0).await?;
        Ok(Json(WebhookResponse::new(webhook, None)))
    }

    /// Remove a webhook
    ///
    /// Who has the permission `webhooks:delete` may call this. What is under way to it is not posted any more.
    #[oai(path = "/webhooks/:webhook", method = "delete", operation_id = "deleteWebhook")]
    async fn delete(
        &self,
        request: &Request,
        /// The id of the webhook.
        #[oai(validator(min_length = 1, max_length = 64))]
        webhook: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.webhooks.delete(&*caller_of(request)?, webhook.0).await?;
        Ok(NoContent::Done)
    }

    /// Give a webhook a new secret
    ///
    /// Who has the permission `webhooks:update` may call this. Until the grace is over, messages are signed with the secret before, too.
    #[oai(path = "/webhooks/:webhook/rotate-secret", method = "post", operation_id = "rotateWebhookSecret")]
    async fn rotate(
        &self,
        request: &Request,
        /// The id of the webhook.
        #[oai(validator(min_length = 1, max_length = 64))]
        webhook: Path<String>,
        body: BoundedBody<RotationRequest>,
    ) -> Result<Json<SecretResponse>, ApiError> {
        let grace = SignedDuration::from_secs(body.0.grace_seconds.into());
        let (secret, until) = self.webhooks.rotate(&*caller_of(request)?, webhook.0, grace).await?;
        Ok(Json(SecretResponse { secret, old_until: until.to_string() }))
    }

    /// Post a test message
    ///
    /// Who has the permission `webhooks:update` may call this. The message has the type `test`; what came of it is told by its delivery.
    #[oai(path = "/webhooks/:webhook/test", method = "post", operation_id = "testWebhook")]
    async fn test(
        &self,
        request: &Request,
        /// The id of the webhook.
        #[oai(validator(min_length = 1, max_length = 64))]
        webhook: Path<String>,
    ) -> Result<Sent, ApiError> {
        let sent = self.webhooks.test(&*caller_of(request)?, webhook.0).await?;
        Ok(Sent::Accepted(Json(DeliveryResponse::new(sent, None))))
    }

    /// List messages to a webhook
    ///
    /// Who has the permission `webhooks:read` may call this. They are told for as long as the queue `webhooks` keeps their jobs.
    #[oai(path = "/webhooks/:webhook/deliveries", method = "get", operation_id = "listWebhookDeliveries")]
    async fn deliveries(
        &self,
        request: &Request,
        /// The id of the webhook.
        #[oai(validator(min_length = 1, max_length = 64))]
        webhook: Path<String>,
        /// The most messages to answer.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<usize>,
        /// Messages before this one, as `next` says.
        #[oai(validator(max_length = 64))]
        before: Query<Option<String>>,
    ) -> Result<Json<DeliveryListResponse>, ApiError> {
        let before = before.0.as_deref().and_then(JobId::parse);
        let found = self.webhooks.deliveries(&*caller_of(request)?, &webhook.0, before, limit.0)?;
        let next = found.last().filter(|_| found.len() == limit.0).map(|last| last.id.to_string());
        let items = found.into_iter().map(|listed| DeliveryResponse::new(listed, None)).collect();
        Ok(Json(DeliveryListResponse { items, next }))
    }

    /// Read a message to a webhook
    ///
    /// Who has the permission `webhooks:read`, and may read all records of the collections, may call this. It is told with its body, what was answered, and every attempt.
    #[oai(path = "/webhooks/:webhook/deliveries/:delivery", method = "get", operation_id = "readWebhookDelivery")]
    async fn delivery(
        &self,
        request: &Request,
        /// The id of the webhook.
        #[oai(validator(min_length = 1, max_length = 64))]
        webhook: Path<String>,
        /// The id of the message.
        #[oai(validator(min_length = 1, max_length = 64))]
        delivery: Path<String>,
    ) -> Result<Json<DeliveryResponse>, ApiError> {
        let (listed, attempts) = self.webhooks.delivery(&*caller_of(request)?, &webhook.0, &delivery.0)?;
        Ok(Json(DeliveryResponse::new(listed, Some(attempts))))
    }

    /// Post a message once more
    ///
    /// Who has the permission `webhooks:update` may call this. It has the same `webhook-id` as before.
    #[oai(
        path = "/webhooks/:webhook/deliveries/:delivery/replay",
        method = "post",
        operation_id = "replayWebhookDelivery"
    )]
    async fn replay(
        &self,
        request: &Request,
        /// The id of the webhook.
        #[oai(validator(min_length = 1, max_length = 64))]
        webhook: Path<String>,
        /// The id of the message.
        #[oai(validator(min_length = 1, max_length = 64))]
        delivery: Path<String>,
    ) -> Result<Sent, ApiError> {
        let sent = self.webhooks.replay(&*caller_of(request)?, &webhook.0, &delivery.0).await?;
        Ok(Sent::Accepted(Json(DeliveryResponse::new(sent, None))))
    }
}

fn page() -> usize {
    50
}
