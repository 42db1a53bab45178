//! Where templates and layouts are stored that are not as they were built in, and in which language users read.

use std::ops::ControlFlow;

use super::model::{Layout, Template};
use crate::store::{Json, Raw, Read, Scan, StoreError, Table, Tx};

/// Key: name. Value: the template.
const TEMPLATES: Table<str, Json<Template>> = Table::new("templates.own");
/// Key: name. Value: the layout.
const LAYOUTS: Table<str, Json<Layout>> = Table::new("templates.layouts");
/// Key: a user's id. Value: the language in which the user reads.
const LOCALES: Table<str, Raw> = Table::new("templates.locales");

/// The tables of this feature.
pub const TABLES: [&str; 3] = [TEMPLATES.name(), LAYOUTS.name(), LOCALES.name()];

pub(super) fn template(source: &impl Read, name: &str) -> Result<Option<Template>, StoreError> {
    Ok(source.get(TEMPLATES, name)?.map(|Json(template)| template))
}

pub(super) fn put_template(tx: &mut Tx<'_>, template: &Template) -> Result<(), StoreError> {
    tx.put(TEMPLATES, &template.name, &Json(template.clone()))
}

pub(super) fn delete_template(tx: &mut Tx<'_>, name: &str) -> Result<bool, StoreError> {
    tx.delete(TEMPLATES, name)
}

pub(super) fn layout(source: &impl Read, name: &str) -> Result<Option<Layout>, StoreError> {
    Ok(source.get(LAYOUTS, name)?.map(|Json(layout)| layout))
}

pub(super) fn put_layout(tx: &mut Tx<'_>, layout: &Layout) -> Result<(), StoreError> {
    tx.put(LAYOUTS, &layout.name, &Json(layout.clone()))
}

pub(super) fn delete_layout(tx: &mut Tx<'_>, name: &str) -> Result<bool, StoreError> {
    tx.delete(LAYOUTS, name)
}

/// All that are stored, by name.
pub(super) fn templates(source: &impl Read) -> Result<Vec<Template>, StoreError> {
    all(source, TEMPLATES.name())
}

/// All that are stored, by name.
pub(super) fn layouts(source: &impl Read) -> Result<Vec<Layout>, StoreError> {
    all(source, LAYOUTS.name())
}

fn all<T: serde::de::DeserializeOwned>(source: &impl Read, table: &'static str) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    source.scan::<StoreError>(table, &[], &[], Scan::Forward, &mut |_, bytes| {
        found.push(serde_json::from_slice(bytes).map_err(StoreError::corrupt)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

pub(super) fn locale_of(source: &impl Read, user: &str) -> Result<Option<String>, StoreError> {
    Ok(source.get(LOCALES, user)?.and_then(|Raw(bytes)| String::from_utf8(bytes).ok()))
}

/// Forgets a user who is gone.
///
/// # Errors
/// [`StoreError`].
pub fn forget_user(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    tx.delete(LOCALES, user).map(drop)
}

pub(super) fn put_locale(tx: &mut Tx<'_>, user: &str, locale: Option<&str>) -> Result<(), StoreError> {
    match locale {
        Some(locale) => tx.put(LOCALES, user, &Raw(locale.as_bytes().to_vec())),
        None => tx.delete(LOCALES, user).map(drop),
    }
}
