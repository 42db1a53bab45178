//! Use cases of sign-in, and the check of a token on each request.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;

use super::{Account, AuthError, Directory, Passwords, Tokens, password::is_foreign, repo};
use crate::{
    access::Principal,
    http::{ApiError, Authenticate, Session},
    kernel::{Clock, RecordId},
    store::{Epoch, Store, StoreError, Tx},
    telemetry,
};

/// The most verified tokens that are remembered.
const CACHED_TOKENS_MAX: u64 = 50_000;

/// What a successful sign-in gives.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The access token.
    pub access_token: String,
    /// For how long it is good, in seconds.
    pub expires_in: u64,
    /// Who signed in.
    pub account: Account,
}

/// Use cases of sign-in.
pub struct AuthService {
    store: Store,
    directory: Arc<dyn Directory>,
    passwords: Passwords,
    tokens: Tokens,
    token_seconds: u64,
    clock: Arc<dyn Clock>,
    /// Verified tokens by their hash, for checking a signature costs more than the rest of a read.
    verified: Cache<[u8; 32], Verified>,
}

/// A token whose signature was checked, and its user as of an epoch.
#[derive(Clone)]
struct Verified {
    session: Session,
    stamp: Arc<str>,
    expires: i64,
    epoch: u64,
}

impl std::fmt::Debug for AuthService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthService").finish_non_exhaustive()
    }
}

impl AuthService {
    /// The service.
    #[must_use]
    pub fn new(
        store: Store,
        directory: Arc<dyn Directory>,
        passwords: Passwords,
        tokens: Tokens,
        token_seconds: u64,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let verified =
            Cache::builder().max_capacity(CACHED_TOKENS_MAX).time_to_live(Duration::from_secs(token_seconds)).build();
        Self { store, directory, passwords, tokens, token_seconds, clock, verified }
    }

    /// Signs in. An unknown address, a wrong password and a disabled user answer alike, and take as long.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`], [`AuthError::Store`].
    pub async fn login(&self, email: &str, password: String) -> Result<SignedIn, AuthError> {
        let account = self.directory.by_email(&email.trim().to_lowercase())?;
        let row = match &account {
            Some(account) => repo::password(&self.store.snapshot(), account.id.as_str())?,
            None => None,
        };
        let (hash, stamp) = row.map_or((None, String::new()), |row| (Some(row.hash), row.stamp));
        let foreign = hash.clone().filter(|hash| is_foreign(hash)).map(|hash| (hash, password.clone()));
        let fits = self.passwords.verify(password, hash).await?;
        match account.filter(|account| fits && !account.disabled) {
            Some(account) => {
                if let Some((before, password)) = foreign {
                    self.upgrade(&account.id, before, password).await;
                }
                let access_token =
                    self.tokens.sign(account.id.as_str(), &stamp, self.clock.now(), self.token_seconds)?;
                Ok(SignedIn { access_token, expires_in: self.token_seconds, account })
            }
            None => {
                tracing::info!(user = telemetry::user_tag(email), "a sign-in failed");
                Err(AuthError::InvalidCredentials)
            }
        }
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

    /// Checks a token as if it were seen for the first time.
    fn verify(&self, token: &str, epoch: u64) -> Result<Option<Verified>, StoreError> {
        let Some(claims) = self.tokens.verify(token, self.clock.now()) else { return Ok(None) };
        let Some(session) = self.session(&claims.sub, &claims.stamp)? else { return Ok(None) };
        Ok(Some(Verified { session, stamp: claims.stamp.into(), expires: claims.exp, epoch }))
    }

    /// The session of a user, unless the user is gone, disabled, or has another password since.
    fn session(&self, user: &str, stamp: &str) -> Result<Option<Session>, StoreError> {
        let Some(account) = self.directory.by_id(user)?.filter(|account| !account.disabled) else { return Ok(None) };
        let current = repo::password(&self.store.snapshot(), user)?.map(|row| row.stamp);
        if current.as_deref() != Some(stamp) {
            return Ok(None);
        }
        let tag = telemetry::user_tag(user).into();
        let Account { id, email, roles, .. } = account;
        Ok(Some(Session { principal: Arc::new(Principal { id, email, roles }), tag }))
    }

    fn check(&self, token: &str) -> Result<Option<Session>, StoreError> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let key: [u8; 32] = digest.as_ref().try_into().unwrap_or_default();
        let epoch = self.store.snapshot().epoch(Epoch::Access);
        let now = self.clock.now().as_second();
        let known = self.verified.get(&key);
        if let Some(known) = known.as_ref().filter(|known| known.epoch == epoch && now < known.expires) {
            return Ok(Some(known.session.clone()));
        }
        let found = match known {
            Some(known) if now < known.expires => self.renew(known, epoch)?,
            Some(_) => None,
            None => self.verify(token, epoch)?,
        };
        match &found {
            Some(verified) => self.verified.insert(key, verified.clone()),
            None => self.verified.invalidate(&key),
        }
        Ok(found.map(|verified| verified.session))
    }

    /// A token that was verified before something about users changed.
    fn renew(&self, known: Verified, epoch: u64) -> Result<Option<Verified>, StoreError> {
        let user: &RecordId = &known.session.principal.id;
        let session = self.session(user.as_str(), &known.stamp)?;
        Ok(session.map(|session| Verified { session, epoch, ..known }))
    }
}

impl Authenticate for AuthService {
    fn authenticate(&self, token: &str) -> Result<Option<Session>, ApiError> {
        Ok(self.check(token)?)
    }
}
