//! The parameters of imports and exports, with every fault in them.

use super::{Definitions, Format, ImportMode};
use crate::{kernel::FieldError, records::RecordError};

/// Parameters by name, each at most once.
pub(super) struct Parameters<'a> {
    found: Vec<(&'a str, &'a str)>,
    pub(super) errors: Vec<FieldError>,
}

impl<'a> Parameters<'a> {
    /// Those of a query, of which these are known.
    pub(super) fn read(parameters: &'a [(String, String)], known: &[&str]) -> Self {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for (name, value) in parameters {
            if !known.contains(&name.as_str()) {
                let detail = format!("there is only {}", known.join(", "));
                errors.push(FieldError::new(name, "unknown_parameter", detail));
            } else if found.iter().any(|(own, _)| own == name) {
                errors.push(FieldError::new(name, "duplicate", "stands there twice"));
            } else {
                found.push((name.as_str(), value.as_str()));
            }
        }
        Self { found, errors }
    }

    pub(super) fn take(&self, name: &str) -> Option<&'a str> {
        self.found.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    pub(super) fn format(&mut self) -> Option<Format> {
        self.parsed("format", "must be jsonl, json or csv", Format::named)
    }

    pub(super) fn mode(&mut self) -> ImportMode {
        let mode = |value: &str| match value {
            "create" => Some(ImportMode::Create),
            "upsert" => Some(ImportMode::Upsert),
            _ => None,
        };
        self.parsed("mode", "must be create or upsert", mode).unwrap_or_default()
    }

    pub(super) fn definitions(&mut self) -> Definitions {
        let definitions = |value: &str| match value {
            "create" => Some(Definitions::Create),
            "apply" => Some(Definitions::Apply),
            "ignore" => Some(Definitions::Ignore),
            _ => None,
        };
        self.parsed("definitions", "must be create, apply or ignore", definitions).unwrap_or_default()
    }

    /// The collections that are named, if any are.
    pub(super) fn collections(&mut self) -> Option<Vec<&'a str>> {
        let names: Vec<_> = self.take("collections")?.split(',').map(str::trim).collect();
        if names.iter().any(|name| name.is_empty()) {
            self.errors.push(FieldError::new("collections", "format", "must be names with commas between them"));
        }
        Some(names)
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.parsed(name, "must be true or false", |value| value.parse().ok()).unwrap_or_default()
    }

    fn parsed<T>(&mut self, name: &str, detail: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let parsed = parse(self.take(name)?);
        if parsed.is_none() {
            self.errors.push(FieldError::new(name, "enum", detail));
        }
        parsed
    }

    /// Refuses the request when anything is wrong.
    pub(super) fn check(&mut self) -> Result<(), RecordError> {
        if self.errors.is_empty() { Ok(()) } else { Err(RecordError::Parameters(std::mem::take(&mut self.errors))) }
    }
}
