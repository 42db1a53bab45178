//! A field made ready for work: its checks compiled, its slot in a record known.

use std::{borrow::Cow, collections::HashSet};

use jiff::{Timestamp, civil::Date};
use regex::Regex;
use rust_decimal::Decimal;
use serde_json::Value;

use super::model::{FieldDef, FieldType, OnDelete};
use crate::expr::Kind;

/// The greatest length of a `string`, in characters.
pub(super) const STRING_MAX: u64 = 4_096;
/// The greatest length of a `string` that says nothing of it.
pub(super) const STRING_MAX_DEFAULT: u64 = 255;
/// The greatest length of a `text`, in characters.
pub(super) const TEXT_MAX: u64 = 1_000_000;
/// The greatest size of a `json` value that says nothing of it, in bytes.
pub(super) const JSON_BYTES_MAX_DEFAULT: u64 = 65_536;
/// The greatest number of items of a `many` field that says nothing of it.
pub(super) const ITEMS_MAX_DEFAULT: u32 = 100;
/// The greatest number of items of a `many` field.
pub(super) const ITEMS_MAX: u32 = 1_000;

/// A field that can check values.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name of the member in a record.
    pub name: String,
    /// What its values are.
    pub check: Check,
    /// Must be given at create.
    pub required: bool,
    /// May be null.
    pub nullable: bool,
    /// Holds a list, of so many items.
    pub many: Option<(u32, u32)>,
    /// The JSON text of the value of a record that is created without one.
    pub default: String,
    /// Whether `default` was given; otherwise it is `null`.
    pub has_default: bool,
    /// Never leaves the server.
    pub hidden: bool,
}

/// What the values of a field are, with bounds.
#[derive(Clone, Debug)]
pub enum Check {
    /// Text of so many characters.
    Text {
        /// The least number of characters.
        min: u64,
        /// The greatest number of characters.
        max: u64,
        /// What the whole text matches.
        pattern: Option<Regex>,
        /// A known form.
        format: Option<Format>,
    },
    /// An integer in a range.
    Integer(Range<i64>),
    /// A finite number in a range.
    Number(Range<f64>),
    /// A decimal in a range.
    Decimal(Range<Decimal>),
    /// True or false.
    Boolean,
    /// An instant in a range.
    DateTime(Range<Timestamp>),
    /// A day in a range.
    Date(Range<Date>),
    /// Any JSON of so many bytes.
    Json(u64),
    /// One of these texts.
    Enum(HashSet<String>),
    /// The id of a record of a collection.
    Relation {
        /// The name of the collection.
        collection: String,
        /// What becomes of this record when that one is deleted.
        on_delete: OnDelete,
    },
    /// The id of a file.
    File,
    /// A place on Earth.
    GeoPoint,
}

/// Bounds of a value, both inclusive.
#[derive(Clone, Copy, Debug)]
pub struct Range<T> {
    /// The least value.
    pub min: Option<T>,
    /// The greatest value.
    pub max: Option<T>,
}

/// A known form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An e-mail address.
    Email,
    /// An http or https URL.
    Url,
    /// Lower-case words joined by hyphens.
    Slug,
    /// A UUID with hyphens.
    Uuid,
}

impl Format {
    /// Every format with its name.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Email, "email"), (Self::Url, "url"), (Self::Slug, "slug"), (Self::Uuid, "uuid")];

    /// Whether a text has this form.
    #[must_use]
    pub fn matches(self, text: &str) -> bool {
        match self {
            Self::Email => is_email(text),
            Self::Url => is_url(text),
            Self::Slug => is_slug(text),
            Self::Uuid => text.len() == 36 && uuid::Uuid::try_parse(text).is_ok(),
        }
    }
}

/// Whether a text is an e-mail address that mail can be sent to: no name beside it, no comment.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let clean = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"@".contains(c);
    (1..=64).contains(&local.len())
        && text.len() <= 254
        && local.chars().all(clean)
        && domain.contains('.')
        && domain.split('.').all(label)
}

fn is_url(text: &str) -> bool {
    let uri: Result<hyper::Uri, _> = text.parse();
    uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty()))
}

fn is_slug(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split('-').all(word)
}

/// Why a definition cannot be a field: the attribute and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The attribute's name.
    pub attribute: &'static str,
    /// What is wrong and what would be right.
    pub detail: Cow<'static, str>,
}

fn unfit<T>(attribute: &'static str, detail: impl Into<Cow<'static, str>>) -> Result<T, Unfit> {
    Err(Unfit { attribute, detail: detail.into() })
}

impl Field {
    /// Makes a definition ready for work.
    ///
    /// # Errors
    /// [`Unfit`] names the attribute that does not fit the type.
    pub fn compile(def: &FieldDef) -> Result<Self, Unfit> {
        let Some(kind) = FieldType::parse(&def.kind) else {
            let names: Vec<_> = FieldType::ALL.iter().map(|(_, name)| *name).collect();
            return unfit("type", format!("there is no type \"{}\"; there are {}", def.kind, names.join(", ")));
        };
        refuse_foreign_attributes(def, kind)?;
        let mut field = Self {
            name: def.name.clone(),
            check: compile_check(def, kind)?,
            required: def.required,
            nullable: def.is_nullable(),
            many: compile_many(def)?,
            default: "null".into(),
            has_default: def.default.is_some(),
            hidden: def.hidden,
        };
        if let Some(default) = &def.default {
            field.default = field.canonical_default(default)?;
        } else if field.many.is_some() && !field.nullable && !field.required {
            field.default = "[]".into();
        } else if !field.required && !field.nullable {
            return unfit("default", "a field that is neither required nor nullable needs a default");
        }
        Ok(field)
    }

    /// The kind of its values in expressions.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.check {
            Check::Integer(_) => Kind::Int,
            Check::Number(_) => Kind::Float,
            Check::Decimal(_) => Kind::Decimal,
            Check::Boolean => Kind::Bool,
            Check::DateTime(_) => Kind::DateTime,
            Check::Date(_) => Kind::Date,
            Check::Json(_) | Check::GeoPoint => Kind::Json,
            Check::Text { .. } | Check::Enum(_) | Check::Relation { .. } | Check::File => Kind::Str,
        }
    }

    /// Whether an index can hold its values.
    #[must_use]
    pub fn is_indexable(&self) -> bool {
        match self.check {
            Check::Json(_) | Check::GeoPoint => false,
            Check::Text { max, .. } => max <= STRING_MAX,
            _ => true,
        }
    }

    fn canonical_default(&self, default: &Value) -> Result<String, Unfit> {
        let mut text = Vec::new();
        let mut errors = Vec::new();
        self.accept(&default.to_string(), "", &mut text, &mut errors);
        match errors.first() {
            Some(error) => unfit("default", error.detail.clone()),
            None => Ok(String::from_utf8(text).unwrap_or_default()),
        }
    }
}

fn compile_many(def: &FieldDef) -> Result<Option<(u32, u32)>, Unfit> {
    if !def.many {
        return match (def.min_items, def.max_items) {
            (None, None) => Ok(None),
            (Some(_), _) => unfit("minItems", "only a field with many has items"),
            (_, Some(_)) => unfit("maxItems", "only a field with many has items"),
        };
    }
    let (min, max) = (def.min_items.unwrap_or(0), def.max_items.unwrap_or(ITEMS_MAX_DEFAULT));
    if max == 0 || max > ITEMS_MAX || min > max {
        return unfit("maxItems", format!("must be from 1 to {ITEMS_MAX}, and no less than minItems"));
    }
    Ok(Some((min, max)))
}

fn refuse_foreign_attributes(def: &FieldDef, kind: FieldType) -> Result<(), Unfit> {
    use FieldType as T;
    let text = matches!(kind, T::String | T::Text);
    let ranged = text || matches!(kind, T::Integer | T::Number | T::Decimal | T::DateTime | T::Date);
    let listable = matches!(kind, T::String | T::Enum | T::Relation | T::File);
    let rows: [(&'static str, bool, bool); 9] = [
        ("min", def.min.is_some(), ranged),
        ("max", def.max.is_some(), ranged),
        ("pattern", def.pattern.is_some(), text),
        ("format", def.format.is_some(), kind == T::String),
        ("values", def.values.is_some(), kind == T::Enum),
        ("collection", def.collection.is_some(), kind == T::Relation),
        ("onDelete", def.on_delete.is_some(), kind == T::Relation),
        ("maxBytes", def.max_bytes.is_some(), matches!(kind, T::File | T::Json)),
        ("mediaTypes", def.media_types.is_some(), kind == T::File),
    ];
    for (attribute, given, fits) in rows {
        if given && !fits {
            return unfit(attribute, format!("does not apply to a field of type {}", def.kind));
        }
    }
    if def.many && !listable {
        return unfit("many", format!("does not apply to a field of type {}", def.kind));
    }
    if def.searchable && !(text || kind == T::Enum) {
        return unfit("searchable", format!("does not apply to a field of type {}", def.kind));
    }
    if def.many && def.unique {
        return unfit("unique", "does not apply to a field with many");
    }
    Ok(())
}

fn compile_check(def: &FieldDef, kind: FieldType) -> Result<Check, Unfit> {
    Ok(match kind {
        FieldType::String => compile_text(def, STRING_MAX, STRING_MAX_DEFAULT)?,
        FieldType::Text => compile_text(def, TEXT_MAX, TEXT_MAX)?,
        FieldType::Integer => Check::Integer(range(def, |text| text.parse().ok(), "an integer")?),
        FieldType::Number => Check::Number(range(def, |text| text.parse().ok(), "a number")?),
        FieldType::Decimal => Check::Decimal(range(def, |text| Decimal::from_str_exact(text).ok(), "a decimal")?),
        FieldType::Boolean => Check::Boolean,
        FieldType::DateTime => Check::DateTime(range(def, |text| text.parse().ok(), "an RFC 3339 time")?),
        FieldType::Date => Check::Date(range(def, |text| super::value::parse_date(text), "a date such as 2026-01-31")?),
        FieldType::Json => Check::Json(def.max_bytes.unwrap_or(JSON_BYTES_MAX_DEFAULT)),
        FieldType::Enum => compile_enum(def)?,
        FieldType::Relation => {
            let Some(collection) = def.collection.clone() else {
                return unfit("collection", "a relation names the collection that it points at");
            };
            let on_delete = def.on_delete.unwrap_or_default();
            if on_delete == OnDelete::SetNull && !def.many && !def.is_nullable() {
                return unfit("onDelete", "setNull needs a field that is nullable");
            }
            Check::Relation { collection, on_delete }
        }
        FieldType::File => Check::File,
        FieldType::GeoPoint => Check::GeoPoint,
    })
}

fn compile_text(def: &FieldDef, limit: u64, default: u64) -> Result<Check, Unfit> {
    let number = |value: &Option<Value>, otherwise| value.as_ref().map_or(Some(otherwise), Value::as_u64);
    let Some(min) = number(&def.min, 0).filter(|min| *min <= limit) else {
        return unfit("min", format!("must be a length from 0 to {limit}"));
    };
    let Some(max) = number(&def.max, default).filter(|max| (1..=limit).contains(max) && *max >= min) else {
        return unfit("max", format!("must be a length from 1 to {limit}, and no less than min"));
    };
    let pattern = match def.pattern.as_deref().map(compile_pattern).transpose() {
        Ok(pattern) => pattern,
        Err(detail) => return unfit("pattern", detail),
    };
    let format = match def.format.as_deref() {
        None => None,
        Some(name) => match Format::ALL.iter().find(|(_, known)| *known == name) {
            Some((format, _)) => Some(*format),
            None => return unfit("format", "must be one of email, url, slug, uuid"),
        },
    };
    Ok(Check::Text { min, max, pattern, format })
}

fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    let whole = format!("^(?:{pattern})$");
    regex::RegexBuilder::new(&whole)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("is not a regular expression: {error}"))
}

fn compile_enum(def: &FieldDef) -> Result<Check, Unfit> {
    let values = def.values.clone().unwrap_or_default();
    let fits = |value: &String| !value.is_empty() && value.chars().count() <= 255;
    let set: HashSet<String> = values.iter().cloned().collect();
    if values.is_empty() || values.len() > 1_000 || set.len() != values.len() || !values.iter().all(fits) {
        return unfit("values", "an enum lists 1 to 1000 different texts of 1 to 255 characters");
    }
    Ok(Check::Enum(set))
}

fn range<T: PartialOrd>(
    def: &FieldDef,
    parse: impl Fn(&str) -> Option<T>,
    what: &'static str,
) -> Result<Range<T>, Unfit> {
    let bound = |value: &Option<Value>, attribute| match value {
        None => Ok(None),
        Some(value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            parse(&text).map(Some).ok_or(Unfit { attribute, detail: format!("must be {what}").into() })
        }
    };
    let (min, max) = (bound(&def.min, "min")?, bound(&def.max, "max")?);
    if let (Some(min), Some(max)) = (&min, &max)
        && min > max
    {
        return unfit("max", "must be no less than min");
    }
    Ok(Range { min, max })
}
