//! Use cases of keys: they are made by people in person, never give more than their owner has, and end when told.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde_json::json;

use super::{Key, KeyError, KeyInput, Owner, letter, model, repo};
use crate::{
    access::{Action, Kind, Permissions, Principal, Who, secret::secret_hash},
    audit::{self, Event},
    kernel::{Clock, FieldError, IdSource},
    mail::MailService,
    roles::Roles,
    store::{Store, StoreError, Tx},
};

/// The most keys of one owner.
const KEYS_MAX: usize = 100;
/// The most permissions of a key.
const PERMISSIONS_MAX: usize = 500;
/// The most networks of a key.
const ADDRESSES_MAX: usize = 50;
/// The greatest length of a name, in characters.
pub(super) const NAME_MAX: usize = 100;

/// Use cases of keys and service accounts.
pub struct KeyService {
    pub(super) store: Store,
    pub(super) roles: Arc<Roles>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: IdSource,
    mail: MailService,
    /// Uses that are not in the store yet, by key.
    used: Mutex<HashMap<String, (Timestamp, Option<IpAddr>)>>,
}

impl fmt::Debug for KeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyService").finish_non_exhaustive()
    }
}

impl KeyService {
    /// The service.
    #[must_use]
    pub fn new(store: Store, roles: Arc<Roles>, mail: MailService, clock: Arc<dyn Clock>) -> Self {
        Self { store, roles, clock, ids: IdSource::default(), mail, used: Mutex::default() }
    }

    /// The key with this text, while it is good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, text: &str) -> Result<Option<Key>, StoreError> {
        let Some(id) = model::id_of(text) else { return Ok(None) };
        let key = repo::key(&self.store.snapshot(), id)?;
        Ok(key.filter(|key| key.opens(text, self.clock.now())))
    }

    /// Remembers that a key was used; [`Self::flush`] stores it.
    pub fn used(&self, id: &str, address: Option<IpAddr>) {
        let now = self.clock.now();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(id) {
            Some(last) => *last = (now, address),
            None => drop(used.insert(id.to_owned(), (now, address))),
        }
    }

    /// Stores when keys were last used.
    ///
    /// # Errors
    /// [`StoreError`]; the uses are then lost.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.store
            .write(move |tx| {
                for (id, (at, from)) in &used {
                    if let Some(key) = repo::key(tx, id)? {
                        repo::put_use(tx, &Key { used_at: Some(*at), used_from: *from, ..key })?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// A key as its owner sees it: with uses that are not stored yet.
    fn shown(&self, key: Key) -> Key {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get(&key.id) {
            Some((at, from)) => Key { used_at: Some(*at), used_from: *from, ..key },
            None => key,
        }
    }

    /// The caller's keys; with `keys:list` those of everyone, or of one owner.
    ///
    /// # Errors
    /// [`KeyError::Forbidden`] for the keys of others without `keys:list`, and for a key.
    pub fn list(&self, caller: &Principal, owner: Option<&str>) -> Result<Vec<Key>, KeyError> {
        let snapshot = self.store.snapshot();
        let all = caller.may("keys", Action::List);
        let own = person(caller).map(|_| caller.id.as_str());
        let keys = match owner.or(if all { None } else { own }) {
            Some(owner) if all || own == Some(owner) => repo::keys_of(&snapshot, owner)?,
            None if all => repo::keys(&snapshot)?,
            _ => return Err(KeyError::Forbidden("it takes keys:list".into())),
        };
        Ok(keys.into_iter().map(|key| self.shown(key)).collect())
    }

    /// One key.
    ///
    /// # Errors
    /// [`KeyError::NotFound`] also for the key of another without `keys:read`.
    pub fn read(&self, caller: &Principal, id: &str) -> Result<Key, KeyError> {
        let key = repo::key(&self.store.snapshot(), id)?
            .filter(|key| caller.may("keys", Action::Read) || person(caller).is_some() && *key.owner.id() == caller.id);
        Ok(self.shown(key.ok_or_else(|| KeyError::NotFound(format!("key \"{id}\"")))?))
    }

    /// Makes a key. Answers it with its text, which is nowhere afterwards.
    ///
    /// # Errors
    /// [`KeyError::Forbidden`] without `keys:create`, by a key, while acting as somebody else, or for a service account that may do
    /// what the caller may not; [`KeyError::Invalid`].
    pub async fn create(&self, caller: &Principal, who: Who, input: KeyInput) -> Result<(Key, String), KeyError> {
        if person(caller).is_none() || !caller.may("keys", Action::Create) {
            return Err(KeyError::Forbidden("it takes keys:create, and a session of your own".into()));
        }
        let owner = self.owner_of_new(caller, input.service_account.as_deref())?;
        let now = self.clock.now();
        let (id, text) = model::new_text();
        let key = key_of(input, id, secret_hash(&text), owner, (caller.id.to_string(), now))?;
        let (stored, email, user) = (key.clone(), caller.email.clone(), caller.id.to_string());
        let mail = self.mail.clone();
        self.store
            .write::<_, KeyError, _>(move |tx| {
                if let Owner::ServiceAccount(id) = &stored.owner
                    && repo::service_account(tx, id.as_str())?.is_none()
                {
                    return Err(KeyError::NotFound(format!("service account \"{id}\"")));
                }
                if repo::keys_of(tx, stored.owner.id().as_str())?.len() >= KEYS_MAX {
                    return Err(KeyError::Conflict(format!(
                        "one owner has at most {KEYS_MAX} keys; remove some first"
                    )));
                }
                repo::put_key(tx, &stored)?;
                if !email.is_empty() {
                    mail.put(tx, letter::made(&email, &stored).for_user(&user), now)?;
                }
                let detail =
                    json!({"owner": stored.owner.id(), "permissions": stored.permissions, "name": stored.name});
                Ok(audit::record(tx, Event::new("key.created", &who, &stored.id, now).with(detail))?)
            })
            .await?;
        Ok((key, text))
    }

    fn owner_of_new(&self, caller: &Principal, account: Option<&str>) -> Result<Owner, KeyError> {
        let snapshot = self.store.snapshot();
        match account {
            Some(id) => {
                let account = repo::service_account(&snapshot, id)?;
                let account = account.ok_or_else(|| KeyError::NotFound(format!("service account \"{id}\"")))?;
                self.check_covers(caller, &account.roles)?;
                Ok(Owner::ServiceAccount(account.id))
            }
            None if caller.kind == Kind::Operator => Err(KeyError::Invalid(vec![FieldError::at(
                "serviceAccount",
                "required",
                "the operator has no account; name a service account for which the key acts",
            )])),
            None => Ok(Owner::User(caller.id.clone())),
        }
    }

    /// Refuses who may not do everything that these roles permit.
    pub(super) fn check_covers(&self, caller: &Principal, roles: &[String]) -> Result<(), KeyError> {
        if caller.covers(&self.roles.of(&self.store.snapshot())?.together(roles)) {
            return Ok(());
        }
        Err(KeyError::Forbidden("the service account may do what you may not".into()))
    }

    /// Ends a key with the next request.
    ///
    /// # Errors
    /// [`KeyError::NotFound`] when the caller may not see it, [`KeyError::Forbidden`] for the key of another without `keys:delete`.
    pub async fn delete(&self, caller: &Principal, who: Who, id: &str) -> Result<(), KeyError> {
        let key = self.read(caller, id)?;
        let own = person(caller).is_some() && *key.owner.id() == caller.id;
        if !own && !caller.may("keys", Action::Delete) {
            return Err(KeyError::Forbidden("it takes keys:delete".into()));
        }
        let (id, now) = (id.to_owned(), self.clock.now());
        self.store
            .write(move |tx: &mut Tx<'_>| {
                let key = repo::key(tx, &id)?.ok_or_else(|| KeyError::NotFound(format!("key \"{id}\"")))?;
                repo::delete_key(tx, &key)?;
                let detail = json!({"owner": key.owner.id(), "name": key.name});
                Ok(audit::record(tx, Event::new("key.deleted", &who, &key.id, now).with(detail))?)
            })
            .await
    }
}

/// The caller, when it is a person in person or the operator: not a program, nor somebody who acts as another.
fn person(caller: &Principal) -> Option<&Principal> {
    match &caller.kind {
        Kind::Operator | Kind::User { impersonator: None, .. } => Some(caller),
        Kind::User { .. } | Kind::Key { .. } => None,
    }
}

/// A key as it was asked for, when everything about it fits.
fn key_of(
    input: KeyInput,
    id: String,
    hash: String,
    owner: Owner,
    (created_by, created_at): (String, Timestamp),
) -> Result<Key, KeyError> {
    let mut errors = Vec::new();
    let name = input.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_MAX {
        errors.push(FieldError::at("name", "length", format!("must have 1 to {NAME_MAX} characters")));
    }
    let permissions = permissions_of(&input.permissions, &mut errors);
    let addresses = addresses_of(&input.addresses, &mut errors);
    let expires_at = match input.expires_at.as_deref().map(str::parse::<Timestamp>) {
        None => None,
        Some(Ok(end)) if end > created_at => Some(end),
        Some(Ok(_)) => {
            errors.push(FieldError::at("expiresAt", "past", "must be in the future"));
            None
        }
        Some(Err(_)) => {
            let detail = "must be a time such as 2027-01-31T00:00:00Z";
            errors.push(FieldError::at("expiresAt", "format", detail));
            None
        }
    };
    if !errors.is_empty() {
        return Err(KeyError::Invalid(errors));
    }
    let (used_at, used_from) = (None, None);
    Ok(Key { id, name, hash, owner, permissions, addresses, created_by, created_at, expires_at, used_at, used_from })
}

fn permissions_of(texts: &[String], errors: &mut Vec<FieldError>) -> Vec<String> {
    if texts.is_empty() || texts.len() > PERMISSIONS_MAX {
        let detail = format!("must have 1 to {PERMISSIONS_MAX}; [\"*:*\"] is everything that the owner may do");
        errors.push(FieldError::at("permissions", "length", detail));
        return Vec::new();
    }
    let mut set = Permissions::default();
    for (position, text) in texts.iter().enumerate() {
        if let Err(invalid) = set.add(text) {
            errors.push(FieldError::new(format!("/permissions/{position}"), "format", invalid));
        }
    }
    set.texts()
}

fn addresses_of(texts: &[String], errors: &mut Vec<FieldError>) -> Vec<ipnet::IpNet> {
    if texts.len() > ADDRESSES_MAX {
        errors.push(FieldError::at("addresses", "too_long", format!("must have at most {ADDRESSES_MAX}")));
        return Vec::new();
    }
    let mut networks = Vec::new();
    for (position, text) in texts.iter().enumerate() {
        let network = text.parse::<ipnet::IpNet>().or_else(|_| text.parse::<IpAddr>().map(Into::into));
        match network {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => {
                let detail = "must be an address or a network, such as 192.0.2.7 or 2001:db8::/32";
                errors.push(FieldError::new(format!("/addresses/{position}"), "format", detail));
            }
        }
    }
    networks
}
