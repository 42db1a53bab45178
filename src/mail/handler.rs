//! Does the jobs that send mail: those of the outbox, and those whose payload is a mail.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::BoxFuture};
use serde::Deserialize;
use serde_json::{json, value::to_raw_value};

use super::{
    KIND, Mail, MailState, Smtp,
    email::{self, Email},
    model::{Content, Fault},
    repo,
};
use crate::{
    kernel::Clock,
    queue::{Failure, Handler, JobOutcome, Running},
    store::{Store, StoreError},
};

/// Sends mail.
pub struct SendEmail {
    store: Store,
    clock: Arc<dyn Clock>,
    /// The server for mail; without one, mails stay in the outbox.
    smtp: Option<Smtp>,
}

impl std::fmt::Debug for SendEmail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendEmail").field("smtp", &self.smtp).finish_non_exhaustive()
    }
}

/// A mail of the outbox.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    mail: u64,
}

impl Handler for SendEmail {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, JobOutcome> {
        async move {
            match job.payload::<Kept>() {
                Ok(Kept { mail }) => self.send_kept(job, mail).await,
                Err(_) => self.send(job, job.payload()?).await,
            }
        }
        .boxed()
    }
}

impl SendEmail {
    /// The server for mail, if there is one, and where mails are kept.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, smtp: Option<Smtp>) -> Self {
        Self { store, clock, smtp }
    }

    async fn send_kept(&self, job: &Running, number: u64) -> JobOutcome {
        let kept = repo::mail(&self.store.snapshot(), number)?;
        let Some(mail) = kept else { return Err(Failure::for_good("there is no such mail (any more)")) };
        let Some(smtp) = self.smtp.as_ref().filter(|_| mail.state == MailState::Waiting) else { return Ok(None) };
        let sent = match email::letter_of(&mail, &smtp.from) {
            _ if mail.is_stale(self.clock.now()) => Err(Fault::for_good("it waited for more than a day")),
            Ok(letter) => smtp.send(letter).await,
            Err(fault) => Err(fault),
        };
        let is_last = job.job.attempts >= job.job.attempts_max;
        let mail = Mail { attempts: job.job.attempts, ..mail };
        let noted = match &sent {
            Ok(()) => mail.done(Ok(()), self.clock.now()),
            Err(fault) if fault.is_final || is_last => mail.done(Err(fault), self.clock.now()),
            Err(fault) => Mail { error: Some(fault.text.clone()), ..mail },
        };
        let written = self.store.write(move |tx| repo::put(tx, &noted)).await;
        sent?;
        written?;
        Ok(None)
    }

    async fn send(&self, job: &Running, email: Email) -> JobOutcome {
        let Some(smtp) = &self.smtp else { return self.keep(email).await };
        let letter = email.letter(&smtp.from, &job.job.id.to_string())?;
        smtp.send(letter).await?;
        Ok(None)
    }

    /// Puts a mail into the outbox, to be read there.
    async fn keep(&self, email: Email) -> JobOutcome {
        let Email { to, subject, text, html, .. } = email;
        let text = text.or_else(|| html.clone()).unwrap_or_default();
        let content = Content { to: to.join(", "), kind: KIND.into(), subject, text, html, unsubscribe: None };
        let now = self.clock.now();
        let kept = self.store.write(move |tx| {
            let number = repo::next_number(tx)?;
            repo::put(tx, &Mail::new(number, content, now))?;
            Ok::<_, StoreError>(number)
        });
        let number = kept.await?;
        Ok(to_raw_value(&json!({"outbox": number})).ok())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { error: fault.text, is_final: fault.is_final, ..Self::default() }
    }
}
