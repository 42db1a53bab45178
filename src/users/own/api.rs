//! The endpoints of one's own account.

use poem::{
    IntoResponse, Request, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    ApiResponse, Object, OpenApi, Tags,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{Example, Type as _},
};
use serde::Deserialize;

use super::OwnAccount;
use crate::{
    http::{ApiError, BoundedBody, NoContent, Streamed, caller_of, stream_response, who_of},
    users::api::caller,
};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Credentials of users and the first admin.
    Accounts,
}

/// Who you are: your password, if you have one. If not, sign in again first.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
struct DeletionRequest {
    /// The password of your account.
    #[serde(default)]
    #[oai(validator(max_length = 1024))]
    current_password: Option<String>,
}

impl Example for DeletionRequest {
    fn example() -> Self {
        Self { current_password: Some("a long enough password".into()) }
    }
}

/// Everything of yours, as it is made while it is sent.
struct OwnData(Response);

impl IntoResponse for OwnData {
    fn into_response(mut self) -> Response {
        let headers = self.0.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"my-data.json\""));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.0
    }
}

/// What the document says of it.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "OwnData")]
struct OwnDataDocument {
    /// When it was made.
    exported_at: String,
    /// The account: id, address, whether it is verified, roles.
    account: std::collections::BTreeMap<String, serde_json::Value>,
    /// Sessions, identities, passkeys; when the password was set. Never a secret.
    credentials: std::collections::BTreeMap<String, serde_json::Value>,
    /// Keys of programs that act for you.
    keys: Vec<std::collections::BTreeMap<String, serde_json::Value>>,
    /// What happened to the account lately, the newest first.
    events: Vec<std::collections::BTreeMap<String, serde_json::Value>>,
    /// By collection: the records that lead to you by a relation, as you may see them; of `users` your own.
    records: std::collections::BTreeMap<String, Vec<std::collections::BTreeMap<String, serde_json::Value>>>,
}

impl ApiResponse for OwnData {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "application/json", schema: OwnDataDocument::schema_ref() }];
        let description = "Everything of yours.";
        let response =
            MetaResponse { description, status: Some(200), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        OwnDataDocument::register(registry);
    }
}

/// The endpoints of one's own account.
#[derive(Debug)]
pub struct OwnApi {
    /// The use cases.
    pub own: OwnAccount,
}

#[OpenApi(prefix_path = "/auth/me", tag = "Tag::Accounts")]
impl OwnApi {
    /// Take my data along
    ///
    /// Everyone who is signed in in person may call this. The answer has the account, its credentials without their secrets, what happened to
    /// it, and the records of all collections that lead to it by a relation, as far as the caller may list them.
    #[oai(path = "/export", method = "get", operation_id = "exportMe")]
    async fn export(&self, request: &Request) -> Result<OwnData, ApiError> {
        let chunks = self.own.export(caller(request)?).await?;
        Ok(OwnData(stream_response("application/json", Streamed::Bulk, chunks)))
    }

    /// Delete my account
    ///
    /// Everyone who is signed in in person may call this where `auth.account_deletion` is on, with the password; who has none, within ten
    /// minutes of signing in. What becomes of records that lead to the account stands in their relations (`onDelete`): one that
    /// restricts it is named, and nothing is deleted. Sessions, keys and other credentials end. A mail tells it.
    #[oai(path = "/delete", method = "post", operation_id = "deleteMe")]
    async fn delete(&self, request: &Request, body: BoundedBody<DeletionRequest>) -> Result<NoContent, ApiError> {
        self.own.delete(&*caller_of(request)?, &who_of(request), body.0.current_password).await?;
        Ok(NoContent::Done)
    }
}
