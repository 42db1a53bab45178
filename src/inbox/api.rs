//! The endpoints of inboxes and of what users want to hear of.

use poem::Request;
use poem_openapi::{
    OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
};

use super::{
    InboxService,
    dto::{EntryUpdate, InboxResponse, PreferencesInput, PreferencesResponse, PreferencesUpdate},
};
use crate::http::{ApiError, BoundedBody, NoContent, caller_of};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// What users are told, and what they want to hear of.
    Notifications,
}

/// What anyone may call who has a link.
pub const UNSUBSCRIBE_PATH: &str = "/api/v1/notification-preferences/unsubscribe";

/// The endpoints of inboxes.
#[derive(Debug)]
pub struct InboxApi {
    /// The use cases.
    pub inbox: InboxService,
}

#[OpenApi(tag = "Tag::Notifications")]
impl InboxApi {
    /// List my inbox
    ///
    /// Everyone who is signed in in person may call this. The newest come first; at most 1,000 are kept, for at most 90 days.
    #[oai(path = "/inbox", method = "get", operation_id = "listInbox")]
    async fn list(
        &self,
        request: &Request,
        /// Only those that are not read.
        #[oai(default)]
        unread: Query<bool>,
        /// The most entries of a page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<usize>,
        /// The `nextCursor` of the page before.
        #[oai(validator(max_length = 64))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<InboxResponse>, ApiError> {
        let page = self.inbox.list(&*caller_of(request)?, unread.0, cursor.0.as_deref(), limit.0)?;
        Ok(Json(page.into()))
    }

    /// Mark everything in my inbox as read
    ///
    /// Everyone who is signed in in person may call this.
    #[oai(path = "/inbox/read-all", method = "post", operation_id = "readAllOfInbox")]
    async fn read_all(&self, request: &Request) -> Result<NoContent, ApiError> {
        self.inbox.mark_all(&*caller_of(request)?).await?;
        Ok(NoContent::Done)
    }

    /// Mark an entry of my inbox
    ///
    /// Everyone who is signed in in person may call this.
    #[oai(path = "/inbox/:id", method = "patch", operation_id = "updateInboxEntry")]
    async fn mark(
        &self,
        request: &Request,
        /// The id of the entry.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: BoundedBody<EntryUpdate>,
    ) -> Result<NoContent, ApiError> {
        self.inbox.mark(&*caller_of(request)?, id.0, body.0.read).await?;
        Ok(NoContent::Done)
    }

    /// Remove an entry of my inbox
    ///
    /// Everyone who is signed in in person may call this.
    #[oai(path = "/inbox/:id", method = "delete", operation_id = "deleteInboxEntry")]
    async fn delete(
        &self,
        request: &Request,
        /// The id of the entry.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.inbox.delete(&*caller_of(request)?, id.0).await?;
        Ok(NoContent::Done)
    }

    /// Read what I want to hear of
    ///
    /// Everyone who is signed in in person may call this.
    #[oai(path = "/notification-preferences", method = "get", operation_id = "readNotificationPreferences")]
    async fn preferences(&self, request: &Request) -> Result<Json<PreferencesResponse>, ApiError> {
        Ok(Json(self.inbox.shown(&*caller_of(request)?)?.into()))
    }

    /// Say what I want to hear of
    ///
    /// Everyone who is signed in in person may call this. What belongs to something that you do, such as a link to set a new password, comes all
    /// the same.
    #[oai(path = "/notification-preferences", method = "put", operation_id = "replaceNotificationPreferences")]
    async fn replace(
        &self,
        request: &Request,
        body: BoundedBody<PreferencesInput, PreferencesUpdate>,
    ) -> Result<Json<PreferencesResponse>, ApiError> {
        let (preferences, locale) = body.0.preferences();
        Ok(Json(self.inbox.replace(&*caller_of(request)?, preferences, locale).await?.into()))
    }

    /// Ask for no more mails by a link
    ///
    /// Who has the link of a mail may call this, as programs for mail do with one click. It turns off the mails of the category of that mail.
    #[oai(path = "/notification-preferences/unsubscribe", method = "post", operation_id = "unsubscribe")]
    async fn unsubscribe(
        &self,
        /// The token of the link.
        #[oai(validator(min_length = 1, max_length = 500))]
        token: Query<String>,
    ) -> Result<NoContent, ApiError> {
        self.inbox.unsubscribe(&token.0).await?;
        Ok(NoContent::Done)
    }
}

fn limit_default() -> usize {
    50
}
