//! The check of an access token or a key on each request: a hash and a look-up while nothing about access has changed.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{Account, AuthService, factor, repo, session::SessionRow};
use crate::{
    access::{Action, Kind, Permissions, Principal, secret::sha256},
    http::{ApiError, Authenticate, Session},
    keys::{self, Key, Owner, ServiceAccount, is_key, service_account},
    roles::RoleSet,
    store::{Epoch, Snapshot, StoreError},
    telemetry,
};

/// A token or a key that was checked, and its caller as of an epoch.
#[derive(Clone)]
pub(super) struct Verified {
    session: Session,
    expires: i64,
    epoch: u64,
    /// The networks from which it is taken; none for any.
    addresses: Arc<[IpNet]>,
}

impl Verified {
    fn is_taken_from(&self, address: Option<IpAddr>) -> bool {
        let inside = |address: IpAddr| self.addresses.iter().any(|network| network.contains(&address));
        self.addresses.is_empty() || address.is_some_and(inside)
    }
}

impl AuthService {
    /// Checks a token as if it were seen for the first time.
    fn verify(&self, token: &str, epoch: u64) -> Result<Option<Verified>, StoreError> {
        if is_key(token) {
            let key = self.keys.find(token)?;
            return key.map_or(Ok(None), |key| self.verify_key(key, epoch));
        }
        let Some(claims) = self.tokens.verify(token, self.clock.now()) else { return Ok(None) };
        let session = self.session(&claims.sub, &claims.sid)?;
        Ok(session.map(|session| Verified { session, expires: claims.exp, epoch, addresses: Arc::default() }))
    }

    /// The caller of a key, unless its owner is gone or disabled.
    fn verify_key(&self, key: Key, epoch: u64) -> Result<Option<Verified>, StoreError> {
        let snapshot = self.store.snapshot();
        let account = self.owner_of(&snapshot, &key)?.filter(|account| !account.disabled);
        let Some(account) = account else { return Ok(None) };
        let tag = format!("{} by key {}", telemetry::user_tag(account.id.as_str()), key.id);
        let kind = Kind::Key { scope: scope_of(&key), key: key.id.into() };
        let principal = self.principal(&snapshot, account, kind)?;
        let session = Session { principal, tag: tag.into(), half: false };
        let expires = key.expires_at.map_or(i64::MAX, |end| end.as_second());
        Ok(Some(Verified { session, expires, epoch, addresses: key.addresses.into() }))
    }

    /// The caller of a session, unless it has ended, or the user is gone or disabled.
    fn session(&self, user: &str, id: &str) -> Result<Option<Session>, StoreError> {
        let snapshot = self.store.snapshot();
        let Some(row) = repo::session(&snapshot, id)?.filter(|row| row.user == user) else { return Ok(None) };
        let Some(account) = self.directory.by_id(user)?.filter(|account| !account.disabled) else { return Ok(None) };
        if let Some(by) = &row.impersonator
            && !self.may_still_act(&snapshot, by.as_str(), &row, &account)?
        {
            return Ok(None);
        }
        let half = self.is_half(&snapshot, &row, &account.roles)?;
        let tag = match &row.impersonator {
            Some(by) => format!("{} by {}", telemetry::user_tag(user), telemetry::user_tag(by.as_str())),
            None => telemetry::user_tag(user),
        };
        let kind = Kind::User { session: row.id.into(), impersonator: row.impersonator };
        let principal = self.principal(&snapshot, account, kind)?;
        Ok(Some(Session { principal, tag: tag.into(), half }))
    }

    /// Whether a session has a second factor still to prove, or to set up. Who acts as a user has proven their own.
    pub(super) fn is_half(&self, snapshot: &Snapshot, row: &SessionRow, roles: &[String]) -> Result<bool, StoreError> {
        if row.impersonator.is_some() || row.methods.iter().any(|method| method == factor::PROVEN) {
            return Ok(false);
        }
        Ok(factor::are_active(snapshot, &row.user)? || self.roles.of(snapshot)?.ask_second_factor(roles))
    }

    /// Whether somebody may still act as a user: in the session in which they began, with the right to, and with all that the user
    /// may do.
    fn may_still_act(
        &self,
        snapshot: &Snapshot,
        by: &str,
        row: &SessionRow,
        user: &Account,
    ) -> Result<bool, StoreError> {
        let Some(account) = self.directory.by_id(by)?.filter(|account| !account.disabled) else { return Ok(false) };
        let behind = row.behind.as_deref().map_or(Ok(None), |id| repo::session(snapshot, id))?;
        let roles = self.roles.of(snapshot)?;
        let permissions = roles.together(&account.roles);
        let Some(behind) = behind.filter(|row| row.user == by) else { return Ok(false) };
        Ok(!self.is_half(snapshot, &behind, &account.roles)?
            && permissions.allow("users", Action::Impersonate)
            && permissions.cover(&roles.together(&user.roles)))
    }

    /// An account as a caller.
    fn principal(&self, snapshot: &Snapshot, account: Account, kind: Kind) -> Result<Arc<Principal>, StoreError> {
        let Account { id, email, roles, .. } = account;
        let mut permissions = self.roles.of(snapshot)?.together(&roles);
        if let Kind::Key { scope, .. } = &kind {
            permissions = Arc::new(permissions.meet(scope));
        }
        let verified = !email.is_empty() && repo::verified(snapshot, id.as_str())?.is_some_and(|known| known == email);
        Ok(Arc::new(Principal { id, email, verified, roles, permissions, kind }))
    }

    /// The account for which a key acts.
    fn owner_of(&self, snapshot: &Snapshot, key: &Key) -> Result<Option<Account>, StoreError> {
        match &key.owner {
            Owner::User(id) => self.directory.by_id(id.as_str()),
            Owner::ServiceAccount(id) => Ok(service_account(snapshot, id.as_str())?.map(Account::from)),
        }
    }

    /// Somebody as they would be after signing in, by the id of a user, a service account or a key, and whether they could.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stand_in(&self, id: &str) -> Result<Option<(Arc<Principal>, bool)>, StoreError> {
        let snapshot = self.store.snapshot();
        let nobody: Box<str> = Box::default();
        let (account, kind, good) = if let Some(account) = self.directory.by_id(id)? {
            (Some(account), Kind::User { session: nobody, impersonator: None }, true)
        } else if let Some(account) = service_account(&snapshot, id)? {
            let scope = Arc::new(Permissions::everything());
            (Some(Account::from(account)), Kind::Key { key: nobody, scope }, true)
        } else if let Some(key) = keys::key(&snapshot, id)? {
            let good = key.is_good(self.clock.now());
            (self.owner_of(&snapshot, &key)?, Kind::Key { scope: scope_of(&key), key: key.id.into() }, good)
        } else {
            return Ok(None);
        };
        let Some(account) = account else { return Ok(None) };
        let good = good && !account.disabled;
        Ok(Some((self.principal(&snapshot, account, kind)?, good)))
    }

    /// The roles as they are now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn roles_now(&self) -> Result<Arc<RoleSet>, StoreError> {
        self.roles.of(&self.store.snapshot())
    }

    fn check(&self, token: &str) -> Result<Option<Verified>, StoreError> {
        let key = sha256(token.as_bytes());
        let epoch = self.store.snapshot().epoch(Epoch::Access);
        let now = self.clock.now().as_second();
        let known = self.verified.get(&key);
        if let Some(known) = known.as_ref().filter(|known| known.epoch == epoch && now < known.expires) {
            return Ok(Some(known.clone()));
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
        Ok(found)
    }

    /// A token that was verified before something about access changed.
    fn renew(&self, known: Verified, epoch: u64) -> Result<Option<Verified>, StoreError> {
        let principal = &known.session.principal;
        let id = match &principal.kind {
            Kind::User { session, .. } => session,
            Kind::Key { key: id, .. } => {
                let key = keys::key(&self.store.snapshot(), id)?.filter(|key| key.is_good(self.clock.now()));
                return key.map_or(Ok(None), |key| self.verify_key(key, epoch));
            }
            Kind::Operator => return Ok(None),
        };
        let session = self.session(principal.id.as_str(), id)?;
        Ok(session.map(|session| Verified { session, epoch, ..known }))
    }
}

fn scope_of(key: &Key) -> Arc<Permissions> {
    Arc::new(Permissions::of(key.permissions.iter().map(String::as_str)))
}

impl From<ServiceAccount> for Account {
    fn from(account: ServiceAccount) -> Self {
        let ServiceAccount { id, roles, disabled, .. } = account;
        Self { id, email: String::new(), roles, disabled }
    }
}

impl Authenticate for AuthService {
    fn authenticate(&self, token: &str, address: Option<IpAddr>) -> Result<Option<Session>, ApiError> {
        let Some(verified) = self.check(token)?.filter(|verified| verified.is_taken_from(address)) else {
            return Ok(None);
        };
        if let Some(key) = verified.session.principal.key() {
            self.keys.used(key, address);
        }
        Ok(Some(verified.session))
    }
}
