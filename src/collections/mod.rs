//! Collections: user-defined schemas, how their values are checked and stored, and how they change on live data.
//!
//! What is done with records lives in `records`; this module knows what a record of a collection *is*.

pub mod api;
pub mod catalog;
mod change;
mod commit;
mod dto;
mod field;
pub mod layout;
pub mod maintenance;
mod model;
mod outline;
mod rename;
mod repo;
mod scope;
mod service;
pub mod sync;
pub mod system;
mod text;
mod trigger;
mod validate;
mod value;
mod view;

pub use catalog::{Catalog, Catalogs, Collection, FieldRule, Index, Slot};
pub use change::{read_head, rewrite};
pub use field::{Check, Field, Format, Range, is_email};
pub use layout::Slots;
pub use model::{
    COLLECTIONS_MAX, CollectionDef, CollectionError, CollectionInput, FieldDef, FieldRules, FieldType, IndexDef,
    IndexInput, IndexState, OnDelete, Rules, ViewDef,
};
pub use outline::Outline;
pub use repo::TABLES;
pub use scope::{AUTH_FIELDS, Everything, HOPS_MAX, Knows, RecordScope, Schemas, Sight, Unseen};
pub use service::CollectionService;
pub use trigger::{Event, Trigger, TriggerDef, Watching, collections_with_queue, watch_faults};
pub use validate::{is_name, is_reserved_collection, is_reserved_field};
pub use view::{CheckView, View};
