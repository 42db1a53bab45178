//! What the endpoints of keys read and answer.

use poem_openapi::{Object, types::Example};
use serde::Deserialize;

use super::{Key, KeyInput, Owner, ServiceAccount, ServiceAccountInput};

const ID: &str = "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c";

/// A key to make.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "KeyCreate", example, skip_serializing_if_is_none)]
pub(super) struct KeyCreate {
    /// What it is for.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// `resource:action` texts: the most that the key may do, of what its owner may. `*:*` is all of that.
    #[oai(validator(min_items = 1, max_items = 500))]
    permissions: Vec<String>,
    /// Addresses and networks from which the key is taken; absent for any.
    #[serde(default)]
    #[oai(validator(max_items = 50))]
    addresses: Option<Vec<String>>,
    /// When it ends (RFC 3339); absent for never.
    #[serde(default)]
    expires_at: Option<String>,
    /// The id of the service account for which it acts; absent for yourself.
    #[serde(default)]
    service_account: Option<String>,
}

impl From<KeyCreate> for KeyInput {
    fn from(key: KeyCreate) -> Self {
        let KeyCreate { name, permissions, addresses, expires_at, service_account } = key;
        Self { name, permissions, addresses: addresses.unwrap_or_default(), expires_at, service_account }
    }
}

impl Example for KeyCreate {
    fn example() -> Self {
        Self {
            name: "nightly import".into(),
            permissions: vec!["posts:create".into(), "posts:update".into()],
            addresses: Some(vec!["192.0.2.0/24".into()]),
            expires_at: Some("2027-01-31T00:00:00Z".into()),
            service_account: None,
        }
    }
}

/// A key, without its secret.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Key", example, skip_serializing_if_is_none)]
pub(super) struct KeyResponse {
    /// Its id, which stands in its text after `stead_sk_`.
    id: String,
    /// What it is for.
    name: String,
    /// The id of the user or service account for which it acts.
    owner: String,
    /// Whether the owner is a service account.
    service_account: bool,
    /// `resource:action` texts: the most that it may do, of what its owner may.
    permissions: Vec<String>,
    /// Networks from which it is taken; empty for any.
    addresses: Vec<String>,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// When it ends.
    expires_at: Option<String>,
    /// When it was last used, within a minute.
    last_used_at: Option<String>,
    /// The address from which it was last used.
    last_used_from: Option<String>,
}

impl From<Key> for KeyResponse {
    fn from(key: Key) -> Self {
        Self {
            owner: key.owner.id().to_string(),
            service_account: matches!(key.owner, Owner::ServiceAccount(_)),
            id: key.id,
            name: key.name,
            permissions: key.permissions,
            addresses: key.addresses.iter().map(ToString::to_string).collect(),
            created_by: key.created_by,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|end| end.to_string()),
            last_used_at: key.used_at.map(|at| at.to_string()),
            last_used_from: key.used_from.map(|from| from.to_string()),
        }
    }
}

impl Example for KeyResponse {
    fn example() -> Self {
        Self {
            id: "4Zr8QmB2xKp7".into(),
            name: "nightly import".into(),
            owner: ID.into(),
            service_account: false,
            permissions: vec!["posts:create".into(), "posts:update".into()],
            addresses: vec!["192.0.2.0/24".into()],
            created_by: ID.into(),
            created_at: "2026-01-31T09:30:00Z".into(),
            expires_at: Some("2027-01-31T00:00:00Z".into()),
            last_used_at: Some("2026-02-01T01:00:00Z".into()),
            last_used_from: Some("192.0.2.7".into()),
        }
    }
}

/// A new key with its secret, which is shown this once.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "NewKey", example)]
pub(super) struct NewKeyResponse {
    /// Send it as `Authorization: Bearer …`. It cannot be read again.
    pub(super) secret: String,
    /// The key.
    pub(super) key: KeyResponse,
}

impl Example for NewKeyResponse {
    fn example() -> Self {
        Self {
            // Not one that a scanner for leaked secrets would take for a real one.
            secret: "stead_sk_4Zr8QmB2xKp7_…".into(),
            key: KeyResponse::example(),
        }
    }
}

/// Keys.
#[derive(Debug, Object)]
#[oai(rename = "KeyList", example)]
pub(super) struct KeyListResponse {
    /// The keys.
    pub(super) items: Vec<KeyResponse>,
}

impl Example for KeyListResponse {
    fn example() -> Self {
        Self { items: vec![KeyResponse::example()] }
    }
}

/// A service account to make.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "ServiceAccountCreate", example, skip_serializing_if_is_none)]
pub(super) struct ServiceAccountCreate {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[oai(validator(max_length = 500))]
    description: Option<String>,
    /// The roles, none that permits what you may not do yourself.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    roles: Option<Vec<String>>,
}

impl From<ServiceAccountCreate> for ServiceAccountInput {
    fn from(account: ServiceAccountCreate) -> Self {
        let ServiceAccountCreate { name, description, roles } = account;
        Self { name: Some(name), description, roles, disabled: None }
    }
}

impl Example for ServiceAccountCreate {
    fn example() -> Self {
        Self {
            name: "importer".into(),
            description: Some("Fills the shop.".into()),
            roles: Some(vec!["manager".into()]),
        }
    }
}

/// What to change of a service account; what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "ServiceAccountUpdate", example, skip_serializing_if_is_none)]
pub(super) struct ServiceAccountUpdate {
    /// Its name.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[oai(validator(max_length = 500))]
    description: Option<String>,
    /// All its roles.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    roles: Option<Vec<String>>,
    /// Whether its keys are refused.
    #[serde(default)]
    disabled: Option<bool>,
}

impl From<ServiceAccountUpdate> for ServiceAccountInput {
    fn from(account: ServiceAccountUpdate) -> Self {
        let ServiceAccountUpdate { name, description, roles, disabled } = account;
        Self { name, description, roles, disabled }
    }
}

impl Example for ServiceAccountUpdate {
    fn example() -> Self {
        Self { name: None, description: None, roles: Some(vec!["viewer".into()]), disabled: Some(false) }
    }
}

/// A program with roles, known by its keys.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "ServiceAccount", example)]
pub(super) struct ServiceAccountResponse {
    /// Its id: `@auth.id` in rules.
    id: String,
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// The roles.
    roles: Vec<String>,
    /// Whether its keys are refused.
    disabled: bool,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

impl From<ServiceAccount> for ServiceAccountResponse {
    fn from(account: ServiceAccount) -> Self {
        let ServiceAccount { id, name, description, roles, disabled, created_at, updated_at } = account;
        let (created_at, updated_at) = (created_at.to_string(), updated_at.to_string());
        Self { id: id.to_string(), name, description, roles, disabled, created_at, updated_at }
    }
}

impl Example for ServiceAccountResponse {
    fn example() -> Self {
        Self {
            id: ID.into(),
            name: "importer".into(),
            description: "Fills the shop.".into(),
            roles: vec!["manager".into()],
            disabled: false,
            created_at: "2026-01-31T09:30:00Z".into(),
            updated_at: "2026-01-31T09:30:00Z".into(),
        }
    }
}

/// Every service account.
#[derive(Debug, Object)]
#[oai(rename = "ServiceAccountList", example)]
pub(super) struct ServiceAccountListResponse {
    /// The service accounts.
    pub(super) items: Vec<ServiceAccountResponse>,
}

impl Example for ServiceAccountListResponse {
    fn example() -> Self {
        Self { items: vec![ServiceAccountResponse::example()] }
    }
}
