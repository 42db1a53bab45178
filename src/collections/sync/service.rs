//! Planning and applying a whole schema.

use std::{collections::BTreeSet, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::json;

use super::{
    diff,
    model::{Action, Effect, Plan, PlanInput, SchemaInput, Step, Summary, as_input},
    target::{Draft, Target},
};
use crate::{
    access::Who,
    collections::{
        catalog::Catalog,
        commit::{self, Update, explicit_indexes},
        model::{COLLECTIONS_MAX, CollectionDef, CollectionError, CollectionInput},
        repo,
        service::{CollectionService, TRIES},
        validate::{self, Around, WantedIndex},
        view::CheckView,
    },
    kernel::FieldError,
    queue,
    store::{StoreError, Tx},
};

/// How many destructive steps a refusal names.
const NAMED_MAX: usize = 20;
/// How many bytes of a digest stand for a schema.
const BASE_BYTES: usize = 12;

impl CollectionService {
    /// The steps by which the collections would become those that are wanted.
    ///
    /// # Errors
    /// [`CollectionError::Invalid`] with every fault, stored records that do not fit among them, or another
    /// [`CollectionError`].
    pub async fn plan_schema(&self, input: &PlanInput) -> Result<Plan, CollectionError> {
        let (snapshot, before) = self.catalogs.current()?;
        let changes = self.resolve(input, before, &queue::names(&snapshot)?)?.judge(self).await?;
        changes.plan()
    }

    /// Brings the collections to those that are wanted, in one transaction. Answers the steps that were taken.
    ///
    /// # Errors
    /// [`CollectionError::Conflict`] when a step is destructive and that is not allowed, when the schema is not that of
    /// `base`, or while an earlier change is being carried out; otherwise as [`CollectionService::plan_schema`].
    pub async fn apply_schema(&self, who: &Who, input: SchemaInput) -> Result<Plan, CollectionError> {
        let SchemaInput { collections, prune, allow_destructive, base } = input;
        let input = PlanInput { collections, prune };
        for _ in 0..TRIES {
            let (snapshot, before) = self.catalogs.current()?;
            if let Some(base) = &base
                && *base != fingerprint(&inputs(&before))?
            {
                return Err(CollectionError::Conflict("the schema changed since the plan; plan again".into()));
            }
            let changes = self.resolve(&input, before, &queue::names(&snapshot)?)?;
            if !allow_destructive {
                refuse_destructive(&changes.steps)?;
            }
            changes.updates.iter().try_for_each(|(_, update)| update.check_settled())?;
            let changes = changes.judge(self).await?;
            let plan = Plan { base: fingerprint(&changes.result)?, ..changes.plan()? };
            if plan.steps.is_empty() {
                return Ok(plan);
            }
            let who = who.clone();
            let epoch = changes.before.epoch;
            let carry_out = move |tx: &mut Tx<'_>| changes.carry_out(tx, &who);
            match self.store.write(move |tx| commit::guarded(tx, epoch, carry_out)).await {
                Ok(()) => return Ok(plan),
                Err(CollectionError::Moved) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CollectionError::Moved)
    }

    /// Checks the whole and finds out what is to be done.
    fn resolve(
        &self,
        input: &PlanInput,
        before: Arc<Catalog>,
        queues: &BTreeSet<String>,
    ) -> Result<Changes, CollectionError> {
        if input.collections.len() > COLLECTIONS_MAX {
            let detail = format!("a server has at most {COLLECTIONS_MAX} collections");
            return Err(CollectionError::Invalid(vec![FieldError::at("collections", "items", detail)]));
        }
        let now = self.clock.now();
        let target = Target::of(input, &before, now);
        if target.drafts.len() + target.kept.len() > COLLECTIONS_MAX {
            return Err(CollectionError::Conflict(format!("a server has at most {COLLECTIONS_MAX} collections")));
        }
        let Target { after, drafts, kept, gone } = target;
        let mut changes = Changes { before, after, now, ..Changes::default() };
        let mut faults = Faults::default();
        // Views come after what they read, and go before it.
        let (views, others): (Vec<_>, Vec<_>) =
            drafts.into_iter().enumerate().partition(|(_, draft)| draft.def.view.is_some());
        for (position, draft) in others.into_iter().chain(views) {
            faults.take(changes.add(position, draft, &*self.views, queues), position)?;
        }
        faults.into_result()?;
        let (views, others): (Vec<_>, Vec<_>) = gone.into_iter().partition(|gone| gone.def.view.is_some());
        for collection in views.into_iter().chain(others) {
            let view = collection.def.view.as_ref();
            let effect = if view.is_some() { Effect::Safe } else { Effect::Destructive };
            let (name, before) = (collection.def.name.clone(), view.map(|view| json!(view)));
            let action = Action::DeleteCollection;
            changes.steps.push(Step { collection: name, action, name: None, before, after: None, effect });
            changes.deletes.push(collection.def.clone());
        }
        for (stored, followed) in kept {
            check_kept(&followed, &changes, &*self.views, queues)?;
            changes.result.push(as_input(&followed));
            if followed != stored.def {
                changes.follows.push(followed);
            }
        }
        Ok(changes)
    }
}

/// What is to be done, checked.
#[derive(Default)]
struct Changes {
    before: Arc<Catalog>,
    after: Catalog,
    steps: Vec<Step>,
    makes: Vec<(CollectionDef, Vec<WantedIndex>)>,
    /// Each with the place of its collection among those that were sent.
    updates: Vec<(usize, Update)>,
    deletes: Vec<CollectionDef>,
    /// Collections in which only relations get the new names of their targets.
    follows: Vec<CollectionDef>,
    /// All collections as a client would send what comes of it.
    result: Vec<CollectionInput>,
    now: Timestamp,
}

impl Changes {
    fn add(
        &mut self,
        position: usize,
        draft: Draft,
        views: &dyn CheckView,
        queues: &BTreeSet<String>,
    ) -> Result<(), CollectionError> {
        let after = Around { catalog: &self.after, views, queues };
        let Draft { stored, def, renames, indexes } = draft;
        let steps = diff::steps(stored.as_ref().map(|(_, followed)| followed), &def, &indexes, &renames);
        self.result.push(match &stored {
            Some((_, followed)) if steps.is_empty() => as_input(followed),
            _ if def.view.is_some() => as_input(&def),
            _ => CollectionInput { indexes: Some(indexes.clone()), ..as_input(&def) },
        });
        match stored {
            None => {
                let (_, wanted) = validate::check(&def, &indexes, after)?;
                self.makes.push((def, wanted));
            }
            Some((stored, followed)) => {
                let update = Update::check(&stored, def, renames, Some(&indexes), after)?;
                if !steps.is_empty() {
                    self.updates.push((position, update));
                } else if followed != stored.def {
                    self.follows.push(followed);
                }
            }
        }
        self.steps.extend(steps);
        Ok(())
    }

    /// Checks stored records against what allows less. A collection that is still being changed is judged when it is
    /// done, for its change is refused until then.
    async fn judge(mut self, service: &CollectionService) -> Result<Self, CollectionError> {
        let mut faults = Faults::default();
        for (position, update) in std::mem::take(&mut self.updates) {
            if !update.is_settled() {
                self.updates.push((position, update));
                continue;
            }
            let judged = update.judge(&service.store).await;
            self.updates.extend(faults.take(judged, position)?.map(|update| (position, update)));
        }
        faults.into_result()?;
        Ok(self)
    }

    fn plan(&self) -> Result<Plan, CollectionError> {
        let summary = Summary::of(&self.steps);
        Ok(Plan { base: fingerprint(&inputs(&self.before))?, steps: self.steps.clone(), summary })
    }

    fn carry_out(self, tx: &mut Tx<'_>, who: &Who) -> Result<(), CollectionError> {
        for def in &self.deletes {
            commit::remove(tx, who, def, self.now)?;
        }
        for (def, wanted) in self.makes {
            commit::insert(tx, who, def, wanted)?;
        }
        for def in &self.follows {
            repo::put(tx, def)?;
        }
        let mut faults = Faults::default();
        for (position, update) in self.updates {
            faults.take(update.carry_out(tx, who, &self.before, &self.after), position)?;
        }
        faults.into_result()
    }
}

/// The faults of all collections, each under the place of its collection.
#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    /// What came of one collection; nothing when it has faults, which are kept.
    fn take<T>(&mut self, result: Result<T, CollectionError>, position: usize) -> Result<Option<T>, CollectionError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(CollectionError::Invalid(errors)) => {
                let moved = |error: FieldError| FieldError {
                    pointer: format!("/collections/{position}{}", error.pointer),
                    ..error
                };
                self.0.extend(errors.into_iter().map(moved));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    fn into_result(self) -> Result<(), CollectionError> {
        if self.0.is_empty() { Ok(()) } else { Err(CollectionError::Invalid(self.0)) }
    }
}

/// A collection that nobody mentions must not come to name what is gone.
fn check_kept(
    def: &CollectionDef,
    changes: &Changes,
    views: &dyn CheckView,
    queues: &BTreeSet<String>,
) -> Result<(), CollectionError> {
    let faults = |catalog: &Catalog, def: &CollectionDef| match validate::check(
        def,
        &explicit_indexes(def),
        Around { catalog, views, queues },
    ) {
        Err(CollectionError::Invalid(errors)) => errors,
        _ => Vec::new(),
    };
    if changes.steps.is_empty() {
        return Ok(());
    }
    let errors = faults(&changes.after, def);
    let Some(error) = errors.first() else { return Ok(()) };
    let stored = changes.before.all_defined().into_iter().find(|stored| stored.number() == def.number);
    if stored.is_some_and(|stored| !faults(&changes.before, &stored.def).is_empty()) {
        // It was at fault before.
        return Ok(());
    }
    let (name, FieldError { pointer, detail, .. }) = (&def.name, error);
    Err(CollectionError::Conflict(format!("\"{name}\" stays and would be at fault: {pointer}: {detail}")))
}

fn refuse_destructive(steps: &[Step]) -> Result<(), CollectionError> {
    let destructive: Vec<_> = steps.iter().filter(|step| step.effect == Effect::Destructive).collect();
    if destructive.is_empty() {
        return Ok(());
    }
    let mut named: Vec<_> = destructive.iter().take(NAMED_MAX).map(|step| step.title()).collect();
    if destructive.len() > NAMED_MAX {
        named.push("…".into());
    }
    let detail = format!(
        "values would be lost, which must be allowed by allowDestructive ({}): {}",
        destructive.len(),
        named.join("; ")
    );
    Err(CollectionError::Conflict(detail))
}

fn inputs(catalog: &Catalog) -> Vec<CollectionInput> {
    catalog.all_defined().into_iter().map(|collection| as_input(&collection.def)).collect()
}

/// A short text that is another one when any definition is; what goes on in the background does not change it.
fn fingerprint(all: &[CollectionInput]) -> Result<String, CollectionError> {
    let mut all: Vec<_> = all.iter().collect();
    all.sort_by_key(|input| input.name.as_deref());
    let text = serde_json::to_vec(&all).map_err(StoreError::corrupt)?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    Ok(URL_SAFE_NO_PAD.encode(digest.as_ref().get(..BASE_BYTES).unwrap_or_default()))
}
