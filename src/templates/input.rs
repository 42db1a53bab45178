//! What requests say of templates.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::model::{Template, Texts, Variable};

/// A template as a request says it. Of one that is built in only the layout and the texts are taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TemplateInput {
    pub(super) name: Option<String>,
    description: Option<String>,
    category: Option<String>,
    #[serde(default)]
    transactional: bool,
    layout: Option<String>,
    #[serde(default)]
    variables: Vec<Variable>,
    default_locale: Option<String>,
    locales: BTreeMap<String, Texts>,
    // What an answer has, and a client may send back.
    #[serde(default, rename = "builtIn")]
    _built_in: IgnoredAny,
    #[serde(default, rename = "updatedAt")]
    _updated_at: IgnoredAny,
}

impl TemplateInput {
    pub(super) fn template(self, name: String, original: Option<&Template>) -> Template {
        let default_locale = self.default_locale.unwrap_or_else(|| "en".into());
        match original {
            Some(original) => {
                Template { layout: self.layout, default_locale, locales: self.locales, ..original.clone() }
            }
            None => Template {
                name,
                description: self.description,
                category: self.category.unwrap_or_else(|| "general".into()),
                transactional: self.transactional,
                layout: self.layout,
                variables: self.variables,
                default_locale,
                locales: self.locales,
                updated_at: None,
            },
        }
    }
}

/// A layout as a request says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LayoutInput {
    pub(super) html: String,
    pub(super) text: Option<String>,
}

/// What is tried.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct PreviewInput {
    pub(super) locale: Option<String>,
    pub(super) values: Option<serde_json::Value>,
    pub(super) draft: Option<TemplateInput>,
}
