//! What is asked for: written down at once, answered alike, carried out by the worker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use tokio::sync::Notify;

use super::{
    model::{OpenInvitation, Purpose, Request},
    repo,
};
use crate::{
    access::{
        Action, Principal, Who,
        secret::{secret_hash, secret_text},
    },
    audit::{self, Event},
    auth::{self, AuthError, AuthService, Directory, Passwords, own_session},
    collections::is_email,
    config,
    kernel::{Clock, FieldError},
    mail::MailService,
    records::RecordService,
    store::{Snapshot, Store, StoreError, Tx},
    telemetry,
    users::UserError,
};

/// The most requests that wait for the worker.
const WAITING_MAX: usize = 10_000;
/// The most addresses whose mails are counted.
const ADDRESSES_MAX: u64 = 100_000;
/// After how long it is forgotten how many mails an address got.
const MAILS_EVERY: Duration = Duration::from_secs(3_600);
/// The greatest length of an address, in bytes (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// What [`Flows`] are made of.
#[derive(Clone)]
pub struct FlowParts {
    /// The store.
    pub store: Store,
    /// Who the users are.
    pub directory: Arc<dyn Directory>,
    /// Sign-in.
    pub auth: Arc<AuthService>,
    /// Users' records.
    pub records: Arc<RecordService>,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// The outbox.
    pub mail: MailService,
    /// Who may register, and whether a mail signs in.
    pub policy: config::Auth,
    /// The page to which links lead.
    pub link_url: String,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// What users do by mail.
pub struct Flows {
    pub(super) parts: FlowParts,
    pub(super) wake: Notify,
    pub(super) waiting: AtomicUsize,
    /// How many mails an address got lately.
    pub(super) mails: Cache<String, u32>,
}

impl std::fmt::Debug for Flows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flows").finish_non_exhaustive()
    }
}

impl Flows {
    /// The flows.
    #[must_use]
    pub fn new(parts: FlowParts) -> Self {
        let mails = Cache::builder().max_capacity(ADDRESSES_MAX).time_to_live(MAILS_EVERY).build();
        Self { parts, wake: Notify::new(), waiting: AtomicUsize::new(0), mails }
    }

    /// Writes a request down.
    async fn ask(&self, request: Request) -> Result<(), UserError> {
        self.write_down(move |tx| Ok(repo::put_request(tx, &request)?)).await
    }

    /// Writes down what the caller asks for. It does not outlive the caller's session, nor the password of now.
    async fn ask_as(&self, caller: &Principal, request: Request) -> Result<(), UserError> {
        let (session, user) = (own_session(caller)?.to_owned(), caller.id.to_string());
        self.write_down(move |tx| {
            auth::check_session(tx, &session)?;
            let stamp = Some(auth::password_stamp(tx, &user)?);
            Ok(repo::put_request(tx, &Request { user: Some(user), stamp, ..request })?)
        })
        .await
    }

    async fn write_down(
        &self,
        write: impl FnOnce(&mut Tx<'_>) -> Result<(), AuthError> + Send + 'static,
    ) -> Result<(), UserError> {
        // Counted before, so that many at once do not pass together.
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.done_with_one();
            return Err(StoreError::Busy.into());
        }
        self.parts.store.write(write).await.inspect_err(|_| self.done_with_one())?;
        self.wake.notify_one();
        Ok(())
    }

    /// One request less waits. Those of an earlier run of the server were never counted.
    pub(super) fn done_with_one(&self) {
        let less = |waiting: usize| Some(waiting.saturating_sub(1));
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Somebody wants to become a user.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] unless registration is open, [`AuthError::Invalid`].
    pub async fn register(&self, email: &str, who: Who) -> Result<(), UserError> {
        if self.parts.policy.registration != "open" {
            return Err(AuthError::Forbidden("registration is not open here").into());
        }
        self.ask(plain(Purpose::Register, address(email, "email")?, who)).await
    }

    /// Invites somebody, with roles. A newer invitation takes the place of an older one.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] without `users:create`, for roles without `roles:assign` or that permit what the caller may not;
    /// [`AuthError::Conflict`] when the address is a user's, or where nobody may register.
    pub async fn invite(&self, caller: &Principal, who: Who, email: &str, roles: Vec<String>) -> Result<(), UserError> {
        self.check_invites(caller, &roles)?;
        if self.parts.policy.registration == "closed" {
            return Err(AuthError::Conflict("auth.registration is closed; set it to invite".into()).into());
        }
        let email = address(email, "email")?;
        let known = self.parts.auth.roles_now()?;
        let unknown = roles.iter().enumerate().filter(|(_, name)| known.get(name).is_none());
        let errors: Vec<_> = unknown
            .map(|(at, name)| {
                FieldError::new(format!("/roles/{at}"), "unknown_role", format!("there is no role \"{name}\""))
            })
            .collect();
        if !errors.is_empty() {
            return Err(AuthError::Invalid(errors).into());
        }
        if self.parts.directory.by_email(&email)?.is_some() {
            return Err(AuthError::Conflict("there is a user with this address already".into()).into());
        }
        self.ask(Request { roles, ..plain(Purpose::Invite, email, who) }).await
    }

    /// Open invitations by address, those behind `after`, and where to go on when there may be more.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] without `users:create`.
    pub async fn invitations(
        &self,
        caller: &Principal,
        after: String,
        max: usize,
    ) -> Result<(Vec<OpenInvitation>, Option<String>), UserError> {
        self.check_invites(caller, &[])?;
        let now = self.parts.clock.now();
        let read = move |snapshot: &Snapshot| repo::tickets_for(snapshot, Purpose::Invite.name(), &after, max);
        let tickets = self.parts.store.scan(read).await?;
        let next = tickets.last().filter(|_| tickets.len() == max).map(|last| last.email.clone());
        let open = tickets.into_iter().filter(|ticket| now < ticket.expires_at);
        Ok((open.map(OpenInvitation::from).collect(), next))
    }

    /// Takes an invitation back: its link does nothing any more.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] without `users:create`, [`AuthError::NotFound`].
    pub async fn uninvite(&self, caller: &Principal, who: Who, email: &str) -> Result<(), UserError> {
        self.check_invites(caller, &[])?;
        let (email, now) = (email.trim().to_lowercase(), self.parts.clock.now());
        let none = AuthError::NotFound(format!("open invitation of \"{email}\""));
        let taken = self.parts.store.write::<_, AuthError, _>(move |tx| {
            let hash = repo::hash_of(tx, &format!("{}/{email}", Purpose::Invite.name()))?;
            let open = hash.as_deref().map_or(Ok(None), |hash| repo::ticket(tx, hash))?;
            let (Some(hash), Some(_)) = (hash, open.filter(|ticket| now < ticket.expires_at)) else { return Err(none) };
            repo::take(tx, &hash)?;
            Ok(audit::record(tx, Event::new("user.uninvited", &who, &telemetry::user_tag(&email), now))?)
        });
        Ok(taken.await?)
    }

    /// Refuses who may not make users with these roles.
    pub(super) fn check_invites(&self, caller: &Principal, roles: &[String]) -> Result<(), UserError> {
        if !caller.may("users", Action::Create) {
            return Err(AuthError::Forbidden("it takes users:create").into());
        }
        let is_plain = roles.is_empty() || roles == ["user"];
        let permitted = || Ok::<_, UserError>(self.parts.auth.roles_now()?.together(roles));
        if !is_plain && (!caller.may("roles", Action::Assign) || !caller.covers(&*permitted()?)) {
            return Err(AuthError::Forbidden("it takes roles:assign, and everything that the roles permit").into());
        }
        Ok(())
    }

    /// The caller wants to prove the address of the account.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] but in person.
    pub async fn verify_email(&self, caller: &Principal, who: Who) -> Result<(), UserError> {
        self.ask_as(caller, plain(Purpose::Verify, caller.email.clone(), who)).await
    }

    /// The caller wants another address.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] but in person, [`AuthError::InvalidCredentials`], [`AuthError::Invalid`].
    pub async fn change_email(
        &self,
        caller: &Principal,
        who: Who,
        new: &str,
        password: Option<String>,
    ) -> Result<(), UserError> {
        own_session(caller)?;
        let email = address(new, "newEmail")?;
        self.parts.auth.prove_caller(caller, &who, password).await?;
        self.ask_as(caller, plain(Purpose::ChangeEmail, email, who)).await
    }

    /// Somebody forgot a password.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when it is no address.
    pub async fn forgot_password(&self, email: &str, who: Who) -> Result<(), UserError> {
        self.ask(plain(Purpose::Reset, address(email, "email")?, who)).await
    }

    /// Somebody wants to sign in by mail. Answers the reference to give with the code.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] where this is off, [`AuthError::Invalid`].
    pub async fn email_sign_in(&self, email: &str, who: Who) -> Result<String, UserError> {
        if !self.parts.policy.email_sign_in {
            return Err(AuthError::Forbidden("signing in by mail is off here").into());
        }
        let reference = secret_text();
        let hash = Some(secret_hash(&reference));
        self.ask(Request { reference: hash, ..plain(Purpose::SignIn, address(email, "email")?, who) }).await?;
        Ok(reference)
    }

    /// Removes tickets that have ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self) -> Result<(), StoreError> {
        loop {
            let now = self.parts.clock.now();
            let ended = self.parts.store.scan(move |snapshot| repo::ended(snapshot, now)).await?;
            let count = ended.len();
            if count > 0 {
                self.parts.store.write(move |tx| repo::remove(tx, &ended)).await?;
            }
            if count < repo::SWEEP_MAX {
                return Ok(());
            }
        }
    }
}

fn plain(purpose: Purpose, email: String, who: Who) -> Request {
    Request { purpose, email, user: None, reference: None, stamp: None, roles: Vec::new(), who }
}

/// An address in lower case.
fn address(text: &str, member: &str) -> Result<String, AuthError> {
    let text = text.trim().to_lowercase();
    if text.len() <= EMAIL_BYTES_MAX && is_email(&text) {
        return Ok(text);
    }
    Err(AuthError::Invalid(vec![FieldError::at(
        member,
        "format",
        "must be an e-mail address, such as ann@example.com",
    )]))
}
