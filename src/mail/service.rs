//! Putting mails into the outbox, reading it, and keeping it as long as the configuration says.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use serde_json::{json, value::to_raw_value};

use super::{KIND, Mail, MailState, Message, QUEUE, model::Content, repo};
use crate::{
    access::{Action, Permissions, Principal},
    kernel::{Code, DomainError, FieldError},
    queue::{Backoff, Growth, JobState, Jobs, NewJob, QueueError},
    store::{Read, Store, StoreError, Tx},
    templates::{TemplateError, Templates},
};

/// The most mails that one page looks at.
const EXAMINED_MAX: usize = 20_000;
/// The most mails that one operation of the writer removes.
const PRUNE_MAX: usize = 1_000;

/// How often a mail of the server's own is tried: for a day, with the pauses of [`BACKOFF`].
const ATTEMPTS_MAX: u32 = 30;
/// The pauses between its attempts.
const BACKOFF: Backoff = Backoff { growth: Growth::Exponential, first_ms: 30_000, longest_ms: 3_600_000 };

/// A business outcome of a request about mail.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The caller may not see the outbox.
    #[error("your roles do not permit this: it takes mail:{0}")]
    Forbidden(&'static str),
    /// There is no such mail.
    #[error("there is no mail {0}")]
    NotFound(u64),
    /// What its template says cannot be said.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for MailError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::Template(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        if let Self::Template(error) = self { error.field_errors() } else { &[] }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        if let Self::Store(error) = self { error.retry_after_seconds() } else { None }
    }
}

/// Which mails are asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Mails that are this far.
    pub state: Option<MailState>,
    /// Mails to this address.
    pub to: Option<String>,
    /// Mails with a smaller number.
    pub before: Option<u64>,
    /// The most mails to answer.
    pub limit: usize,
}

/// A mail to see what comes of a template.
#[derive(Clone, Debug)]
pub struct Test {
    /// The template.
    pub template: String,
    /// The address.
    pub to: String,
    /// The language.
    pub locale: Option<String>,
    /// What is put in.
    pub values: Option<serde_json::Value>,
}

/// The outbox as others use it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MailService {
    store: Store,
    jobs: Jobs,
    templates: Templates,
}

impl MailService {
    /// The outbox in a store, whose mails say what templates say and are sent by jobs.
    #[must_use]
    pub fn new(store: Store, jobs: Jobs, templates: Templates) -> Self {
        Self { store, jobs, templates }
    }

    /// The templates.
    #[must_use]
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Puts a mail into the outbox: it is sent exactly when the transaction is on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put(&self, tx: &mut Tx<'_>, message: Message, now: Timestamp) -> Result<(), StoreError> {
        let Message { to, user, template, values } = message;
        let whose = (user.as_deref(), None);
        // What the server itself says is built in, and so is what takes its place when it was told otherwise and badly.
        let rendered = self.templates.render(tx, template, whose, &values, None).map_err(|error| match error {
            TemplateError::Store(error) => error,
            error => StoreError::corrupt(error),
        })?;
        self.put_content(tx, Content::of(rendered, to, template), now)
    }

    /// Puts a mail into the outbox that was rendered already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_content(&self, tx: &mut Tx<'_>, content: Content, now: Timestamp) -> Result<(), StoreError> {
        let mail = Mail::new(repo::next_number(tx)?, content, now);
        self.put_with_job(tx, mail)
    }

    /// Sends what a template says to an address, to see what comes of it: with its examples where no values are given.
    ///
    /// # Errors
    /// [`MailError::Forbidden`] without `mail:create` and `templates:read`, [`MailError::Template`].
    pub async fn send_test(&self, caller: &Principal, test: Test) -> Result<u64, MailError> {
        if !caller.may("mail", Action::Create) {
            return Err(MailError::Forbidden("create"));
        }
        if !caller.may("templates", Action::Read) {
            return Err(TemplateError::Forbidden("templates:read".into()).into());
        }
        let Test { template, to, locale, values } = test;
        if to.parse::<lettre::Address>().is_err() {
            let fault = FieldError::at("to", "format", "must be an e-mail address");
            return Err(TemplateError::Invalid(vec![fault]).into());
        }
        let values = values.map_or_else(|| self.templates.examples_of(&template), Ok)?;
        let (own, now) = (self.clone(), self.jobs.now());
        self.store
            .write(move |tx| {
                let rendered = own.templates.render(tx, &template, (None, locale.as_deref()), &values, None)?;
                let number = repo::next_number(tx)?;
                own.put_with_job(tx, Mail::new(number, Content::of(rendered, to, &template), now))?;
                Ok(number)
            })
            .await
    }

    fn put_with_job(&self, tx: &mut Tx<'_>, mail: Mail) -> Result<(), StoreError> {
        let payload = to_raw_value(&json!({"mail": mail.number})).map_err(StoreError::corrupt)?;
        let job = NewJob {
            attempts_max: Some(ATTEMPTS_MAX),
            backoff: Some(BACKOFF),
            ..NewJob::new(QUEUE, KIND, payload, "stead")
        };
        let made = self.jobs.enqueue(tx, &job).map_err(|error| match error {
            QueueError::Store(error) => error,
            error => StoreError::corrupt(error),
        })?;
        repo::put(tx, &Mail { job: Some(made.id), ..mail })
    }

    /// Makes jobs for mails that still wait and were not tried: they were written when there was no server for mail. A mail that a job brought
    /// with it stays, for what is kept of it is for reading only; one whose job is dead or was cancelled stays, too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume(&self, now: Timestamp) -> Result<(), StoreError> {
        let own = self.clone();
        let waiting = self.store.scan(move |snapshot| own.without_job(snapshot, now)).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let own = self.clone();
        self.store.write(move |tx| waiting.into_iter().try_for_each(|mail| own.put_with_job(tx, mail))).await
    }

    fn without_job(&self, source: &impl Read, now: Timestamp) -> Result<Vec<Mail>, StoreError> {
        let mut found = Vec::new();
        repo::visit(source, None, &mut |mail| {
            if mail.is_stale(now) {
                return ControlFlow::Break(());
            }
            found.push(mail);
            ControlFlow::Continue(())
        })?;
        let mut without = Vec::new();
        for mail in found.into_iter().filter(|mail| mail.state == MailState::Waiting && mail.kind != KIND).rev() {
            let state = mail.job.map(|job| self.jobs.state_in(source, job)).transpose()?.flatten();
            if state.is_none_or(|state| state == JobState::Succeeded) {
                without.push(mail);
            }
        }
        Ok(without)
    }

    /// Mails that fit, newest first, without their texts, and where to go on when there may be more.
    ///
    /// # Errors
    /// [`MailError::Forbidden`] without `mail:list`.
    pub async fn list(&self, caller: &Principal, query: Query) -> Result<(Vec<Mail>, Option<u64>), MailError> {
        if !caller.may("mail", Action::List) {
            return Err(MailError::Forbidden("list"));
        }
        let fits = move |mail: &Mail| {
            query.state.is_none_or(|state| state == mail.state) && query.to.as_ref().is_none_or(|to| *to == mail.to)
        };
        self.store
            .scan(move |snapshot| {
                let (mut found, mut examined, mut next) = (Vec::new(), 0, None);
                repo::visit(snapshot, query.before, &mut |mail| {
                    if found.len() >= query.limit || examined >= EXAMINED_MAX {
                        next = Some(mail.number + 1);
                        return ControlFlow::Break(());
                    }
                    examined += 1;
                    if fits(&mail) {
                        found.push(mail.without_text());
                    }
                    ControlFlow::Continue(())
                })?;
                Ok((found, next))
            })
            .await
    }

    /// One mail. Its text may hold a link that signs in as somebody, so it is for those only who may do everything anyway.
    ///
    /// # Errors
    /// [`MailError::Forbidden`] without `mail:read`, [`MailError::NotFound`].
    pub fn read(&self, caller: &Principal, number: u64) -> Result<Mail, MailError> {
        if !caller.may("mail", Action::Read) {
            return Err(MailError::Forbidden("read"));
        }
        let mail = repo::mail(&self.store.snapshot(), number)?.ok_or(MailError::NotFound(number))?;
        let sees_text = caller.covers(&Permissions::everything());
        Ok(if sees_text { mail } else { mail.without_text() })
    }

    /// Removes what is older than `days`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune(&self, now: Timestamp, days: u32) -> Result<(), StoreError> {
        let limit = now.saturating_sub(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(Timestamp::MIN);
        // The writer is not asked for nothing.
        while repo::oldest(&self.store.snapshot())?.is_some_and(|oldest| oldest < limit) {
            self.store.write(move |tx| repo::prune(tx, limit, PRUNE_MAX)).await?;
        }
        Ok(())
    }
}
