//! Use cases of sessions, once they are open.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;

use super::{
    Account, AuthError, Directory, Passwords, Tokens,
    attempts::Attempts,
    authenticate::Verified,
    factor::passkey::Passkeys,
    repo,
    session::{RefreshToken, SessionRow, Verdict},
};
use crate::{
    access::{Action, Principal, Who},
    audit::{self, Event},
    kernel::{Clock, RecordId},
    keys::KeyService,
    mail::MailService,
    roles::Roles,
    store::{Store, Tx},
    telemetry,
};

/// The most verified tokens that are remembered.
const CACHED_TOKENS_MAX: u64 = 50_000;

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// Of an access token, in seconds.
    pub access_seconds: u64,
    /// Of a refresh token, in seconds.
    pub refresh_seconds: u64,
    /// Of a session, however often it is refreshed, in seconds.
    pub session_seconds_max: u64,
    /// For how long a refresh token that was used gets the same answer once more, in seconds.
    pub grace_seconds: u64,
    /// Whether users are told of sign-ins from devices that were not seen before.
    pub new_device_notice: bool,
}

/// From where somebody signs in, and with what.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// The guest.
    pub who: Who,
    /// What the client calls itself.
    pub device: String,
}

/// What a successful sign-in gives.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The access token.
    pub access_token: String,
    /// For how long it is good, in seconds.
    pub expires_in: u64,
    /// The refresh token.
    pub refresh_token: String,
    /// For how long it is good, in seconds.
    pub refresh_expires_in: u64,
    /// Who signed in.
    pub account: Account,
    /// Whether a second factor is still to be proven, or to be set up.
    pub half: bool,
}

/// A session as its user sees it.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub used_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// What the client called itself at sign-in.
    pub device: String,
    /// The address that was last seen.
    pub address: Option<std::net::IpAddr>,
    /// How the user signed in.
    pub methods: Vec<String>,
    /// Who acts as the user in it.
    pub impersonator: Option<RecordId>,
}

/// Use cases of sign-in.
pub struct AuthService {
    pub(super) store: Store,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) roles: Arc<Roles>,
    pub(super) keys: Arc<KeyService>,
    pub(super) mail: MailService,
    pub(super) passwords: Passwords,
    pub(super) tokens: Tokens,
    pub(super) lives: Lives,
    pub(super) attempts: Attempts,
    /// Of second factors, counted by user.
    pub(super) factor_attempts: Attempts,
    pub(super) passkeys: Passkeys,
    pub(super) clock: Arc<dyn Clock>,
    /// Verified tokens by their hash, for checking a signature costs more than the rest of a read.
    pub(super) verified: Cache<[u8; 32], Verified>,
}

/// What [`AuthService`] is made of.
#[derive(Clone)]
pub struct AuthParts {
    /// The store.
    pub store: Store,
    /// Who the users are.
    pub directory: Arc<dyn Directory>,
    /// The roles.
    pub roles: Arc<Roles>,
    /// Keys of programs.
    pub keys: Arc<KeyService>,
    /// The outbox.
    pub mail: MailService,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// How long things last.
    pub lives: Lives,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for AuthParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthParts").field("lives", &self.lives).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AuthService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthService").finish_non_exhaustive()
    }
}

pub(super) fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}

impl AuthService {
    /// The service.
    #[must_use]
    pub fn new(parts: AuthParts, tokens: Tokens, passkeys: Passkeys) -> Self {
        let AuthParts { store, directory, roles, keys, mail, passwords, lives, clock } = parts;
        let life = Duration::from_secs(lives.access_seconds);
        let verified = Cache::builder().max_capacity(CACHED_TOKENS_MAX).time_to_live(life).build();
        Self {
            store,
            directory,
            roles,
            keys,
            mail,
            passwords,
            tokens,
            lives,
            attempts: Attempts::new(),
            factor_attempts: Attempts::new(),
            passkeys,
            clock,
            verified,
        }
    }

    /// Goes on with a session: a new access token, and the successor of the refresh token.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`] when the token is not good (any more). One that was used before ends its session.
    pub async fn refresh(&self, token: &str, visit: Visit) -> Result<SignedIn, AuthError> {
        let invalid = || AuthError::InvalidToken("the refresh token is not valid (any more); sign in again");
        let token = RefreshToken::parse(token).ok_or_else(invalid)?;
        let id = token.session();
        let row = repo::session(&self.store.snapshot(), &id)?.ok_or_else(invalid)?;
        let account = self.directory.by_id(&row.user)?.filter(|account| !account.disabled).ok_or_else(invalid)?;
        let (lives, now) = (self.lives, self.clock.now());
        let refreshed = self.store.write(move |tx| refresh(tx, &id, &token, &visit, lives, now)).await?;
        let (row, successor) = refreshed.ok_or_else(invalid)?;
        self.signed_in(account, &row, &successor, now)
    }

    /// The caller's sessions, the one used last first.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub fn sessions(&self, user: &str) -> Result<Vec<SessionInfo>, AuthError> {
        let now = self.clock.now();
        let mut rows = repo::sessions(&self.store.snapshot(), user)?;
        rows.retain(|row| now < row.expires_at);
        rows.sort_by_key(|row| std::cmp::Reverse(row.used_at));
        Ok(rows.into_iter().map(SessionInfo::from).collect())
    }

    /// Ends a session of the caller's own.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] when the caller has none with this id.
    pub async fn end_session(&self, caller: &Principal, who: Who, id: &str) -> Result<(), AuthError> {
        let (id, user, now) = (id.to_owned(), caller.id.to_string(), self.clock.now());
        self.store
            .write(move |tx| {
                let row = repo::session(tx, &id)?.filter(|row| row.user == user);
                let row = row.ok_or_else(|| AuthError::NotFound(format!("session \"{id}\"")))?;
                repo::end_session(tx, &row)?;
                Ok(audit::record(tx, Event::new("session.ended", &who, &user, now))?)
            })
            .await
    }

    /// Ends the session of a refresh token, whoever brings it. A token that is none ends none.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn end_session_of(&self, token: &str, who: Who) -> Result<(), AuthError> {
        let Some(id) = RefreshToken::parse(token).map(|token| token.session()) else { return Ok(()) };
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                let Some(row) = repo::session(tx, &id)? else { return Ok(()) };
                repo::end_session(tx, &row)?;
                Ok(audit::record(tx, Event::new("session.ended", &who, &row.user, now))?)
            })
            .await
    }

    /// Ends all sessions of a user; by default of the caller. Answers how many.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] for another user without `users:update` and everything that the user may do, and for keys.
    pub async fn end_sessions(&self, caller: &Principal, who: Who, user: &str) -> Result<usize, AuthError> {
        check_no_key(caller)?;
        if caller.id.as_str() != user {
            self.check_over(caller, user)?;
        }
        let (user, now) = (user.to_owned(), self.clock.now());
        self.store
            .write(move |tx| {
                let ended = repo::end_sessions(tx, &user, None)?;
                let event = Event::new("session.allEnded", &who, &user, now);
                audit::record(tx, event.with(serde_json::json!({"ended": ended})))?;
                Ok(ended)
            })
            .await
    }

    /// Refuses who may not change how this other user signs in: it takes `users:update`, and everything that the user may do.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::NotFound`].
    pub fn check_over(&self, caller: &Principal, user: &str) -> Result<Account, AuthError> {
        if !caller.may("users", Action::Update) {
            return Err(AuthError::Forbidden("it takes users:update"));
        }
        // Whoever found a token must not get further by it than the token.
        if caller.id.as_str() == user {
            return Err(AuthError::Forbidden(
                "this is for other users; for your own account use /auth, which asks who you are",
            ));
        }
        let account = self.directory.by_id(user)?.ok_or_else(|| AuthError::NotFound(format!("user \"{user}\"")))?;
        if !caller.covers(&self.roles.of(&self.store.snapshot())?.together(&account.roles)) {
            return Err(AuthError::Forbidden("the user may do what you may not"));
        }
        Ok(account)
    }

    /// Takes a new key for signing tokens. Tokens of the old one end now (`at_once`), or when their time is over.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] without `auth:update`, [`AuthError::KeysConfigured`].
    pub async fn rotate_keys(&self, caller: &Principal, who: Who, at_once: bool) -> Result<String, AuthError> {
        if !caller.may("auth", Action::Update) {
            return Err(AuthError::Forbidden("it takes auth:update"));
        }
        let now = self.clock.now();
        let overlap = if at_once { SignedDuration::ZERO } else { seconds(self.lives.access_seconds) };
        let also = move |tx: &mut Tx<'_>, kid: &str| audit::record(tx, Event::new("auth.keyRotated", &who, kid, now));
        let kid = self.tokens.rotate(&self.store, now, overlap, also).await?;
        self.verified.invalidate_all();
        Ok(kid)
    }

    /// The public keys, as other servers read them.
    #[must_use]
    pub fn public_keys(&self) -> serde_json::Value {
        self.tokens.public_keys(self.clock.now())
    }

    /// Removes sessions that have ended.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn sweep(&self) -> Result<(), AuthError> {
        loop {
            let now = self.clock.now();
            let ended = self.store.scan::<_, AuthError, _>(move |snap| Ok(repo::ended_sessions(snap, now)?)).await?;
            let count = ended.len();
            if count > 0 {
                self.store.write(move |tx| repo::remove_ended(tx, &ended, now)).await?;
            }
            if count < repo::SWEEP_MAX {
                return Ok(());
            }
        }
    }
}

/// Refuses keys: how users sign in is for persons to change.
///
/// # Errors
/// [`AuthError::Forbidden`].
pub fn check_no_key(caller: &Principal) -> Result<(), AuthError> {
    if caller.key().is_none() {
        Ok(())
    } else {
        Err(AuthError::Forbidden("it takes a session; keys change no credentials"))
    }
}

impl From<SessionRow> for SessionInfo {
    fn from(row: SessionRow) -> Self {
        let SessionRow { id, created_at, used_at, expires_at, device, address, methods, impersonator, .. } = row;
        Self { id, created_at, used_at, expires_at, device, address, methods, impersonator }
    }
}

/// Judges a refresh token inside the writer, where no two uses of it cross. `None` when it is worthless.
fn refresh(
    tx: &mut Tx<'_>,
    id: &str,
    token: &RefreshToken,
    visit: &Visit,
    lives: Lives,
    now: Timestamp,
) -> Result<Option<(SessionRow, RefreshToken)>, AuthError> {
    let Some(mut row) = repo::session(tx, id)?.filter(|row| now < row.expires_at) else { return Ok(None) };
    match row.rotate(token, now, lives.grace_seconds) {
        Verdict::Repeated(successor) => Ok(Some((row, successor))),
        Verdict::Rotated(successor) => {
            let end = row.created_at.saturating_add(seconds(lives.session_seconds_max)).unwrap_or(Timestamp::MAX);
            if row.impersonator.is_none() {
                row.expires_at = now.saturating_add(seconds(lives.refresh_seconds)).unwrap_or(end).min(end);
            }
            row.used_at = now;
            row.address = visit.who.address.or(row.address);
            repo::put_session(tx, &row)?;
            Ok(Some((row, successor)))
        }
        Verdict::Reused => {
            repo::end_session(tx, &row)?;
            tracing::warn!(
                user = telemetry::user_tag(&row.user),
                "a refresh token was used twice; its session was ended"
            );
            audit::record(tx, Event::new("session.reuseDetected", &visit.who, &row.user, now))?;
            Ok(None)
        }
    }
}
