//! Checking a value that a client sent, writing it in its one canonical form, and reading stored values back.

use std::{borrow::Cow, fmt::Display, io::Write as _};

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{Check, Field, Range};
use crate::kernel::{FieldError, RecordId, Scalar};

/// A JSON string that borrows when it holds no escape.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Why a value does not fit: a stable code and a text.
type Misfit = (&'static str, String);

fn misfit<T>(code: &'static str, detail: impl Display) -> Result<T, Misfit> {
    Err((code, detail.to_string()))
}

impl Field {
    /// Checks the JSON text `raw` and appends its canonical form to `out`, or every fault to `errors`.
    /// `pointer` is where the value stands in the body.
    pub fn accept(&self, raw: &str, pointer: &str, out: &mut Vec<u8>, errors: &mut Vec<FieldError>) {
        if raw == "null" {
            if !self.nullable {
                errors.push(FieldError::new(pointer, "required", "must not be null"));
            }
            return out.extend_from_slice(b"null");
        }
        match self.many {
            None => self.accept_one(raw, pointer, out, errors),
            Some(bounds) => self.accept_many(raw, bounds, pointer, out, errors),
        }
    }

    fn accept_one(&self, raw: &str, pointer: &str, out: &mut Vec<u8>, errors: &mut Vec<FieldError>) {
        if let Err((code, detail)) = self.check.accept(raw, out) {
            errors.push(FieldError::new(pointer, code, detail));
        }
    }

    fn accept_many(
        &self,
        raw: &str,
        (min, max): (u32, u32),
        pointer: &str,
        out: &mut Vec<u8>,
        errors: &mut Vec<FieldError>,
    ) {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
            return errors.push(FieldError::new(pointer, "type", "must be a list"));
        };
        if items.len() < min as usize || items.len() > max as usize {
            return errors.push(FieldError::new(pointer, "items", format!("must have {min} to {max} items")));
        }
        let mut seen = std::collections::HashSet::new();
        out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let (start, faults) = (out.len(), errors.len());
            self.accept_one(item.get(), &format!("{pointer}/{index}"), out, errors);
            if errors.len() == faults && !seen.insert(out.get(start..).unwrap_or_default().to_vec()) {
                errors.push(FieldError::new(format!("{pointer}/{index}"), "duplicate", "is in the list already"));
            }
        }
        out.push(b']');
    }

    /// The values of stored JSON text that an index holds: one, or one for each item of a `many` field.
    #[must_use]
    pub fn scalars(&self, raw: &str) -> Vec<Scalar> {
        if self.many.is_none() {
            return vec![self.scalar(raw)];
        }
        let items: Vec<&RawValue> = serde_json::from_str(raw).unwrap_or_default();
        items.iter().map(|item| self.scalar(item.get())).collect()
    }

    /// The value of stored JSON text of one item. Null for what no scalar can hold.
    #[must_use]
    pub fn scalar(&self, raw: &str) -> Scalar {
        if raw == "null" {
            return Scalar::Null;
        }
        let found = match self.check {
            Check::Text { .. } | Check::Enum(_) | Check::Relation { .. } | Check::File => {
                text(raw).map(|text| Scalar::Str(text.into_owned()))
            }
            Check::Integer(_) => raw.parse().ok().map(Scalar::Int),
            Check::Number(_) => raw.parse().ok().map(Scalar::Float),
            Check::Decimal(_) => text(raw).and_then(|text| Decimal::from_str_exact(&text).ok()).map(Scalar::Decimal),
            Check::Boolean => Some(Scalar::Bool(raw == "true")),
            Check::DateTime(_) => text(raw).and_then(|text| text.parse().ok()).map(Scalar::DateTime),
            Check::Date(_) => text(raw).and_then(|text| parse_date(&text)).map(Scalar::Date),
            Check::Json(_) | Check::GeoPoint => None,
        };
        found.unwrap_or(Scalar::Null)
    }
}

impl Check {
    fn accept(&self, raw: &str, out: &mut Vec<u8>) -> Result<(), Misfit> {
        match self {
            Self::Text { .. } => self.accept_text(raw, out),
            Self::Integer(range) => {
                let number = integer(raw).map_or_else(|| misfit("type", "must be an integer of 64 bits"), Ok)?;
                within(&number, range)?;
                put(out, format_args!("{number}"))
            }
            Self::Number(range) => {
                let number = number(raw).map_or_else(|| misfit("type", "must be a number"), Ok)?;
                within(&number, range)?;
                put(out, serde_json::Value::from(number))
            }
            Self::Decimal(range) => {
                let decimal = decimal(raw)?;
                within(&decimal, range)?;
                put(out, format_args!("\"{decimal}\""))
            }
            Self::Boolean if raw == "true" || raw == "false" => put(out, raw),
            Self::Boolean => misfit("type", "must be true or false"),
            Self::DateTime(range) => {
                let what = "must be an RFC 3339 time with an offset, such as 2026-01-31T09:30:00Z";
                let instant: Timestamp = parsed(raw, what, |text| text.parse().ok())?;
                within(&instant, range)?;
                put(out, format_args!("\"{instant}\""))
            }
            Self::Date(range) => {
                let date = parsed(raw, "must be a date such as 2026-01-31", parse_date)?;
                within(&date, range)?;
                put(out, format_args!("\"{date}\""))
            }
            Self::Json(bytes_max) => accept_json(raw, *bytes_max, out),
            Self::Enum(values) => {
                let text = parsed(raw, "must be a text", Some)?;
                if !values.contains(text.as_ref()) {
                    let mut known: Vec<_> = values.iter().map(String::as_str).collect();
                    known.sort_unstable();
                    return misfit("enum", format_args!("must be one of {}", known.join(", ")));
                }
                put_text(out, &text)
            }
            Self::Relation { .. } | Self::File => {
                let id = parsed(raw, "must be an id", Some)?;
                match RecordId::parse(&id) {
                    Ok(id) => put_text(out, id.as_str()),
                    Err(invalid) => misfit("type", invalid),
                }
            }
            Self::GeoPoint => accept_geo_point(raw, out),
        }
    }

    fn accept_text(&self, raw: &str, out: &mut Vec<u8>) -> Result<(), Misfit> {
        let Self::Text { min, max, pattern, format } = self else { return Ok(()) };
        let mut text = parsed(raw, "must be a text", Some)?;
        if *format == Some(super::field::Format::Email) {
            // An address is one person's however it is written, so it has one form.
            text = Cow::Owned(text.trim().to_lowercase());
        }
        let length = text.chars().count() as u64;
        if length < *min {
            return misfit("too_short", format_args!("must have at least {min} characters, has {length}"));
        }
        if length > *max {
            return misfit("too_long", format_args!("must have at most {max} characters, has {length}"));
        }
        if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&text)) {
            return misfit("pattern", "does not match the field's pattern");
        }
        if let Some(format) = format.filter(|format| !format.matches(&text)) {
            let name =
                super::field::Format::ALL.iter().find(|(known, _)| *known == format).map_or("", |(_, name)| name);
            return misfit("format", format_args!("is not of the form {name}"));
        }
        put_text(out, &text)
    }
}

fn text(raw: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0)
}

/// A day as `YYYY-MM-DD`, and nothing else that could be read as one.
pub(super) fn parse_date(text: impl AsRef<str>) -> Option<Date> {
    let text = text.as_ref();
    if text.len() == 10 { text.parse().ok() } else { None }
}

fn parsed<'a, T>(raw: &'a str, what: &str, parse: impl Fn(Cow<'a, str>) -> Option<T>) -> Result<T, Misfit> {
    text(raw).and_then(parse).map_or_else(|| misfit("type", what), Ok)
}

/// An integer, also when it is written as `5.0` or `1e3`, as JSON Schema counts them.
fn integer(raw: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    raw.parse().ok().or_else(|| {
        let float = number(raw).filter(|float| float.fract() == 0.0 && float.abs() < EXACT)?;
        format!("{float:.0}").parse().ok()
    })
}

fn number(raw: &str) -> Option<f64> {
    let digits = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    // Adding zero turns -0.0 into 0.0, so that equal numbers have one form.
    digits.then(|| raw.parse::<f64>().ok()).flatten().filter(|float| float.is_finite()).map(|float| float + 0.0)
}

fn decimal(raw: &str) -> Result<Decimal, Misfit> {
    let what = "must be a decimal of at most 28 digits, such as \"12.50\"";
    let text = if raw.starts_with('"') { text(raw) } else { Some(Cow::Borrowed(raw)) };
    let plain = text.filter(|text| text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-'));
    let parsed = plain.and_then(|text| Decimal::from_str_exact(&text).ok());
    parsed.map_or_else(|| misfit("type", what), Ok)
}

fn within<T: PartialOrd + Display>(value: &T, range: &Range<T>) -> Result<(), Misfit> {
    if let Some(min) = range.min.as_ref().filter(|min| value < *min) {
        return misfit("too_small", format_args!("must be at least {min}"));
    }
    if let Some(max) = range.max.as_ref().filter(|max| value > *max) {
        return misfit("too_large", format_args!("must be at most {max}"));
    }
    Ok(())
}

fn put(out: &mut Vec<u8>, text: impl Display) -> Result<(), Misfit> {
    write!(out, "{text}").map_or_else(|error| misfit("type", error), Ok)
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), Misfit> {
    serde_json::to_writer(out, text).map_or_else(|error| misfit("type", error), Ok)
}

fn accept_json(raw: &str, bytes_max: u64, out: &mut Vec<u8>) -> Result<(), Misfit> {
    // What cannot be parsed whole could neither be searched nor patched later.
    if serde_json::from_str::<serde_json::Value>(raw).is_err() {
        return misfit("type", "must nest at most 127 levels deep and hold no half of a surrogate pair");
    }
    let start = out.len();
    minify(raw, out);
    if (out.len() - start) as u64 > bytes_max {
        return misfit("too_long", format_args!("must have at most {bytes_max} bytes"));
    }
    Ok(())
}

/// Valid JSON without white space between its tokens; numbers and escapes stay as they were written.
fn minify(raw: &str, out: &mut Vec<u8>) {
    let (mut in_text, mut escaped) = (false, false);
    for byte in raw.bytes() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_text = byte == b'"';
        }
        out.push(byte);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GeoPoint {
    lat: f64,
    lon: f64,
}

fn accept_geo_point(raw: &str, out: &mut Vec<u8>) -> Result<(), Misfit> {
    // The parser would take a list for an object.
    let Some(point) = serde_json::from_str::<GeoPoint>(raw).ok().filter(|_| raw.starts_with('{')) else {
        return misfit("type", "must be {\"lat\": degrees, \"lon\": degrees}");
    };
    if !(-90.0..=90.0).contains(&point.lat) || !(-180.0..=180.0).contains(&point.lon) {
        return misfit("too_large", "lat must be from -90 to 90, lon from -180 to 180");
    }
    let (lat, lon) = (serde_json::Value::from(point.lat + 0.0), serde_json::Value::from(point.lon + 0.0));
    put(out, format_args!("{{\"lat\":{lat},\"lon\":{lon}}}"))
}
