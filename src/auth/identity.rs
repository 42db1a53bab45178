//! Identities for which other servers vouch, and by which users sign in: each is a subject of an issuer, and belongs to one user.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Account, AuthError, AuthService, Means, SignedIn, Visit, factor, letter, own_session, repo};
use crate::{
    access::{Principal, Who, secret::sha256},
    audit::{self, Event},
    keys,
    mail::MailService,
    store::{Json, Read, StoreError, Table, Tx},
};

/// Key: user id. Value: the identities of the user, the oldest first.
const IDENTITIES: Table<str, Json<Vec<Identity>>> = Table::new("auth.identities");
/// Key: id of an identity. Value: the id of its user.
const IDENTITY_OWNERS: Table<str, Json<String>> = Table::new("auth.identity_owners");

/// The tables of this file.
pub(super) const TABLES: [&str; 2] = [IDENTITIES.name(), IDENTITY_OWNERS.name()];

/// The most identities of a user.
const IDENTITIES_MAX: usize = 20;
/// How somebody signed in for whom another server vouches.
const METHODS: [&str; 1] = ["sso"];

/// What the audit log tells of such a sign-in.
fn means(identity: &Identity) -> Means<'static> {
    Means::new(&METHODS).with(json!({"provider": identity.provider, "identity": identity.id}))
}

/// An identity of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Its id: a hash of issuer and subject.
    pub id: String,
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Who vouches for it.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// The address that it had there when it was last used.
    pub email: Option<String>,
    /// When it was linked.
    pub created_at: Timestamp,
    /// When somebody signed in by it last.
    pub used_at: Option<Timestamp>,
    /// When the user removed it: it does not come back because of its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed_at: Option<Timestamp>,
}

impl Identity {
    /// A new one.
    #[must_use]
    pub fn new(provider: &str, (issuer, subject): (&str, &str), email: Option<String>, now: Timestamp) -> Self {
        // The length tells where the issuer ends: no two pairs have one text.
        let id = URL_SAFE_NO_PAD.encode(sha256(format!("{}/{issuer}{subject}", issuer.len()).as_bytes()));
        let (provider, issuer, subject) = (provider.to_owned(), issuer.to_owned(), subject.to_owned());
        Self { id, provider, issuer, subject, email, created_at: now, used_at: None, removed_at: None }
    }
}

/// The identities of a user, and those that the user has removed.
fn all(source: &impl Read, user: &str) -> Result<Vec<Identity>, StoreError> {
    Ok(source.get(IDENTITIES, user)?.map(|Json(rows)| rows).unwrap_or_default())
}

fn identities(source: &impl Read, user: &str) -> Result<Vec<Identity>, StoreError> {
    Ok(all(source, user)?.into_iter().filter(|row| row.removed_at.is_none()).collect())
}

/// The providers by which a user can sign in.
pub(super) fn providers_of(source: &impl Read, user: &str) -> Result<Vec<String>, StoreError> {
    Ok(identities(source, user)?.into_iter().map(|own| own.provider).collect())
}

fn owner(source: &impl Read, id: &str) -> Result<Option<String>, StoreError> {
    Ok(source.get(IDENTITY_OWNERS, id)?.map(|Json(user)| user))
}

/// Gives an identity to a user, whose it was not before.
///
/// # Errors
/// [`AuthError::Conflict`] when it is somebody's, or the user has too many.
pub fn add_identity(tx: &mut Tx<'_>, user: &str, identity: Identity) -> Result<(), AuthError> {
    let mut rows = all(tx, user)?;
    if owner(tx, &identity.id)?.is_some() {
        return Err(AuthError::Conflict("this identity is linked to an account already".into()));
    }
    rows.retain(|own| own.id != identity.id);
    if rows.iter().filter(|own| own.removed_at.is_none()).count() >= IDENTITIES_MAX {
        return Err(AuthError::Conflict(format!("you have {IDENTITIES_MAX} identities; remove one first")));
    }
    tx.put(IDENTITY_OWNERS, &identity.id, &Json(user.to_owned()))?;
    rows.push(identity);
    Ok(tx.put(IDENTITIES, user, &Json(rows))?)
}

/// Notes that somebody signed in by an identity, as long as it is the user's.
fn touch(tx: &mut Tx<'_>, user: &str, identity: &Identity, now: Timestamp) -> Result<(), AuthError> {
    let mut rows = all(tx, user)?;
    let own = rows.iter_mut().find(|own| own.id == identity.id && own.removed_at.is_none());
    let own = own.ok_or(AuthError::InvalidToken("the identity was removed from its account meanwhile"))?;
    let (provider, email) = (identity.provider.clone(), identity.email.clone());
    *own = Identity { provider, email, used_at: Some(now), ..own.clone() };
    Ok(tx.put(IDENTITIES, user, &Json(rows))?)
}

/// Forgets all identities of a user.
pub(super) fn forget(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    for identity in identities(tx, user)? {
        tx.delete(IDENTITY_OWNERS, &identity.id)?;
    }
    tx.delete(IDENTITIES, user).map(drop)
}

/// Whether an account is its address's owner's beyond doubt: the address was proven to be the user's, or nobody could have signed in yet.
/// Otherwise somebody may have made the account for an address of somebody else, and waits for them to come.
fn is_owners(source: &impl Read, account: &Account) -> Result<bool, StoreError> {
    let user = account.id.as_str();
    let proven = repo::verified(source, user)?.is_some_and(|proven| proven == account.email);
    Ok(proven || !has_way_in(source, user)?)
}

/// Whether nobody has ever come as this user, nor could have but by a mail.
///
/// # Errors
/// [`StoreError`].
pub fn is_untouched(source: &impl Read, user: &str) -> Result<bool, StoreError> {
    Ok(repo::verified(source, user)?.is_none() && !has_way_in(source, user)?)
}

fn has_way_in(source: &impl Read, user: &str) -> Result<bool, StoreError> {
    Ok(repo::password(source, user)?.is_some()
        || !identities(source, user)?.is_empty()
        || factor::are_active(source, user)?
        || !repo::sessions(source, user)?.is_empty()
        || keys::has_keys(source, user)?)
}

impl AuthService {
    /// Signs in whose identity it is; `None` when it is nobody's.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`] when the user may not sign in.
    pub async fn sign_in_by_identity(&self, identity: &Identity, visit: &Visit) -> Result<Option<SignedIn>, AuthError> {
        let Some(user) = owner(&self.store.snapshot(), &identity.id)? else { return Ok(None) };
        let account = self.directory.by_id(&user)?.filter(|account| !account.disabled);
        let account = account.ok_or(AuthError::InvalidToken("the account may not sign in"))?;
        let (means, identity, now) = (means(identity), identity.clone(), self.clock.now());
        let used = move |tx: &mut Tx<'_>| touch(tx, &user, &identity, now);
        self.sign_in_as(&account.id, means, visit.clone(), used).await.map(Some)
    }

    /// Signs in somebody who was made a user with this identity just now.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn sign_in_newcomer(
        &self,
        account: Account,
        identity: &Identity,
        visit: Visit,
    ) -> Result<SignedIn, AuthError> {
        self.sign_in_as(&account.id, means(identity), visit, |_| Ok(())).await
    }

    /// Links an identity to the account that has an address of which the identity is the owner beyond doubt, and signs in.
    ///
    /// # Errors
    /// [`AuthError::Conflict`] when the account may be somebody else's, who made it for this address.
    pub async fn link_by_address(
        &self,
        account: Account,
        identity: Identity,
        visit: Visit,
    ) -> Result<SignedIn, AuthError> {
        let (now, linked, means) = (self.clock.now(), account.clone(), means(&identity));
        let who = Who { actor: account.id.to_string(), ..visit.who.clone() };
        let (directory, mail) = (Arc::clone(&self.directory), self.mail.clone());
        let also = move |tx: &mut Tx<'_>| {
            let current = directory.within(tx, linked.id.as_str())?;
            if current.is_none_or(|current| current.email != linked.email) {
                return Err(AuthError::Conflict("the account got another address meanwhile".into()));
            }
            if all(tx, linked.id.as_str())?.iter().any(|own| own.id == identity.id && own.removed_at.is_some()) {
                let refused = "you removed this identity from your account; sign in by another way, and link it there";
                return Err(AuthError::Conflict(refused.into()));
            }
            if !is_owners(tx, &linked)? {
                let refused = "there is an account with your address, which was never proven to be its user's; sign in to it by another \
                               way, and link this identity there";
                return Err(AuthError::Conflict(refused.into()));
            }
            repo::put_verified(tx, linked.id.as_str(), &linked.email)?;
            link(tx, &mail, &linked, Identity { used_at: Some(now), ..identity }, &who, now)
        };
        self.sign_in_as(&account.id, means, visit, also).await
    }

    /// Links an identity to the caller's account.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] but in person, [`AuthError::Conflict`] when it is somebody's.
    pub async fn link_identity(&self, caller: &Principal, who: Who, identity: Identity) -> Result<(), AuthError> {
        let (session, now, mail) = (own_session(caller)?.to_owned(), self.clock.now(), self.mail.clone());
        let account = self.directory.by_id(caller.id.as_str())?.ok_or(AuthError::InvalidCredentials)?;
        self.store
            .write(move |tx| {
                repo::check_session(tx, &session)?;
                link(tx, &mail, &account, identity, &who, now)
            })
            .await
    }

    /// The caller's identities, the oldest first.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] but in person.
    pub fn identities_of(&self, caller: &Principal) -> Result<Vec<Identity>, AuthError> {
        own_session(caller)?;
        Ok(identities(&self.store.snapshot(), caller.id.as_str())?)
    }

    /// Removes an identity of the caller, and ends the caller's other sessions.
    ///
    /// # Errors
    /// Those of [`Self::prove_caller`], [`AuthError::NotFound`].
    pub async fn remove_identity(
        &self,
        caller: &Principal,
        who: Who,
        id: String,
        password: Option<String>,
    ) -> Result<(), AuthError> {
        let session = own_session(caller)?.to_owned();
        self.prove_caller(caller, &who, password).await?;
        let (user, email, now, mail) =
            (caller.id.to_string(), caller.email.clone(), self.clock.now(), self.mail.clone());
        self.store
            .write::<_, AuthError, _>(move |tx| {
                repo::check_session(tx, &session)?;
                let provider = remove(tx, &user, &id, now)?;
                // Who signed in by it would stay.
                repo::end_sessions(tx, &user, Some(&session))?;
                mail.put(tx, letter::identity_changed(&email, &provider, "removed from").for_user(&user), now)?;
                let event = Event::new("identity.removed", &who, &user, now);
                Ok(audit::record(tx, event.with(json!({"provider": provider, "identity": id})))?)
            })
            .await
    }

    /// Tells the audit log of an identity that was not linked to the caller's account.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn refuse_link(&self, who: Who, caller: &Principal, identity: &Identity) -> Result<(), AuthError> {
        let event = Event::new("identity.refused", &who, caller.id.as_str(), self.clock.now());
        self.tell_refused(event.with(json!({"provider": identity.provider, "identity": identity.id}))).await
    }

    /// Tells the audit log of somebody whom a provider knows and who was not let in.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn refuse_identity(&self, who: Who, identity: &Identity) -> Result<(), AuthError> {
        let user = owner(&self.store.snapshot(), &identity.id)?.unwrap_or_default();
        let event = Event::new("session.refused", &who, &user, self.clock.now());
        let detail = json!({"kind": "sso", "provider": identity.provider, "identity": identity.id});
        self.tell_refused(event.with(detail)).await
    }
}

/// Takes an identity from a user, and remembers that. Answers its provider.
fn remove(tx: &mut Tx<'_>, user: &str, id: &str, now: Timestamp) -> Result<String, AuthError> {
    let mut rows = all(tx, user)?;
    let own = rows.iter_mut().find(|own| own.id == id && own.removed_at.is_none());
    let own = own.ok_or_else(|| AuthError::NotFound(format!("identity \"{id}\"")))?;
    own.removed_at = Some(now);
    let provider = own.provider.clone();
    if rows.iter().filter(|own| own.removed_at.is_some()).count() > IDENTITIES_MAX
        && let Some(oldest) = rows.iter().position(|own| own.removed_at.is_some())
    {
        rows.remove(oldest);
    }
    tx.put(IDENTITIES, user, &Json(rows))?;
    tx.delete(IDENTITY_OWNERS, id)?;
    Ok(provider)
}

fn link(
    tx: &mut Tx<'_>,
    mail: &MailService,
    account: &Account,
    identity: Identity,
    who: &Who,
    now: Timestamp,
) -> Result<(), AuthError> {
    let user = account.id.as_str();
    mail.put(tx, letter::identity_changed(&account.email, &identity.provider, "added to").for_user(user), now)?;
    let event = Event::new("identity.linked", who, user, now);
    let event = event.with(json!({"provider": identity.provider, "identity": identity.id}));
    add_identity(tx, user, identity)?;
    Ok(audit::record(tx, event)?)
}
