//! One collection, compiled: its fields by their slots, its indexes and its rules.

use std::collections::HashMap;

use memchr::memmem::Finder;

use crate::{
    collections::{
        field::Field,
        model::{CollectionDef, FieldDef, IndexDef, IndexState, OnDelete, Rules},
        text,
        trigger::Trigger,
        view::View,
    },
    expr::{self, Expr, Kind, Scope},
    store::{StoreError, key::Direction},
};
/// Where a value stands in a record: the system fields first, then the collection's own.
pub type Slot = usize;

/// The system fields, in the order in which records show them.
pub const SYSTEM_FIELDS: [(&str, Kind); 4] =
    [("id", Kind::Str), ("createdAt", Kind::DateTime), ("updatedAt", Kind::DateTime), ("version", Kind::Int)];
/// The slot of `id`.
pub const ID: Slot = 0;
/// The slot of `createdAt`.
pub const CREATED_AT: Slot = 1;
/// The slot of `updatedAt`.
pub const UPDATED_AT: Slot = 2;
/// The slot of `version`.
pub const VERSION: Slot = 3;
/// The slot of the collection's first own field.
pub const FIRST_FIELD: Slot = SYSTEM_FIELDS.len();

/// A collection ready for work.
#[derive(Clone, Debug)]
pub struct Collection {
    /// The definition.
    pub def: CollectionDef,
    /// The collection's own fields; the slot of the first is [`FIRST_FIELD`].
    pub fields: Vec<Field>,
    /// The indexes, those being built included.
    pub indexes: Vec<Index>,
    /// The rules, compiled.
    pub rules: CompiledRules,
    /// The jobs that its changes make.
    pub triggers: Vec<Trigger>,
    /// The relations of other collections, and of this one, that point here.
    pub referrers: Vec<Referrer>,
    /// What it has that is a view.
    pub view: Option<View>,
    slots: HashMap<String, Slot>,
    members: Vec<Finder<'static>>,
}

/// An index ready for work.
#[derive(Clone, Debug)]
pub struct Index {
    /// The number under which entries are stored.
    pub number: u32,
    /// What an entry holds, in order.
    pub components: Vec<(Slot, Direction)>,
    /// No two records agree in all components, unless one is null.
    pub unique: bool,
    /// Whether queries may use it.
    pub ready: bool,
    /// Whether it failed to be built; writes leave it alone.
    pub failed: bool,
    /// Whether its one component is a list: an entry for each item.
    pub many: bool,
}

/// The rules of a collection, compiled.
#[derive(Clone, Debug, Default)]
pub struct CompiledRules {
    /// Which records a list shows.
    pub list: Option<Expr>,
    /// Which records can be read by id.
    pub read: Option<Expr>,
    /// Which records may be created.
    pub create: Option<Expr>,
    /// Which records may be changed.
    pub update: Option<Expr>,
    /// Which records may be deleted.
    pub delete: Option<Expr>,
    /// The rules of single fields, for those that have any.
    pub fields: Vec<FieldRule>,
}

/// The rules of one field. An absent one asks for nothing beyond the record's own rule.
#[derive(Clone, Debug)]
pub struct FieldRule {
    /// The field.
    pub slot: Slot,
    /// In which records it is shown.
    pub read: Option<Expr>,
    /// In which records it may be given or changed.
    pub write: Option<Expr>,
}

/// A relation field that points at a collection.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// The number of the collection that has the field.
    pub collection: u32,
    /// The field.
    pub slot: Slot,
    /// The number of the index that finds records by the field; none when it could not be built.
    pub index: Option<u32>,
    /// What becomes of them.
    pub on_delete: OnDelete,
}

impl Collection {
    /// Compiles a definition. What cannot be compiled was refused when it was stored.
    pub(super) fn compile(def: CollectionDef) -> Result<Self, StoreError> {
        let compile = |field| Field::compile(field).map_err(|unfit| StoreError::corrupt(unfit.detail));
        let fields: Vec<Field> = def.fields.iter().map(compile).collect::<Result<_, _>>()?;
        let mut collection = Self::draft(def, fields);
        collection.indexes = compile_indexes(&collection)?;
        collection.members = members(&collection);
        Ok(collection)
    }

    /// A collection of these fields with nothing else: to check rules before they are stored.
    #[must_use]
    pub fn draft(def: CollectionDef, fields: Vec<Field>) -> Self {
        let slots = slots(&fields);
        Self {
            indexes: Vec::new(),
            rules: CompiledRules::default(),
            triggers: Vec::new(),
            referrers: Vec::new(),
            view: None,
            fields,
            slots,
            members: Vec::new(),
            def,
        }
    }

    /// The number under which the records are stored.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.def.number
    }

    /// The number that no other collection or view has.
    #[must_use]
    pub fn own_number(&self) -> u32 {
        self.view.as_ref().map_or(self.def.number, |view| view.number)
    }

    /// The name of the collection whose records these are.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.view.as_ref().map_or(&self.def.name, |view| &view.source)
    }

    /// Whether it is a view of groups, which are no records.
    #[must_use]
    pub fn is_aggregate(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.def.is_aggregate())
    }

    /// The slot of the field with this name.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    /// The slot of the member with this name in a record that was written before fields were renamed.
    pub(in crate::collections) fn slot_before(&self, name: &str) -> Option<Slot> {
        let rename = self.def.renames.iter().find(|rename| rename.from == name);
        self.slot(rename.map_or(name, |rename| &rename.to))
    }

    /// The collection's own field at `slot`; `None` for system fields.
    #[must_use]
    pub fn field(&self, slot: Slot) -> Option<&Field> {
        self.fields.get(slot.checked_sub(FIRST_FIELD)?)
    }

    /// The name of the field at `slot`.
    #[must_use]
    pub fn slot_name(&self, slot: Slot) -> &str {
        match SYSTEM_FIELDS.get(slot) {
            Some((name, _)) => name,
            None => self.field(slot).map_or("", |field| &field.name),
        }
    }

    /// What finds the member at `slot` in the text of a record without walking over the others. None where records may
    /// have objects inside, or members of an older schema, whose members could be taken for the record's.
    pub(in crate::collections) fn member(&self, slot: Slot) -> Option<&Finder<'static>> {
        self.members.get(slot)
    }

    /// How many slots a record has.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        FIRST_FIELD + self.fields.len()
    }

    /// The kind of the values at `slot`, and whether there are many.
    #[must_use]
    pub fn kind(&self, slot: Slot) -> (Kind, bool) {
        match SYSTEM_FIELDS.get(slot) {
            Some((_, kind)) => (*kind, false),
            None => self.field(slot).map_or((Kind::Json, false), |field| (field.kind(), field.many.is_some())),
        }
    }

    /// Whether `slot` may be named by a client, in filters, sort keys and projections.
    #[must_use]
    pub fn is_visible(&self, slot: Slot) -> bool {
        self.field(slot).is_none_or(|field| !field.hidden)
    }
}

fn slots(fields: &[Field]) -> HashMap<String, Slot> {
    let names = SYSTEM_FIELDS.iter().map(|(name, _)| (*name).to_owned());
    names.chain(fields.iter().map(|field| field.name.clone())).enumerate().map(|(slot, name)| (name, slot)).collect()
}

fn members(collection: &Collection) -> Vec<Finder<'static>> {
    let nests = |slot| collection.kind(slot).0 == Kind::Json;
    let slots = 0..collection.slot_count();
    if collection.def.rewriting || !collection.def.renames.is_empty() || slots.clone().any(nests) {
        return Vec::new();
    }
    slots.map(|slot| text::finder(collection.slot_name(slot))).collect()
}

fn compile_indexes(collection: &Collection) -> Result<Vec<Index>, StoreError> {
    let compile = |def: &IndexDef| {
        let component = |term: &String| {
            let (name, direction) = split_direction(term);
            let slot = collection.slot(name).ok_or_else(|| StoreError::corrupt("an index over no field"))?;
            Ok((slot, direction))
        };
        let components: Vec<_> = def.fields.iter().map(component).collect::<Result<_, StoreError>>()?;
        let many = components.first().is_some_and(|(slot, _)| collection.kind(*slot).1);
        Ok(Index {
            number: def.number,
            components,
            unique: def.unique,
            ready: def.state == IndexState::Ready,
            failed: matches!(def.state, IndexState::Failed { .. }),
            many,
        })
    };
    collection.def.indexes.iter().map(compile).collect()
}

/// A field's name and direction from `name` or `-name`.
#[must_use]
pub fn split_direction(term: &str) -> (&str, Direction) {
    match term.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (term, Direction::Ascending),
    }
}

/// Compiles the rules of a collection. One that does not compile any more opens nothing: a change that would break it was
/// refused, so this is a fault of the server, which must not open what was closed.
pub(in crate::collections) fn compile_rules(collection: &Collection, scope: &dyn Scope) -> CompiledRules {
    let compile = |rule: &Option<String>| {
        let compiled = expr::compile(rule.as_deref()?, scope);
        Some(compiled.unwrap_or_else(|error| {
            tracing::error!(collection = collection.def.name, %error, "a stored rule does not compile; it opens nothing");
            Expr::Constant(false)
        }))
    };
    let field = |(position, def): (usize, &FieldDef)| {
        let rules = def.rules.as_ref()?;
        Some(FieldRule { slot: FIRST_FIELD + position, read: compile(&rules.read), write: compile(&rules.write) })
    };
    let Rules { list, read, create, update, delete } = &collection.def.rules;
    CompiledRules {
        list: compile(list),
        read: compile(read),
        create: compile(create),
        update: compile(update),
        delete: compile(delete),
        fields: collection.def.fields.iter().enumerate().filter_map(field).collect(),
    }
}
