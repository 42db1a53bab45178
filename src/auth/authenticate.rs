//! The check of an access token on each request: a hash and a look-up while nothing about access has changed.

use std::sync::Arc;

use super::{AuthService, repo, secret::sha256};
use crate::{
    access::{Kind, Principal},
    http::{ApiError, Authenticate, Session},
    store::{Epoch, StoreError},
    telemetry,
};

/// A token whose signature was checked, and its caller as of an epoch.
#[derive(Clone)]
pub(super) struct Verified {
    session: Session,
    expires: i64,
    epoch: u64,
}

impl AuthService {
    /// Checks a token as if it were seen for the first time.
    fn verify(&self, token: &str, epoch: u64) -> Result<Option<Verified>, StoreError> {
        let Some(claims) = self.tokens.verify(token, self.clock.now()) else { return Ok(None) };
        let session = self.session(&claims.sub, &claims.sid)?;
        Ok(session.map(|session| Verified { session, expires: claims.exp, epoch }))
    }

    /// The caller of a session, unless it has ended, or the user is gone or disabled.
    fn session(&self, user: &str, id: &str) -> Result<Option<Session>, StoreError> {
        let snapshot = self.store.snapshot();
        let Some(row) = repo::session(&snapshot, id)?.filter(|row| row.user == user) else { return Ok(None) };
        let Some(account) = self.directory.by_id(user)?.filter(|account| !account.disabled) else { return Ok(None) };
        if let Some(by) = &row.impersonator
            && self.directory.by_id(by.as_str())?.is_none_or(|account| account.disabled)
        {
            return Ok(None);
        }
        let roles = self.roles.of(&snapshot)?;
        let tag = match &row.impersonator {
            Some(by) => format!("{} by {}", telemetry::user_tag(user), telemetry::user_tag(by.as_str())),
            None => telemetry::user_tag(user),
        };
        let kind = Kind::User { session: row.id.into(), impersonator: row.impersonator };
        let permissions = roles.together(&account.roles);
        let (id, email, roles) = (account.id, account.email, account.roles);
        let principal = Principal { id, email, roles, permissions, kind };
        Ok(Some(Session { principal: Arc::new(principal), tag: tag.into() }))
    }

    fn check(&self, token: &str) -> Result<Option<Session>, StoreError> {
        let key = sha256(token.as_bytes());
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

    /// A token that was verified before something about access changed.
    fn renew(&self, known: Verified, epoch: u64) -> Result<Option<Verified>, StoreError> {
        let principal = &known.session.principal;
        let Some(id) = principal.session() else { return Ok(None) };
        let session = self.session(principal.id.as_str(), id)?;
        Ok(session.map(|session| Verified { session, epoch, ..known }))
    }
}

impl Authenticate for AuthService {
    fn authenticate(&self, token: &str) -> Result<Option<Session>, ApiError> {
        Ok(self.check(token)?)
    }
}
