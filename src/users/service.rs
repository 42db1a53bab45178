//! Use cases of users: the first admin, and passwords.

use std::sync::Arc;

use super::UserError;
use crate::{
    access::{Who, secret},
    audit::{self, Event},
    auth::{self, AuthError, AuthService, Passwords},
    collections::{Catalogs, layout, system::USERS},
    kernel::{Clock, FieldError, RecordId},
    mail::MailService,
    records::{Caller, RecordError, RecordService},
    store::{Read as _, Store, StoreError},
};

/// Use cases of users.
#[derive(Debug)]
pub struct UserService {
    store: Store,
    pub(super) records: Arc<RecordService>,
    catalogs: Arc<Catalogs>,
    pub(super) auth: Arc<AuthService>,
    passwords: Passwords,
    mail: MailService,
    clock: ClockHandle,
}

/// A password to set for a user.
pub enum NewPassword {
    /// As it is typed.
    Plain(String),
    /// As another system has stored it; see [`auth::check_foreign_hash`].
    Hash(String),
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPassword")
    }
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
        auth: Arc<AuthService>,
        passwords: Passwords,
        mail: MailService,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let store = catalogs.store().clone();
        Self { store, records, catalogs, auth, passwords, mail, clock: ClockHandle(clock) }
    }

    /// Opens set-up when there is no user yet. Answers the one-time token.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn open_setup(&self) -> Result<Option<String>, UserError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let none = catalog.by_name(USERS).map_or(Ok(true), |users| layout::is_empty(&snapshot, users.number()))?;
        if !none {
            if auth::setup_hash(&snapshot)?.is_some() {
                // A link from before is no way in any more.
                self.store.write(auth::delete_setup).await?;
            }
            return Ok(None);
        }
        let token = secret::secret_text();
        let hash = secret::secret_hash(&token);
        self.store.write(move |tx| auth::put_setup(tx, hash)).await?;
        Ok(Some(token))
    }

    /// Makes the first admin with the one-time token.
    ///
    /// # Errors
    /// [`AuthError::SetupClosed`] when the token is not the newest or was used.
    pub async fn set_up(&self, who: Who, token: &str, email: &str, password: String) -> Result<RecordId, UserError> {
        let hash = secret::secret_hash(token);
        if auth::setup_hash(&self.store.snapshot())?.as_ref() != Some(&hash) {
            return Err(AuthError::SetupClosed.into());
        }
        self.create_admin(who, email, password, Some(hash)).await
    }

    /// Makes an admin: the operator's right.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn create_admin(
        &self,
        who: Who,
        email: &str,
        password: String,
        setup: Option<String>,
    ) -> Result<RecordId, UserError> {
        let hash = self.passwords.accept(password, "/password", email).await?;
        let caller = Caller::on_behalf(&who);
        let body = serde_json::json!({ "email": email.trim(), "roles": ["admin"] }).to_string();
        let now = self.clock.0.now();
        let with_credentials = Arc::new(move |tx: &mut crate::store::Tx<'_>, id: &str| {
            if let Some(expected) = &setup
                && (auth::setup_hash(tx)?.as_ref() != Some(expected) || auth::has_admin_but(tx, id)?)
            {
                return Err(RecordError::Forbidden("set-up".into()));
            }
            auth::delete_setup(tx)?;
            auth::put_password(tx, id, hash.clone(), now, None)?;
            Ok(audit::record(tx, Event::new("password.set", &who, id, now))?)
        });
        let shown = self.records.create_with(&caller, USERS, body.as_bytes(), Some(with_credentials)).await?;
        RecordId::parse(&shown.id).map_err(|invalid| StoreError::corrupt(invalid).into())
    }

    /// Sets a user's password. All sessions of the user end. A key sets only the first one, of who could not sign in until now.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] without `users:update` and everything that the user may do, and for one's own account.
    pub async fn set_password(&self, caller: &Caller, id: &str, password: NewPassword) -> Result<(), UserError> {
        let account = self.auth.check_over(&caller.principal, id)?;
        let hash = match password {
            NewPassword::Plain(password) => self.passwords.accept(password, "/password", &account.email).await?,
            NewPassword::Hash(hash) => {
                let check = auth::check_foreign_hash(&hash);
                check.map_err(|why| AuthError::WeakPassword(vec![FieldError::at("hash", "invalid", why)]))?;
                hash
            }
        };
        let (id, email, now, who) = (id.to_owned(), account.email, self.clock.0.now(), caller.who());
        let (_, catalog) = self.catalogs.current()?;
        let number = catalog.by_name(USERS).map_or(0, |users| users.number());
        let (by_key, mail) = (caller.principal.key().is_some(), self.mail.clone());
        // The user may have gone while the password was hashed; whoever comes under the same id has no password.
        let written = self.store.write(move |tx| {
            if !tx.view(layout::DATA, &layout::record_key(number, &id), |found| found.is_some())? {
                return Err(RecordError::NotFound { collection: USERS.into(), id });
            }
            if by_key && !auth::is_untouched(tx, &id)? {
                return Err(
                    AuthError::Forbidden("a key sets only the first password, of who has never signed in").into()
                );
            }
            auth::put_password(tx, &id, hash, now, None)?;
            mail.put(tx, auth::password_changed_letter(tx, &id, &email)?, now)?;
            Ok(audit::record(tx, Event::new("password.set", &who, &id, now))?)
        });
        Ok(written.await?)
    }
}
