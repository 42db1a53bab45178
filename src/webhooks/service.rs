//! Use cases of webhooks: the permission first, then what is stored.

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::Notify;

use super::{
    follower::order,
    input::WebhookInput,
    model::{Webhook, WebhookError},
    repo,
    sign::Secret,
};
use crate::{
    access::{Action, Principal},
    auth::Directory,
    collections::{Catalog, Catalogs},
    kernel::{Clock, IdSource},
    mail::{MailService, Message},
    queue::{Attempt, JobId, Jobs, Listed, QueueError},
    store::{Store, StoreError, Tx},
};

/// The most webhooks.
const WEBHOOKS_MAX: usize = 200;
/// The most deliveries that one operation of the writer forgets.
const FORGOTTEN_MAX: usize = 1_000;

/// Use cases of webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    pub(super) store: Store,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) jobs: Jobs,
    pub(super) clock: Arc<dyn Clock>,
    /// Rings when webhooks have changed.
    pub(super) bell: Arc<Notify>,
    ids: Arc<IdSource>,
    mail: MailService,
    directory: Arc<dyn Directory>,
    allow_private: bool,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl Webhooks {
    /// Webhooks on these collections; with `allow_private` their addresses may be of this machine and of private networks.
    #[must_use]
    pub fn new(
        catalogs: Arc<Catalogs>,
        jobs: Jobs,
        (directory, mail): (Arc<dyn Directory>, MailService),
        clock: Arc<dyn Clock>,
        allow_private: bool,
    ) -> Self {
        let store = catalogs.store().clone();
        let (bell, ids) = (Arc::default(), Arc::default());
        Self { store, catalogs, jobs, clock, bell, ids, mail, directory, allow_private }
    }

    /// All webhooks, the oldest first.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:list`.
    pub fn list(&self, caller: &Principal) -> Result<Vec<Webhook>, WebhookError> {
        permit(caller, Action::List)?;
        let webhooks = repo::all(&self.store.snapshot())?;
        webhooks.into_iter().map(|webhook| self.named(webhook)).collect()
    }

    /// A webhook.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:read`, [`WebhookError::NotFound`].
    pub fn read(&self, caller: &Principal, id: &str) -> Result<Webhook, WebhookError> {
        permit(caller, Action::Read)?;
        self.named(repo::webhook(&self.store.snapshot(), id)?.ok_or_else(|| not_found(id))?)
    }

    fn named(&self, webhook: Webhook) -> Result<Webhook, WebhookError> {
        Ok(named(webhook, &self.catalogs.current()?.1))
    }

    /// Makes a webhook. Answers it with its secret, which is told only here.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:create`, [`WebhookError::Invalid`], also when the caller may not read all records of a
    /// collection.
    pub(super) async fn create(
        &self,
        caller: &Principal,
        input: WebhookInput,
    ) -> Result<(Webhook, String), WebhookError> {
        permit(caller, Action::Create)?;
        let (now, secret) = (self.clock.now(), Secret::new());
        let mut webhook = Webhook {
            id: self.ids.next(now).to_string(),
            url: String::new(),
            description: None,
            subscriptions: Vec::new(),
            ordered: false,
            paused: false,
            disabled: None,
            secrets: vec![secret.clone()],
            since: 0,
            accepted_at: None,
            enabled_at: now,
            created_by: caller.id.to_string(),
            created_at: now,
            updated_at: now,
        };
        let (_, catalog) = self.catalogs.current()?;
        input.apply(&mut webhook, caller, &catalog, self.allow_private).map_err(WebhookError::Invalid)?;
        let written = self.store.write(move |tx| {
            if repo::all(tx)?.len() >= WEBHOOKS_MAX {
                return Err(WebhookError::Conflict(format!("there are {WEBHOOKS_MAX} webhooks; remove some first")));
            }
            webhook.since = tx.seq();
            repo::put(tx, &webhook)?;
            // Whoever hears nothing yet hears from here on.
            if repo::cursor(tx)?.is_none() {
                repo::put_cursor(tx, webhook.since)?;
            }
            Ok(webhook)
        });
        let webhook = written.await?;
        self.bell.notify_one();
        Ok((webhook, secret.text().to_owned()))
    }

    /// Changes a webhook. One that was disabled is told of changes again when it is said not to rest.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:update`, [`WebhookError::NotFound`], [`WebhookError::Invalid`].
    pub(super) async fn update(
        &self,
        caller: &Arc<Principal>,
        id: String,
        input: WebhookInput,
    ) -> Result<Webhook, WebhookError> {
        permit(caller, Action::Update)?;
        let (_, catalog) = self.catalogs.current()?;
        let (caller, now, allow_private) = (Arc::clone(caller), self.clock.now(), self.allow_private);
        let written = self.store.write(move |tx| {
            let mut webhook = repo::webhook(tx, &id)?.ok_or_else(|| not_found(&id))?;
            let (heard, wakes) = (webhook.hears(), input.wakes());
            if input.moves() {
                // What it is told goes elsewhere.
                check_readable(&named(webhook.clone(), &catalog), &caller)?;
            }
            input.apply(&mut webhook, &caller, &catalog, allow_private).map_err(WebhookError::Invalid)?;
            webhook.disabled = webhook.disabled.filter(|_| !wakes);
            if !heard && webhook.hears() {
                (webhook.since, webhook.enabled_at) = (tx.seq(), now);
            }
            webhook.updated_at = now;
            repo::put(tx, &webhook)?;
            Ok::<_, WebhookError>(webhook)
        });
        let webhook = written.await?;
        self.bell.notify_one();
        self.named(webhook)
    }

    /// Removes a webhook. What it was to be told is not told any more.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:delete`, [`WebhookError::NotFound`].
    pub async fn delete(&self, caller: &Principal, id: String) -> Result<(), WebhookError> {
        permit(caller, Action::Delete)?;
        let removed = self.store.write(move |tx| {
            repo::webhook(tx, &id)?.ok_or_else(|| not_found(&id))?;
            Ok::<_, WebhookError>(repo::delete(tx, &id)?)
        });
        removed.await?;
        self.bell.notify_one();
        Ok(())
    }

    /// Gives a webhook a new secret; messages are signed with those before it, too, for a while. Answers it.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:update`, [`WebhookError::NotFound`].
    pub async fn rotate(
        &self,
        caller: &Principal,
        id: String,
        grace: SignedDuration,
    ) -> Result<(String, Timestamp), WebhookError> {
        permit(caller, Action::Update)?;
        let now = self.clock.now();
        let until = now.saturating_add(grace).unwrap_or(now);
        self.store
            .write(move |tx| {
                let mut webhook = repo::webhook(tx, &id)?.ok_or_else(|| not_found(&id))?;
                webhook.secrets.retain(|secret| secret.until.is_none_or(|until| until > now));
                for secret in &mut webhook.secrets {
                    secret.until = Some(secret.until.map_or(until, |known| known.min(until)));
                }
                let secret = Secret::new();
                webhook.secrets.insert(0, secret.clone());
                // Each one more makes the header of every message longer.
                webhook.secrets.truncate(3);
                webhook.updated_at = now;
                repo::put(tx, &webhook)?;
                Ok((secret.text().to_owned(), until))
            })
            .await
    }

    /// Posts a message that tells of nothing, to try the endpoint. Answers its delivery.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:update`, [`WebhookError::NotFound`], [`WebhookError::Conflict`] for one that rests.
    pub async fn test(&self, caller: &Principal, id: String) -> Result<Listed, WebhookError> {
        permit(caller, Action::Update)?;
        let (own, now) = (self.clone(), self.clock.now());
        let made = self.store.write(move |tx| {
            let webhook = repo::webhook(tx, &id)?.ok_or_else(|| not_found(&id))?;
            if !webhook.hears() {
                return Err(WebhookError::Conflict("the webhook is paused or disabled".into()));
            }
            let body = format!(r#"{{"type":"test","timestamp":"{now}","data":{{"webhook":"{id}"}}}}"#);
            let made = own.jobs.enqueue(tx, &order(&webhook, body, None)?)?;
            repo::add_delivery(tx, &id, made.id)?;
            Ok(made.id)
        });
        Ok(self.jobs.listed(made.await?)?)
    }

    /// Tells a webhook something that is no change of a record. Answers whether there is such a webhook that is told anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tell(&self, tx: &mut Tx<'_>, id: &str, kind: &str, data: &serde_json::Value) -> Result<bool, StoreError> {
        let Some(webhook) = repo::webhook(tx, id)?.filter(Webhook::hears) else { return Ok(false) };
        let body = json!({"type": kind, "timestamp": self.clock.now(), "data": data}).to_string();
        let made = self.jobs.enqueue(tx, &order(&webhook, body, None)?).map_err(|error| match error {
            QueueError::Store(error) => error,
            error => StoreError::corrupt(error),
        })?;
        repo::add_delivery(tx, id, made.id)?;
        Ok(true)
    }

    /// Messages to a webhook, the newest first, of those before one.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:read`, [`WebhookError::NotFound`].
    pub fn deliveries(
        &self,
        caller: &Principal,
        id: &str,
        before: Option<JobId>,
        max: usize,
    ) -> Result<Vec<Listed>, WebhookError> {
        self.read(caller, id)?;
        let mut found = Vec::new();
        for job in repo::deliveries(&self.store.snapshot(), id, before, max)? {
            match self.jobs.listed(job) {
                Ok(listed) => found.push(listed),
                // It was kept for long enough.
                Err(QueueError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    /// A message to a webhook, with the attempts that did not succeed.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:read` and the permission to read all records of its collections,
    /// [`WebhookError::NotFound`].
    pub fn delivery(
        &self,
        caller: &Principal,
        id: &str,
        delivery: &str,
    ) -> Result<(Listed, Vec<Attempt>), WebhookError> {
        let webhook = self.read(caller, id)?;
        let job = self.job_of(id, delivery)?;
        // The message tells of records, whatever rules say.
        check_readable(&webhook, caller)?;
        Ok((self.jobs.listed(job)?, self.jobs.attempts(job)?))
    }

    fn job_of(&self, id: &str, delivery: &str) -> Result<JobId, WebhookError> {
        let job = JobId::parse(delivery).ok_or(QueueError::NotFound)?;
        if repo::has_delivery(&self.store.snapshot(), id, job)? { Ok(job) } else { Err(QueueError::NotFound.into()) }
    }

    /// Posts a message once more, under the same id.
    ///
    /// # Errors
    /// [`WebhookError::Forbidden`] without `webhooks:update`, [`WebhookError::NotFound`], [`WebhookError::Conflict`] while it is under way.
    pub async fn replay(&self, caller: &Principal, id: &str, delivery: &str) -> Result<Listed, WebhookError> {
        permit(caller, Action::Update)?;
        let job = self.job_of(id, delivery)?;
        self.jobs.retry(job).await?;
        Ok(self.jobs.listed(job)?)
    }

    /// Forgets deliveries whose jobs are not kept any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune(&self) -> Result<(), StoreError> {
        for webhook in repo::all(&self.store.snapshot())? {
            let own = self.clone();
            self.store
                .write(move |tx| {
                    let is_gone = |tx: &Tx<'_>, job| Ok(own.jobs.state_in(tx, job)?.is_none());
                    repo::forget(tx, &webhook.id, FORGOTTEN_MAX, is_gone)
                })
                .await?;
        }
        Ok(())
    }

    /// Tells whoever made a webhook that it is not told anything any more.
    pub(super) fn tell_owner(&self, tx: &mut Tx<'_>, webhook: &Webhook, reason: &str) -> Result<(), StoreError> {
        let Some(owner) = self.directory.within(tx, &webhook.created_by)?.filter(|owner| !owner.disabled) else {
            return Ok(());
        };
        let what = webhook.description.as_deref().unwrap_or(&webhook.id);
        let message = Message::new("webhook.disabled", owner.email, json!({"webhook": what, "reason": reason}));
        let message = message.for_user(owner.id.as_str());
        self.mail.put(tx, message, self.clock.now())
    }
}

/// A webhook with the names that its collections have now.
fn named(mut webhook: Webhook, catalog: &Catalog) -> Webhook {
    for subscription in &mut webhook.subscriptions {
        if let Some(collection) = catalog.by_number(subscription.number) {
            subscription.collection.clone_from(&collection.def.name);
        }
    }
    webhook
}

fn permit(caller: &Principal, action: Action) -> Result<(), WebhookError> {
    if caller.may("webhooks", action) {
        return Ok(());
    }
    Err(WebhookError::Forbidden(format!("webhooks:{}", action.name())))
}

/// Refuses who may not read all records of the collections of which a webhook is told.
fn check_readable(webhook: &Webhook, caller: &Principal) -> Result<(), WebhookError> {
    let names = webhook.subscriptions.iter().map(|subscription| &subscription.collection);
    match names.into_iter().find(|name| !caller.may(name, Action::Read)) {
        Some(name) => Err(WebhookError::Forbidden(format!("{name}:read"))),
        None => Ok(()),
    }
}

fn not_found(id: &str) -> WebhookError {
    WebhookError::NotFound(format!("webhook \"{id}\""))
}
