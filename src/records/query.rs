//! What a list request asks for: its parameters, checked against the collection.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    RecordError,
    asking::Asking,
    execute::Position,
    plan::{Order, SortTerm},
    show::Shape,
};
use crate::{
    collections::{Collection, catalog::split_direction},
    expr::{Expr, Kind},
    kernel::FieldError,
    store::key::Direction,
};

/// The number of records of a page that asks for none.
pub const LIMIT_DEFAULT: usize = 30;
/// The greatest number of records of a page.
pub const LIMIT_MAX: usize = 1_000;
/// The most sort keys.
pub(super) const SORT_MAX: usize = 8;
/// The most records that pages by number pass over.
pub(super) const OFFSET_MAX: usize = 100_000;
const PARAMETERS: &str = "filter, sort, limit, cursor, page, total, fields, expand, explain";
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
    /// How many records to pass over: those of earlier pages, when pages are asked for by number.
    pub(super) offset: usize,
    pub(super) page: Option<usize>,
    /// What is shown of each record.
    pub(super) shape: Shape,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

impl Query {
    /// Reads the parameters of a list request.
    pub(super) fn parse(asking: &Asking<'_>, parameters: &[(String, String)]) -> Result<Self, RecordError> {
        let mut reader = ParameterReader { asking, errors: Vec::new(), seen: Vec::new() };
        let mut raw = RawQuery::default();
        for (name, value) in parameters {
            reader.take(&mut raw, name, value);
        }
        let offset = reader.offset(&raw);
        let shape = asking.shaped(raw.fields.as_deref(), raw.expand.as_deref(), &mut reader.errors);
        if !reader.errors.is_empty() {
            return Err(RecordError::Parameters(reader.errors));
        }
        let filter = asking.filter(&raw.filter)?;
        let fingerprint = fingerprint(asking.collection, &raw);
        let after = raw.cursor.as_deref().map(|cursor| open_cursor(cursor, &fingerprint)).transpose()?;
        Ok(Self {
            filter,
            sort: raw.sort_terms,
            limit: raw.limit.unwrap_or(LIMIT_DEFAULT),
            after,
            total: raw.total,
            explain: raw.explain,
            offset,
            page: raw.page,
            shape,
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

#[derive(Debug, Default)]
struct RawQuery {
    filter: String,
    sort: String,
    sort_terms: Vec<SortTerm>,
    limit: Option<usize>,
    cursor: Option<String>,
    page: Option<usize>,
    total: bool,
    explain: bool,
    fields: Option<String>,
    expand: Option<String>,
}

struct ParameterReader<'c> {
    asking: &'c Asking<'c>,
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
            "page" => raw.page = self.page(value),
            "fields" => raw.fields = Some(value.to_owned()),
            "expand" => raw.expand = Some(value.to_owned()),
            _ => self.fail(name, "unknown_parameter", format_args!("there are {PARAMETERS}")),
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

    fn page(&mut self, value: &str) -> Option<usize> {
        let page = value.parse().ok().filter(|page| *page >= 1);
        if page.is_none() {
            self.fail("page", "type", "must be a number from 1");
        }
        page
    }

    /// How many records the pages before the wanted one have.
    fn offset(&mut self, raw: &RawQuery) -> usize {
        let Some(page) = raw.page else { return 0 };
        if raw.cursor.is_some() {
            self.fail("page", "invalid", "a page is asked for by number or by cursor, not by both");
        }
        let offset = (page - 1).saturating_mul(raw.limit.unwrap_or(LIMIT_DEFAULT));
        if offset > OFFSET_MAX {
            let detail = format!("pages by number reach {OFFSET_MAX} records; go on by cursor from there");
            self.fail("page", "too_large", detail);
        }
        offset
    }

    fn sort(&mut self, value: &str) -> Vec<SortTerm> {
        let mut terms: Vec<SortTerm> = Vec::new();
        for term in value.split(',').map(str::trim) {
            let (name, direction) = split_direction(term);
            let slot = match self.asking.slot(name) {
                Ok(slot) => slot,
                Err(detail) => {
                    self.fail("sort", "unknown_field", detail);
                    continue;
                }
            };
            let (kind, many) = self.asking.collection.kind(slot);
            if many || kind == Kind::Json {
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
}

/// What a cursor must agree with: the collection, the filter and the order.
fn fingerprint(collection: &Collection, raw: &RawQuery) -> [u8; FINGERPRINT_BYTES] {
    let text = format!("{}\n{}\n{}", collection.own_number(), raw.sort, raw.filter);
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
