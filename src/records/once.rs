//! Writes that run whole inside the transaction, once however often a client sends them.

use std::sync::Arc;

use super::{
    RecordError, RecordService,
    idempotency::{self, Answer, Idempotency},
    input,
    operation::{Operation, What, owned},
    service::{Caller, TRIES},
    write::{self, Context},
};
use crate::store::Tx;

/// What is done in the transaction.
type Work = dyn Fn(&mut Tx<'_>, Context<'_>) -> Result<Answer, RecordError> + Send + Sync;

impl RecordService {
    /// Makes a record, once for each key of a client.
    ///
    /// # Errors
    /// As [`RecordService::create`]; [`RecordError::KeyReused`] when another request had the key.
    pub async fn create_once(
        &self,
        caller: &Caller,
        collection: &str,
        body: &[u8],
        idempotency: Idempotency,
    ) -> Result<Answer, RecordError> {
        self.one(caller, collection, What::Create, body, Some(idempotency)).await
    }

    /// Changes the record that agrees with the body in the fields `by`, or makes it.
    ///
    /// # Errors
    /// As [`RecordService::create`] and [`RecordService::update`]; [`RecordError::Parameters`] when no unique index is over
    /// these fields.
    pub async fn upsert(
        &self,
        caller: &Caller,
        collection: &str,
        by: Vec<String>,
        body: &[u8],
        idempotency: Option<Idempotency>,
    ) -> Result<Answer, RecordError> {
        self.one(caller, collection, What::Upsert(by), body, idempotency).await
    }

    async fn one(
        &self,
        caller: &Caller,
        collection: &str,
        what: What,
        body: &[u8],
        idempotency: Option<Idempotency>,
    ) -> Result<Answer, RecordError> {
        let members = owned(input::members(body)?);
        let operation =
            Operation { what, collection: collection.to_owned(), id: String::new(), members, expected: None };
        let (ids, clock, by) = (Arc::clone(&self.ids), Arc::clone(&self.clock), caller.clone());
        let work = move |tx: &mut Tx<'_>, context: Context<'_>| {
            let fresh_id = || ids.next(clock.now()).to_string();
            let done = operation.run(tx, context, &by, &fresh_id)?;
            Ok(Answer { status: done.status, shown: done.shown })
        };
        self.once(caller, idempotency, Arc::new(work)).await
    }

    /// Does the work in one transaction and keeps the answer, unless it is there already.
    pub(super) async fn once(
        &self,
        caller: &Caller,
        idempotency: Option<Idempotency>,
        work: Arc<Work>,
    ) -> Result<Answer, RecordError> {
        for _ in 0..TRIES {
            let (_, catalog) = self.catalogs.current()?;
            let (now, who, actor) = (self.clock.now(), caller.who(), caller.principal.credential());
            let (idempotency, work, effects) = (idempotency.clone(), Arc::clone(&work), Arc::clone(&self.effects));
            let written = self.store.write(move |tx| {
                let context = Context { catalog: &catalog, who: &who, now, effects: &effects, triggers: true };
                write::check_epoch(tx, context.catalog)?;
                let Some(request) = idempotency else { return work(tx, context) };
                if let Some(answer) = idempotency::find(tx, &actor, &request, now)? {
                    return Ok(answer);
                }
                let answer = work(tx, context)?;
                idempotency::keep(tx, &actor, &request, &answer, now)?;
                Ok(answer)
            });
            match written.await {
                Err(RecordError::Moved) => {}
                other => return other,
            }
        }
        Err(RecordError::Moved)
    }
}
