//! The endpoints of collections.

use poem::Request;
use poem_openapi::{OpenApi, Tags, param::Path};
use serde::Serialize;

use super::{CollectionDef, CollectionInput, CollectionService, dto, system::COLLECTIONS};
use crate::{
    access::{Action, Who},
    http::{ApiError, JsonBody, JsonReply, NoContent, caller_of, who_of},
    kernel::Code,
};

/// Groups of operations.
#[derive(Tags)]
pub(super) enum Tag {
    /// Schemas: fields, indexes and rules of records.
    Collections,
}

/// All collections.
#[derive(Debug, Serialize)]
struct List {
    items: Vec<CollectionDef>,
}

/// The endpoints of collections.
#[derive(Debug)]
pub struct CollectionsApi {
    /// The use cases.
    pub collections: CollectionService,
}

type Reply = JsonReply<CollectionDef, dto::Collection>;

#[OpenApi(prefix_path = "/collections", tag = "Tag::Collections")]
impl CollectionsApi {
    /// List collections
    ///
    /// Who may list collections may call this.
    #[oai(path = "/", method = "get", operation_id = "listCollections")]
    async fn list(&self, request: &Request) -> Result<JsonReply<List, dto::CollectionList>, ApiError> {
        who(request, Action::List)?;
        Ok(JsonReply::new(List { items: self.collections.list()? }))
    }

    /// Make a collection
    ///
    /// Who may create collections may call this.
    #[oai(path = "/", method = "post", operation_id = "createCollection")]
    async fn create(
        &self,
        request: &Request,
        body: JsonBody<CollectionInput, dto::CollectionCreate>,
    ) -> Result<JsonReply<CollectionDef, dto::Collection, 201>, ApiError> {
        let who = who(request, Action::Create)?;
        check_kinds(request, &self.collections, [&body.0])?;
        Ok(JsonReply::new(self.collections.create(&who, body.0).await?))
    }

    /// Read a collection
    ///
    /// Who may read collections may call this.
    #[oai(path = "/:name", method = "get", operation_id = "readCollection")]
    async fn read(
        &self,
        request: &Request,
        /// The name of the collection.
        name: Path<String>,
    ) -> Result<Reply, ApiError> {
        who(request, Action::Read)?;
        Ok(Reply::new(self.collections.read(&name.0)?))
    }

    /// Change a collection
    ///
    /// Who may update collections may call this. Parts that are given replace the old ones whole. New indexes are built
    /// in the background; a change that stored records do not fit is refused with their ids.
    #[oai(path = "/:name", method = "patch", operation_id = "updateCollection")]
    async fn update(
        &self,
        request: &Request,
        /// The name of the collection.
        name: Path<String>,
        body: JsonBody<CollectionInput, dto::CollectionUpdate>,
    ) -> Result<Reply, ApiError> {
        let who = who(request, Action::Update)?;
        check_kinds(request, &self.collections, [&body.0])?;
        Ok(Reply::new(self.collections.update(&who, &name.0, body.0).await?))
    }

    /// Delete a collection
    ///
    /// Who may delete collections may call this. Its records go with it.
    #[oai(path = "/:name", method = "delete", operation_id = "deleteCollection")]
    async fn delete(
        &self,
        request: &Request,
        /// The name of the collection.
        name: Path<String>,
    ) -> Result<NoContent, ApiError> {
        let who = who(request, Action::Delete)?;
        self.collections.delete(&who, &name.0).await?;
        Ok(NoContent::Done)
    }
}

/// Refuses triggers that make jobs which the server itself does and the caller may not make.
pub(super) fn check_kinds<'i>(
    request: &Request,
    collections: &CollectionService,
    inputs: impl IntoIterator<Item = &'i CollectionInput>,
) -> Result<(), ApiError> {
    let caller = caller_of(request)?;
    for input in inputs {
        if let Some((permission, kind)) = collections.lacks(&caller, input.triggers.as_deref().unwrap_or_default()) {
            let detail =
                format!("your roles do not permit {permission}, which it takes for a trigger of the kind {kind}");
            return Err(ApiError::new(Code::Forbidden, detail));
        }
    }
    Ok(())
}

/// Who asks, if they may.
pub(super) fn who(request: &Request, action: Action) -> Result<Who, ApiError> {
    let principal = caller_of(request)?;
    if !principal.may(COLLECTIONS, action) {
        let detail = format!("your roles do not permit {COLLECTIONS}:{}", action.name());
        return Err(ApiError::new(Code::Forbidden, detail));
    }
    Ok(who_of(request))
}
