//! Giving out a whole collection as a stream: one consistent state, a chunk whenever the last one was taken.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, stream};
use jiff::Timestamp;

use super::{
    Format,
    csv::{self, Column},
    parameters::Parameters,
};
use crate::{
    access::Action,
    collections::{Catalog, Check, Collection, Slot, Slots, catalog::SYSTEM_FIELDS, layout},
    expr::Expr,
    records::{
        Caller, RecordError, RecordService,
        authorize::{Opening, open},
        related::Reach,
        service::find,
        show::{Budget, Light, Shape, show},
        sight::CallerSight,
        view::View,
    },
    store::{Snapshot, Store},
};

/// About how many bytes a chunk has.
const CHUNK_BYTES: usize = 256 << 10;
/// How many records are looked at for a chunk, so that a filter that few match does not hold a thread for long.
const CHUNK_RECORDS: usize = 20_000;

/// What an export gives out.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) store: Store,
    pub(super) snapshot: Snapshot,
    pub(super) catalog: Arc<Catalog>,
    pub(super) collection: Arc<Collection>,
    pub(super) shape: Shape,
    pub(super) filter: Expr,
    pub(super) format: Format,
    pub(super) now: Timestamp,
}

/// What is done with each record, given its id and its text as the caller sees it.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&str, Option<Vec<u8>>) -> ControlFlow<()>;

/// How far an export is.
#[derive(Debug)]
pub(super) enum Progress {
    Start,
    /// Behind the record with this id.
    After(String),
    End,
}

impl RecordService {
    /// Every record that the caller may list and that the parameters ask for, by id, in `accepted` or the format of the
    /// parameters. Answers the format, too.
    ///
    /// # Errors
    /// [`RecordError`] when the export cannot begin; a later fault ends the stream with it.
    pub fn export(
        &self,
        caller: &Caller,
        collection: &str,
        parameters: &[(String, String)],
        accepted: Format,
    ) -> Result<(Format, impl Stream<Item = Result<Bytes, RecordError>> + Send + use<>), RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let collection = Arc::clone(find(&catalog, collection)?);
        let now = self.clock.now();
        let opening = open(caller, &collection, Action::List, |rules| &rules.list, now)?;
        let mut parameters = Parameters::read(parameters, &["filter", "fields", "format"]);
        let format = parameters.format().unwrap_or(accepted);
        let asking = self.asking(caller, &catalog, &collection, now);
        let shape = asking.shaped(parameters.take("fields"), None, &mut parameters.errors);
        let filter = parameters.take("filter").unwrap_or_default();
        parameters.check()?;
        let filter = narrow(opening, asking.bound(&asking.filter(filter)?));
        let store = self.store.clone();
        Ok((format, Export { store, snapshot, catalog, collection, shape, filter, format, now }.stream()))
    }
}

/// The condition on records that the caller may list and asks for.
fn narrow(opening: Opening, filter: Expr) -> Expr {
    match opening {
        Opening::All => filter,
        Opening::Matching(rule) => Expr::all([rule, filter]),
    }
}

impl Export {
    /// All records of a collection that the caller may list, as JSON lines.
    pub(super) fn whole(
        store: &Store,
        snapshot: &Snapshot,
        catalog: &Arc<Catalog>,
        collection: &Arc<Collection>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Self, RecordError> {
        let opening = open(caller, collection, Action::List, |rules| &rules.list, now)?;
        Ok(Self {
            store: store.clone(),
            snapshot: snapshot.clone(),
            catalog: Arc::clone(catalog),
            collection: Arc::clone(collection),
            shape: Shape::whole(CallerSight { caller, now }.mask(collection)),
            filter: narrow(opening, Expr::Constant(true)),
            format: Format::Jsonl,
            now,
        })
    }

    pub(super) fn stream(self) -> impl Stream<Item = Result<Bytes, RecordError>> + Send + use<> {
        let export = Arc::new(self);
        stream::try_unfold(Progress::Start, move |mut progress| {
            let export = Arc::clone(&export);
            async move {
                while !matches!(progress, Progress::End) {
                    let chunk;
                    (chunk, progress) = Arc::clone(&export).chunk(progress).await?;
                    if !chunk.is_empty() {
                        return Ok(Some((Bytes::from(chunk), progress)));
                    }
                }
                Ok(None)
            }
        })
    }

    /// What comes next, and how far the export is then.
    pub(super) async fn chunk(self: Arc<Self>, progress: Progress) -> Result<(Vec<u8>, Progress), RecordError> {
        let store = self.store.clone();
        store.scan(move |_| self.write(&progress)).await
    }

    fn write(&self, progress: &Progress) -> Result<(Vec<u8>, Progress), RecordError> {
        let mut out = Vec::with_capacity(CHUNK_BYTES + 4096);
        let columns = if self.format == Format::Csv { self.columns() } else { Vec::new() };
        let mut first = matches!(progress, Progress::Start);
        let from = match progress {
            Progress::After(id) => id,
            Progress::Start | Progress::End => "",
        };
        match self.format {
            Format::Json if first => out.push(b'['),
            Format::Csv if first => csv::write_header(&columns, &mut out),
            _ => {}
        }
        let (mut next, mut visited) = (Progress::End, 0);
        self.scan(from, &mut |id, record| {
            visited += 1;
            let Some(record) = record else { return go_on(visited < CHUNK_RECORDS, id, &mut next) };
            match self.format {
                Format::Jsonl => {
                    out.extend_from_slice(&record);
                    out.push(b'\n');
                }
                Format::Json => {
                    out.extend_from_slice(if std::mem::take(&mut first) { b"\n" } else { b",\n" });
                    out.extend_from_slice(&record);
                }
                Format::Csv => csv::write_record(&columns, &record, &mut out),
            }
            go_on(out.len() < CHUNK_BYTES && visited < CHUNK_RECORDS, id, &mut next)
        })?;
        if matches!(next, Progress::End) && self.format == Format::Json {
            out.extend_from_slice(b"\n]\n");
        }
        Ok((out, next))
    }

    /// Visits the records behind `from`, as the caller sees them; nothing in the place of those that are not asked for.
    pub(super) fn scan(&self, from: &str, visit: Visit<'_>) -> Result<(), RecordError> {
        let related = Reach::new(&self.snapshot, &self.catalog);
        let light = Light { related: &related, budget: &Budget::default(), now: self.now };
        layout::scan_records::<RecordError>(&self.snapshot, self.collection.number(), from, &mut |id, record| {
            if id == from {
                return Ok(ControlFlow::Continue(()));
            }
            if self.filter != Expr::Constant(true) {
                let slots = Slots::read(&self.collection, record)?;
                if !View::of(&self.collection, &slots, &related, self.now).satisfies(&self.filter)? {
                    return Ok(visit(id, None));
                }
            }
            Ok(visit(id, Some(show(&self.collection, record.to_vec(), &self.shape, light)?)))
        })
    }

    /// The fields that the caller sees in some record, in the order in which records show them.
    fn columns(&self) -> Vec<Column> {
        let veiled = |slot: Slot| {
            let mut veiled = self.shape.mask.veiled.iter();
            veiled.any(|(own, condition)| *own == slot && *condition == Expr::Constant(false))
        };
        let wanted = |slot: Slot| self.shape.fields.as_ref().is_none_or(|fields| fields.contains(&slot));
        let slots =
            (0..SYSTEM_FIELDS.len() + self.collection.fields.len()).filter(|slot| wanted(*slot) && !veiled(*slot));
        let json = |slot| self.collection.field(slot).is_some_and(|field| matches!(field.check, Check::Json(_)));
        slots.map(|slot| Column { name: self.collection.slot_name(slot).to_owned(), json: json(slot) }).collect()
    }
}

/// Goes on, or ends the chunk behind this record.
fn go_on(on: bool, id: &str, next: &mut Progress) -> ControlFlow<()> {
    if on {
        return ControlFlow::Continue(());
    }
    *next = Progress::After(id.to_owned());
    ControlFlow::Break(())
}
