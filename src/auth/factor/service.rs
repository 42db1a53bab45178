//! Use cases of the second factor.

use super::{
    model::{Authenticator, Factors},
    repo,
};
use crate::{
    access::{Principal, Who},
    audit::{self, Event},
    auth::{AuthError, AuthService, check_no_key, letter, own_session, repo as sessions},
    store::{Epoch, Read, StoreError, Tx},
};

/// The method of a session whose second factor was proven ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)).
pub(in crate::auth) const PROVEN: &str = "mfa";

const WRONG: AuthError = AuthError::InvalidToken("the code is wrong, has ended, or was used");

/// A new authenticator, to be put into an app.
#[derive(Clone)]
pub(super) struct SetUp {
    /// The secret as people type it.
    pub(super) secret: String,
    /// The link that apps read.
    pub(super) uri: String,
}

impl AuthService {
    /// Begins to set up an authenticator, in the place of one that was never confirmed.
    pub(super) async fn set_up_authenticator(
        &self,
        caller: &Principal,
        who: &Who,
        password: Option<String>,
    ) -> Result<SetUp, AuthError> {
        let session = own_session(caller)?.to_owned();
        self.prove_caller(caller, who, password).await?;
        let now = self.clock.now();
        let row = Authenticator::new(&session, now);
        let (secret, uri) = row.shown(&caller.email, self.tokens.issuer()).ok_or(AuthError::Crypto("no TOTP link"))?;
        let user = caller.id.to_string();
        self.store
            .write(move |tx| {
                let factors = check_open(tx, &user, &session)?;
                if factors.confirmed().is_some() {
                    return Err(AuthError::Conflict("there is an authenticator already; remove it first".into()));
                }
                Ok(repo::put(tx, &user, Factors { authenticator: Some(row), ..factors })?)
            })
            .await?;
        Ok(SetUp { secret, uri })
    }

    /// Takes the first code of an authenticator: from now on each sign-in asks for one. The first second factor of a user ends the other
    /// sessions, and brings recovery codes.
    pub(super) async fn confirm_authenticator(
        &self,
        caller: &Principal,
        who: Who,
        code: String,
    ) -> Result<Vec<String>, AuthError> {
        let session = own_session(caller)?.to_owned();
        self.begin_factor(caller)?;
        let (user, email, now) = (caller.id.to_string(), caller.email.clone(), self.clock.now());
        let (told, mail) = (Event::new("factor.refused", &who, &user, now), self.mail.clone());
        let codes = self.store.write::<_, AuthError, _>(move |tx| {
            let factors = check_open(tx, &user, &session)?;
            let waiting = factors.authenticator.as_ref().filter(|own| own.waits_in(&session, now));
            let none = "this session has no authenticator to confirm (any more); set one up first";
            let taken = waiting.ok_or_else(|| AuthError::Conflict(none.into()))?.take_code(&code, now).ok_or(WRONG)?;
            let authenticator = Some(Authenticator { confirmed_at: Some(now), set_up: None, ..taken });
            let codes = add_factor(tx, &user, &session, Factors { authenticator, ..factors })?;
            mail.put(tx, letter::factor_changed(&email, "added to").for_user(&user), now)?;
            audit::record(tx, Event::new("factor.added", &who, &user, now))?;
            Ok(codes)
        });
        let codes = self.told(codes.await, told).await?;
        self.factor_succeeded(caller);
        Ok(codes)
    }

    /// Proves the second factor of a session, by a code of the app or a recovery code.
    pub(super) async fn prove_factor(&self, caller: &Principal, who: Who, code: String) -> Result<(), AuthError> {
        let session = own_session(caller)?.to_owned();
        self.begin_factor(caller)?;
        let (user, now) = (caller.id.to_string(), self.clock.now());
        // A code that is wrong is told to the log as well, so this is no error of the transaction.
        let proven = self.store.write::<_, AuthError, _>(move |tx| {
            let taken = take(tx, &user, &code, now)?;
            let event = if taken { "factor.proven" } else { "factor.refused" };
            if taken {
                prove_session(tx, &session)?;
            }
            audit::record(tx, Event::new(event, &who, &user, now))?;
            Ok(taken)
        });
        if !proven.await? {
            return Err(WRONG);
        }
        self.factor_succeeded(caller);
        Ok(())
    }

    /// Makes new recovery codes in the place of the old ones, for who has a code.
    pub(super) async fn new_recovery_codes(
        &self,
        caller: &Principal,
        who: Who,
        code: String,
    ) -> Result<Vec<String>, AuthError> {
        self.with_code(caller, &who.clone(), code, move |tx, user, now| {
            let (factors, codes) = repo::factors(tx, user)?.with_codes();
            repo::put(tx, user, factors)?;
            audit::record(tx, Event::new("factor.codesRenewed", &who, user, now))?;
            Ok(codes)
        })
        .await
    }

    /// Removes the caller's authenticator, for who has a code.
    pub(super) async fn remove_authenticator(
        &self,
        caller: &Principal,
        who: Who,
        code: String,
    ) -> Result<(), AuthError> {
        let (email, session, mail) = (caller.email.clone(), own_session(caller)?.to_owned(), self.mail.clone());
        self.with_code(caller, &who.clone(), code, move |tx, user, now| {
            let factors = repo::factors(tx, user)?;
            if factors.confirmed().is_none() {
                return Err(AuthError::Conflict("there is no authenticator to remove".into()));
            }
            repo::put(tx, user, Factors { authenticator: None, ..factors })?;
            // Who signed in by it would stay.
            sessions::end_sessions(tx, user, Some(&session))?;
            mail.put(tx, letter::factor_changed(&email, "removed from").for_user(user), now)?;
            Ok(audit::record(tx, Event::new("factor.removed", &who, user, now))?)
        })
        .await
    }

    /// Removes the second factors of a user who has lost them.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] without `users:update` and everything that the user may do.
    pub async fn reset_factor(&self, caller: &Principal, who: Who, user: &str) -> Result<(), AuthError> {
        check_no_key(caller)?;
        let account = self.check_over(caller, user)?;
        let (now, mail) = (self.clock.now(), self.mail.clone());
        self.store
            .write::<_, AuthError, _>(move |tx| {
                let id = account.id.as_str();
                repo::forget(tx, id)?;
                sessions::end_sessions(tx, id, None)?;
                mail.put(tx, letter::factor_changed(&account.email, "removed from").for_user(id), now)?;
                Ok(audit::record(tx, Event::new("factor.reset", &who, id, now))?)
            })
            .await?;
        self.factor_attempts.succeeded(user);
        Ok(())
    }

    /// Takes a code, and does something in the same transaction.
    async fn with_code<T: Send + 'static>(
        &self,
        caller: &Principal,
        who: &Who,
        code: String,
        more: impl FnOnce(&mut Tx<'_>, &str, jiff::Timestamp) -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let session = own_session(caller)?.to_owned();
        self.begin_factor(caller)?;
        let (user, now) = (caller.id.to_string(), self.clock.now());
        let told = Event::new("factor.refused", who, &user, now);
        let done = self.store.write::<_, AuthError, _>(move |tx| {
            sessions::check_session(tx, &session)?;
            if !take(tx, &user, &code, now)? {
                return Err(WRONG);
            }
            more(tx, &user, now)
        });
        let done = self.told(done.await, told).await?;
        self.factor_succeeded(caller);
        Ok(done)
    }

    /// Tells the audit log when a code was wrong: the transaction that found it so has left nothing.
    async fn told<T>(&self, outcome: Result<T, AuthError>, event: Event) -> Result<T, AuthError> {
        if let Err(AuthError::InvalidToken(_)) = &outcome {
            self.tell_refused(event).await?;
        }
        outcome
    }

    /// Codes are few, so attempts wait as those of passwords do, counted by themselves.
    fn begin_factor(&self, caller: &Principal) -> Result<(), AuthError> {
        self.factor_attempts.begin(caller.id.as_str(), self.clock.now()).map(drop)
    }

    fn factor_succeeded(&self, caller: &Principal) {
        self.factor_attempts.succeeded(caller.id.as_str());
    }
}

/// Takes a code of the app or a recovery code.
fn take(tx: &mut Tx<'_>, user: &str, code: &str, now: jiff::Timestamp) -> Result<bool, StoreError> {
    let Some(left) = repo::factors(tx, user)?.take(code, now) else { return Ok(false) };
    repo::put(tx, user, left)?;
    Ok(true)
}

/// The second factors of a user, in a session that may change them: one in which they were proven, if there are any.
pub(super) fn check_open(source: &impl Read, user: &str, session: &str) -> Result<Factors, AuthError> {
    let factors = repo::factors(source, user)?;
    let row = sessions::session(source, session)?.ok_or(AuthError::InvalidCredentials)?;
    let proven = row.methods.iter().any(|method| method == PROVEN);
    if factors.are_active() && !proven { Err(AuthError::SecondFactorRequired) } else { Ok(factors) }
}

/// Puts factors to which one was added. The first one ends the other sessions, and brings recovery codes.
pub(super) fn add_factor(
    tx: &mut Tx<'_>,
    user: &str,
    session: &str,
    factors: Factors,
) -> Result<Vec<String>, StoreError> {
    if repo::are_active(tx, user)? {
        repo::put(tx, user, factors)?;
        return Ok(Vec::new());
    }
    let (factors, codes) = factors.with_codes();
    repo::put(tx, user, factors)?;
    sessions::end_sessions(tx, user, Some(session))?;
    prove_session(tx, session)?;
    Ok(codes)
}

/// Notes in a session that its second factor was proven.
pub(super) fn prove_session(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    let Some(mut row) = sessions::session(tx, id)? else { return Ok(()) };
    if !row.methods.iter().any(|method| method == PROVEN) {
        row.methods.push(PROVEN.into());
    }
    sessions::put_session(tx, &row)?;
    tx.bump(Epoch::Access)
}
