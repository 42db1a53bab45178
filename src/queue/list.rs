//! Looking at queues and jobs.

use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{
    error::QueueError,
    keys,
    model::{Attempt, Job, JobId, JobState, Queue, Status},
    repo::{self, ATTEMPTS, DONE, DUE, JOBS, LEASED, LINES, READY},
    service::Jobs,
};
use crate::store::{Read, Scan, Snapshot, StoreError, ValueCodec as _};

/// The most jobs that one page looks at.
const EXAMINED_MAX: usize = 20_000;

/// Which jobs are asked for.
#[derive(Clone, Debug, Default)]
pub struct JobQuery {
    /// Of this queue.
    pub queue: Option<String>,
    /// In this state.
    pub state: Option<JobState>,
    /// Of this kind.
    pub kind: Option<String>,
    /// With this unique key.
    pub unique_key: Option<String>,
    /// With this serial key.
    pub serial_key: Option<String>,
    /// Whose error holds this text.
    pub error: Option<String>,
    /// Made at this time or later.
    pub created_from: Option<Timestamp>,
    /// Made before this time.
    pub created_to: Option<Timestamp>,
    /// Behind the job to which this leads.
    pub cursor: Option<Vec<u8>>,
    /// The most jobs.
    pub limit: usize,
}

/// A job with all that is known of it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The id.
    pub id: JobId,
    /// The name of the queue; empty when it is gone.
    pub queue: String,
    /// What is to be done.
    pub job: Job,
    /// How far it is.
    pub status: Status,
    /// The state at the time of the question.
    pub state: JobState,
    /// How often it is tried.
    pub attempts_max: u32,
}

/// Jobs, and where to go on.
#[derive(Clone, Debug, Default)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Listed>,
    /// Where to go on, when there may be more.
    pub cursor: Option<Vec<u8>>,
}

/// A queue with the numbers of its jobs.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The queue.
    pub queue: Queue,
    /// How many jobs are in each state.
    pub counts: Vec<(JobState, u64)>,
    /// When the job was made that is ready and would be the next.
    pub next_created_at: Option<Timestamp>,
}

impl Jobs {
    /// All queues with the numbers of their jobs, by name.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    pub fn queues(&self) -> Result<Vec<Counted>, QueueError> {
        let snapshot = self.store.snapshot();
        let mut queues = repo::queues(&snapshot)?;
        queues.sort_by(|one, other| one.name.cmp(&other.name));
        queues.into_iter().map(|queue| self.counted(&snapshot, queue)).collect()
    }

    /// A queue with the numbers of its jobs.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`].
    pub fn counted_queue(&self, name: &str) -> Result<Counted, QueueError> {
        self.counted(&self.store.snapshot(), self.queue(name)?)
    }

    fn counted(&self, snapshot: &Snapshot, queue: Queue) -> Result<Counted, QueueError> {
        let of = |state| Ok((state, repo::count(snapshot, queue.number, state)?));
        let counts = JobState::ALL.into_iter().map(of).collect::<Result<_, StoreError>>()?;
        let mut next_created_at = None;
        for built_in in [true, false] {
            let (from, to) = keys::range(keys::ready_prefix(queue.number, built_in));
            for id in repo::first_ids(snapshot, READY.name(), (&from, &to), 1)? {
                let made = repo::job(snapshot, id)?.map(|job| job.created_at);
                next_created_at = [next_created_at, made].into_iter().flatten().min();
            }
        }
        Ok(Counted { queue, counts, next_created_at })
    }

    /// A job with all that is known of it.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub fn listed(&self, id: JobId) -> Result<Listed, QueueError> {
        let snapshot = self.store.snapshot();
        let names = Names::read(&snapshot)?;
        self.show(&snapshot, &names, id)?.ok_or(QueueError::NotFound)
    }

    fn show(&self, snapshot: &Snapshot, names: &Names, id: JobId) -> Result<Option<Listed>, StoreError> {
        let Some(job) = repo::job(snapshot, id)? else { return Ok(None) };
        let status = repo::status(snapshot, id, &job)?;
        let state = status.state_at(self.clock.now());
        let queue = names.0.iter().find(|queue| queue.number == job.queue);
        let default = queue.map_or(0, |queue| queue.policy.attempts_max);
        let attempts_max = job.attempts_max.unwrap_or(default);
        let queue = queue.map_or_else(String::new, |queue| queue.name.clone());
        Ok(Some(Listed { id, queue, job, status, state, attempts_max }))
    }

    /// The attempts of a job that did not succeed, the oldest first.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    pub fn attempts(&self, id: JobId) -> Result<Vec<Attempt>, QueueError> {
        let mut attempts = Vec::new();
        numbered(&self.store.snapshot(), ATTEMPTS.name(), id, &mut |bytes| {
            attempts.push(crate::store::Json::<Attempt>::decode(bytes)?.0);
            Ok(())
        })?;
        Ok(attempts)
    }

    /// The lines that a job has logged, the oldest first: `{at, text}`.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    pub fn lines(&self, id: JobId) -> Result<Vec<Box<RawValue>>, QueueError> {
        let mut lines = Vec::new();
        numbered(&self.store.snapshot(), LINES.name(), id, &mut |bytes| {
            lines.push(serde_json::from_slice(bytes).map_err(StoreError::corrupt)?);
            Ok(())
        })?;
        Ok(lines)
    }

    /// Jobs, of a state of a queue in the order of that state (what is next, or what was last, comes first), others the newest first.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`].
    pub async fn list(&self, query: JobQuery) -> Result<JobPage, QueueError> {
        let own = self.clone();
        self.store.scan(move |snapshot| own.page(snapshot, &query)).await
    }

    fn page(&self, snapshot: &Snapshot, query: &JobQuery) -> Result<JobPage, QueueError> {
        let names = Names::read(snapshot)?;
        let queue = query.queue.as_ref().map(|name| names.number(name)).transpose()?;
        let ranges = ranges(queue, query.state, self.clock.now());
        let (mut page, mut examined) = (JobPage::default(), 0);
        let (mut at, mut from_key) = (0, None);
        if let Some((number, key)) = query.cursor.as_ref().and_then(|cursor| cursor.split_first()) {
            (at, from_key) = (usize::from(*number), Some(key.to_vec()));
        }
        for (number, Range { table, from, to, scan }) in ranges.into_iter().enumerate().skip(at) {
            let (from, to) = match from_key.take() {
                Some(key) if scan == Scan::Forward => ([&key[..], &[0]].concat(), to),
                Some(key) => (from, key),
                None => (from, to),
            };
            snapshot.scan::<QueueError>(table, &from, &to, scan, &mut |key, _| {
                examined += 1;
                let listed = self.show(snapshot, &names, keys::id_at_end(key)?)?;
                page.jobs.extend(listed.filter(|listed| query.takes(queue, listed)));
                if page.jobs.len() < query.limit && examined < EXAMINED_MAX {
                    return Ok(ControlFlow::Continue(()));
                }
                let number = u8::try_from(number).unwrap_or(u8::MAX);
                page.cursor = Some([&[number], key].concat());
                Ok(ControlFlow::Break(()))
            })?;
            if page.cursor.is_some() {
                break;
            }
        }
        Ok(page)
    }
}

impl JobQuery {
    fn takes(&self, queue: Option<u32>, listed: &Listed) -> bool {
        let Listed { job, status, state, .. } = listed;
        let is = |wanted: &Option<String>, own: Option<&str>| wanted.as_ref().is_none_or(|wanted| own == Some(wanted));
        queue.is_none_or(|queue| queue == job.queue)
            && self.state.is_none_or(|wanted| wanted == *state)
            && is(&self.kind, Some(&job.kind))
            && is(&self.unique_key, job.unique_key.as_deref())
            && is(&self.serial_key, job.serial_key.as_deref())
            && self.error.as_ref().is_none_or(|text| status.error.as_ref().is_some_and(|error| error.contains(text)))
            && self.created_from.is_none_or(|from| job.created_at >= from)
            && self.created_to.is_none_or(|to| job.created_at < to)
    }
}

/// The queues of a moment.
struct Names(Vec<Queue>);

impl Names {
    fn read(source: &impl Read) -> Result<Self, StoreError> {
        repo::queues(source).map(Self)
    }

    fn number(&self, name: &str) -> Result<u32, QueueError> {
        let found = self.0.iter().find(|queue| queue.name == name);
        found.map(|queue| queue.number).ok_or_else(|| QueueError::NoQueue(name.to_owned()))
    }
}

/// Keys in which jobs are found.
struct Range {
    table: &'static str,
    from: Vec<u8>,
    to: Vec<u8>,
    scan: Scan,
}

/// Where jobs of a queue and a state are found.
fn ranges(queue: Option<u32>, state: Option<JobState>, now: Timestamp) -> Vec<Range> {
    let whole = |table, scan| vec![Range { table, from: Vec::new(), to: Vec::new(), scan }];
    match (state, queue) {
        (Some(JobState::Ready), Some(queue)) => {
            let of = |built_in| {
                let (from, to) = keys::range(keys::ready_prefix(queue, built_in));
                Range { table: READY.name(), from, to, scan: Scan::Forward }
            };
            // A job whose time has come just now is ready, too.
            let (from, to) = (Vec::new(), keys::timed_until(now));
            let due = Range { table: DUE.name(), from, to, scan: Scan::Forward };
            vec![of(true), of(false), due]
        }
        (Some(state), Some(queue)) if state.is_final() => {
            let (from, to) = keys::range(keys::done_prefix(queue, state));
            vec![Range { table: DONE.name(), from, to, scan: Scan::Backward }]
        }
        (Some(JobState::Scheduled | JobState::Failed), _) => whole(DUE.name(), Scan::Forward),
        (Some(JobState::Running), _) => whole(LEASED.name(), Scan::Forward),
        _ => whole(JOBS.name(), Scan::Backward),
    }
}

fn numbered(
    snapshot: &Snapshot,
    table: &'static str,
    id: JobId,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (from, to) = keys::range(id.0.as_bytes().to_vec());
    snapshot.scan::<StoreError>(table, &from, &to, Scan::Forward, &mut |_, bytes| {
        visit(bytes)?;
        Ok(ControlFlow::Continue(()))
    })
}
