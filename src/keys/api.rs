//! The endpoints of keys and service accounts.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
};

use super::{
    KeyService,
    dto::{
        KeyCreate, KeyListResponse, KeyResponse, NewKeyResponse, ServiceAccountCreate, ServiceAccountListResponse,
        ServiceAccountResponse, ServiceAccountUpdate,
    },
};
use crate::http::{ApiError, JsonBody, NoContent, caller_of, who_of};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Keys of programs, and service accounts.
    Keys,
}

#[derive(ApiResponse)]
enum MadeKey {
    /// The key was made. This is the only answer that has its secret.
    #[oai(status = 201)]
    Created(Json<NewKeyResponse>),
}

#[derive(ApiResponse)]
enum MadeAccount {
    /// The service account was made.
    #[oai(status = 201)]
    Created(Json<ServiceAccountResponse>),
}

/// The endpoints of keys and service accounts.
#[derive(Debug)]
pub struct KeysApi {
    /// The use cases.
    pub keys: Arc<KeyService>,
}

#[OpenApi(tag = "Tag::Keys")]
impl KeysApi {
    /// List keys
    ///
    /// Everyone who is signed in may call this for their own keys; who has the permission `keys:list` for those of everyone.
    #[oai(path = "/keys", method = "get", operation_id = "listKeys")]
    async fn list(
        &self,
        request: &Request,
        /// Only keys that act for this user or service account.
        #[oai(validator(min_length = 1, max_length = 64))]
        owner: Query<Option<String>>,
    ) -> Result<Json<KeyListResponse>, ApiError> {
        let keys = self.keys.list(&*caller_of(request)?, owner.0.as_deref())?;
        Ok(Json(KeyListResponse { items: keys.into_iter().map(KeyResponse::from).collect() }))
    }

    /// Read a key
    ///
    /// Its owner, and who has the permission `keys:read` may call this.
    #[oai(path = "/keys/:id", method = "get", operation_id = "readKey")]
    async fn read(
        &self,
        request: &Request,
        /// The id of the key.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<Json<KeyResponse>, ApiError> {
        Ok(Json(self.keys.read(&*caller_of(request)?, &id.0)?.into()))
    }

    /// Make a key
    ///
    /// Who has the permission `keys:create` and a session of their own may call this, for themselves, or for a service account that may
    /// do nothing that they may not. A key does what its owner may at the time, within its own permissions; rules of collections
    /// open nothing to it beyond them, either.
    #[oai(path = "/keys", method = "post", operation_id = "createKey")]
    async fn create(&self, request: &Request, body: JsonBody<KeyCreate>) -> Result<MadeKey, ApiError> {
        let (key, secret) = self.keys.create(&*caller_of(request)?, who_of(request), body.0.into()).await?;
        Ok(MadeKey::Created(Json(NewKeyResponse { secret, key: key.into() })))
    }

    /// End a key
    ///
    /// Its owner, and who has the permission `keys:delete` may call this. It holds with the next request.
    #[oai(path = "/keys/:id", method = "delete", operation_id = "deleteKey")]
    async fn delete(
        &self,
        request: &Request,
        /// The id of the key.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.keys.delete(&*caller_of(request)?, who_of(request), &id.0).await?;
        Ok(NoContent::Done)
    }

    /// List service accounts
    ///
    /// Who has the permission `keys:list` may call this.
    #[oai(path = "/service-accounts", method = "get", operation_id = "listServiceAccounts")]
    async fn list_accounts(&self, request: &Request) -> Result<Json<ServiceAccountListResponse>, ApiError> {
        let accounts = self.keys.service_accounts(&*caller_of(request)?)?;
        Ok(Json(ServiceAccountListResponse { items: accounts.into_iter().map(ServiceAccountResponse::from).collect() }))
    }

    /// Read a service account
    ///
    /// Who has the permission `keys:read` may call this.
    #[oai(path = "/service-accounts/:id", method = "get", operation_id = "readServiceAccount")]
    async fn read_account(
        &self,
        request: &Request,
        /// The id of the service account.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<Json<ServiceAccountResponse>, ApiError> {
        Ok(Json(self.keys.service_account(&*caller_of(request)?, &id.0)?.into()))
    }

    /// Make a service account
    ///
    /// Who has the permission `keys:create` may call this; giving it roles also takes `roles:assign` and everything that they permit.
    #[oai(path = "/service-accounts", method = "post", operation_id = "createServiceAccount")]
    async fn create_account(
        &self,
        request: &Request,
        body: JsonBody<ServiceAccountCreate>,
    ) -> Result<MadeAccount, ApiError> {
        let input = body.0.into();
        let account = self.keys.create_service_account(&*caller_of(request)?, who_of(request), input).await?;
        Ok(MadeAccount::Created(Json(account.into())))
    }

    /// Change a service account
    ///
    /// Who has the permission `keys:update` and everything that the account may do may call this; changing its roles also takes
    /// `roles:assign` and everything that they permit. It holds with the next request of its keys.
    #[oai(path = "/service-accounts/:id", method = "patch", operation_id = "updateServiceAccount")]
    async fn update_account(
        &self,
        request: &Request,
        /// The id of the service account.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: JsonBody<ServiceAccountUpdate>,
    ) -> Result<Json<ServiceAccountResponse>, ApiError> {
        let (caller, input) = (caller_of(request)?, body.0.into());
        let account = self.keys.update_service_account(&caller, who_of(request), &id.0, input).await?;
        Ok(Json(account.into()))
    }

    /// Remove a service account
    ///
    /// Who has the permission `keys:delete` and everything that the account may do may call this. Its keys end with the next request.
    #[oai(path = "/service-accounts/:id", method = "delete", operation_id = "deleteServiceAccount")]
    async fn delete_account(
        &self,
        request: &Request,
        /// The id of the service account.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.keys.delete_service_account(&*caller_of(request)?, who_of(request), &id.0).await?;
        Ok(NoContent::Done)
    }
}
