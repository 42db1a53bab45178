//! All collections of one schema epoch, compiled: what every request about records starts from.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use memchr::memmem::Finder;

use super::{
    field::{Check, Field},
    model::{CollectionDef, FieldDef, IndexState, OnDelete, Rules},
    repo,
    scope::{RecordScope, Schemas},
    text,
    view::{self, View},
};
use crate::{
    expr::{self, Expr, Kind, Scope},
    store::{Epoch, Read, Snapshot, Store, StoreError, key::Direction},
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
    fn compile(def: CollectionDef) -> Result<Self, StoreError> {
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
    pub(super) fn slot_before(&self, name: &str) -> Option<Slot> {
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
    pub(super) fn member(&self, slot: Slot) -> Option<&Finder<'static>> {
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
    let compile = |def: &super::model::IndexDef| {
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
pub(super) fn compile_rules(collection: &Collection, scope: &dyn Scope) -> CompiledRules {
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

/// All collections of one schema epoch.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The epoch of which this is the state.
    pub epoch: u64,
    by_number: HashMap<u32, Arc<Collection>>,
    by_name: HashMap<String, Arc<Collection>>,
    views: BTreeMap<String, ViewEntry>,
}

/// A view of a catalog.
#[derive(Debug)]
struct ViewEntry {
    /// The definition, as a collection that has nothing else.
    defined: Arc<Collection>,
    /// What readers see.
    read: Arc<Collection>,
}

impl Schemas for Catalog {
    fn named(&self, name: &str) -> Option<&Collection> {
        self.by_name(name).map(|found| &**found)
    }
}

/// One collection by itself.
impl Schemas for Collection {
    fn named(&self, name: &str) -> Option<&Collection> {
        (self.def.name == name).then_some(self)
    }
}

/// The collections by number, before rules are compiled.
impl Schemas for HashMap<u32, Collection> {
    fn named(&self, name: &str) -> Option<&Collection> {
        self.values().find(|collection| collection.def.name == name)
    }
}

impl Catalog {
    /// Compiles what is stored.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn load(source: &impl Read, epoch: u64) -> Result<Self, StoreError> {
        let defs = repo::all(source)?;
        let mut collections: HashMap<u32, Collection> = HashMap::new();
        let (views, defs): (Vec<_>, Vec<_>) = defs.into_iter().partition(|def| def.view.is_some());
        for def in defs {
            collections.insert(def.number, Collection::compile(def)?);
        }
        for (target, referrer) in find_referrers(&collections) {
            if let Some(collection) = collections.get_mut(&target) {
                collection.referrers.push(referrer);
            }
        }
        // Rules may name fields of other collections, so all are there before the first rule.
        let rules: Vec<_> = collections
            .values()
            .map(|made| (made.number(), compile_rules(made, &RecordScope::rule(made, &collections))))
            .collect();
        for (number, rules) in rules {
            if let Some(collection) = collections.get_mut(&number) {
                collection.rules = rules;
            }
        }
        let views = views.into_iter().map(|def| Collection::draft(def, Vec::new()));
        let all = collections.into_values().chain(views).map(Arc::new).collect();
        Ok(Self::assemble(epoch, all, |defined, catalog| match &defined.def.view {
            Some(view) => Arc::new(view::compile(&defined.def, view, catalog)),
            None => Arc::clone(defined),
        }))
    }

    /// What would be if these were all collections: to check definitions that name each other before they are stored.
    pub(super) fn draft(epoch: u64, collections: Vec<Arc<Collection>>) -> Self {
        Self::assemble(epoch, collections, |defined, _| Arc::clone(defined))
    }

    fn assemble(
        epoch: u64,
        collections: Vec<Arc<Collection>>,
        read: impl Fn(&Arc<Collection>, &Self) -> Arc<Collection>,
    ) -> Self {
        let (views, collections): (Vec<_>, Vec<_>) = collections.into_iter().partition(|made| made.def.view.is_some());
        let by_name = collections.iter().map(|made| (made.def.name.clone(), Arc::clone(made))).collect();
        let by_number = collections.into_iter().map(|made| (made.number(), made)).collect();
        let mut catalog = Self { epoch, by_number, by_name, views: BTreeMap::new() };
        for defined in views {
            let read = read(&defined, &catalog);
            catalog.views.insert(defined.def.name.clone(), ViewEntry { defined, read });
        }
        catalog
    }

    /// The collection or the view with this name, to be read.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Collection>> {
        self.by_name(name).or_else(|| self.views.get(name).map(|view| &view.read))
    }

    /// Every view, by name, to be read.
    pub fn views(&self) -> impl Iterator<Item = &Arc<Collection>> {
        self.views.values().map(|view| &view.read)
    }

    /// The collection with this name, or a view's definition as a collection that has nothing else.
    #[must_use]
    pub fn defined(&self, name: &str) -> Option<&Arc<Collection>> {
        self.by_name(name).or_else(|| self.views.get(name).map(|view| &view.defined))
    }

    /// Every collection and every view, by name, as [`Catalog::defined`] answers them.
    #[must_use]
    pub fn all_defined(&self) -> Vec<&Arc<Collection>> {
        let mut all: Vec<_> = self.by_number.values().chain(self.views.values().map(|view| &view.defined)).collect();
        all.sort_by(|a, b| a.def.name.cmp(&b.def.name));
        all
    }

    /// The collection with this name; no view.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Collection>> {
        self.by_name.get(name)
    }

    /// The collection with this number; no view.
    #[must_use]
    pub fn by_number(&self, number: u32) -> Option<&Arc<Collection>> {
        self.by_number.get(&number)
    }

    /// Every collection that has records of its own, by name.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Arc<Collection>> {
        let mut all: Vec<_> = self.by_number.values().collect();
        all.sort_by(|a, b| a.def.name.cmp(&b.def.name));
        all
    }
}

fn find_referrers(collections: &HashMap<u32, Collection>) -> Vec<(u32, Referrer)> {
    let numbers: HashMap<&str, u32> = collections.values().map(|c| (c.def.name.as_str(), c.number())).collect();
    let mut found = Vec::new();
    for collection in collections.values() {
        for (position, field) in collection.fields.iter().enumerate() {
            let Check::Relation { collection: target, on_delete } = &field.check else { continue };
            let slot = FIRST_FIELD + position;
            let starts = |index: &&Index| !index.failed && index.components.first().is_some_and(|c| c.0 == slot);
            let index = collection.indexes.iter().filter(starts).max_by_key(|index| index.ready);
            let index = index.map(|index| index.number);
            if let Some(target) = numbers.get(target.as_str()) {
                let on_delete = *on_delete;
                found.push((*target, Referrer { collection: collection.number(), slot, index, on_delete }));
            }
        }
    }
    found
}

/// The catalog of the newest schema epoch, compiled once for all.
#[derive(Debug)]
pub struct Catalogs {
    store: Store,
    current: ArcSwapOption<Catalog>,
}

impl Catalogs {
    /// Catalogs of this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, current: ArcSwapOption::empty() }
    }

    /// The newest state of the store with the catalog that fits it exactly.
    ///
    /// # Errors
    /// [`StoreError`] when the collections cannot be read.
    pub fn current(&self) -> Result<(Snapshot, Arc<Catalog>), StoreError> {
        let snapshot = self.store.snapshot();
        let epoch = snapshot.epoch(Epoch::Schema);
        if let Some(catalog) = self.current.load_full().filter(|catalog| catalog.epoch == epoch) {
            return Ok((snapshot, catalog));
        }
        let catalog = Arc::new(Catalog::load(&snapshot, epoch)?);
        self.current.store(Some(Arc::clone(&catalog)));
        Ok((snapshot, catalog))
    }

    /// The store of which these are the catalogs.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}
