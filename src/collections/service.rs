//! Use cases of collections: create, list, read, change, delete.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    catalog::{Catalog, Catalogs, Collection},
    change,
    commit::{self, Update},
    model::{COLLECTIONS_MAX, CollectionDef, CollectionError, CollectionInput, FieldDef, Rules},
    rename,
    trigger::TriggerDef,
    validate::{self, Around},
    view::CheckView,
};
use crate::{
    access::{Action, Principal, Who},
    kernel::{Clock, FieldError},
    queue,
    store::{Store, Tx},
};

/// How often a change is tried again when another one came between.
pub(super) const TRIES: usize = 5;

/// Use cases of collections.
#[derive(Clone)]
pub struct CollectionService {
    pub(super) store: Store,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) views: Arc<dyn CheckView>,
    /// The kinds of jobs that the server itself does, each with the resource that who makes one must be permitted to create.
    kinds: Arc<BTreeMap<&'static str, &'static str>>,
}

impl std::fmt::Debug for CollectionService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectionService").finish_non_exhaustive()
    }
}

impl CollectionService {
    /// The service on this store; `views` checks the aggregates of views.
    #[must_use]
    pub fn new(store: Store, catalogs: Arc<Catalogs>, clock: Arc<dyn Clock>, views: Arc<dyn CheckView>) -> Self {
        Self { store, catalogs, clock, views, kinds: Arc::default() }
    }

    /// With kinds of jobs that the server itself does, each with the resource that who makes one must be permitted to create.
    #[must_use]
    pub fn with_kinds(self, kinds: Arc<BTreeMap<&'static str, &'static str>>) -> Self {
        Self { kinds, ..self }
    }

    /// The permission that the caller lacks to make the jobs of these triggers, with the kind for which it takes it.
    pub(super) fn lacks<'t>(&self, caller: &Principal, triggers: &'t [TriggerDef]) -> Option<(String, &'t str)> {
        triggers.iter().find_map(|TriggerDef { kind, .. }| {
            let resource = self.kinds.get(kind.as_str()).filter(|resource| !caller.may(resource, Action::Create))?;
            Some((format!("{resource}:create"), kind.as_str()))
        })
    }

    /// Every collection and every view, by name.
    ///
    /// # Errors
    /// [`CollectionError::Store`].
    pub fn list(&self) -> Result<Vec<CollectionDef>, CollectionError> {
        let (_, catalog) = self.catalogs.current()?;
        Ok(catalog.all_defined().into_iter().map(|collection| collection.def.clone()).collect())
    }

    /// The collection or view with this name.
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
    pub async fn create(&self, who: &Who, input: CollectionInput) -> Result<CollectionDef, CollectionError> {
        refuse_former_name(&input)?;
        self.create_as(who, input, false).await
    }

    /// Makes a collection that Stead itself needs, unless it is there.
    ///
    /// # Errors
    /// [`CollectionError`].
    pub async fn ensure_system(&self, input: CollectionInput) -> Result<(), CollectionError> {
        let (_, catalog) = self.catalogs.current()?;
        let who = Who::system("system");
        if let Some(stored) = input.name.as_deref().and_then(|name| catalog.by_name(name)) {
            return self.complete_system(&who, &stored.def, input.fields.unwrap_or_default()).await;
        }
        self.create_as(&who, input, true).await.map(|_| ())
    }

    /// Gives a system collection of an older binary the fields that this one needs.
    async fn complete_system(
        &self,
        who: &Who,
        stored: &CollectionDef,
        own: Vec<FieldDef>,
    ) -> Result<(), CollectionError> {
        let is_own = |field: &&FieldDef| own.iter().any(|own| own.name == field.name);
        let further = stored.fields.iter().filter(|field| !is_own(field)).cloned();
        let fields: Vec<_> = own.iter().cloned().chain(further).collect();
        if own.iter().all(|field| stored.fields.contains(field)) {
            return Ok(());
        }
        let input = CollectionInput { fields: Some(fields), ..CollectionInput::default() };
        self.update(who, &stored.name, input).await.map(|_| ())
    }

    async fn create_as(
        &self,
        who: &Who,
        input: CollectionInput,
        system: bool,
    ) -> Result<CollectionDef, CollectionError> {
        for _ in 0..TRIES {
            let (snapshot, catalog) = self.catalogs.current()?;
            if catalog.all_defined().len() >= COLLECTIONS_MAX {
                return Err(CollectionError::Conflict(format!("a server has at most {COLLECTIONS_MAX} collections")));
            }
            let now = self.clock.now();
            let def = new_def(&input, now, system);
            let indexes = input.indexes.clone().unwrap_or_default();
            let queues = queue::names(&snapshot)?;
            let around = Around { catalog: &catalog, views: &*self.views, queues: &queues };
            let (_, wanted) = validate::check(&def, &indexes, around)?;
            let who = who.clone();
            let insert = move |tx: &mut Tx<'_>| commit::insert(tx, &who, def, wanted);
            let created = self.store.write(move |tx| commit::guarded(tx, catalog.epoch, insert)).await;
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
        who: &Who,
        name: &str,
        input: CollectionInput,
    ) -> Result<CollectionDef, CollectionError> {
        refuse_former_name(&input)?;
        for _ in 0..TRIES {
            let (snapshot, catalog) = self.catalogs.current()?;
            let queues = queue::names(&snapshot)?;
            let around = Around { catalog: &catalog, views: &*self.views, queues: &queues };
            let plan = plan_update(around, find(&catalog, name)?, &input, self.clock.now())?;
            let plan = plan.judge(&self.store).await?;
            let who = who.clone();
            let update =
                move |tx: &mut Tx<'_>| commit::guarded(tx, catalog.epoch, |tx| update(tx, &who, &catalog, plan));
            let updated = self.store.write(update).await;
            if !matches!(updated, Err(CollectionError::Moved)) {
                return updated;
            }
        }
        Err(CollectionError::Moved)
    }

    /// Deletes a collection and its records. The name is free at once; the space is reclaimed in the background.
    ///
    /// # Errors
    /// [`CollectionError::Conflict`] when it is a system collection or another one's relation points at it.
    pub async fn delete(&self, who: &Who, name: &str) -> Result<(), CollectionError> {
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
            let views = validate::foreign_views(&catalog, &def, &*self.views);
            if !views.is_empty() {
                let detail = format!("the views {} read \"{name}\"; change or delete them first", views.join(", "));
                return Err(CollectionError::Conflict(detail));
            }
            let (who, now) = (who.clone(), self.clock.now());
            let remove = move |tx: &mut Tx<'_>| commit::remove(tx, &who, &def, now);
            let deleted = self.store.write(move |tx| commit::guarded(tx, catalog.epoch, remove)).await;
            if !matches!(deleted, Err(CollectionError::Moved)) {
                return deleted;
            }
        }
        Err(CollectionError::Moved)
    }
}

fn find<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Arc<Collection>, CollectionError> {
    catalog.defined(name).ok_or_else(|| CollectionError::NotFound(name.to_owned()))
}

/// Fields as they are stored: without what only a change says of them.
pub(super) fn stored_fields(fields: &[FieldDef]) -> Vec<FieldDef> {
    fields.iter().map(|field| FieldDef { renamed_from: None, ..field.clone() }).collect()
}

/// A new collection; its number is given when it is stored.
pub(super) fn new_def(input: &CollectionInput, now: Timestamp, system: bool) -> CollectionDef {
    CollectionDef {
        number: 0,
        name: input.name.clone().unwrap_or_default(),
        description: input.description.clone(),
        system,
        view: input.view.clone(),
        fields: input.fields.as_deref().map(stored_fields).unwrap_or_default(),
        indexes: Vec::new(),
        rules: input.rules.clone().unwrap_or_default(),
        triggers: input.triggers.clone().unwrap_or_default(),
        cache_control: input.cache_control.clone().filter(|text| !text.is_empty()),
        rewriting: false,
        renames: Vec::new(),
        since: std::collections::BTreeMap::new(),
        created_at: now,
        updated_at: now,
    }
}

fn update(tx: &mut Tx<'_>, who: &Who, catalog: &Catalog, plan: Update) -> Result<CollectionDef, CollectionError> {
    let old_name = plan.names().0.to_owned();
    let new = plan.carry_out(tx, who, catalog, catalog)?;
    if old_name != new.name {
        change::rename_targets(tx, catalog, &old_name, &new)?;
    }
    Ok(new)
}

fn plan_update(
    around: Around<'_>,
    old: &Arc<Collection>,
    input: &CollectionInput,
    now: Timestamp,
) -> Result<Update, CollectionError> {
    let mut new = old.def.clone();
    new.updated_at = now;
    if let Some(name) = &input.name {
        new.name.clone_from(name);
    }
    if input.description.is_some() {
        new.description.clone_from(&input.description);
    }
    if let Some(cache_control) = &input.cache_control {
        new.cache_control = Some(cache_control.clone()).filter(|text| !text.is_empty());
    }
    if input.view.is_some() {
        new.view.clone_from(&input.view);
    }
    let mut renames = Vec::new();
    if let Some(fields) = &input.fields {
        renames = rename::of_fields(&old.def.fields, fields);
        rename::check_used(&old.def.fields, fields, &renames)?;
        new.fields = stored_fields(fields);
        rename::rename_in_triggers(&mut new.triggers, &renames);
    }
    retarget_own(&mut new, &old.def.name);
    if let Some(rules) = &input.rules {
        new.rules.clone_from(rules);
    }
    if let Some(triggers) = &input.triggers {
        new.triggers.clone_from(triggers);
    }
    let update = Update::check(old, new, renames, input.indexes.as_deref(), around)?;
    update.check_settled()?;
    Ok(update)
}

/// A relation to itself follows a collection's own new name.
fn retarget_own(def: &mut CollectionDef, old_name: &str) {
    let name = def.name.clone();
    for field in def.fields.iter_mut().filter(|field| field.collection.as_deref() == Some(old_name)) {
        field.collection = Some(name.clone());
    }
}

fn refuse_former_name(input: &CollectionInput) -> Result<(), CollectionError> {
    if input.renamed_from.is_none() {
        return Ok(());
    }
    let detail = "only a whole schema says it; change the name of the collection";
    Err(CollectionError::Invalid(vec![FieldError::at("renamedFrom", "invalid", detail)]))
}

/// The definition of a system collection.
#[must_use]
pub(super) fn system_input(name: &str, description: &str, fields: Vec<FieldDef>, rules: Rules) -> CollectionInput {
    CollectionInput {
        name: Some(name.into()),
        renamed_from: None,
        description: Some(description.into()),
        view: None,
        fields: Some(fields),
        indexes: None,
        rules: Some(rules),
        triggers: None,
        cache_control: None,
    }
}
