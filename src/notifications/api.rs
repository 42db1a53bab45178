//! The endpoint by which users are told something.

use poem::Request;
use poem_openapi::{
    Enum, Object, OpenApi, Tags,
    payload::Json,
    types::{Any, Example},
};
use serde_json::{Value, json};

use super::{
    Notifications,
    order::{Done, Order},
};
use crate::http::{ApiError, BoundedBody, caller_of};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// What users are told, and what they want to hear of.
    Notifications,
}

/// A way to tell somebody something.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "camelCase", rename = "NotificationChannel")]
enum ChannelName {
    /// By mail.
    Email,
    /// In the inbox.
    Inbox,
}

/// What is to be told, and to whom.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "NotificationCreate", example, skip_serializing_if_is_none)]
struct NotificationCreate {
    /// The template that says it: one of your own, or `user.welcome`.
    #[oai(validator(min_length = 1, max_length = 80))]
    template: String,
    /// Ids of users: each in the language and by what the user wants.
    #[oai(default, validator(max_items = 1000))]
    users: Vec<String>,
    /// Addresses of others.
    #[oai(default, validator(max_items = 1000))]
    emails: Vec<String>,
    /// What is put in.
    values: Option<Any<Value>>,
    /// The language, in the place of those of the users.
    #[oai(validator(max_length = 35))]
    locale: Option<String>,
    /// Where it leads, for the inbox.
    #[oai(validator(max_length = 2000))]
    link: Option<String>,
    /// By what; absent for all.
    channels: Option<Vec<ChannelName>>,
    /// The id of a webhook that is told, too, as `notification.sent`.
    #[oai(validator(max_length = 64))]
    webhook: Option<String>,
}

impl Example for NotificationCreate {
    fn example() -> Self {
        Self {
            template: "order.sent".into(),
            users: vec!["0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into()],
            emails: Vec::new(),
            values: Some(Any(json!({"number": "A-1007"}))),
            locale: None,
            link: Some("https://example.com/orders/A-1007".into()),
            channels: None,
            webhook: None,
        }
    }
}

/// What was done.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "NotificationSent", example)]
struct SentResponse {
    /// Entries of inboxes.
    entries: u32,
    /// Mails.
    mails: u32,
    /// Mails that wait for the next digest.
    gathered: u32,
    /// Users who did not want to hear of it, or are disabled.
    skipped: u32,
}

impl From<Done> for SentResponse {
    fn from(done: Done) -> Self {
        let Done { entries, mails, gathered, skipped } = done;
        Self { entries, mails, gathered, skipped }
    }
}

impl Example for SentResponse {
    fn example() -> Self {
        Self { entries: 1, mails: 1, gathered: 0, skipped: 0 }
    }
}

/// The endpoint of notifications.
#[derive(Debug)]
pub struct NotificationsApi {
    /// The use cases.
    pub notifications: Notifications,
}

#[OpenApi(tag = "Tag::Notifications")]
impl NotificationsApi {
    /// Tell users something
    ///
    /// Who has the permission `notifications:create` may call this; with a webhook, `webhooks:create`, too. All is told, or nothing. A job of the
    /// kind `notification.send` with this as its payload does the same, for schedules and changes of records.
    #[oai(path = "/notifications", method = "post", operation_id = "sendNotification")]
    async fn send(
        &self,
        request: &Request,
        body: BoundedBody<Order, NotificationCreate>,
    ) -> Result<Json<SentResponse>, ApiError> {
        Ok(Json(self.notifications.send(&*caller_of(request)?, body.0).await?.into()))
    }
}
