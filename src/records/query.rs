//! What a list request asks for: its parameters, checked against the collection.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    RecordError,
    execute::Position,
    plan::{Order, SortTerm},
};
use crate::{
    collections::{Collection, FilterScope, Slot, catalog::split_direction},
    expr::{self, Expr},
    kernel::FieldError,
    store::key::Direction,
};

/// The number of records of a page that asks for none.
pub const LIMIT_DEFAULT: usize = 30;
/// The greatest number of records of a page.
pub const LIMIT_MAX: usize = 1_000;
/// The most sort keys.
pub(super) const SORT_MAX: usize = 8;
const CURSOR_BYTES_MAX: usize = 16_384;
const FINGERPRINT_BYTES: usize = 8;

/// Where an earlier page ended.
#[derive(Debug)]
pub(super) struct After {
    pub(super) position: Position,
    /// The direction in which ids broke ties on that page.
    pub(super) tie: Direction,
}

/// A checked list request.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) filter: Expr,
    pub(super) sort: Vec<SortTerm>,
    pub(super) limit: usize,
    pub(super) after: Option<After>,
    pub(super) total: bool,
    pub(super) explain: bool,
    /// The fields to show; all when `None`.
    pub(super) fields: Option<Vec<Slot>>,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

impl Query {
    /// Reads the parameters of a list request.
    pub(super) fn parse(collection: &Collection, parameters: &[(String, String)]) -> Result<Self, RecordError> {
        let mut reader = ParameterReader { collection, errors: Vec::new(), seen: Vec::new() };
        let mut raw = RawQuery::default();
        for (name, value) in parameters {
            reader.take(&mut raw, name, value);
        }
        if !reader.errors.is_empty() {
            return Err(RecordError::Parameters(reader.errors));
        }
        let filter = match raw.filter.trim() {
            "" => Expr::Constant(true),
            source => expr::compile(source, &FilterScope { collection }).map_err(RecordError::Filter)?,
        };
        let fingerprint = fingerprint(collection, &raw);
        let after = raw.cursor.as_deref().map(|cursor| open_cursor(cursor, &fingerprint)).transpose()?;
        Ok(Self {
            filter,
            sort: raw.sort_terms,
            limit: raw.limit.unwrap_or(LIMIT_DEFAULT),
            after,
            total: raw.total,
            explain: raw.explain,
            fields: raw.fields,
            fingerprint,
        })
    }

    /// The order that the plan is to have.
    pub(super) fn order(&self) -> Order<'_> {
        Order { sort: &self.sort, tie: self.after.as_ref().map(|after| after.tie) }
    }

    /// The cursor of the page after this position.
    pub(super) fn cursor(&self, tie: Direction, position: &[u8]) -> String {
        let mut end = vec![u8::from(tie == Direction::Descending)];
        end.extend_from_slice(position);
        let mut bytes = checksum(&self.fingerprint, &end).to_vec();
        bytes.append(&mut end);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// The fields that a request for one record shows; all when `None`.
pub(super) fn parse_fields(
    collection: &Collection,
    parameters: &[(String, String)],
) -> Result<Option<Vec<Slot>>, RecordError> {
    let mut reader = ParameterReader { collection, errors: Vec::new(), seen: Vec::new() };
    let mut raw = RawQuery::default();
    for (name, value) in parameters {
        if name == "fields" {
            reader.take(&mut raw, name, value);
        } else {
            reader.errors.push(FieldError::new(
                name,
                "unknown_parameter",
                "one record knows only the parameter fields",
            ));
        }
    }
    if reader.errors.is_empty() { Ok(raw.fields) } else { Err(RecordError::Parameters(reader.errors)) }
}

#[derive(Debug, Default)]
struct RawQuery {
    filter: String,
    sort: String,
    sort_terms: Vec<SortTerm>,
    limit: Option<usize>,
    cursor: Option<String>,
    total: bool,
    explain: bool,
    fields: Option<Vec<Slot>>,
}

struct ParameterReader<'c> {
    collection: &'c Collection,
    errors: Vec<FieldError>,
    seen: Vec<String>,
}

impl ParameterReader<'_> {
    fn take(&mut self, raw: &mut RawQuery, name: &str, value: &str) {
        if self.seen.iter().any(|seen| seen == name) {
            return self.fail(name, "duplicate", "stands there twice");
        }
        self.seen.push(name.to_owned());
        match name {
            "filter" => value.clone_into(&mut raw.filter),
            "sort" => {
                value.clone_into(&mut raw.sort);
                raw.sort_terms = self.sort(value);
            }
            "limit" => raw.limit = self.limit(value),
            "cursor" => raw.cursor = Some(value.to_owned()),
            "total" => raw.total = self.flag(name, value),
            "explain" => raw.explain = self.flag(name, value),
            "fields" => raw.fields = Some(self.fields(value)),
            _ => self.fail(name, "unknown_parameter", "there are filter, sort, limit, cursor, total, fields, explain"),
        }
    }

    fn fail(&mut self, name: &str, code: &'static str, detail: impl std::fmt::Display) {
        self.errors.push(FieldError::new(name, code, detail));
    }

    fn flag(&mut self, name: &str, value: &str) -> bool {
        if !matches!(value, "true" | "false") {
            self.fail(name, "type", "must be true or false");
        }
        value == "true"
    }

    fn limit(&mut self, value: &str) -> Option<usize> {
        let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        if limit.is_none() {
            self.fail("limit", "too_large", format_args!("must be from 1 to {LIMIT_MAX}"));
        }
        limit
    }

    fn slot(&mut self, parameter: &str, name: &str) -> Option<Slot> {
        let slot = self.collection.slot(name).filter(|slot| self.collection.is_visible(*slot));
        if slot.is_none() {
            let detail = format!("{} has no field \"{name}\"", self.collection.def.name);
            self.fail(parameter, "unknown_field", detail);
        }
        slot
    }

    fn sort(&mut self, value: &str) -> Vec<SortTerm> {
        let mut terms: Vec<SortTerm> = Vec::new();
        for term in value.split(',').map(str::trim) {
            let (name, direction) = split_direction(term);
            let Some(slot) = self.slot("sort", name) else { continue };
            let (kind, many) = self.collection.kind(slot);
            if many || kind == expr::Kind::Json {
                self.fail("sort", "invalid", format_args!("records cannot be sorted by \"{name}\""));
            } else if terms.iter().any(|(known, _)| *known == slot) {
                self.fail("sort", "duplicate", format_args!("\"{name}\" stands there twice"));
            } else {
                terms.push((slot, direction));
            }
        }
        if terms.len() > SORT_MAX {
            self.fail("sort", "items", format_args!("at most {SORT_MAX} keys"));
        }
        terms
    }

    fn fields(&mut self, value: &str) -> Vec<Slot> {
        let names: Vec<&str> = value.split(',').map(str::trim).collect();
        let mut slots: Vec<Slot> = names.iter().filter_map(|name| self.slot("fields", name)).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

/// What a cursor must agree with: the collection, the filter and the order.
fn fingerprint(collection: &Collection, raw: &RawQuery) -> [u8; FINGERPRINT_BYTES] {
    let text = format!("{}\n{}\n{}", collection.number(), raw.sort, raw.filter);
    checksum(b"query", text.as_bytes())
}

fn checksum(salt: &[u8], bytes: &[u8]) -> [u8; FINGERPRINT_BYTES] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(salt);
    context.update(bytes);
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

fn open_cursor(cursor: &str, fingerprint: &[u8; FINGERPRINT_BYTES]) -> Result<After, RecordError> {
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(RecordError::Cursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| RecordError::Cursor)?;
    let (sum, end) = bytes.split_first_chunk::<FINGERPRINT_BYTES>().ok_or(RecordError::Cursor)?;
    if *sum != checksum(fingerprint, end) {
        return Err(RecordError::Cursor);
    }
    let (tie, position) = end.split_first().ok_or(RecordError::Cursor)?;
    let tie = if *tie == 0 { Direction::Ascending } else { Direction::Descending };
    Ok(After { position: position.to_vec(), tie })
}
