//! The endpoints of the outbox.

use poem::Request;
use poem_openapi::{
    Enum, Object, OpenApi, Tags,
    param::{Path, Query as Parameter},
    payload::Json,
    types::{Any, Example},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Mail, MailService, MailState, Query, Test};
use crate::{
    http::{ApiError, BoundedBody, caller_of},
    kernel::Code,
};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// The outbox of mail.
    Mail,
}

/// How far a mail is.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "lowercase", rename = "MailState")]
enum State {
    /// It is to be sent.
    Waiting,
    /// A server for mail has taken it.
    Sent,
    /// It was given up.
    Failed,
}

impl From<MailState> for State {
    fn from(state: MailState) -> Self {
        match state {
            MailState::Waiting => Self::Waiting,
            MailState::Sent => Self::Sent,
            MailState::Failed => Self::Failed,
        }
    }
}

impl From<State> for MailState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Sent => Self::Sent,
            State::Failed => Self::Failed,
        }
    }
}

/// A mail in the outbox.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Mail", example, skip_serializing_if_is_none)]
struct MailResponse {
    /// Its place in the outbox.
    number: u64,
    /// The address.
    to: String,
    /// What it is about, for programs: `password.reset`, …
    kind: String,
    /// The subject line.
    subject: String,
    /// The text, while it waits, for those who may do everything; never in a list.
    text: Option<String>,
    /// The same as HTML.
    html: Option<String>,
    /// How far it is.
    state: State,
    /// When it was written.
    created_at: String,
    /// When it was sent or given up.
    done_at: Option<String>,
    /// How often it was tried.
    attempts: u32,
    /// Why the last attempt failed.
    error: Option<String>,
    /// The id of the job that sends it.
    job: Option<String>,
}

impl From<Mail> for MailResponse {
    fn from(mail: Mail) -> Self {
        Self {
            number: mail.number,
            to: mail.to,
            kind: mail.kind,
            subject: mail.subject,
            text: Some(mail.text).filter(|text| !text.is_empty()),
            html: mail.html,
            state: mail.state.into(),
            created_at: mail.created_at.to_string(),
            done_at: mail.done_at.map(|at| at.to_string()),
            attempts: mail.attempts,
            error: mail.error,
            job: mail.job.map(|job| job.to_string()),
        }
    }
}

impl Example for MailResponse {
    fn example() -> Self {
        Self {
            number: 7,
            to: "ann@example.com".into(),
            kind: "password.reset".into(),
            subject: "Set a new password".into(),
            text: None,
            html: None,
            state: State::Sent,
            created_at: "2026-01-31T09:30:00Z".into(),
            done_at: Some("2026-01-31T09:30:01Z".into()),
            attempts: 1,
            error: None,
            job: Some("0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into()),
        }
    }
}

/// Mails, newest first.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "MailList", example, skip_serializing_if_is_none)]
struct MailList {
    /// The mails, without their texts.
    items: Vec<MailResponse>,
    /// Give it as `cursor` for the mails before these; absent when there are none.
    next_cursor: Option<String>,
}

impl Example for MailList {
    fn example() -> Self {
        Self { items: vec![MailResponse::example()], next_cursor: Some("7".into()) }
    }
}

/// A template to try, and to whom.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "TestMail", example, skip_serializing_if_is_none)]
struct TestRequest {
    /// The name of the template.
    #[oai(validator(min_length = 1, max_length = 80))]
    template: String,
    /// The address.
    #[oai(validator(min_length = 1, max_length = 254))]
    to: String,
    /// The language; absent for that of the server.
    #[oai(validator(max_length = 35))]
    locale: Option<String>,
    /// What is put in; absent for the examples of the template.
    values: Option<Any<Value>>,
}

impl Example for TestRequest {
    fn example() -> Self {
        Self {
            template: "password.reset".into(),
            to: "ann@example.com".into(),
            locale: Some("en".into()),
            values: None,
        }
    }
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TestInput {
    template: String,
    to: String,
    locale: Option<String>,
    values: Option<Value>,
}

/// The mail that was made.
#[derive(Debug, Object)]
#[oai(rename = "TestMailMade", example)]
struct TestResponse {
    /// Its place in the outbox.
    number: u64,
}

impl Example for TestResponse {
    fn example() -> Self {
        Self { number: 7 }
    }
}

/// The endpoints of the outbox.
#[derive(Debug)]
pub struct MailApi {
    /// The use cases.
    pub mail: MailService,
}

#[OpenApi(prefix_path = "/mail", tag = "Tag::Mail")]
impl MailApi {
    /// List mails
    ///
    /// Who has the permission `mail:list` may call this. Newest first.
    #[oai(path = "/", method = "get", operation_id = "listMail")]
    async fn list(
        &self,
        request: &Request,
        /// Mails that are this far.
        state: Parameter<Option<State>>,
        /// Mails to this address.
        #[oai(validator(max_length = 254))]
        to: Parameter<Option<String>>,
        /// The most mails of a page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Parameter<usize>,
        /// The `nextCursor` of the page before.
        #[oai(validator(max_length = 20))]
        cursor: Parameter<Option<String>>,
    ) -> Result<Json<MailList>, ApiError> {
        let query = Query {
            state: state.0.map(MailState::from),
            to: to.0,
            before: cursor.0.map(|text| text.parse().map_err(|_| bad_cursor())).transpose()?,
            limit: limit.0,
        };
        let (mails, next) = self.mail.list(&*caller_of(request)?, query).await?;
        let items = mails.into_iter().map(MailResponse::from).collect();
        Ok(Json(MailList { items, next_cursor: next.map(|number| number.to_string()) }))
    }

    /// Send a mail to try a template
    ///
    /// Who has the permissions `mail:create` and `templates:read` may call this.
    #[oai(path = "/test", method = "post", operation_id = "sendTestMail")]
    async fn test(
        &self,
        request: &Request,
        body: BoundedBody<TestInput, TestRequest>,
    ) -> Result<Json<TestResponse>, ApiError> {
        let TestInput { template, to, locale, values } = body.0;
        let test = Test { template, to, locale, values };
        let number = self.mail.send_test(&*caller_of(request)?, test).await?;
        Ok(Json(TestResponse { number }))
    }

    /// Read a mail
    ///
    /// Who has the permission `mail:read` may call this. The text is there while the mail waits, for those who may do everything.
    #[oai(path = "/:number", method = "get", operation_id = "readMail")]
    async fn read(
        &self,
        request: &Request,
        /// The number of the mail.
        number: Path<u64>,
    ) -> Result<Json<MailResponse>, ApiError> {
        Ok(Json(self.mail.read(&*caller_of(request)?, number.0)?.into()))
    }
}

fn limit_default() -> usize {
    50
}

fn bad_cursor() -> ApiError {
    ApiError::new(Code::InvalidCursor, "the cursor is none of a page of mails; start again without it")
}
