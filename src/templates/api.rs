//! The endpoints of templates.

use poem::Request;
use poem_openapi::{ApiResponse, OpenApi, Tags, param::Path, payload::Json};

use super::{
    Templates,
    dto::{
        LayoutListResponse, LayoutResponse, LayoutUpdate, PreviewRequest, RenderedResponse, TemplateCreate,
        TemplateListResponse, TemplateResponse, TemplateUpdate,
    },
    input::{LayoutInput, PreviewInput, TemplateInput},
    model::Template,
    service::Trial,
};
use crate::http::{ApiError, BoundedBody, NoContent, caller_of};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// What mails and notifications say, in the languages that are there.
    Templates,
}

#[derive(ApiResponse)]
enum Made {
    /// The template was made.
    #[oai(status = 201)]
    Created(Json<TemplateResponse>),
}

/// The endpoints of templates.
#[derive(Debug)]
pub struct TemplatesApi {
    /// The use cases.
    pub templates: Templates,
}

#[OpenApi(tag = "Tag::Templates")]
impl TemplatesApi {
    /// List templates
    ///
    /// Who has the permission `templates:list` may call this.
    #[oai(path = "/templates", method = "get", operation_id = "listTemplates")]
    async fn list(&self, request: &Request) -> Result<Json<TemplateListResponse>, ApiError> {
        let templates = self.templates.list(&*caller_of(request)?)?;
        Ok(Json(TemplateListResponse { items: templates.into_iter().map(|template| self.told(template)).collect() }))
    }

    /// Make a template
    ///
    /// Who has the permission `templates:create` may call this. Texts are written in the language of
    /// [MiniJinja](https://docs.rs/minijinja/latest/minijinja/syntax/index.html): `{{ name }}`, `{% if %}`, `{% for %}`, filters such as
    /// `{{ at|date("%d.%m.%Y") }}`. They are tried with the examples of the variables first.
    #[oai(path = "/templates", method = "post", operation_id = "createTemplate")]
    async fn create(
        &self,
        request: &Request,
        body: BoundedBody<TemplateInput, TemplateCreate>,
    ) -> Result<Made, ApiError> {
        let made = self.templates.create(&*caller_of(request)?, body.0).await?;
        Ok(Made::Created(Json(self.told(made))))
    }

    /// Read a template
    ///
    /// Who has the permission `templates:read` may call this.
    #[oai(path = "/templates/:template", method = "get", operation_id = "readTemplate")]
    async fn read(
        &self,
        request: &Request,
        /// The name of the template.
        #[oai(validator(min_length = 1, max_length = 80))]
        template: Path<String>,
    ) -> Result<Json<TemplateResponse>, ApiError> {
        Ok(Json(self.told(self.templates.read(&*caller_of(request)?, &template.0)?)))
    }

    /// Replace a template
    ///
    /// Who has the permission `templates:update` may call this. Of a template that is built in only the layout, the languages and the texts
    /// change.
    #[oai(path = "/templates/:template", method = "put", operation_id = "replaceTemplate")]
    async fn replace(
        &self,
        request: &Request,
        /// The name of the template.
        #[oai(validator(min_length = 1, max_length = 80))]
        template: Path<String>,
        body: BoundedBody<TemplateInput, TemplateUpdate>,
    ) -> Result<Json<TemplateResponse>, ApiError> {
        let changed = self.templates.replace(&*caller_of(request)?, template.0, body.0).await?;
        Ok(Json(self.told(changed)))
    }

    /// Remove a template
    ///
    /// Who has the permission `templates:delete` may call this. A template that is built in is as it was then.
    #[oai(path = "/templates/:template", method = "delete", operation_id = "deleteTemplate")]
    async fn delete(
        &self,
        request: &Request,
        /// The name of the template.
        #[oai(validator(min_length = 1, max_length = 80))]
        template: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.templates.delete(&*caller_of(request)?, template.0).await?;
        Ok(NoContent::Done)
    }

    /// Preview a template
    ///
    /// Who has the permission `templates:read` may call this. Nothing is kept or sent.
    #[oai(path = "/templates/:template/preview", method = "post", operation_id = "previewTemplate")]
    async fn preview(
        &self,
        request: &Request,
        /// The name of the template.
        #[oai(validator(min_length = 1, max_length = 80))]
        template: Path<String>,
        body: BoundedBody<PreviewInput, PreviewRequest>,
    ) -> Result<Json<RenderedResponse>, ApiError> {
        let PreviewInput { locale, values, draft } = body.0;
        let trial = Trial { locale, values, draft };
        Ok(Json(self.templates.preview(&*caller_of(request)?, template.0, trial).await?.into()))
    }

    /// List layouts
    ///
    /// Who has the permission `templates:list` may call this.
    #[oai(path = "/template-layouts", method = "get", operation_id = "listTemplateLayouts")]
    async fn layouts(&self, request: &Request) -> Result<Json<LayoutListResponse>, ApiError> {
        let layouts = self.templates.layouts(&*caller_of(request)?)?;
        Ok(Json(LayoutListResponse { items: layouts.into_iter().map(LayoutResponse::from).collect() }))
    }

    /// Make or replace a layout
    ///
    /// Who has the permission `templates:update` may call this. A layout is a frame around what mails say.
    #[oai(path = "/template-layouts/:layout", method = "put", operation_id = "putTemplateLayout")]
    async fn put_layout(
        &self,
        request: &Request,
        /// The name of the layout.
        #[oai(validator(min_length = 1, max_length = 50))]
        layout: Path<String>,
        body: BoundedBody<LayoutInput, LayoutUpdate>,
    ) -> Result<Json<LayoutResponse>, ApiError> {
        Ok(Json(self.templates.put_layout(&*caller_of(request)?, layout.0, body.0).await?.into()))
    }

    /// Remove a layout
    ///
    /// Who has the permission `templates:delete` may call this. A layout that is built in is as it was then; one that a template has stays.
    #[oai(path = "/template-layouts/:layout", method = "delete", operation_id = "deleteTemplateLayout")]
    async fn delete_layout(
        &self,
        request: &Request,
        /// The name of the layout.
        #[oai(validator(min_length = 1, max_length = 50))]
        layout: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.templates.delete_layout(&*caller_of(request)?, layout.0).await?;
        Ok(NoContent::Done)
    }
}

impl TemplatesApi {
    fn told(&self, template: Template) -> TemplateResponse {
        let built_in = self.templates.is_built_in(&template.name);
        TemplateResponse::new(template, built_in)
    }
}
