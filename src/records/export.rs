//! Giving out a whole collection as a stream of JSON lines: one consistent state, a chunk at a time.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, stream};
use jiff::Timestamp;

use super::{
    RecordError, RecordService,
    authorize::{Opening, open},
    related::Reach,
    service::{Caller, find},
    show::{Light, Shape, show},
    sight::CallerSight,
    view::View,
};
use crate::{
    access::Action,
    collections::{Catalog, Collection, Slots, layout},
    expr::Expr,
    store::{Snapshot, Store},
};

/// About how many bytes a chunk has.
const CHUNK_BYTES: usize = 256 << 10;

struct Export {
    store: Store,
    snapshot: Snapshot,
    catalog: Arc<Catalog>,
    collection: Arc<Collection>,
    shape: Shape,
    filter: Expr,
    now: Timestamp,
}

impl RecordService {
    /// Every record that the caller may list and that matches `filter` (empty: all), by id, as JSON lines.
    ///
    /// # Errors
    /// [`RecordError`] when the export cannot begin; a later fault ends the stream with it.
    pub fn export(
        &self,
        caller: &Caller,
        collection: &str,
        filter: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, RecordError>> + Send + use<>, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let collection = Arc::clone(find(&catalog, collection)?);
        let now = self.clock.now();
        let opening = open(caller, &collection, Action::List, |rules| &rules.list, now)?;
        let asking = self.asking(caller, &catalog, &collection, now);
        let filter = asking.bound(&asking.filter(filter)?);
        let shape = Shape::whole(CallerSight { caller, now }.mask(&collection));
        let filter = match opening {
            Opening::All => filter,
            Opening::Matching(rule) => Expr::all([rule, filter]),
        };
        let export = Arc::new(Export { store: self.store.clone(), snapshot, catalog, collection, shape, filter, now });
        Ok(stream::try_unfold(Some(String::new()), move |from| {
            let export = Arc::clone(&export);
            async move {
                let Some(from) = from else { return Ok(None) };
                let store = export.store.clone();
                let (chunk, next) = store.scan(move |_| export.chunk(&from)).await?;
                Ok((!chunk.is_empty() || next.is_some()).then_some((Bytes::from(chunk), next)))
            }
        }))
    }
}

impl Export {
    /// The lines after the record `from`, and the last id when there may be more.
    fn chunk(&self, from: &str) -> Result<(Vec<u8>, Option<String>), RecordError> {
        let mut out = Vec::with_capacity(CHUNK_BYTES + 4096);
        let mut next = None;
        let related = Reach::new(&self.snapshot, &self.catalog);
        let light = Light { related: &related, now: self.now };
        layout::scan_records::<RecordError>(&self.snapshot, self.collection.number(), from, &mut |id, record| {
            if id == from {
                return Ok(ControlFlow::Continue(()));
            }
            if self.filter != Expr::Constant(true) {
                let slots = Slots::read(&self.collection, record)?;
                if !View::of(&self.collection, &slots, &related, self.now).satisfies(&self.filter)? {
                    return Ok(ControlFlow::Continue(()));
                }
            }
            out.extend_from_slice(&show(&self.collection, record.to_vec(), &self.shape, light)?);
            out.push(b'\n');
            if out.len() < CHUNK_BYTES {
                return Ok(ControlFlow::Continue(()));
            }
            next = Some(id.to_owned());
            Ok(ControlFlow::Break(()))
        })?;
        Ok((out, next))
    }
}
