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
    waiting::{Loosened, Waiter, Waiting, Way},
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
        let mut left = waiters.as_slice();
        while let Some((chunk, rest)) = chunk(left, |waiter| (&waiter.collection, waiter.piece.text.len())) {
            let Some(Waiter { collection, .. }) = chunk.first() else { break };
            let pieces: Vec<_> = chunk.iter().map(|waiter| waiter.piece.clone()).collect();
            match self.write(collection, &pieces, self.options.mode).await {
                Ok((imported, rejected)) => {
                    let rejected = self.waiting.keep(collection, &pieces, rejected);
                    self.count(collection, imported, rejected);
                }
                Err(error) => {
                    left.iter().for_each(|waiter| self.waiting.push(waiter.clone()));
                    return Err(error);
                }
            }
            left = rest;
        }
        Ok(())
    }

    /// Writes the records of a circle without what they may lack, and then gives it to them.
    async fn write_circle(&mut self) -> Result<(), TransferError> {
        let circle = self.arranged(Waiting::take_circle).await?;
        let (mut left, mut halves) = (circle.as_slice(), Vec::with_capacity(circle.len()));
        let mut failed = None;
        while let Some((chunk, rest)) = chunk(left, |own| (&own.waiter.collection, own.without.text.len())) {
            let Some(collection) = chunk.first().map(|first| &first.waiter.collection) else { break };
            let pieces: Vec<_> = chunk.iter().map(|loosened| loosened.without.clone()).collect();
            let (_, rejected) = match self.write(collection, &pieces, self.options.mode).await {
                Ok(written) => written,
                Err(error) => {
                    left.iter().for_each(|loosened| self.waiting.push(loosened.waiter.clone()));
                    failed = Some(error);
                    break;
                }
            };
            let lines: HashSet<u64> = rejected.iter().map(|rejected| rejected.line).collect();
            let written = || chunk.iter().filter(|loosened| !lines.contains(&loosened.waiter.piece.number));
            let whole = written().filter(|loosened| loosened.whole).count() as u64;
            halves.extend(written().filter(|loosened| !loosened.whole));
            self.count(collection, whole, rejected);
            left = rest;
        }
        match failed {
            // What was written by half is told as that.
            Some(error) => {
                self.refuse_halves(&halves);
                Err(error)
            }
            None => self.complete(&halves).await,
        }
    }

    /// Gives records that were written what they lack.
    async fn complete(&mut self, halves: &[&Loosened]) -> Result<(), TransferError> {
        let mut left = halves;
        while let Some((chunk, rest)) = chunk(left, |own| (&own.waiter.collection, own.waiter.piece.text.len())) {
            let Some(collection) = chunk.first().map(|first| &first.waiter.collection) else { break };
            let pieces: Vec<_> = chunk.iter().map(|loosened| loosened.waiter.piece.clone()).collect();
            match self.write(collection, &pieces, ImportMode::Upsert).await {
                Ok((imported, rejected)) => {
                    self.count(collection, imported, rejected.into_iter().map(half).collect());
                }
                Err(error) => {
                    self.refuse_halves(left);
                    return Err(error);
                }
            }
            left = rest;
        }
        Ok(())
    }

    fn refuse_halves(&mut self, halves: &[&Loosened]) {
        for Loosened { waiter, .. } in halves {
            self.count(&waiter.collection, 0, vec![half(waiter.rejected.clone())]);
        }
    }

    /// What `arrange` takes of those that wait, for which it reads all of them: on a thread where that may take long.
    async fn arranged<T: Send + 'static>(
        &mut self,
        arrange: fn(&mut Waiting, super::waiting::Ways<'_>) -> Vec<T>,
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

/// The first records that go with one commit, of one collection, and the rest; `None` when there is none.
fn chunk<T>(all: &[T], of: impl Fn(&T) -> (&str, usize)) -> Option<(&[T], &[T])> {
    let (collection, _) = of(all.first()?);
    let mut bytes = 0;
    let mut fits = |item: &&T| {
        let (own, length) = of(item);
        let fits = own == collection && bytes < CHUNK_BYTES;
        bytes += length;
        fits
    };
    let count = all.iter().take(CHUNK_RECORDS).take_while(&mut fits).count();
    Some(all.split_at(count))
}

/// Where a field leads, and whether a record may be written without it: it must be changed afterwards.
fn way(catalog: &Catalog, caller: &Caller, collection: &str, field: &str) -> Option<Way> {
    let found = catalog.find(collection)?;
    let field = found.field(found.slot(field)?)?;
    let Check::Relation { collection: to, .. } = &field.check else { return None };
    let may_lack = !field.required && caller.principal.may(collection, Action::Update);
    Some(Way { to: to.clone(), may_lack })
}
