//! Opening sessions: by a password, by what another part has proven, for somebody who acts as a user.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Account, AuthError, AuthService, SignedIn, Visit, devices,
    foreign::is_foreign,
    letter, repo,
    service::seconds,
    session::{Opening, RefreshToken, SessionRow},
    token::Grant,
};
use crate::{
    access::{Action, Principal, Who},
    audit::{self, Event},
    kernel::RecordId,
    mail::Message,
    store::Tx,
    telemetry,
};

/// The most sessions of a user; one more ends the one that was used least lately.
const SESSIONS_MAX: usize = 100;
/// After how many failures in a row the user is told.
const NOTICE_AT: u32 = 10;

/// How somebody has proven who they are.
#[derive(Clone, Debug)]
pub struct Means<'a> {
    methods: &'a [&'a str],
    detail: Value,
}

impl<'a> Means<'a> {
    /// By these methods ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)).
    #[must_use]
    pub fn new(methods: &'a [&'a str]) -> Self {
        Self { methods, detail: json!({}) }
    }

    /// With what the audit log is to tell besides.
    #[must_use]
    pub fn with(self, detail: Value) -> Self {
        Self { detail, ..self }
    }
}

impl AuthService {
    /// Signs in with a password. An unknown address, a wrong password and a disabled user answer alike, and take as long.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`], [`AuthError::TooManyAttempts`], [`AuthError::Store`].
    pub async fn login(&self, email: &str, password: String, visit: Visit) -> Result<SignedIn, AuthError> {
        let (email, started) = (email.trim().to_lowercase(), Instant::now());
        let failures = self.attempts.begin(&email, self.clock.now())?;
        let account = self.directory.by_email(&email)?;
        let row = match &account {
            Some(account) => repo::password(&self.store.snapshot(), account.id.as_str())?,
            None => None,
        };
        let hash = row.map(|row| row.hash);
        let proven = hash.clone().unwrap_or_default();
        let foreign = Some(password.clone()).filter(|_| is_foreign(&proven));
        let fits = self.passwords.verify(password, hash).await?;
        let subject = account.as_ref().map_or_else(String::new, |account| account.id.to_string());
        let Some(account) = account.filter(|account| fits && !account.disabled) else {
            // What somebody's hash costs would tell that there is somebody.
            tokio::time::sleep_until(started + self.passwords.floor(repo::decoys(&self.store.snapshot())?).await?)
                .await;
            let notice = (failures == NOTICE_AT && !subject.is_empty())
                .then(|| letter::locked(&email, failures).for_user(&subject));
            self.refuse(&email, subject, visit.who, notice).await?;
            return Err(AuthError::InvalidCredentials);
        };
        self.attempts.succeeded(&email);
        let id = account.id.clone();
        let (user, verified) = (id.to_string(), Some(proven.clone()));
        // A sign-in under way does not outlive a change of the password.
        let same = move |tx: &mut Tx<'_>| {
            let current = repo::password(tx, &user)?.map(|row| row.hash);
            if current == verified { Ok(()) } else { Err(AuthError::InvalidCredentials) }
        };
        let signed_in = self.sign_in_as(&account.id, Means::new(&["pwd"]), visit, same).await?;
        if let Some(password) = foreign {
            self.upgrade(&id, proven, password).await;
        }
        Ok(signed_in)
    }

    /// Tells the logs of an attempt that failed: alike for users that there are and others.
    async fn refuse(&self, email: &str, subject: String, who: Who, notice: Option<Message>) -> Result<(), AuthError> {
        // People type passwords in the place of addresses, so what was typed is told as a tag only.
        let tag = telemetry::user_tag(email);
        tracing::info!(user = tag, "a sign-in failed");
        let (now, mail) = (self.clock.now(), self.mail.clone());
        let event = Event::new("session.refused", &who, &subject, now).with(json!({"name": tag}));
        let written = self.store.write::<_, AuthError, _>(move |tx| {
            if let Some(notice) = notice {
                mail.put(tx, notice, now)?;
            }
            Ok(audit::record(tx, event)?)
        });
        written.await
    }

    /// Opens a session for somebody who has proven who they are. `also` is done in the same transaction, or
    /// refuses it: what was proven may not hold any more.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`] when they were disabled or deleted meanwhile; those of `also`.
    pub async fn sign_in_as(
        &self,
        user: &RecordId,
        means: Means<'_>,
        visit: Visit,
        also: impl FnOnce(&mut Tx<'_>) -> Result<(), AuthError> + Send + 'static,
    ) -> Result<SignedIn, AuthError> {
        let opening = Opening {
            user: user.to_string(),
            device: visit.device,
            address: visit.who.address,
            methods: means.methods.iter().map(|method| (*method).to_owned()).collect(),
            impersonator: None,
            behind: None,
        };
        let who = Who { actor: user.to_string(), ..visit.who };
        let event = Event::new("session.created", &who, user.as_str(), self.clock.now()).with(means.detail);
        self.open(opening, event, self.lives.refresh_seconds, also).await
    }

    /// Forgets attempts that failed for an address: its user has proven to be somebody else than who failed.
    pub fn forgive(&self, email: &str) {
        self.attempts.succeeded(email);
    }

    /// Opens a session for an admin who acts as a user. It cannot be refreshed beyond the life of one access token.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] without `users:impersonate` and everything that the user may do.
    pub async fn impersonate(&self, caller: &Principal, user: &str, visit: Visit) -> Result<SignedIn, AuthError> {
        if !caller.may("users", Action::Impersonate) || caller.session().is_none() || caller.impersonator().is_some() {
            return Err(AuthError::Forbidden("it takes users:impersonate, and a session of your own"));
        }
        let account = self.directory.by_id(user)?.filter(|account| !account.disabled);
        let account = account.ok_or_else(|| AuthError::NotFound(format!("user \"{user}\" who may sign in")))?;
        if !caller.covers(&self.roles.of(&self.store.snapshot())?.together(&account.roles)) {
            return Err(AuthError::Forbidden("the user may do what you may not"));
        }
        let opening = Opening {
            user: account.id.to_string(),
            device: visit.device,
            address: visit.who.address,
            methods: vec!["impersonation".into()],
            impersonator: Some(caller.id.clone()),
            behind: caller.session().map(str::to_owned),
        };
        let event = Event::new("session.impersonated", &visit.who, account.id.as_str(), self.clock.now());
        self.open(opening, event, self.lives.access_seconds, |_| Ok(())).await
    }

    async fn open(
        &self,
        opening: Opening,
        event: Event,
        life: u64,
        also: impl FnOnce(&mut Tx<'_>) -> Result<(), AuthError> + Send + 'static,
    ) -> Result<SignedIn, AuthError> {
        let now = self.clock.now();
        let event = event.with(json!({"methods": opening.methods, "device": opening.device}));
        let expires_at = now.saturating_add(seconds(life)).unwrap_or(now);
        let (row, token) = SessionRow::open(opening, now, expires_at);
        let (stored, directory) = (row.clone(), Arc::clone(&self.directory));
        // Who acts as a user is no device of theirs.
        let notice = (self.lives.new_device_notice && stored.impersonator.is_none()).then(|| self.mail.clone());
        let account = self.store.write::<_, AuthError, _>(move |tx| {
            also(tx)?;
            // Who was disabled meanwhile would find the session when enabled again.
            let account = directory.within(tx, &stored.user)?.filter(|account| !account.disabled);
            let account = account.ok_or(AuthError::InvalidCredentials)?;
            crowd_out(tx, &stored.user)?;
            repo::open_session(tx, &stored)?;
            if let Some(mail) = &notice {
                devices::learn(tx, mail, &account, &stored)?;
            }
            audit::record(tx, event)?;
            Ok(account)
        });
        self.signed_in(account.await?, &row, &token, now)
    }

    pub(super) fn signed_in(
        &self,
        account: Account,
        row: &SessionRow,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<SignedIn, AuthError> {
        let left = u64::try_from(row.expires_at.duration_since(now).as_secs()).unwrap_or(0);
        let expires_in = self.lives.access_seconds.min(left);
        let impersonator = row.impersonator.as_ref().map(RecordId::as_str);
        let grant = Grant { user: &row.user, session: &row.id, impersonator, seconds: expires_in };
        let access_token = self.tokens.sign(grant, now)?;
        let half = self.is_half(&self.store.snapshot(), row, &account.roles)?;
        let refresh_token = token.text();
        Ok(SignedIn { access_token, expires_in, refresh_token, refresh_expires_in: left, account, half })
    }

    /// Puts a hash of our own in the place of one that was brought along. The user is signed in either way: what fails
    /// here is tried again with the next sign-in.
    async fn upgrade(&self, user: &RecordId, before: String, password: String) {
        let upgraded = async {
            let hash = self.passwords.hash(password).await?;
            let user = user.to_string();
            let replace = move |tx: &mut Tx<'_>| repo::replace_hash(tx, &user, &before, hash);
            Ok::<_, AuthError>(self.store.write(replace).await?)
        };
        if let Err(error) = upgraded.await {
            tracing::warn!(user = telemetry::user_tag(user.as_str()), %error, "a password's hash was not upgraded");
        }
    }
}

/// Makes room for one more session of a user.
fn crowd_out(tx: &mut Tx<'_>, user: &str) -> Result<(), AuthError> {
    let mut rows = repo::sessions(tx, user)?;
    if rows.len() >= SESSIONS_MAX {
        rows.sort_by_key(|row| row.used_at);
        for row in rows.iter().take(rows.len() + 1 - SESSIONS_MAX) {
            repo::end_session(tx, row)?;
        }
    }
    Ok(())
}
