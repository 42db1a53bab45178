//! Use cases of collections: create, list, read, change, delete.

use std::{ops::ControlFlow, sync::Arc};

use jiff::Timestamp;

use super::{
    catalog::{Catalog, Catalogs, Collection},
    change::{self, Misfits},
    field::Field,
    layout,
    model::{COLLECTIONS_MAX, CollectionDef, CollectionError, CollectionInput, FieldDef, IndexInput, Rules},
    repo::{self, Dropped},
    validate::{self, WantedIndex},
};
use crate::{
    kernel::Clock,
    store::{
        Change, ChangeKind, Epoch, Store, StoreError, Tx,
        log::{self, Origin},
    },
};

/// How often a change is tried again when another one came between.
const TRIES: usize = 5;

/// Who asks, for the change log.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// The id of the user.
    pub actor: String,
    /// The id of the request.
    pub request_id: String,
}

impl Asker {
    /// As the change log wants it.
    #[must_use]
    pub fn origin(&self) -> Origin<'_> {
        Origin { actor: &self.actor, request_id: &self.request_id }
    }
}

/// Use cases of collections.
#[derive(Clone)]
pub struct CollectionService {
    store: Store,
    catalogs: Arc<Catalogs>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for CollectionService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectionService").finish_non_exhaustive()
    }
}

impl CollectionService {
    /// The service on this store.
    #[must_use]
    pub fn new(store: Store, catalogs: Arc<Catalogs>, clock: Arc<dyn Clock>) -> Self {
        Self { store, catalogs, clock }
    }

    /// Every collection, by name.
    ///
    /// # Errors
    /// [`CollectionError::Store`].
    pub fn list(&self) -> Result<Vec<CollectionDef>, CollectionError> {
        let (_, catalog) = self.catalogs.current()?;
        Ok(catalog.sorted().into_iter().map(|collection| collection.def.clone()).collect())
    }

    /// The collection with this name.
    ///
    /// # Errors
    /// [`CollectionError::NotFound`], [`CollectionError::Store`].
    pub fn read(&self, name: &str) -> Result<CollectionDef, CollectionError> {
        let (_, catalog) = self.catalogs.current()?;
        find(&catalog, name).map(|collection| collection.def.clone())
    }

    /// Makes a collection.
    ///
    /// # Errors
    /// [`CollectionError::Invalid`] with every fault, or another [`CollectionError`].
    pub async fn create(&self, asker: &Asker, input: CollectionInput) -> Result<CollectionDef, CollectionError> {
        self.create_as(asker, input, false).await
    }

    /// Makes a collection that Stead itself needs, unless it is there.
    ///
    /// # Errors
    /// [`CollectionError`].
    pub async fn ensure_system(&self, input: CollectionInput) -> Result<(), CollectionError> {
        let (_, catalog) = self.catalogs.current()?;
        if input.name.as_deref().is_some_and(|name| catalog.by_name(name).is_some()) {
            return Ok(());
        }
        let asker = Asker { actor: "system".into(), request_id: String::new() };
        self.create_as(&asker, input, true).await.map(|_| ())
    }

    async fn create_as(
        &self,
        asker: &Asker,
        input: CollectionInput,
        system: bool,
    ) -> Result<CollectionDef, CollectionError> {
        for _ in 0..TRIES {
            let (_, catalog) = self.catalogs.current()?;
            if catalog.sorted().len() >= COLLECTIONS_MAX {
                return Err(CollectionError::Conflict(format!("a server has at most {COLLECTIONS_MAX} collections")));
            }
            let now = self.clock.now();
            let def = new_def(&input, now, system);
            let indexes = input.indexes.clone().unwrap_or_default();
            let (_, wanted) = validate::check(&def, &indexes, &catalog)?;
            let asker = asker.clone();
            let created = self.store.write(move |tx| insert(tx, &asker, catalog.epoch, def, wanted)).await;
            if !matches!(created, Err(CollectionError::Moved)) {
                return created;
            }
        }
        Err(CollectionError::Moved)
    }

    /// Changes the parts of a collection that are given. Data that would not fit refuses the change.
    ///
    /// # Errors
    /// [`CollectionError::Invalid`] with every fault, [`CollectionError::Conflict`] while an earlier change is still
    /// being carried out, or another [`CollectionError`].
    pub async fn update(
        &self,
        asker: &Asker,
        name: &str,
        input: CollectionInput,
    ) -> Result<CollectionDef, CollectionError> {
        for _ in 0..TRIES {
            let (snapshot, catalog) = self.catalogs.current()?;
            let old = Arc::clone(find(&catalog, name)?);
            let plan = plan_update(&catalog, old, &input, self.clock.now())?;
            let plan = if plan.narrows { self.judge(plan, snapshot.seq()).await? } else { plan };
            let asker = asker.clone();
            let updated = self.store.write(move |tx| update(tx, &asker, &catalog, plan)).await;
            if !matches!(updated, Err(CollectionError::Moved)) {
                return updated;
            }
        }
        Err(CollectionError::Moved)
    }

    /// Checks the stored records against the new fields, on a blocking thread. What is written meanwhile is checked in
    /// the transaction of the change.
    async fn judge(&self, mut plan: Update, _seen: u64) -> Result<Update, CollectionError> {
        self.store
            .scan(move |snapshot| {
                let mut misfits = Misfits::default();
                misfits.judge_all(snapshot, &plan.old, &plan.fields)?;
                misfits.into_result()?;
                plan.judged_seq = snapshot.seq();
                Ok(plan)
            })
            .await
    }

    /// Deletes a collection and its records. The name is free at once; the space is reclaimed in the background.
    ///
    /// # Errors
    /// [`CollectionError::Conflict`] when it is a system collection or another one's relation points at it.
    pub async fn delete(&self, asker: &Asker, name: &str) -> Result<(), CollectionError> {
        for _ in 0..TRIES {
            let (_, catalog) = self.catalogs.current()?;
            let def = find(&catalog, name)?.def.clone();
            if def.system {
                return Err(CollectionError::Conflict(format!("\"{name}\" is a system collection and stays")));
            }
            let referrers = change::foreign_referrers(&catalog, &def);
            if !referrers.is_empty() {
                let detail = format!("{} point at \"{name}\"; delete these fields first", referrers.join(", "));
                return Err(CollectionError::Conflict(detail));
            }
            let rules = validate::foreign_rules(&catalog, &def);
            if !rules.is_empty() {
                let detail = format!("the rules {} lead to \"{name}\"; change them first", rules.join(", "));
                return Err(CollectionError::Conflict(detail));
            }
            let (asker, now) = (asker.clone(), self.clock.now());
            let deleted = self.store.write(move |tx| remove(tx, &asker, catalog.epoch, &def, now)).await;
            if !matches!(deleted, Err(CollectionError::Moved)) {
                return deleted;
            }
        }
        Err(CollectionError::Moved)
    }
}

fn find<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Arc<Collection>, CollectionError> {
    catalog.by_name(name).ok_or_else(|| CollectionError::NotFound(name.to_owned()))
}

fn new_def(input: &CollectionInput, now: Timestamp, system: bool) -> CollectionDef {
    CollectionDef {
        number: 0,
        name: input.name.clone().unwrap_or_default(),
        description: input.description.clone(),
        system,
        fields: input.fields.clone().unwrap_or_default(),
        indexes: Vec::new(),
        rules: input.rules.clone().unwrap_or_default(),
        rewriting: false,
        created_at: now,
        updated_at: now,
    }
}

fn check_epoch(tx: &Tx<'_>, epoch: u64) -> Result<(), CollectionError> {
    if tx.epoch(Epoch::Schema) == epoch { Ok(()) } else { Err(CollectionError::Moved) }
}

fn insert(
    tx: &mut Tx<'_>,
    asker: &Asker,
    epoch: u64,
    mut def: CollectionDef,
    wanted: Vec<WantedIndex>,
) -> Result<CollectionDef, CollectionError> {
    check_epoch(tx, epoch)?;
    def.number = repo::next_number(tx, "collection")?;
    change::assign_indexes(tx, None, &mut def, wanted, true)?;
    repo::put(tx, &def)?;
    tx.bump(Epoch::Schema)?;
    log_change(tx, asker, ChangeKind::Created, None, Some(&def), def.created_at)?;
    Ok(def)
}

/// A change that was checked and is to be carried out.
struct Update {
    old: Arc<Collection>,
    new: CollectionDef,
    fields: Vec<Field>,
    wanted: Vec<WantedIndex>,
    narrows: bool,
    judged_seq: u64,
}

fn plan_update(
    catalog: &Catalog,
    old: Arc<Collection>,
    input: &CollectionInput,
    now: Timestamp,
) -> Result<Update, CollectionError> {
    if old.def.rewriting {
        let detail =
            format!("records of \"{}\" are still being brought to its last change; try again shortly", old.def.name);
        return Err(CollectionError::Conflict(detail));
    }
    let mut new = old.def.clone();
    new.updated_at = now;
    if let Some(name) = &input.name {
        new.name.clone_from(name);
        retarget_own(&mut new, &old.def.name);
    }
    if input.description.is_some() {
        new.description.clone_from(&input.description);
    }
    if let Some(fields) = &input.fields {
        new.fields.clone_from(fields);
    }
    if let Some(rules) = &input.rules {
        new.rules.clone_from(rules);
    }
    if old.def.system {
        let own = crate::collections::system::fields_of(&old.def.name);
        change::check_system(&old.def, &new, &own)?;
    }
    let indexes = input.indexes.clone().unwrap_or_else(|| explicit_indexes(&old.def));
    let (fields, wanted) = validate::check(&new, &indexes, catalog)?;
    let narrows = change::may_narrow(&old.def, &new);
    Ok(Update { old, new, fields, wanted, narrows, judged_seq: 0 })
}

/// A relation to itself follows a collection's own new name.
fn retarget_own(def: &mut CollectionDef, old_name: &str) {
    let name = def.name.clone();
    for field in def.fields.iter_mut().filter(|field| field.collection.as_deref() == Some(old_name)) {
        field.collection = Some(name.clone());
    }
}

fn explicit_indexes(def: &CollectionDef) -> Vec<IndexInput> {
    let explicit = def.indexes.iter().filter(|index| !index.implicit);
    explicit.map(|index| IndexInput { fields: index.fields.clone(), unique: index.unique }).collect()
}

fn update(tx: &mut Tx<'_>, asker: &Asker, catalog: &Catalog, plan: Update) -> Result<CollectionDef, CollectionError> {
    check_epoch(tx, catalog.epoch)?;
    let Update { old, mut new, fields, wanted, narrows, judged_seq } = plan;
    if narrows {
        judge_newer(tx, &old, &fields, judged_seq)?;
    }
    // Only here no record that is pointed at can go.
    let targets = change::retargeted(catalog, &old.def, &new);
    if !targets.is_empty() {
        let mut misfits = Misfits::default();
        misfits.judge_targets(tx, &old, &fields, &targets)?;
        misfits.into_result()?;
    }
    let empty = layout::is_empty(tx, new.number)?;
    let gone = change::assign_indexes(tx, Some(&old.def), &mut new, wanted, empty)?;
    if !gone.is_empty() {
        repo::add_dropped(tx, new.number, change::dropped_indexes(gone))?;
    }
    new.rewriting = !empty && change::needs_rewrite(&old.def, &new);
    repo::put(tx, &new)?;
    if old.def.name != new.name {
        change::rename_targets(tx, catalog, &old.def.name, &new)?;
    }
    tx.bump(Epoch::Schema)?;
    log_change(tx, asker, ChangeKind::Updated, Some(&old.def), Some(&new), new.updated_at)?;
    Ok(new)
}

/// Judges the records that were written after the judged state.
fn judge_newer(tx: &Tx<'_>, old: &Collection, fields: &[Field], seq: u64) -> Result<(), CollectionError> {
    let mut misfits = Misfits::default();
    log::read::<StoreError>(tx, seq, &mut |entry| {
        if entry.entity == "records"
            && entry.collection == old.number()
            && let Some(record) = entry.new
        {
            misfits.judge(old, fields, &entry.id, record.get().as_bytes())?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    misfits.into_result()
}

fn remove(
    tx: &mut Tx<'_>,
    asker: &Asker,
    epoch: u64,
    def: &CollectionDef,
    now: Timestamp,
) -> Result<(), CollectionError> {
    check_epoch(tx, epoch)?;
    repo::delete(tx, def.number)?;
    let indexes = def.indexes.iter().map(|index| index.number).collect();
    repo::add_dropped(tx, def.number, Dropped { records: true, indexes })?;
    tx.bump(Epoch::Schema)?;
    log_change(tx, asker, ChangeKind::Deleted, Some(def), None, now)
}

fn log_change(
    tx: &mut Tx<'_>,
    asker: &Asker,
    kind: ChangeKind,
    old: Option<&CollectionDef>,
    new: Option<&CollectionDef>,
    time: Timestamp,
) -> Result<(), CollectionError> {
    let json = |def: Option<&CollectionDef>| def.map(serde_json::to_string).transpose().map_err(StoreError::corrupt);
    let (old_text, new_text) = (json(old)?, json(new)?);
    let Some(def) = new.or(old) else { return Ok(()) };
    tx.log(&Change {
        time,
        entity: "collections",
        collection: 0,
        id: &def.name,
        kind,
        actor: asker.origin(),
        new: new_text.as_deref(),
        old: old_text.as_deref(),
    })?;
    Ok(())
}

/// The definition of a system collection.
#[must_use]
pub(super) fn system_input(name: &str, description: &str, fields: Vec<FieldDef>, rules: Rules) -> CollectionInput {
    CollectionInput {
        name: Some(name.into()),
        description: Some(description.into()),
        fields: Some(fields),
        indexes: None,
        rules: Some(rules),
    }
}
