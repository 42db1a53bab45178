//! The end of taking in an archive: the records that named others which were not there when they came.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use super::{
    ArchiveImport, ImportMode, Rejected, TransferError,
    archive_import::{Stage, Work},
    intake::{CHUNK_BYTES, CHUNK_RECORDS},
    split::Piece,
    waiting::{Waiter, Waiting, Way, Ways},
    write::Target,
};
use crate::{
    access::Action,
    collections::{Catalog, Check},
    records::{Caller, RecordError},
};

impl ArchiveImport {
    /// Does the next of what is left to be done.
    pub(super) async fn settle(&mut self, mut work: VecDeque<Work>) -> Result<Stage, TransferError> {
        match work.pop_front() {
            None => return Ok(Stage::End),
            Some(Work::Write) => self.write_waiting().await?,
            Some(Work::WriteCircle) => self.write_circle().await?,
            Some(Work::Reject) => self.refuse_waiting(),
        }
        Ok(Stage::Settling(work))
    }

    /// Rejects all that wait: what they name has not come.
    pub(super) fn refuse_waiting(&mut self) {
        for Waiter { collection, rejected, .. } in self.waiting.take() {
            self.count(&collection, 0, vec![rejected]);
        }
    }

    async fn write_waiting(&mut self) -> Result<(), TransferError> {
        let waiters = self.arranged(Waiting::take_in_order).await?;
        let mut chunks = chunks(waiters, |waiter| (&waiter.collection, waiter.piece.text.len()));
        while let Some((collection, chunk)) = chunks.pop_front() {
            let pieces: Vec<_> = chunk.iter().map(|waiter| waiter.piece.clone()).collect();
            match self.write(&collection, &pieces, self.options.mode).await {
                Ok((imported, rejected)) => {
                    let rejected = self.waiting.keep(&collection, &pieces, rejected);
                    self.count(&collection, imported, rejected);
                }
                Err(error) => {
                    let left = chunks.into_iter().flat_map(|(_, chunk)| chunk);
                    chunk.into_iter().chain(left).for_each(|waiter| self.waiting.push(waiter));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Writes the records of a circle without what they may lack, and then gives it to them.
    async fn write_circle(&mut self) -> Result<(), TransferError> {
        let circle = self.arranged(Waiting::take_circle).await?;
        let mut chunks = chunks(circle, |own| (&own.waiter.collection, own.without.text.len()));
        let mut halves = Vec::new();
        while let Some((collection, chunk)) = chunks.pop_front() {
            let pieces: Vec<_> = chunk.iter().map(|loosened| loosened.without.clone()).collect();
            let rejected = match self.write(&collection, &pieces, self.options.mode).await {
                Ok((_, rejected)) => rejected,
                Err(error) => {
                    let left = chunks.into_iter().flat_map(|(_, chunk)| chunk);
                    chunk.into_iter().chain(left).for_each(|loosened| self.waiting.push(loosened.waiter));
                    self.refuse_halves(halves);
                    return Err(error);
                }
            };
            let failed: HashSet<u64> = rejected.iter().map(|rejected| rejected.line).collect();
            let written = chunk.into_iter().filter(|loosened| !failed.contains(&loosened.waiter.piece.number));
            let (whole, lacking): (Vec<_>, Vec<_>) = written.partition(|loosened| loosened.whole);
            halves.extend(lacking.into_iter().map(|loosened| loosened.waiter));
            self.count(&collection, whole.len() as u64, rejected);
        }
        self.complete(halves).await
    }

    /// Gives records that were written what they lack.
    async fn complete(&mut self, halves: Vec<Waiter>) -> Result<(), TransferError> {
        let mut chunks = chunks(halves, |waiter| (&waiter.collection, waiter.piece.text.len()));
        while let Some((collection, chunk)) = chunks.pop_front() {
            let pieces: Vec<_> = chunk.iter().map(|waiter| waiter.piece.clone()).collect();
            match self.write(&collection, &pieces, ImportMode::Upsert).await {
                Ok((imported, rejected)) => {
                    self.count(&collection, imported, rejected.into_iter().map(half).collect());
                }
                Err(error) => {
                    self.refuse_halves(chunk);
                    chunks.into_iter().for_each(|(_, chunk)| self.refuse_halves(chunk));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Tells of records that were written by half.
    fn refuse_halves(&mut self, halves: Vec<Waiter>) {
        for Waiter { collection, rejected, .. } in halves {
            self.count(&collection, 0, vec![half(rejected)]);
        }
    }

    /// What `arrange` takes of those that wait, for which it reads all of them: on a thread where that may take long.
    async fn arranged<T: Send + 'static>(
        &mut self,
        arrange: fn(&mut Waiting, Ways<'_>) -> Vec<T>,
    ) -> Result<Vec<T>, TransferError> {
        let (_, catalog) = self.records.catalogs.current().map_err(RecordError::from)?;
        let (caller, mut waiting) = (self.caller.clone(), std::mem::take(&mut self.waiting));
        let catalog = Arc::clone(&catalog);
        let arranged = self.records.store.scan(move |_| {
            let taken = arrange(&mut waiting, &|collection, field| way(&catalog, &caller, collection, field));
            Ok::<_, RecordError>((waiting, taken))
        });
        let (waiting, taken) = arranged.await?;
        self.waiting = waiting;
        Ok(taken)
    }

    async fn write(
        &mut self,
        collection: &str,
        pieces: &[Piece],
        mode: ImportMode,
    ) -> Result<(u64, Vec<Rejected>), TransferError> {
        let (caller, options) = (&self.caller, &self.import_options(mode));
        let target = Target { caller, collection, options, seen: self.seen.as_ref(), begun: true };
        let written = self.records.write_chunk(&target, pieces).await?;
        Ok((written.imported, written.rejected))
    }
}

/// A record that was written, but not whole.
fn half(mut rejected: Rejected) -> Rejected {
    rejected.reason.push_str("; the record was written without that");
    rejected
}

/// Records in their order, as many together as go with one commit, which are those of one collection.
fn chunks<T>(all: Vec<T>, of: impl Fn(&T) -> (&str, usize)) -> VecDeque<(String, Vec<T>)> {
    let (mut chunks, mut bytes) = (VecDeque::<(String, Vec<T>)>::new(), 0);
    for item in all {
        let (collection, length) = of(&item);
        let fits = |(own, chunk): &(String, Vec<T>)| own == collection && chunk.len() < CHUNK_RECORDS;
        if bytes >= CHUNK_BYTES || !chunks.back().is_some_and(fits) {
            chunks.push_back((collection.to_owned(), Vec::new()));
            bytes = 0;
        }
        bytes += length;
        if let Some((_, chunk)) = chunks.back_mut() {
            chunk.push(item);
        }
    }
    chunks
}

/// Where a field leads, and whether a record may be written without it: it must be changed afterwards.
fn way(catalog: &Catalog, caller: &Caller, collection: &str, field: &str) -> Option<Way> {
    let found = catalog.find(collection)?;
    let field = found.field(found.slot(field)?)?;
    let Check::Relation { collection: to, .. } = &field.check else { return None };
    let may_lack = !field.required && caller.principal.may(collection, Action::Update);
    Some(Way { to: to.clone(), may_lack })
}
