//! Posts messages to webhooks.

use std::time::Instant;

use futures_util::{FutureExt as _, future::BoxFuture};
use jiff::SignedDuration;
use serde_json::{json, value::to_raw_value};

use super::{
    KIND,
    model::{Order, Webhook},
    repo,
    service::Webhooks,
    sign::signatures,
};
use crate::{
    outgoing::Anywhere,
    queue::{Failure, Handler, JobOutcome, Running},
    store::StoreError,
};

/// How much of an answer is kept, in bytes.
const ANSWER_KEPT: usize = 2_048;
/// How exact it is known when a message was last accepted.
const ACCEPTED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Posts messages.
#[derive(Debug)]
pub struct Deliver {
    webhooks: Webhooks,
    client: Anywhere,
}

impl Handler for Deliver {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, JobOutcome> {
        self.deliver(job).boxed()
    }
}

impl Deliver {
    /// Posts by this client.
    #[must_use]
    pub fn new(webhooks: Webhooks, client: Anywhere) -> Self {
        Self { webhooks, client }
    }

    async fn deliver(&self, job: &Running) -> JobOutcome {
        let Order { webhook: id, body } = job.payload()?;
        let webhook = repo::webhook(&self.webhooks.store.snapshot(), &id)?;
        let Some(webhook) = webhook else { return Err(Failure::for_good("the webhook was removed")) };
        if !webhook.hears() {
            return Err(Failure::for_good("the webhook is paused or disabled; replay the delivery once it is not"));
        }
        let (message, now) = (format!("msg_{}", job.job.id), self.webhooks.clock.now());
        let signature = signatures(&webhook.secrets, &message, now, body.get());
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", message),
            ("webhook-timestamp", now.as_second().to_string()),
            ("webhook-signature", signature),
        ];
        let began = Instant::now();
        let answer = self.client.post(&webhook.url, &headers, body.get().to_owned(), ANSWER_KEPT).await;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match answer {
            Ok((status, text)) if (200..300).contains(&status) => {
                self.accepted(&webhook).await?;
                Ok(to_raw_value(&json!({"status": status, "milliseconds": millis, "answer": text})).ok())
            }
            Ok((410, _)) => {
                let reason = "its endpoint answered 410 Gone".to_owned();
                self.webhooks.disable(webhook.id, reason).await?;
                Err(Failure::for_good("the endpoint answered 410 Gone, and the webhook was disabled"))
            }
            Ok((status, text)) => self.refused(job, webhook, format!("the endpoint answered {status}: {text}")).await,
            Err(why) => self.refused(job, webhook, why).await,
        }
    }

    async fn accepted(&self, webhook: &Webhook) -> Result<(), StoreError> {
        let now = self.webhooks.clock.now();
        if webhook.accepted_at.is_some_and(|at| now.duration_since(at) < ACCEPTED_EVERY) {
            return Ok(());
        }
        let id = webhook.id.clone();
        self.webhooks
            .store
            .write(move |tx| match repo::webhook(tx, &id)? {
                Some(webhook) => repo::put(tx, &Webhook { accepted_at: Some(now), ..webhook }),
                None => Ok(()),
            })
            .await
    }

    /// A message was not accepted. If that was the last attempt, and nothing was accepted since the first, the endpoint is given up.
    async fn refused(&self, job: &Running, webhook: Webhook, error: String) -> JobOutcome {
        let is_last = job.job.attempts >= job.job.attempts_max;
        let well_at = webhook.accepted_at.map_or(webhook.enabled_at, |at| at.max(webhook.enabled_at));
        if is_last && well_at < job.job.created_at {
            let reason = format!("no message was accepted for as long as one is tried; the last time {error}");
            self.webhooks.disable(webhook.id, reason).await?;
        }
        Err(Failure::new(error))
    }
}
