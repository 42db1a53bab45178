//! Use cases of service accounts: nobody gives by them more than they have.

use serde_json::json;

use super::{KeyError, KeyService, ServiceAccount, ServiceAccountInput, repo, service::NAME_MAX};
use crate::{
    access::{Action, Principal, Who},
    audit::{self, Event},
    kernel::FieldError,
    roles::{self, Holders},
    store::{StoreError, Tx},
};

/// The most service accounts of a server.
const ACCOUNTS_MAX: usize = 1_000;
/// The most roles of a service account.
const ROLES_MAX: usize = 20;
/// The greatest length of a description, in characters.
const DESCRIPTION_MAX: usize = 500;

fn check(caller: &Principal, action: Action) -> Result<(), KeyError> {
    match caller.may("keys", action) {
        true => Ok(()),
        false => Err(KeyError::Forbidden(format!("it takes keys:{}", action.name()))),
    }
}

fn missing(id: &str) -> KeyError {
    KeyError::NotFound(format!("service account \"{id}\""))
}

impl KeyService {
    /// Every service account.
    ///
    /// # Errors
    /// [`KeyError::Forbidden`] without `keys:list`.
    pub fn service_accounts(&self, caller: &Principal) -> Result<Vec<ServiceAccount>, KeyError> {
        check(caller, Action::List)?;
        Ok(repo::service_accounts(&self.store.snapshot())?)
    }

    /// One service account.
    ///
    /// # Errors
    /// [`KeyError::Forbidden`] without `keys:read`, [`KeyError::NotFound`].
    pub fn service_account(&self, caller: &Principal, id: &str) -> Result<ServiceAccount, KeyError> {
        check(caller, Action::Read)?;
        repo::service_account(&self.store.snapshot(), id)?.ok_or_else(|| missing(id))
    }

    /// Makes a service account.
    ///
    /// # Errors
    /// [`KeyError::Forbidden`] without `keys:create`, for roles without `roles:assign`, and for roles that permit what the caller may
    /// not; [`KeyError::Invalid`].
    pub async fn create_service_account(
        &self,
        caller: &Principal,
        who: Who,
        input: ServiceAccountInput,
    ) -> Result<ServiceAccount, KeyError> {
        check(caller, Action::Create)?;
        let now = self.clock.now();
        let id = self.ids.next(now);
        let (name, description, roles) = <(String, String, Vec<String>)>::default();
        let empty = ServiceAccount { id, name, description, roles, disabled: false, created_at: now, updated_at: now };
        let account = self.changed(caller, empty, input)?;
        self.store
            .write(move |tx| {
                if repo::service_accounts(tx)?.len() >= ACCOUNTS_MAX {
                    return Err(KeyError::Conflict(format!("a server has at most {ACCOUNTS_MAX} service accounts")));
                }
                put(tx, "serviceAccount.created", &who, &account)?;
                Ok(account)
            })
            .await
    }

    /// Changes the parts of a service account that are given.
    ///
    /// # Errors
    /// As [`Self::create_service_account`], with `keys:update`; [`KeyError::Forbidden`] also for an account that may do what the caller
    /// may not.
    pub async fn update_service_account(
        &self,
        caller: &Principal,
        who: Who,
        id: &str,
        input: ServiceAccountInput,
    ) -> Result<ServiceAccount, KeyError> {
        check(caller, Action::Update)?;
        let before = repo::service_account(&self.store.snapshot(), id)?.ok_or_else(|| missing(id))?;
        self.check_covers(caller, &before.roles)?;
        let account = self.changed(caller, before.clone(), input)?;
        self.store
            .write(move |tx| {
                if repo::service_account(tx, account.id.as_str())?.as_ref() != Some(&before) {
                    return Err(KeyError::Conflict("the service account was changed meanwhile; read it again".into()));
                }
                put(tx, "serviceAccount.updated", &who, &account)?;
                Ok(account)
            })
            .await
    }

    /// Removes a service account with all its keys.
    ///
    /// # Errors
    /// [`KeyError::Forbidden`] without `keys:delete`, or when it may do what the caller may not; [`KeyError::NotFound`].
    pub async fn delete_service_account(&self, caller: &Principal, who: Who, id: &str) -> Result<(), KeyError> {
        check(caller, Action::Delete)?;
        let account = repo::service_account(&self.store.snapshot(), id)?.ok_or_else(|| missing(id))?;
        self.check_covers(caller, &account.roles)?;
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                let id = account.id.as_str();
                repo::delete_service_account(tx, id)?;
                let detail = json!({"name": account.name});
                Ok(audit::record(tx, Event::new("serviceAccount.deleted", &who, id, now).with(detail))?)
            })
            .await
    }

    /// A service account as it will be, when everything about it fits.
    fn changed(
        &self,
        caller: &Principal,
        before: ServiceAccount,
        input: ServiceAccountInput,
    ) -> Result<ServiceAccount, KeyError> {
        let mut errors = Vec::new();
        let name = input.name.map_or(before.name, |name| name.trim().to_owned());
        if name.is_empty() || name.chars().count() > NAME_MAX {
            errors.push(FieldError::at("name", "length", format!("must have 1 to {NAME_MAX} characters")));
        }
        let description = input.description.unwrap_or(before.description);
        if description.chars().count() > DESCRIPTION_MAX {
            let detail = format!("must have at most {DESCRIPTION_MAX} characters");
            errors.push(FieldError::at("description", "too_long", detail));
        }
        let roles = match input.roles {
            Some(roles) => self.given(caller, &before.roles, roles, &mut errors)?,
            None => before.roles,
        };
        if !errors.is_empty() {
            return Err(KeyError::Invalid(errors));
        }
        let disabled = input.disabled.unwrap_or(before.disabled);
        let (id, created_at, updated_at) = (before.id, before.created_at, self.clock.now());
        Ok(ServiceAccount { id, name, description, roles, disabled, created_at, updated_at })
    }

    /// Roles as they may be given.
    fn given(
        &self,
        caller: &Principal,
        held: &[String],
        mut roles: Vec<String>,
        errors: &mut Vec<FieldError>,
    ) -> Result<Vec<String>, KeyError> {
        roles.sort();
        roles.dedup();
        if roles.len() > ROLES_MAX {
            errors.push(FieldError::at("roles", "too_long", format!("must have at most {ROLES_MAX}")));
            return Ok(Vec::new());
        }
        let known = self.roles.of(&self.store.snapshot())?;
        for (position, name) in roles.iter().enumerate().filter(|(_, name)| known.get(name).is_none()) {
            let detail = format!("there is no role \"{name}\"");
            errors.push(FieldError::new(format!("/roles/{position}"), "unknown_role", detail));
        }
        self.check_covers(caller, &roles)?;
        if roles != held && !caller.may("roles", Action::Assign) {
            return Err(KeyError::Forbidden("it takes roles:assign".into()));
        }
        Ok(roles)
    }
}

fn put(tx: &mut Tx<'_>, kind: &'static str, who: &Who, account: &ServiceAccount) -> Result<(), KeyError> {
    for name in &account.roles {
        if roles::role(tx, name)?.is_none() {
            return Err(KeyError::Conflict(format!("the role \"{name}\" was removed meanwhile")));
        }
    }
    repo::put_service_account(tx, account)?;
    let detail = json!({"name": account.name, "roles": account.roles, "disabled": account.disabled});
    Ok(audit::record(tx, Event::new(kind, who, account.id.as_str(), account.updated_at).with(detail))?)
}

impl Holders for KeyService {
    fn is_held(&self, role: &str) -> Result<bool, StoreError> {
        let accounts = repo::service_accounts(&self.store.snapshot())?;
        Ok(accounts.iter().any(|account| account.roles.iter().any(|own| own == role)))
    }
}
