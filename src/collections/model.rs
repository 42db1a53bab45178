//! What a collection is: its fields, indexes and rules, as they are stored and as clients see them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::trigger::TriggerDef;
use crate::{
    access::Action,
    kernel::{Code, DomainError, FieldError},
    store::StoreError,
};

/// The most collections of one server.
pub const COLLECTIONS_MAX: usize = 1_000;
/// The most fields of one collection.
pub(super) const FIELDS_MAX: usize = 200;
/// The most indexes of one collection, those of single fields included.
pub(super) const INDEXES_MAX: usize = 32;
/// The most fields of one index.
pub(super) const INDEX_FIELDS_MAX: usize = 8;

/// A collection: a schema under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionDef {
    /// The number under which records are stored; never used again.
    pub number: u32,
    /// The name in paths and relations.
    pub name: String,
    /// What it holds, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// True for collections that Stead itself needs.
    #[serde(default)]
    pub system: bool,
    /// What it shows of another collection, when it is a view: then it has no fields and indexes of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewDef>,
    /// The fields, in the order in which records show them.
    pub fields: Vec<FieldDef>,
    /// The indexes, those that come from attributes of single fields included.
    #[serde(default)]
    pub indexes: Vec<IndexDef>,
    /// Who may do what.
    #[serde(default)]
    pub rules: Rules,
    /// The jobs that changes of its records make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<TriggerDef>,
    /// The `Cache-Control` of answers with records; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// The seq of the change by which each field got its name or form, for those that have not had it from the start: texts
    /// that are older have something else under this name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub since: BTreeMap<String, u64>,
    /// True while stored records are brought to changed fields in the background.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rewriting: bool,
    /// The fields whose values records that were not rewritten yet have under other names; the first one's new name was
    /// no field's before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renames: Vec<Rename>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A saved query over another collection: some of its records, or, with `select` or `group`, an aggregate over them.
///
/// The filter and the aggregate see all records and, but for what is shown, all fields, whatever a caller may see of the
/// collection itself: as with a rule, whoever writes the view decides. Who may see the view is decided by its own rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ViewDef {
    /// The collection that it reads, which is no view.
    pub from: String,
    /// Which records; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The fields that it shows besides those that every record has; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// The aggregates, as in an aggregate request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// The keys of the groups, as in an aggregate request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub having: Option<String>,
    /// The time zone in which units of time begin; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

impl ViewDef {
    /// Whether it shows groups instead of records.
    #[must_use]
    pub fn is_aggregate(&self) -> bool {
        self.select.is_some() || self.group.is_some()
    }
}

/// A field that goes on under another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// The name that it had.
    pub from: String,
    /// The name that it has.
    pub to: String,
}

/// A field of a collection. Which attributes apply depends on the type; the others are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldDef {
    /// The name of the member in a record.
    pub name: String,
    /// The name that the field had before; said by clients only, never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The type; see [`FieldType`].
    #[serde(rename = "type")]
    pub kind: String,
    /// What it holds, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Must be given at create (unless it has a default).
    #[serde(default)]
    pub required: bool,
    /// May be null. Default: the opposite of `required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
    /// The value of a record that is created without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// No two records have the same value; null does not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Has an index of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indexed: bool,
    /// Is found by full-text search.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub searchable: bool,
    /// Never leaves the server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Holds a list of values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub many: bool,
    /// The least number of items of a `many` field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_items: Option<u32>,
    /// The greatest number of items of a `many` field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u32>,
    /// The least length in characters (`string`, `text`) or the least value (numbers and times).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The greatest length in characters (`string`, `text`) or the greatest value (numbers and times).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// A regular expression that the whole text matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// A known form of text: `email`, `url`, `slug`, `uuid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The values of an `enum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// The collection that a `relation` points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// What becomes of this record when the one it points at is deleted: `restrict` (default), `cascade`, `setNull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<OnDelete>,
    /// The greatest size of a `file` or of the text of a `json` value, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// The media types that a `file` may have, such as `image/png` or `image/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_types: Option<Vec<String>>,
    /// Who may see and write the field, of those who may see and write the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<FieldRules>,
}

/// Who may see and write one field, besides those whose roles permit to read and update all records: an expression each. An
/// absent rule asks for nothing more than the record's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldRules {
    /// In which records the field is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// In which records it may be given or changed, judged as the record's own rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
}

impl FieldDef {
    /// Whether null is a value of the field.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.nullable.unwrap_or(!self.required)
    }
}

/// What becomes of a record when one that it points at is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnDelete {
    /// The deletion is refused.
    #[default]
    Restrict,
    /// It is deleted too.
    Cascade,
    /// The field becomes null, or loses the item.
    SetNull,
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A line of text.
    String,
    /// Text of any length.
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// A double-precision number.
    Number,
    /// An exact decimal, a string in JSON.
    Decimal,
    /// True or false.
    Boolean,
    /// An instant (RFC 3339), shown in UTC.
    DateTime,
    /// A calendar day.
    Date,
    /// Any JSON value.
    Json,
    /// One of a list of texts.
    Enum,
    /// The id of a record of another collection.
    Relation,
    /// The id of a file.
    File,
    /// A place on Earth: `{"lat": …, "lon": …}` in degrees.
    GeoPoint,
}

impl FieldType {
    /// Every type with its name.
    pub const ALL: [(Self, &'static str); 13] = [
        (Self::String, "string"),
        (Self::Text, "text"),
        (Self::Integer, "integer"),
        (Self::Number, "number"),
        (Self::Decimal, "decimal"),
        (Self::Boolean, "boolean"),
        (Self::DateTime, "datetime"),
        (Self::Date, "date"),
        (Self::Json, "json"),
        (Self::Enum, "enum"),
        (Self::Relation, "relation"),
        (Self::File, "file"),
        (Self::GeoPoint, "geoPoint"),
    ];

    /// The type with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// An index over one or more fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexDef {
    /// The number under which entries are stored; never used again.
    pub number: u32,
    /// The fields in order; `-name` descends.
    pub fields: Vec<String>,
    /// No two records agree in all fields, unless one of them is null.
    #[serde(default)]
    pub unique: bool,
    /// Whether queries use it yet.
    pub state: IndexState,
    /// Made by an attribute of a single field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implicit: bool,
}

/// Whether an index holds every record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "name")]
pub enum IndexState {
    /// It is being filled from existing records; writes keep it current already.
    Building,
    /// It holds every record.
    Ready,
    /// It cannot be unique: these two records agree.
    Failed {
        /// The ids of two records with the same values.
        ids: Vec<String>,
    },
}

/// Who may do what with records, besides those whose roles permit it. An absent rule opens nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rules {
    /// Which records a list shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// Which records can be read by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// Which records may be created, judged on the new record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<String>,
    /// Which records may be changed, judged on the record before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Which records may be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
}

impl Rules {
    /// The rule of an action; none for what is not done with records.
    #[must_use]
    pub fn of(&self, action: Action) -> Option<&str> {
        let rule = match action {
            Action::List => &self.list,
            Action::Read => &self.read,
            Action::Create => &self.create,
            Action::Update => &self.update,
            Action::Delete => &self.delete,
            Action::Assign | Action::Impersonate | Action::Work => &None,
        };
        rule.as_deref()
    }
}

/// A collection as a client sends it, to create one or to replace its parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectionInput {
    /// The name in paths and relations.
    pub name: Option<String>,
    /// The name that the collection had before; only a whole schema says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// What it holds, for people.
    pub description: Option<String>,
    /// What it shows of another collection, instead of fields and indexes of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewDef>,
    /// The fields; at a change, all of them.
    pub fields: Option<Vec<FieldDef>>,
    /// The indexes; at a change, all of them.
    pub indexes: Option<Vec<IndexInput>>,
    /// The rules; at a change, all of them.
    pub rules: Option<Rules>,
    /// The triggers; at a change, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggers: Option<Vec<TriggerDef>>,
    /// The `Cache-Control` of answers with records; at a change, an empty text removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
}

/// An index as a client sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IndexInput {
    /// The fields in order; `-name` descends.
    pub fields: Vec<String>,
    /// No two records agree in all fields, unless one of them is null.
    #[serde(default)]
    pub unique: bool,
}

/// What can come of a request about collections.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// There is no collection with this name.
    #[error("there is no collection \"{0}\"")]
    NotFound(String),
    /// The definition does not fit.
    #[error("the collection is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The state of the server forbids it.
    #[error("{0}")]
    Conflict(String),
    /// The schema moved between check and commit; the service tries again.
    #[error("the schema changed meanwhile; try again")]
    Moved,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for CollectionError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Invalid(_) => Code::ValidationFailed,
            Self::Conflict(_) | Self::Moved => Code::Conflict,
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) => errors,
            Self::NotFound(_) | Self::Conflict(_) | Self::Moved | Self::Store(_) => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Store(error) => error.retry_after_seconds(),
            Self::NotFound(_) | Self::Invalid(_) | Self::Conflict(_) | Self::Moved => None,
        }
    }
}
