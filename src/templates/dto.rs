//! What the endpoints of templates read and answer.

use std::collections::{BTreeMap, HashMap};

use poem_openapi::{
    Enum, Object,
    types::{Any, Example},
};
use serde_json::{Value, json};

use super::model::{Layout, Rendered, Template, Texts, Variable, VariableType};

const TIME: &str = "2026-01-31T09:30:00Z";

/// What a variable may hold.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "camelCase", rename = "TemplateVariableType")]
pub(super) enum TypeName {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// A time in RFC 3339.
    Datetime,
    /// An address that begins with `https://`, `http://` or `mailto:`.
    Url,
    /// Several values.
    List,
    /// Members with values.
    Object,
}

impl From<VariableType> for TypeName {
    fn from(kind: VariableType) -> Self {
        match kind {
            VariableType::String => Self::String,
            VariableType::Integer => Self::Integer,
            VariableType::Number => Self::Number,
            VariableType::Boolean => Self::Boolean,
            VariableType::Datetime => Self::Datetime,
            VariableType::Url => Self::Url,
            VariableType::List => Self::List,
            VariableType::Object => Self::Object,
        }
    }
}

/// Something that a template puts in.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "TemplateVariable", example, skip_serializing_if_is_none)]
pub(super) struct VariableDto {
    /// The name under which texts say it.
    #[oai(validator(min_length = 1, max_length = 50))]
    name: String,
    /// What it may hold.
    #[oai(rename = "type")]
    kind: TypeName,
    /// Whether it is always given.
    required: bool,
    /// A value to try texts with.
    example: Any<Value>,
    /// What it is, for people.
    #[oai(validator(max_length = 500))]
    description: Option<String>,
}

impl From<Variable> for VariableDto {
    fn from(variable: Variable) -> Self {
        let Variable { name, kind, required, example, description } = variable;
        Self { name, kind: kind.into(), required, example: Any(example), description }
    }
}

impl Example for VariableDto {
    fn example() -> Self {
        let (kind, example) = (TypeName::String, Any(json!("A-1007")));
        Self { name: "number".into(), kind, required: true, example, description: None }
    }
}

/// What a template says in one language.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "TemplateTexts", example, skip_serializing_if_is_none)]
pub(super) struct TextsDto {
    /// The subject of the mail, and the title in an inbox.
    #[oai(validator(min_length = 1, max_length = 65536))]
    subject: String,
    /// What the mail says, as HTML, in its layout. What is put in is escaped.
    #[oai(validator(max_length = 65536))]
    html: Option<String>,
    /// What the mail says, as plain text; absent to make it of the HTML.
    #[oai(validator(max_length = 65536))]
    text: Option<String>,
    /// What an inbox says below the title.
    #[oai(validator(max_length = 65536))]
    inbox: Option<String>,
}

impl From<Texts> for TextsDto {
    fn from(texts: Texts) -> Self {
        let Texts { subject, html, text, inbox } = texts;
        Self { subject, html, text, inbox }
    }
}

impl Example for TextsDto {
    fn example() -> Self {
        Self {
            subject: "Your order {{ number }} was sent".into(),
            html: Some("<p>Your order <strong>{{ number }}</strong> is on its way.</p>".into()),
            text: None,
            inbox: Some("It is on its way.".into()),
        }
    }
}

fn texts() -> HashMap<String, TextsDto> {
    HashMap::from([("en".to_owned(), TextsDto::example())])
}

/// What a template is to be.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "TemplateUpdate", example, skip_serializing_if_is_none)]
pub(super) struct TemplateUpdate {
    /// What it is for, for people.
    #[oai(validator(max_length = 1000))]
    description: Option<String>,
    /// What users say that they want, or do not want, to hear of; absent for `general`.
    #[oai(validator(max_length = 50))]
    category: Option<String>,
    /// Whether it is told whatever users want, for it belongs to something that they do.
    #[oai(default)]
    transactional: bool,
    /// The layout of its mails, such as `default`; absent for none.
    #[oai(validator(max_length = 50))]
    layout: Option<String>,
    /// What is put in.
    #[oai(default, validator(max_items = 50))]
    variables: Vec<VariableDto>,
    /// The language that stands in for one that is not there; absent for `en`.
    #[oai(validator(max_length = 35))]
    default_locale: Option<String>,
    /// What it says, by language.
    locales: HashMap<String, TextsDto>,
}

impl Example for TemplateUpdate {
    fn example() -> Self {
        Self {
            description: None,
            category: Some("orders".into()),
            transactional: false,
            layout: Some("default".into()),
            variables: vec![VariableDto::example()],
            default_locale: Some("en".into()),
            locales: texts(),
        }
    }
}

/// A template to be made.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "TemplateCreate", example, skip_serializing_if_is_none)]
pub(super) struct TemplateCreate {
    /// Its name: 1 to 80 of `a-z A-Z 0-9 . - _`, a letter first.
    #[oai(validator(min_length = 1, max_length = 80))]
    name: String,
    /// The rest of it.
    #[oai(flatten)]
    template: TemplateUpdate,
}

impl Example for TemplateCreate {
    fn example() -> Self {
        Self { name: "order.sent".into(), template: TemplateUpdate::example() }
    }
}

/// A template.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Template", example, skip_serializing_if_is_none)]
pub(super) struct TemplateResponse {
    /// Its name.
    name: String,
    /// What it is for, for people.
    description: Option<String>,
    /// What users say that they want, or do not want, to hear of.
    category: String,
    /// Whether it is told whatever users want.
    transactional: bool,
    /// Whether the server itself needs it: it cannot be removed, and only its layout and texts change.
    built_in: bool,
    /// The layout of its mails.
    layout: Option<String>,
    /// What is put in.
    variables: Vec<VariableDto>,
    /// The language that stands in for one that is not there.
    default_locale: String,
    /// What it says, by language.
    locales: HashMap<String, TextsDto>,
    /// When it was last changed; absent for one that is as it was built in.
    updated_at: Option<String>,
}

impl TemplateResponse {
    pub(super) fn new(template: Template, built_in: bool) -> Self {
        let by_language = |locales: BTreeMap<String, Texts>| {
            locales.into_iter().map(|(locale, texts)| (locale, texts.into())).collect()
        };
        Self {
            name: template.name,
            description: template.description,
            category: template.category,
            transactional: template.transactional,
            built_in,
            layout: template.layout,
            variables: template.variables.into_iter().map(Into::into).collect(),
            default_locale: template.default_locale,
            locales: by_language(template.locales),
            updated_at: template.updated_at.map(|at| at.to_string()),
        }
    }
}

impl Example for TemplateResponse {
    fn example() -> Self {
        Self {
            name: "order.sent".into(),
            description: None,
            category: "orders".into(),
            transactional: false,
            built_in: false,
            layout: Some("default".into()),
            variables: vec![VariableDto::example()],
            default_locale: "en".into(),
            locales: texts(),
            updated_at: Some(TIME.into()),
        }
    }
}

/// Templates.
#[derive(Debug, Object)]
#[oai(rename = "TemplateList", example)]
pub(super) struct TemplateListResponse {
    /// The templates, by name.
    pub(super) items: Vec<TemplateResponse>,
}

impl Example for TemplateListResponse {
    fn example() -> Self {
        Self { items: vec![TemplateResponse::example()] }
    }
}

/// What is tried.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "TemplatePreview", example, skip_serializing_if_is_none)]
pub(super) struct PreviewRequest {
    /// The language; absent for the template's default.
    #[oai(validator(max_length = 35))]
    locale: Option<String>,
    /// What is put in; absent for the examples.
    values: Option<Any<Value>>,
    /// A template to try in the place of the one that is kept.
    draft: Option<TemplateUpdate>,
}

impl Example for PreviewRequest {
    fn example() -> Self {
        Self { locale: Some("en".into()), values: Some(Any(json!({"number": "A-1007"}))), draft: None }
    }
}

/// What a template says.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "RenderedTemplate", example, skip_serializing_if_is_none)]
pub(super) struct RenderedResponse {
    /// The language.
    locale: String,
    /// The subject.
    subject: String,
    /// The mail as plain text.
    text: String,
    /// The mail as HTML.
    html: Option<String>,
    /// What an inbox says below the subject.
    inbox: Option<String>,
}

impl From<Rendered> for RenderedResponse {
    fn from(rendered: Rendered) -> Self {
        let Rendered { locale, subject, text, html, inbox, .. } = rendered;
        Self { locale, subject, text, html, inbox }
    }
}

impl Example for RenderedResponse {
    fn example() -> Self {
        Self {
            locale: "en".into(),
            subject: "Your order A-1007 was sent".into(),
            text: "Your order A-1007 is on its way.".into(),
            html: Some("<p>Your order <strong>A-1007</strong> is on its way.</p>".into()),
            inbox: Some("It is on its way.".into()),
        }
    }
}

/// What a layout is to be.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "TemplateLayoutUpdate", example, skip_serializing_if_is_none)]
pub(super) struct LayoutUpdate {
    /// HTML with `{{ content }}`. It may also say `subject`, `appName`, `appUrl`, `locale` and `unsubscribeUrl`.
    #[oai(validator(max_length = 65536))]
    html: String,
    /// Plain text with `{{ content }}`; absent for the content alone.
    #[oai(validator(max_length = 65536))]
    text: Option<String>,
}

impl Example for LayoutUpdate {
    fn example() -> Self {
        Self { html: "<html><body>{{ content }}<hr>{{ appName }}</body></html>".into(), text: None }
    }
}

/// A layout.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "TemplateLayout", example, skip_serializing_if_is_none)]
pub(super) struct LayoutResponse {
    /// Its name.
    name: String,
    /// HTML with `{{ content }}`.
    html: String,
    /// Plain text with `{{ content }}`.
    text: Option<String>,
    /// When it was last changed; absent for one that is as it was built in.
    updated_at: Option<String>,
}

impl From<Layout> for LayoutResponse {
    fn from(layout: Layout) -> Self {
        let Layout { name, html, text, updated_at } = layout;
        Self { name, html, text, updated_at: updated_at.map(|at| at.to_string()) }
    }
}

impl Example for LayoutResponse {
    fn example() -> Self {
        let LayoutUpdate { html, text } = LayoutUpdate::example();
        Self { name: "plain".into(), html, text, updated_at: Some(TIME.into()) }
    }
}

/// Layouts.
#[derive(Debug, Object)]
#[oai(rename = "TemplateLayoutList", example)]
pub(super) struct LayoutListResponse {
    /// The layouts, by name.
    pub(super) items: Vec<LayoutResponse>,
}

impl Example for LayoutListResponse {
    fn example() -> Self {
        Self { items: vec![LayoutResponse::example()] }
    }
}
