//! The end of taking in an archive: the records that named others which were not there when they came.

use std::collections::{HashSet, VecDeque};

use super::{
    ArchiveImport, ImportMode, Rejected, TransferError,
    archive_import::{Stage, Work},
    intake::CHUNK_RECORDS,
    split::Piece,
    waiting::{Waiter, Way},
    write::Target,
};
use crate::{
    access::Action,
    collections::{Catalog, Check},
    records::{Caller, RecordError},
};

impl ArchiveImport {
    /// Does the next of what is left to be done.
    pub(super) async fn settle(&mut self, mut work: VecDeque<Work>) -> Result<(Stage, Vec<Rejected>), TransferError> {
        let Some(next) = work.pop_front() else { return Ok((Stage::End, Vec::new())) };
        let rejected = match next {
            Work::Write => self.write_waiting().await?,
            Work::WriteCircle => self.write_circle().await?,
            Work::Reject => self.waiting.take().into_iter().flat_map(|waiter| self.refuse(waiter)).collect(),
        };
        Ok((Stage::Settling(work), rejected))
    }

    fn refuse(&mut self, waiter: Waiter) -> Vec<Rejected> {
        self.count(&waiter.collection, 0, vec![waiter.rejected])
    }

    async fn write_waiting(&mut self) -> Result<Vec<Rejected>, TransferError> {
        let mut refused = Vec::new();
        let (_, catalog) = self.records.catalogs.current().map_err(RecordError::from)?;
        let waiters = self.waiting.take_in_order(&|collection, field| way(&catalog, &self.caller, collection, field));
        for chunk in chunks(&waiters, |waiter| &waiter.collection) {
            let Some(Waiter { collection, .. }) = chunk.first() else { continue };
            let pieces: Vec<_> = chunk.iter().map(|waiter| waiter.piece.clone()).collect();
            let (imported, rejected) = self.write(collection, &pieces, self.options.mode).await?;
            let rejected = self.waiting.keep(collection, &pieces, rejected);
            refused.extend(self.count(collection, imported, rejected));
        }
        Ok(refused)
    }

    /// Writes the records of a circle without what they may lack, and then gives it to them.
    async fn write_circle(&mut self) -> Result<Vec<Rejected>, TransferError> {
        let (_, catalog) = self.records.catalogs.current().map_err(RecordError::from)?;
        let circle = self.waiting.take_circle(&|collection, field| way(&catalog, &self.caller, collection, field));
        let (mut refused, mut halves) = (Vec::new(), Vec::with_capacity(circle.len()));
        for chunk in chunks(&circle, |loosened| &loosened.waiter.collection) {
            let Some(collection) = chunk.first().map(|first| &first.waiter.collection) else { continue };
            let pieces: Vec<_> = chunk.iter().map(|loosened| loosened.without.clone()).collect();
            let (_, rejected) = self.write(collection, &pieces, self.options.mode).await?;
            let failed: HashSet<u64> = rejected.iter().map(|rejected| rejected.line).collect();
            let written = || chunk.iter().filter(|loosened| !failed.contains(&loosened.waiter.piece.number));
            let whole = written().filter(|loosened| loosened.whole).count() as u64;
            halves.extend(written().filter(|loosened| !loosened.whole).map(|loosened| &loosened.waiter));
            refused.extend(self.count(collection, whole, rejected));
        }
        refused.extend(self.complete(&halves).await?);
        Ok(refused)
    }

    /// Gives records that were written what they lack.
    async fn complete(&mut self, halves: &[&Waiter]) -> Result<Vec<Rejected>, TransferError> {
        let mut refused = Vec::new();
        for chunk in chunks(halves, |waiter| &waiter.collection) {
            let Some(collection) = chunk.first().map(|waiter| &waiter.collection) else { continue };
            let pieces: Vec<_> = chunk.iter().map(|waiter| waiter.piece.clone()).collect();
            // In a dry run the first half was undone, and has shown what there was to see.
            let (imported, mut rejected) = match self.options.dry_run {
                true => (pieces.len() as u64, Vec::new()),
                false => self.write(collection, &pieces, ImportMode::Upsert).await?,
            };
            rejected.iter_mut().for_each(|rejected| rejected.reason.push_str("; the record was written without that"));
            refused.extend(self.count(collection, imported, rejected));
        }
        Ok(refused)
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

/// Runs of records of one collection, each at most as long as a commit may be.
fn chunks<T>(all: &[T], collection: impl Fn(&T) -> &str + Copy) -> impl Iterator<Item = &[T]> {
    all.chunk_by(move |a, b| collection(a) == collection(b)).flat_map(|own| own.chunks(CHUNK_RECORDS))
}

/// Where a field leads, and whether a record may be written without it: it must be changed afterwards.
fn way(catalog: &Catalog, caller: &Caller, collection: &str, field: &str) -> Option<Way> {
    let found = catalog.find(collection)?;
    let field = found.field(found.slot(field)?)?;
    let Check::Relation { collection: to, .. } = &field.check else { return None };
    let may_lack = !field.required && caller.principal.may(collection, Action::Update);
    Some(Way { to: to.clone(), may_lack })
}
