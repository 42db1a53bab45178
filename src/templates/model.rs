//! A template, its variables, its texts, and what comes of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    kernel::{Code, DomainError, FieldError},
    store::StoreError,
};

/// The longest text of a part, in bytes.
pub(super) const PART_BYTES_MAX: usize = 64 << 10;
/// The most languages of a template.
pub(super) const LOCALES_MAX: usize = 50;
/// The most variables of a template.
pub(super) const VARIABLES_MAX: usize = 50;

/// What a variable may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VariableType {
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

impl VariableType {
    /// Whether a value is of the type.
    pub(super) fn takes(self, value: &Value) -> bool {
        let text = |fits: fn(&str) -> bool| value.as_str().is_some_and(fits);
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Datetime => text(|text| text.parse::<Timestamp>().is_ok()),
            Self::Url => text(|text| ["https://", "http://", "mailto:"].iter().any(|scheme| text.starts_with(scheme))),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    /// What it takes, for people.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::String => "must be a text",
            Self::Integer => "must be a whole number",
            Self::Number => "must be a number",
            Self::Boolean => "must be true or false",
            Self::Datetime => "must be a time in RFC 3339, such as 2026-01-31T09:30:00Z",
            Self::Url => "must be an address that begins with https://, http:// or mailto:",
            Self::List => "must be a list",
            Self::Object => "must be an object",
        }
    }
}

/// Something that a template puts in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// The name under which texts say it.
    pub name: String,
    /// What it may hold.
    #[serde(rename = "type")]
    pub kind: VariableType,
    /// Whether it is always given.
    pub required: bool,
    /// A value to try texts with.
    pub example: Value,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What a template says in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Texts {
    /// The subject of the mail, and the title in an inbox.
    pub subject: String,
    /// What the mail says, as HTML, in its layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What the mail says, as plain text; absent to make it of the HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What an inbox says below the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<String>,
}

/// A template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The name, such as `password.reset`.
    pub name: String,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What users say that they want, or do not want, to hear of.
    pub category: String,
    /// Whether it is told whatever users want, for it belongs to something that they do.
    pub transactional: bool,
    /// The layout of its mails; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// What is put in.
    pub variables: Vec<Variable>,
    /// The language that stands in for one that is not there.
    pub default_locale: String,
    /// What it says, by language.
    pub locales: BTreeMap<String, Texts>,
    /// When it was last changed; absent for one that is as it was built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

impl Template {
    /// The language that comes closest to a wanted one: it itself, it without its region, and the default.
    pub(super) fn closest(&self, wanted: Option<&str>) -> &str {
        let mut candidate = wanted;
        while let Some(locale) = candidate {
            if let Some((known, _)) = self.locales.iter().find(|(known, _)| known.eq_ignore_ascii_case(locale)) {
                return known;
            }
            candidate = locale.rsplit_once('-').map(|(shorter, _)| shorter);
        }
        &self.default_locale
    }
}

/// What mails have in common: a frame around what each says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// The name.
    pub name: String,
    /// HTML with `{{ content }}`.
    pub html: String,
    /// Plain text with `{{ content }}`; absent for the content alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it was last changed; absent for one that is as it was built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// What comes of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The language.
    pub locale: String,
    /// The subject: one line.
    pub subject: String,
    /// The mail as plain text.
    pub text: String,
    /// The mail as HTML.
    pub html: Option<String>,
    /// What an inbox says below the subject.
    pub inbox: Option<String>,
    /// What it is about, for those who do not want to hear of it.
    pub category: String,
    /// Whether it is told whatever users want.
    pub transactional: bool,
}

/// A business outcome of a request about templates.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The caller may not do this.
    #[error("your roles do not permit this: it takes {0}")]
    Forbidden(String),
    /// There is none of this name.
    #[error("there is no {0} \"{1}\"")]
    NotFound(&'static str, String),
    /// What was given is not valid.
    #[error("the template is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// It cannot be done as things are.
    #[error("{0}")]
    Conflict(String),
    /// It came out wrong with these values.
    #[error("the template \"{0}\" cannot be rendered: {1}")]
    Render(String, String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for TemplateError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(..) => Code::NotFound,
            Self::Invalid(_) | Self::Render(..) => Code::ValidationFailed,
            Self::Conflict(_) => Code::Conflict,
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        if let Self::Invalid(errors) = self { errors } else { &[] }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        if let Self::Store(error) = self { error.retry_after_seconds() } else { None }
    }
}
