//! Use cases of users: the first admin, passwords, and who they are for sign-in.

use std::{ops::ControlFlow, sync::Arc};

use serde::Deserialize;

use super::UserError;
use crate::{
    access::{Action, Principal},
    auth::{self, Account, AuthError, Directory, Passwords},
    collections::{Catalogs, Index, layout, system::USERS},
    kernel::{Clock, RecordId, Scalar},
    records::{Caller, RecordError, RecordService},
    store::{Read, Scan, Snapshot, Store, StoreError, key, key::Direction},
};

/// Users as sign-in sees them: records of `users`, found by id or by the index over their addresses.
#[derive(Debug)]
pub struct RecordDirectory {
    catalogs: Arc<Catalogs>,
}

/// The members of a user's record that sign-in needs.
#[derive(Deserialize)]
struct UserRecord {
    id: RecordId,
    email: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

impl RecordDirectory {
    /// The users of these collections.
    #[must_use]
    pub fn new(catalogs: Arc<Catalogs>) -> Self {
        Self { catalogs }
    }

    fn account(snapshot: &Snapshot, number: u32, id: &str) -> Result<Option<Account>, StoreError> {
        let key = layout::record_key(number, id);
        let parse =
            |bytes: &[u8]| serde_json::from_slice::<UserRecord>(layout::text_of(bytes)).map_err(StoreError::corrupt);
        let record = snapshot.view(layout::DATA, &key, |found| found.map(parse).transpose())??;
        Ok(record.map(|UserRecord { id, email, roles, disabled }| Account { id, email, roles, disabled }))
    }
}

impl Directory for RecordDirectory {
    fn by_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let Some(users) = catalog.by_name(USERS) else { return Ok(None) };
        let slot = users.slot("email");
        let is_own = |index: &&Index| {
            index.ready
                && index.unique
                && matches!(index.components.as_slice(), [(of, Direction::Ascending)] if Some(*of) == slot)
        };
        let index = users.indexes.iter().find(is_own);
        let Some(index) = index else { return Ok(None) };
        let mut from = layout::prefix(index.number);
        key::encode(&Scalar::Str(email.to_owned()), key::Direction::Ascending, &mut from);
        let to = key::prefix_end(&from).unwrap_or_default();
        let mut id = None;
        snapshot.scan::<StoreError>(layout::INDEX, &from, &to, Scan::Forward, &mut |key, value| {
            id = Some(layout::id_of_entry(key, value)?.to_owned());
            Ok(ControlFlow::Break(()))
        })?;
        id.map_or(Ok(None), |id| Self::account(&snapshot, users.number(), &id))
    }

    fn by_id(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let Some(users) = catalog.by_name(USERS) else { return Ok(None) };
        Self::account(&snapshot, users.number(), id)
    }
}

/// Use cases of users.
#[derive(Debug)]
pub struct UserService {
    store: Store,
    records: Arc<RecordService>,
    catalogs: Arc<Catalogs>,
    passwords: Passwords,
    clock: ClockHandle,
}

/// A clock that prints nothing of itself.
struct ClockHandle(Arc<dyn Clock>);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl UserService {
    /// The service.
    #[must_use]
    pub fn new(
        catalogs: Arc<Catalogs>,
        records: Arc<RecordService>,
        passwords: Passwords,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store: catalogs.store().clone(), records, catalogs, passwords, clock: ClockHandle(clock) }
    }

    /// Opens set-up when there is no user yet. Answers the one-time token.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn open_setup(&self) -> Result<Option<String>, UserError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let none = catalog.by_name(USERS).map_or(Ok(true), |users| layout::is_empty(&snapshot, users.number()))?;
        if !none {
            return Ok(None);
        }
        let token = auth::secret_text();
        let hash = auth::secret_hash(&token);
        self.store.write(move |tx| auth::put_setup(tx, hash)).await?;
        Ok(Some(token))
    }

    /// Makes the first admin with the one-time token.
    ///
    /// # Errors
    /// [`AuthError::SetupClosed`] when the token is not the newest or was used.
    pub async fn set_up(&self, token: &str, email: &str, password: String) -> Result<RecordId, UserError> {
        let hash = auth::secret_hash(token);
        if auth::setup_hash(&self.store.snapshot())?.as_ref() != Some(&hash) {
            return Err(AuthError::SetupClosed.into());
        }
        self.create_admin(email, password, Some(hash)).await
    }

    /// Makes an admin: the operator's right.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn create_admin(
        &self,
        email: &str,
        password: String,
        setup: Option<String>,
    ) -> Result<RecordId, UserError> {
        self.passwords.check(&password, "/password")?;
        let hash = self.passwords.hash(password).await?;
        let caller = Caller { principal: Principal::operator(), request_id: String::new() };
        let body = serde_json::json!({ "email": email.trim(), "roles": ["admin"] }).to_string();
        let now = self.clock.0.now();
        let with_credentials = Arc::new(move |tx: &mut crate::store::Tx<'_>, id: &str| {
            if let Some(expected) = &setup
                && auth::setup_hash(tx)?.as_ref() != Some(expected)
            {
                return Err(RecordError::Forbidden("set-up".into()));
            }
            auth::delete_setup(tx)?;
            Ok(auth::put_password(tx, id, hash.clone(), now)?)
        });
        let shown = self.records.create_with(&caller, USERS, body.as_bytes(), Some(with_credentials)).await?;
        RecordId::parse(&shown.id).map_err(|invalid| StoreError::corrupt(invalid).into())
    }

    /// Sets a user's password. Access tokens from before are not valid any more.
    ///
    /// # Errors
    /// [`UserError::Forbidden`] without the permission `users:update`.
    pub async fn set_password(&self, caller: &Caller, id: &str, password: String) -> Result<(), UserError> {
        if !caller.principal.may(USERS, Action::Update) {
            return Err(UserError::Forbidden);
        }
        self.records.read(caller.clone(), USERS.to_owned(), id.to_owned(), Vec::new()).await?;
        self.passwords.check(&password, "/password")?;
        let hash = self.passwords.hash(password).await?;
        let (id, now) = (id.to_owned(), self.clock.0.now());
        let (_, catalog) = self.catalogs.current()?;
        let number = catalog.by_name(USERS).map_or(0, |users| users.number());
        // The user may have gone while the password was hashed; whoever comes under the same id has no password.
        let written = self.store.write(move |tx| {
            if !tx.view(layout::DATA, &layout::record_key(number, &id), |found| found.is_some())? {
                return Err(RecordError::NotFound { collection: USERS.into(), id });
            }
            Ok(auth::put_password(tx, &id, hash, now)?)
        });
        Ok(written.await?)
    }
}
