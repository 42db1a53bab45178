//! Use cases of schedules: the permission first, then what is stored.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{
    input::ScheduleInput,
    model::{Outcome, Overlap, Run, Schedule, ScheduleError},
    repo,
};
use crate::{
    access::{Action, Principal},
    kernel::{Clock, FieldError},
    queue::{self, JobState, Jobs, NewJob, QueueError, Scheduled},
    store::{Store, StoreError, Tx},
};

/// The most schedules.
const SCHEDULES_MAX: usize = 1_000;

/// Use cases of schedules. Cheap to clone.
#[derive(Clone)]
pub struct Schedules {
    pub(super) store: Store,
    jobs: Jobs,
    pub(super) clock: Arc<dyn Clock>,
    /// Rings when a schedule may be due sooner than the keeper thinks.
    pub(super) bell: Arc<Notify>,
}

impl fmt::Debug for Schedules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedules").finish_non_exhaustive()
    }
}

/// A run with the state of its job, if that is still there.
pub(super) type Told = (Run, Option<JobState>);

impl Schedules {
    /// Schedules in a store.
    #[must_use]
    pub fn new(store: Store, jobs: Jobs, clock: Arc<dyn Clock>) -> Self {
        Self { store, jobs, clock, bell: Arc::default() }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// All schedules, by name.
    ///
    /// # Errors
    /// [`ScheduleError::Forbidden`] without `schedules:list`.
    pub fn list(&self, caller: &Principal) -> Result<Vec<Schedule>, ScheduleError> {
        permit(caller, Action::List)?;
        Ok(repo::all(&self.store.snapshot())?)
    }

    /// A schedule.
    ///
    /// # Errors
    /// [`ScheduleError::Forbidden`] without `schedules:read`, [`ScheduleError::NotFound`].
    pub fn read(&self, caller: &Principal, name: &str) -> Result<Schedule, ScheduleError> {
        permit(caller, Action::Read)?;
        repo::schedule(&self.store.snapshot(), name)?.ok_or_else(|| not_found(name))
    }

    /// Makes a schedule.
    ///
    /// # Errors
    /// [`ScheduleError::Forbidden`] without `schedules:create` and the permission to make jobs in its queue, [`ScheduleError::Invalid`],
    /// [`ScheduleError::Conflict`] when there is one of this name.
    pub(super) async fn create(&self, caller: &Principal, input: ScheduleInput) -> Result<Schedule, ScheduleError> {
        permit(caller, Action::Create)?;
        let schedule = input.made(caller.id.as_str(), self.now()).map_err(ScheduleError::Invalid)?;
        self.jobs.permit(caller, &schedule.queue, &schedule.kind)?;
        let bell = Arc::clone(&self.bell);
        self.store
            .write(move |tx| {
                let known = repo::all(tx)?;
                if known.len() >= SCHEDULES_MAX || known.iter().any(|known| known.name == schedule.name) {
                    let why =
                        format!("there is a schedule \"{}\" already, or there are {SCHEDULES_MAX}", schedule.name);
                    return Err(ScheduleError::Conflict(why));
                }
                put(tx, None, &schedule, bell)?;
                Ok(schedule)
            })
            .await
    }

    /// Changes a schedule.
    ///
    /// # Errors
    /// [`ScheduleError::Forbidden`] without `schedules:update` and the permission to make jobs in its queue,
    /// [`ScheduleError::NotFound`], [`ScheduleError::Invalid`].
    pub(super) async fn update(
        &self,
        caller: &Arc<Principal>,
        name: String,
        input: ScheduleInput,
    ) -> Result<Schedule, ScheduleError> {
        permit(caller, Action::Update)?;
        let (caller, now, bell, jobs) = (Arc::clone(caller), self.now(), Arc::clone(&self.bell), self.jobs.clone());
        self.store
            .write(move |tx| {
                let known = repo::schedule(tx, &name)?.ok_or_else(|| not_found(&name))?;
                let schedule = input.changed(&known, caller.id.as_str(), now).map_err(ScheduleError::Invalid)?;
                jobs.permit(&caller, &schedule.queue, &schedule.kind)?;
                put(tx, Some(&known), &schedule, bell)?;
                Ok(schedule)
            })
            .await
    }

    /// Removes a schedule, and what is noted of its runs. Its jobs stay.
    ///
    /// # Errors
    /// [`ScheduleError::Forbidden`] without `schedules:delete`, [`ScheduleError::NotFound`].
    pub async fn delete(&self, caller: &Principal, name: String) -> Result<(), ScheduleError> {
        permit(caller, Action::Delete)?;
        self.store
            .write(move |tx| {
                let known = repo::schedule(tx, &name)?.ok_or_else(|| not_found(&name))?;
                Ok(repo::delete(tx, &known)?)
            })
            .await
    }

    /// Makes the job of a schedule now, also when it is paused or the job before has not ended. Its times stay as they are.
    ///
    /// # Errors
    /// [`ScheduleError::Forbidden`] without `schedules:update` and the permission to make jobs in its queue,
    /// [`ScheduleError::NotFound`].
    pub(super) async fn run_now(&self, caller: &Arc<Principal>, name: String) -> Result<Told, ScheduleError> {
        permit(caller, Action::Update)?;
        let (caller, own, now) = (Arc::clone(caller), self.clone(), self.now());
        self.store
            .write(move |tx| {
                let known = repo::schedule(tx, &name)?.ok_or_else(|| not_found(&name))?;
                own.jobs.permit(&caller, &known.queue, &known.kind)?;
                let mut schedule = known.clone();
                own.run(tx, &mut schedule, now, Some(caller.id.to_string()))?;
                repo::put(tx, Some(&known), &schedule)?;
                let run = repo::runs(tx, &name, None, 1)?.pop().ok_or_else(|| not_found(&name))?;
                own.told(tx, run)
            })
            .await
    }

    /// What is noted of the runs of a schedule, the newest first, of those before a number.
    ///
    /// # Errors
    /// [`ScheduleError::Forbidden`] without `schedules:read`, [`ScheduleError::NotFound`].
    pub(super) fn runs(
        &self,
        caller: &Principal,
        name: &str,
        before: Option<u64>,
        max: usize,
    ) -> Result<Vec<Told>, ScheduleError> {
        self.read(caller, name)?;
        let snapshot = self.store.snapshot();
        let runs = repo::runs(&snapshot, name, before, max)?;
        runs.into_iter().map(|run| self.told(&snapshot, run)).collect()
    }

    fn told(&self, source: &impl crate::store::Read, run: Run) -> Result<Told, ScheduleError> {
        let state = run.job.map(|job| self.jobs.state_in(source, job)).transpose()?.flatten();
        Ok((run, state))
    }

    /// Makes the job of a run, unless the one before is in its way, and notes it.
    pub(super) fn run(
        &self,
        tx: &mut Tx<'_>,
        schedule: &mut Schedule,
        due_at: Timestamp,
        by: Option<String>,
    ) -> Result<(), StoreError> {
        let run =
            Run { number: 0, due_at, until: None, at: self.now(), outcome: Outcome::Made, job: None, by, error: None };
        let unfinished = self.unfinished(tx, schedule)?;
        if unfinished.is_some() && schedule.overlap == Overlap::Skip && run.by.is_none() {
            return repo::note(tx, schedule, Run { outcome: Outcome::Overlapped, job: unfinished, ..run });
        }
        let made = match unfinished.filter(|_| schedule.overlap == Overlap::Replace) {
            Some(before) => {
                self.jobs.cancel_in(tx, before).and_then(|()| self.jobs.enqueue(tx, &job_of(schedule, due_at)))
            }
            None => self.jobs.enqueue(tx, &job_of(schedule, due_at)),
        };
        match made {
            Ok(made) => {
                schedule.last_job = Some(made.id);
                repo::note(tx, schedule, Run { job: Some(made.id), ..run })
            }
            Err(QueueError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(schedule = schedule.name, %error, "no job could be made");
                repo::note(tx, schedule, Run { outcome: Outcome::Failed, error: Some(error.to_string()), ..run })
            }
        }
    }

    /// The job of the run before, if it has not ended.
    fn unfinished(&self, tx: &Tx<'_>, schedule: &Schedule) -> Result<Option<queue::JobId>, StoreError> {
        let Some(job) = schedule.last_job else { return Ok(None) };
        let state = self.jobs.state_in(tx, job)?;
        Ok(state.is_some_and(|state| !state.is_final()).then_some(job))
    }
}

fn job_of(schedule: &Schedule, due_at: Timestamp) -> NewJob {
    let Schedule { name, queue, kind, payload, priority, attempts_max, overlap, .. } = schedule;
    let by = schedule.told_by.as_ref().unwrap_or(&schedule.created_by);
    NewJob {
        priority: *priority,
        attempts_max: *attempts_max,
        serial: (*overlap == Overlap::Queue).then(|| format!("schedule/{name}")),
        scheduled: Some(Scheduled { schedule: name.clone(), at: due_at }),
        ..NewJob::new(queue, kind, payload.clone(), by)
    }
}

fn put(
    tx: &mut Tx<'_>,
    before: Option<&Schedule>,
    schedule: &Schedule,
    bell: Arc<Notify>,
) -> Result<(), ScheduleError> {
    if !queue::exists(tx, &schedule.queue)? {
        let error = QueueError::NoQueue(schedule.queue.clone());
        return Err(ScheduleError::Invalid(vec![FieldError::at("queue", "not_found", error)]));
    }
    tx.wake(bell);
    Ok(repo::put(tx, before, schedule)?)
}

fn permit(caller: &Principal, action: Action) -> Result<(), ScheduleError> {
    if caller.may("schedules", action) {
        return Ok(());
    }
    Err(ScheduleError::Forbidden(format!("schedules:{}", action.name())))
}

fn not_found(name: &str) -> ScheduleError {
    ScheduleError::NotFound(name.to_owned())
}
