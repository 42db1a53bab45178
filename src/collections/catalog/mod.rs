//! All collections of one schema epoch, compiled: what every request about records starts from.

mod collection;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwapOption;

pub(super) use collection::compile_rules;
pub use collection::{
    CREATED_AT, Collection, CompiledRules, FIRST_FIELD, FieldRule, ID, Index, Referrer, SYSTEM_FIELDS, Slot,
    UPDATED_AT, VERSION, split_direction,
};

use super::{
    field::Check,
    repo,
    scope::{RecordScope, Schemas},
    trigger, view,
};
use crate::store::{Epoch, Read, Snapshot, Store, StoreError};

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
        let compile = |made: &Collection| {
            let rules = compile_rules(made, &RecordScope::rule(made, &collections));
            (made.number(), rules, trigger::compile(made, &collections))
        };
        let compiled: Vec<_> = collections.values().map(compile).collect();
        for (number, rules, triggers) in compiled {
            if let Some(collection) = collections.get_mut(&number) {
                (collection.rules, collection.triggers) = (rules, triggers);
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
