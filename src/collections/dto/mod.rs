//! Collections as the OpenAPI document describes them. The bodies themselves are read into the types of `model`.

mod examples;

use poem_openapi::{Enum, Object, types::Any};
use serde_json::Value;

/// What becomes of a record when one that it points at is deleted.
#[derive(Enum)]
#[oai(rename_all = "camelCase")]
pub(super) enum OnDelete {
    Restrict,
    Cascade,
    SetNull,
}

/// A field. Which attributes apply depends on the type; the others are refused.
#[derive(Object)]
#[oai(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Field {
    /// The name of the member in a record.
    #[oai(validator(pattern = "^[A-Za-z][A-Za-z0-9_]{0,62}$"))]
    name: String,
    /// The name that the field had before: its values and indexes go on under the new one.
    #[oai(skip_serializing_if_is_none)]
    renamed_from: Option<String>,
    /// One of string, text, integer, number, decimal, boolean, datetime, date, json, enum, relation, file, geoPoint.
    #[oai(rename = "type")]
    kind: String,
    /// What it holds, for people.
    #[oai(skip_serializing_if_is_none)]
    description: Option<String>,
    /// Must be given at create, unless it has a default.
    #[oai(default)]
    required: bool,
    /// May be null. Default: the opposite of `required`.
    #[oai(skip_serializing_if_is_none)]
    nullable: Option<bool>,
    /// The value of a record that is created without one.
    #[oai(skip_serializing_if_is_none)]
    default: Option<Value>,
    /// No two records have the same value; null does not count.
    #[oai(default)]
    unique: bool,
    /// Has an index of its own.
    #[oai(default)]
    indexed: bool,
    /// Is found by full-text search.
    #[oai(default)]
    searchable: bool,
    /// Never leaves the server.
    #[oai(default)]
    hidden: bool,
    /// Holds a list of values (string, enum, relation, file).
    #[oai(default)]
    many: bool,
    /// The least number of items of a field with many.
    #[oai(skip_serializing_if_is_none)]
    min_items: Option<u32>,
    /// The greatest number of items of a field with many; 100 when it says nothing.
    #[oai(skip_serializing_if_is_none)]
    max_items: Option<u32>,
    /// The least length in characters (string, text) or the least value (numbers, times).
    #[oai(skip_serializing_if_is_none)]
    min: Option<Value>,
    /// The greatest length in characters (string, text) or the greatest value (numbers, times).
    #[oai(skip_serializing_if_is_none)]
    max: Option<Value>,
    /// A regular expression that the whole text matches.
    #[oai(skip_serializing_if_is_none)]
    pattern: Option<String>,
    /// A known form of a string: email, url, slug, uuid. Addresses are kept in lower case.
    #[oai(skip_serializing_if_is_none)]
    format: Option<String>,
    /// The values of an enum.
    #[oai(skip_serializing_if_is_none)]
    values: Option<Vec<String>>,
    /// The collection that a relation points at.
    #[oai(skip_serializing_if_is_none)]
    collection: Option<String>,
    /// What becomes of this record when the one it points at is deleted.
    #[oai(skip_serializing_if_is_none)]
    on_delete: Option<OnDelete>,
    /// The greatest size of a file, or of the text of a json value, in bytes.
    #[oai(skip_serializing_if_is_none)]
    max_bytes: Option<u64>,
    /// The media types that a file may have.
    #[oai(skip_serializing_if_is_none)]
    media_types: Option<Vec<String>>,
    /// Who may see and write the field, of those who may see and write the record.
    #[oai(skip_serializing_if_is_none)]
    rules: Option<FieldRules>,
}

/// Who may see and write one field, besides those whose roles permit to read and update all records. An absent rule asks for
/// nothing more than the record's.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct FieldRules {
    /// In which records the field is shown.
    #[oai(skip_serializing_if_is_none)]
    read: Option<String>,
    /// In which records it may be given or changed.
    #[oai(skip_serializing_if_is_none)]
    write: Option<String>,
}

/// Who may do what with records, besides those whose roles permit it: an expression each. An absent rule opens nothing.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct Rules {
    /// Which records a list shows.
    #[oai(skip_serializing_if_is_none)]
    list: Option<String>,
    /// Which records can be read by id.
    #[oai(skip_serializing_if_is_none)]
    read: Option<String>,
    /// Which records may be created, judged on the new record.
    #[oai(skip_serializing_if_is_none)]
    create: Option<String>,
    /// Which records may be changed, judged on the record before.
    #[oai(skip_serializing_if_is_none)]
    update: Option<String>,
    /// Which records may be deleted.
    #[oai(skip_serializing_if_is_none)]
    delete: Option<String>,
}

/// What happens to a record.
#[derive(Enum, PartialEq, Eq, Hash)]
#[oai(rename_all = "camelCase")]
pub(super) enum TriggerEvent {
    Create,
    Update,
    Delete,
}

/// What happens when another unfinished job of the kind is about the same record.
#[derive(Enum)]
#[oai(rename_all = "camelCase")]
pub(super) enum TriggerCollision {
    /// The new one is not made.
    Skip,
    /// The new one takes the place of one that has not started, its time included.
    Replace,
}

/// A job that a change of a record makes, in the transaction of the change. Its payload has `collection`, `event`, the `id` and the
/// `record` (as it is, or, when it was deleted, was) and, on an update, the names of the fields that `changed`. It takes no permission of
/// those who change records: whoever writes the schema decides, and must be permitted to make jobs of the kind if the server itself does them. Imports set off no trigger.
#[derive(Object)]
#[oai(rename_all = "camelCase", deny_unknown_fields, rename = "CollectionTrigger")]
pub(super) struct Trigger {
    /// What has to happen.
    #[oai(validator(min_items = 1, max_items = 3, unique_items))]
    on: Vec<TriggerEvent>,
    /// The queue of the job.
    #[oai(validator(min_length = 1, max_length = 50))]
    queue: String,
    /// What is to be done.
    #[oai(validator(min_length = 1, max_length = 100))]
    kind: String,
    /// The fields that the payload shows besides id, createdAt, updatedAt and version; all that are not hidden when absent.
    #[oai(skip_serializing_if_is_none, validator(max_items = 200))]
    fields: Option<Vec<String>>,
    /// The payload, in the place of the change: any JSON, in which `{"$field": "name"}` stands for the value of that field of the record. So a
    /// change can tell users something (`notification.send`), or send a mail (`email.send`).
    #[oai(skip_serializing_if_is_none)]
    payload: Option<Any<Value>>,
    /// In which records: an expression about the record and, as `@old`, the one before, such as `status != @old.status`.
    #[oai(skip_serializing_if_is_none)]
    when: Option<String>,
    /// How long the job waits, in seconds.
    #[oai(skip_serializing_if_is_none, validator(maximum(value = "31622400")))]
    delay_seconds: Option<u32>,
    /// Jobs with a greater one start before others.
    #[oai(default, skip_serializing_if = "is_zero", validator(minimum(value = "-1000"), maximum(value = "1000")))]
    priority: i16,
    /// What happens when another unfinished job of the kind is about the same record; both are made when absent.
    #[oai(skip_serializing_if_is_none)]
    on_collision: Option<TriggerCollision>,
    /// Whether the jobs about one record run one after the other.
    #[oai(default, skip_serializing_if = "std::ops::Not::not")]
    serial: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the derive passes a reference")]
fn is_zero(priority: &i16) -> bool {
    *priority == 0
}

/// What a view shows of another collection: some of its records or, with select or group, an aggregate over them. It is read
/// as a collection and never written. Its filter and aggregate see all records, whatever a caller may see of the collection
/// itself; who may see the view is decided by its own rules.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct View {
    /// The collection that it reads, which is no view.
    from: String,
    /// Which records; all when absent.
    #[oai(skip_serializing_if_is_none)]
    filter: Option<String>,
    /// The fields that it shows besides id, createdAt, updatedAt and version; all when absent. A view of a system collection
    /// says them.
    #[oai(skip_serializing_if_is_none, validator(max_items = 200))]
    fields: Option<Vec<String>>,
    /// The aggregates, as in an aggregate request: `count, sum(total) as revenue`.
    #[oai(skip_serializing_if_is_none)]
    select: Option<String>,
    /// The keys of the groups, as in an aggregate request: `month(createdAt) as month`.
    #[oai(skip_serializing_if_is_none)]
    group: Option<String>,
    /// Which groups: an expression over the columns.
    #[oai(skip_serializing_if_is_none)]
    having: Option<String>,
    /// The time zone in which units of time begin, by its IANA name.
    #[oai(skip_serializing_if_is_none)]
    timezone: Option<String>,
}

/// An index to have.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct IndexRequest {
    /// The fields in order; `-name` descends.
    #[oai(validator(min_items = 1, max_items = 8))]
    fields: Vec<String>,
    /// No two records agree in all fields, unless one of them is null.
    #[oai(default)]
    unique: bool,
}

/// A collection to make.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
pub(super) struct CollectionCreate {
    /// The name in paths and relations.
    #[oai(validator(pattern = "^[A-Za-z][A-Za-z0-9_]{0,62}$"))]
    name: String,
    /// What it holds, for people.
    #[oai(skip_serializing_if_is_none)]
    description: Option<String>,
    /// What it shows of another collection, when it is a view; then it has no fields and indexes of its own.
    #[oai(skip_serializing_if_is_none)]
    view: Option<View>,
    /// The fields, in the order in which records show them.
    #[oai(validator(max_items = 200), default)]
    fields: Vec<Field>,
    /// The indexes.
    #[oai(validator(max_items = 32), default)]
    indexes: Vec<IndexRequest>,
    /// Who may do what.
    #[oai(skip_serializing_if_is_none)]
    rules: Option<Rules>,
    /// The jobs that changes of its records make.
    #[oai(skip_serializing_if_is_none, validator(max_items = 20))]
    triggers: Option<Vec<Trigger>>,
    /// The `Cache-Control` of answers with records, such as `private, max-age=60`.
    #[oai(skip_serializing_if_is_none)]
    cache_control: Option<String>,
}

/// A collection as it shall be. What it does not say, it does not have.
#[derive(Object)]
#[oai(rename_all = "camelCase", deny_unknown_fields, example)]
pub(super) struct CollectionWanted {
    /// The name in paths and relations.
    #[oai(validator(pattern = "^[A-Za-z][A-Za-z0-9_]{0,62}$"))]
    name: String,
    /// The name that the collection had before: its records go on under the new one.
    #[oai(skip_serializing_if_is_none)]
    renamed_from: Option<String>,
    /// What it holds, for people.
    #[oai(skip_serializing_if_is_none)]
    description: Option<String>,
    /// What it shows of another collection, when it is a view; then it has no fields and indexes of its own.
    #[oai(skip_serializing_if_is_none)]
    view: Option<View>,
    /// The fields, in the order in which records show them. Of a system collection, only those that it does not have
    /// by itself need to be said.
    #[oai(validator(max_items = 200), default)]
    fields: Vec<Field>,
    /// The indexes that are not made by attributes of fields.
    #[oai(validator(max_items = 32), default)]
    indexes: Vec<IndexRequest>,
    /// Who may do what.
    #[oai(skip_serializing_if_is_none)]
    rules: Option<Rules>,
    /// The jobs that changes of its records make.
    #[oai(skip_serializing_if_is_none, validator(max_items = 20))]
    triggers: Option<Vec<Trigger>>,
    /// The `Cache-Control` of answers with records, such as `private, max-age=60`.
    #[oai(skip_serializing_if_is_none)]
    cache_control: Option<String>,
}

/// The parts of a collection to replace; absent parts stay.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
pub(super) struct CollectionUpdate {
    /// The name in paths and relations.
    #[oai(skip_serializing_if_is_none)]
    name: Option<String>,
    /// What it holds, for people.
    #[oai(skip_serializing_if_is_none)]
    description: Option<String>,
    /// What it shows of another collection, when it is a view; then it has no fields and indexes of its own.
    #[oai(skip_serializing_if_is_none)]
    view: Option<View>,
    /// All fields.
    #[oai(skip_serializing_if_is_none)]
    fields: Option<Vec<Field>>,
    /// All indexes that are not made by attributes of fields.
    #[oai(skip_serializing_if_is_none)]
    indexes: Option<Vec<IndexRequest>>,
    /// All rules.
    #[oai(skip_serializing_if_is_none)]
    rules: Option<Rules>,
    /// All triggers.
    #[oai(skip_serializing_if_is_none, validator(max_items = 20))]
    triggers: Option<Vec<Trigger>>,
    /// The `Cache-Control` of answers with records; an empty text removes it.
    #[oai(skip_serializing_if_is_none)]
    cache_control: Option<String>,
}

/// Whether an index holds every record.
#[derive(Object)]
pub(super) struct IndexStatus {
    /// building, ready, or failed.
    name: String,
    /// Two records that agree, when a unique index cannot be built.
    #[oai(skip_serializing_if_is_none)]
    ids: Option<Vec<String>>,
}

/// An index.
#[derive(Object)]
pub(super) struct Index {
    /// The number under which its entries are stored.
    number: u32,
    /// The fields in order; `-name` descends.
    fields: Vec<String>,
    /// No two records agree in all fields, unless one of them is null.
    unique: bool,
    /// Whether queries use it yet.
    state: IndexStatus,
    /// Made by an attribute of a single field.
    #[oai(default)]
    implicit: bool,
}

/// A field that goes on under another name.
#[derive(Object)]
pub(super) struct Rename {
    /// The name that it had.
    from: String,
    /// The name that it has.
    to: String,
}

/// A collection.
#[derive(Object)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct Collection {
    /// The number under which its records are stored.
    number: u32,
    /// The name in paths and relations.
    name: String,
    /// What it holds, for people.
    #[oai(skip_serializing_if_is_none)]
    description: Option<String>,
    /// True for collections that Stead itself needs.
    system: bool,
    /// What it shows of another collection, when it is a view; then it has no fields and indexes of its own.
    #[oai(skip_serializing_if_is_none)]
    view: Option<View>,
    /// The fields, in the order in which records show them.
    fields: Vec<Field>,
    /// The indexes, those made by attributes of fields included.
    indexes: Vec<Index>,
    /// Who may do what.
    rules: Rules,
    /// The jobs that changes of its records make.
    #[oai(default, skip_serializing_if_is_empty)]
    triggers: Vec<Trigger>,
    /// The `Cache-Control` of answers with records.
    #[oai(skip_serializing_if_is_none)]
    cache_control: Option<String>,
    /// True while stored records are brought to changed fields in the background.
    #[oai(default)]
    rewriting: bool,
    /// The fields whose new names are still being brought to stored records.
    #[oai(default)]
    renames: Vec<Rename>,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

/// All collections.
#[derive(Object)]
#[oai(example)]
pub(super) struct CollectionList {
    /// The collections, by name.
    items: Vec<Collection>,
}
