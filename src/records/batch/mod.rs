//! Many changes of many collections, and jobs that belong to them, in one transaction: all of them, or none.

mod faults;
mod parse;
mod references;
mod run;

use std::sync::Arc;

use super::{
    RecordError, RecordService,
    idempotency::{Answer, Idempotency},
    input::Members,
    operation::{Done, Operation},
    service::{Caller, Shown},
    write::Context,
};
use crate::{
    queue::{Enqueued, Making},
    store::Tx,
};

/// The most operations of a batch.
pub const OPERATIONS_MAX: usize = 1_000;

/// An operation of a batch: it may name what it makes, and refer to what earlier ones made.
#[derive(Debug)]
struct Step {
    deed: Deed,
    /// The name of its record or job.
    name: Option<String>,
    /// The name in the place of its id.
    id_of: Option<String>,
}

/// What an operation does.
#[derive(Debug)]
enum Deed {
    /// It changes a record.
    Record(Operation),
    /// It makes a job.
    Enqueue(Members<'static>),
}

/// What came of an operation.
#[derive(Debug)]
enum Outcome {
    Record(Done),
    Job(Enqueued),
}

impl RecordService {
    /// Carries out a batch. The answer has the results by index.
    ///
    /// # Errors
    /// [`RecordError::Batch`] with the faults of every operation that failed; nothing is written then.
    pub async fn batch(
        &self,
        caller: &Caller,
        body: &[u8],
        idempotency: Option<Idempotency>,
    ) -> Result<Answer, RecordError> {
        let steps = parse::parse(body)?;
        let (ids, clock, by, jobs) =
            (Arc::clone(&self.ids), Arc::clone(&self.clock), caller.clone(), self.effects.jobs.clone());
        let work = move |tx: &mut Tx<'_>, context: Context<'_>| {
            let fresh_id = || ids.next(clock.now()).to_string();
            let results = run::Run { context, caller: &by, fresh_id: &fresh_id, jobs: &jobs }.run(&steps, tx)?;
            Ok(Answer { status: 200, shown: Shown { id: String::new(), version: 0, json: json(&results) } })
        };
        self.once(caller, idempotency, Arc::new(work)).await
    }
}

fn json(results: &[Outcome]) -> Vec<u8> {
    let shown = |outcome: &Outcome| if let Outcome::Record(done) = outcome { done.shown.json.len() } else { 0 };
    let mut out = Vec::with_capacity(64 + results.iter().map(|outcome| shown(outcome) + 96).sum::<usize>());
    out.extend_from_slice(b"{\"results\":[");
    for (index, outcome) in results.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // An id has no character that JSON escapes.
        match outcome {
            Outcome::Record(Done { status, shown }) => {
                out.extend_from_slice(format!("{{\"status\":{status},\"id\":\"{}\"", shown.id).as_bytes());
                if !shown.json.is_empty() {
                    out.extend_from_slice(format!(",\"version\":{},\"record\":", shown.version).as_bytes());
                    out.extend_from_slice(&shown.json);
                }
            }
            Outcome::Job(Enqueued { id, outcome }) => {
                let status = if *outcome == Making::Created { 201 } else { 200 };
                let outcome = outcome.name();
                let text = format!("{{\"status\":{status},\"id\":\"{id}\",\"outcome\":\"{outcome}\"");
                out.extend_from_slice(text.as_bytes());
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}
