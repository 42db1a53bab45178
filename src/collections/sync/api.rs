//! The endpoints of the schema as a whole.

use poem::Request;
use poem_openapi::OpenApi;

use super::{Plan, PlanInput, SchemaInput, dto};
use crate::{
    access::{Action, Who},
    collections::{
        CollectionService,
        api::{Tag, check_kinds, who},
    },
    http::{ApiError, JsonBody, JsonReply},
};

/// The endpoints of the schema as a whole.
#[derive(Debug)]
pub struct SchemaApi {
    /// The use cases.
    pub collections: CollectionService,
}

type Reply = JsonReply<Plan, dto::Plan>;

#[OpenApi(prefix_path = "/schema", tag = "Tag::Collections")]
impl SchemaApi {
    /// Plan a schema
    ///
    /// Who may create, update and delete collections may call this. Answers the steps by which the collections would
    /// become those that are sent, and changes nothing. What would refuse them is answered instead: every fault, and
    /// stored records that do not fit.
    #[oai(path = "/plan", method = "post", operation_id = "planSchema")]
    async fn plan(&self, request: &Request, body: JsonBody<PlanInput, dto::PlanRequest>) -> Result<Reply, ApiError> {
        author(request)?;
        Ok(Reply::new(self.collections.plan_schema(&body.0).await?))
    }

    /// Apply a schema
    ///
    /// Who may create, update and delete collections may call this. Brings the collections to those that are sent, all
    /// of it in one transaction or nothing, and answers the steps that were taken. Steps that lose values are refused
    /// unless they are allowed.
    #[oai(path = "/apply", method = "post", operation_id = "applySchema")]
    async fn apply(
        &self,
        request: &Request,
        body: JsonBody<SchemaInput, dto::ApplyRequest>,
    ) -> Result<Reply, ApiError> {
        let who = author(request)?;
        check_kinds(request, &self.collections, &body.0.collections)?;
        Ok(Reply::new(self.collections.apply_schema(&who, body.0).await?))
    }
}

/// Who asks, if they may do to collections whatever a schema may come to.
fn author(request: &Request) -> Result<Who, ApiError> {
    who(request, Action::Create)?;
    who(request, Action::Delete)?;
    who(request, Action::Update)
}
