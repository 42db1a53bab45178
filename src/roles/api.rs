//! The endpoints of roles.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags, param::Path, payload::Json};
use serde::Deserialize;

use super::{Role, RoleInput, RoleService};
use crate::http::{ApiError, JsonBody, NoContent, caller_of, who_of};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Named sets of permissions.
    Roles,
}

/// A named set of permissions.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Role", example, skip_serializing_if_is_none)]
struct RoleResponse {
    /// The name by which users hold it.
    name: String,
    /// What it is for.
    description: String,
    /// `resource:action` texts, in order; `*` stands for every collection, or every action.
    permissions: Vec<String>,
    /// Whether who holds it must prove a second factor at sign-in, and set one up who has none.
    requires_second_factor: bool,
    /// Whether every server has it.
    built_in: bool,
    /// When it was last changed; absent while a built-in role is as it was built.
    updated_at: Option<String>,
}

impl From<Role> for RoleResponse {
    fn from(role: Role) -> Self {
        let built_in = role.is_built_in();
        let Role { name, description, permissions, requires_second_factor, updated_at } = role;
        let updated_at = updated_at.map(|time| time.to_string());
        Self { name, description, permissions, requires_second_factor, built_in, updated_at }
    }
}

impl poem_openapi::types::Example for RoleResponse {
    fn example() -> Self {
        Self {
            name: "editor".into(),
            description: "Writes the blog.".into(),
            permissions: vec!["*:read".into(), "posts:*".into()],
            requires_second_factor: false,
            built_in: false,
            updated_at: Some("2026-01-31T09:30:00Z".into()),
        }
    }
}

/// Every role.
#[derive(Debug, Object)]
#[oai(example)]
struct RoleList {
    /// The roles, by name.
    items: Vec<RoleResponse>,
}

impl poem_openapi::types::Example for RoleList {
    fn example() -> Self {
        Self { items: vec![RoleResponse::example()] }
    }
}

/// A role to make.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example, skip_serializing_if_is_none)]
struct RoleCreate {
    /// The name: 1 to 64 characters of `A-Z a-z 0-9 - _ . ~`.
    #[oai(validator(min_length = 1, max_length = 64))]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[oai(validator(max_length = 500))]
    description: Option<String>,
    /// `resource:action` texts, none that you do not have yourself.
    permissions: Vec<String>,
    /// Whether who holds it must prove a second factor at sign-in.
    #[serde(default)]
    requires_second_factor: Option<bool>,
}

impl poem_openapi::types::Example for RoleCreate {
    fn example() -> Self {
        Self {
            name: "editor".into(),
            description: Some("Writes the blog.".into()),
            permissions: vec!["*:read".into(), "posts:*".into()],
            requires_second_factor: Some(false),
        }
    }
}

/// What to change of a role; what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example, skip_serializing_if_is_none)]
struct RoleUpdate {
    /// What it is for.
    #[serde(default)]
    #[oai(validator(max_length = 500))]
    description: Option<String>,
    /// All its permissions.
    #[serde(default)]
    permissions: Option<Vec<String>>,
    /// Whether who holds it must prove a second factor at sign-in.
    #[serde(default)]
    requires_second_factor: Option<bool>,
}

impl poem_openapi::types::Example for RoleUpdate {
    fn example() -> Self {
        Self {
            description: None,
            permissions: Some(vec!["*:read".into(), "posts:*".into()]),
            requires_second_factor: None,
        }
    }
}

#[derive(ApiResponse)]
enum Made {
    /// The role was made.
    #[oai(status = 201)]
    Created(Json<RoleResponse>),
}

/// The endpoints of roles.
#[derive(Debug)]
pub struct RolesApi {
    /// The use cases.
    pub roles: Arc<RoleService>,
}

#[OpenApi(prefix_path = "/roles", tag = "Tag::Roles")]
impl RolesApi {
    /// List roles
    ///
    /// Who has the permission `roles:list` may call this.
    #[oai(path = "/", method = "get", operation_id = "listRoles")]
    async fn list(&self, request: &Request) -> Result<Json<RoleList>, ApiError> {
        let roles = self.roles.list(&*caller_of(request)?)?;
        Ok(Json(RoleList { items: roles.into_iter().map(RoleResponse::from).collect() }))
    }

    /// Read a role
    ///
    /// Who has the permission `roles:read` may call this.
    #[oai(path = "/:name", method = "get", operation_id = "readRole")]
    async fn read(
        &self,
        request: &Request,
        /// The name of the role.
        #[oai(validator(min_length = 1, max_length = 64))]
        name: Path<String>,
    ) -> Result<Json<RoleResponse>, ApiError> {
        Ok(Json(self.roles.read(&*caller_of(request)?, &name.0)?.into()))
    }

    /// Make a role
    ///
    /// Who has the permission `roles:create` may call this, and gives no permission that they do not have.
    #[oai(path = "/", method = "post", operation_id = "createRole")]
    async fn create(&self, request: &Request, body: JsonBody<RoleCreate>) -> Result<Made, ApiError> {
        let RoleCreate { name, description, permissions, requires_second_factor } = body.0;
        let input = RoleInput { description, permissions: Some(permissions), requires_second_factor };
        let role = self.roles.create(&*caller_of(request)?, who_of(request), name, input).await?;
        Ok(Made::Created(Json(role.into())))
    }

    /// Change a role
    ///
    /// Who has the permission `roles:update` and everything that the role permits may call this, and gives no permission that
    /// they do not have. It holds with the next request of everyone who has the role.
    #[oai(path = "/:name", method = "patch", operation_id = "updateRole")]
    async fn update(
        &self,
        request: &Request,
        /// The name of the role.
        #[oai(validator(min_length = 1, max_length = 64))]
        name: Path<String>,
        body: JsonBody<RoleUpdate>,
    ) -> Result<Json<RoleResponse>, ApiError> {
        let RoleUpdate { description, permissions, requires_second_factor } = body.0;
        let input = RoleInput { description, permissions, requires_second_factor };
        let role = self.roles.update(&*caller_of(request)?, who_of(request), &name.0, input).await?;
        Ok(Json(role.into()))
    }

    /// Remove a role
    ///
    /// Who has the permission `roles:delete` and everything that the role permits may call this. A role that somebody holds
    /// stays, and so do the built-in ones.
    #[oai(path = "/:name", method = "delete", operation_id = "deleteRole")]
    async fn delete(
        &self,
        request: &Request,
        /// The name of the role.
        #[oai(validator(min_length = 1, max_length = 64))]
        name: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.roles.delete(&*caller_of(request)?, who_of(request), &name.0).await?;
        Ok(NoContent::Done)
    }
}
