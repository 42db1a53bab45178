//! Carrying out the operations of a batch, in their order.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::{
    Deed, Outcome, Step,
    faults::Faults,
    references::{Ids, job_with_ids, unknown_ref, used, with_ids},
};
use crate::{
    collections::Collection,
    queue::{JobInput, Jobs},
    records::{
        RecordError,
        operation::{Operation, What},
        service::Caller,
        write::Context,
    },
    store::Tx,
};

/// What all operations of a batch share.
pub(super) struct Run<'a> {
    pub(super) context: Context<'a>,
    pub(super) caller: &'a Caller,
    pub(super) fresh_id: &'a (dyn Fn() -> String + Sync),
    pub(super) jobs: &'a Jobs,
}

impl Run<'_> {
    /// Carries out all, or says every fault.
    pub(super) fn run(&self, steps: &[Step], tx: &mut Tx<'_>) -> Result<Vec<Outcome>, RecordError> {
        let (mut ids, mut names): (Ids<'_>, HashSet<&str>) = (HashMap::new(), HashSet::new());
        let (mut results, mut faults) = (Vec::with_capacity(steps.len()), Faults::default());
        for (index, step) in steps.iter().enumerate() {
            let collection = self.collection(step);
            let used = used(step, collection);
            let unknown = used.iter().find(|name| !names.contains(name.as_str()));
            names.extend(step.name.as_deref());
            if let Some(unknown) = unknown {
                faults.take(index, "", &unknown_ref(unknown));
                continue;
            }
            // What a name stands for could not be made.
            if !used.iter().all(|name| ids.contains_key(name.as_str())) {
                continue;
            }
            match self.step(step, collection, (&ids, used.is_empty()), tx) {
                Ok(outcome) => {
                    if let Some(name) = &step.name {
                        ids.insert(name, outcome.id());
                    }
                    results.push(outcome);
                }
                Err(error @ (RecordError::Store(_) | RecordError::Moved)) => return Err(error),
                Err(error) => {
                    faults.take(index, "/body", &error);
                    // A refused deletion may have done a part of what it entails, which later operations must not see.
                    if step.is_deletion() || faults.are_many() {
                        break;
                    }
                }
            }
        }
        faults.into_result().map(|()| results)
    }

    fn collection(&self, step: &Step) -> Option<&Collection> {
        let Deed::Record(operation) = &step.deed else { return None };
        self.context.catalog.find(&operation.collection).map(|found| &**found)
    }

    /// Carries out one; `plain` when it uses no name.
    fn step(
        &self,
        step: &Step,
        collection: Option<&Collection>,
        (ids, plain): (&Ids<'_>, bool),
        tx: &mut Tx<'_>,
    ) -> Result<Outcome, RecordError> {
        match &step.deed {
            Deed::Record(operation) => {
                let operation: Cow<'_, Operation> = match plain {
                    true => Cow::Borrowed(operation),
                    false => Cow::Owned(with_ids(step, operation, collection, ids)),
                };
                operation.run(tx, self.context, self.caller, self.fresh_id).map(Outcome::Record)
            }
            Deed::Enqueue(members) => self.enqueue(&job_with_ids(members, ids), tx),
        }
    }

    fn enqueue(&self, job: &str, tx: &mut Tx<'_>) -> Result<Outcome, RecordError> {
        let input = JobInput::parse(job).map_err(|error| RecordError::Invalid(vec![error]))?;
        let principal = &self.caller.principal;
        let new = input.job(principal.id.as_str(), self.context.now).map_err(RecordError::Invalid)?;
        self.jobs.permit(principal, &new.queue, &new.kind)?;
        Ok(Outcome::Job(self.jobs.enqueue(tx, &new).map_err(|error| error.under(""))?))
    }
}

impl Step {
    fn is_deletion(&self) -> bool {
        matches!(&self.deed, Deed::Record(operation) if operation.what == What::Delete)
    }
}

impl Outcome {
    fn id(&self) -> String {
        match self {
            Self::Record(done) => done.shown.id.clone(),
            Self::Job(made) => made.id.to_string(),
        }
    }
}
