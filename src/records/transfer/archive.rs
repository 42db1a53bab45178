//! Several collections in one tar archive, all of one state: first for each a `<collection>.json` with its definition, as
//! far as the caller may read it, then a `<collection>.jsonl` with the records that the caller may list.
//!
//! Collections come after those that their relations lead to, as far as there is such an order. An entry of an archive
//! says its size before its content, so records are gone through twice: the state does not change in between.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use jiff::Timestamp;

use super::{
    export::{Export, Progress},
    order::after_targets,
    parameters::Parameters,
};
use crate::{
    access::Action,
    collections::{Catalog, Check, Collection, Field, sync::as_input, system::COLLECTIONS},
    records::{Caller, RecordError, RecordService, service::find},
    store::StoreError,
};

/// The size of a block: what an archive is made of.
const BLOCK: usize = 512;

/// One file of an archive.
enum Entry {
    Definition { name: String, json: Vec<u8> },
    Records(Arc<Export>),
}

/// An archive of which some may have been given out.
struct Archive {
    entries: VecDeque<Entry>,
    open: Option<Open>,
    ended: bool,
    now: Timestamp,
}

/// Records that are being given out.
struct Open {
    export: Arc<Export>,
    progress: Progress,
    size: u64,
    given: u64,
}

impl RecordService {
    /// The collections that `collections` names, or all that the caller may list, as a tar archive.
    ///
    /// # Errors
    /// [`RecordError`] when a collection is named that is not there or that the caller may not list; a later fault ends
    /// the stream with it.
    pub fn archive(
        &self,
        caller: &Caller,
        parameters: &[(String, String)],
    ) -> Result<impl Stream<Item = Result<Bytes, RecordError>> + Send + use<>, RecordError> {
        let mut parameters = Parameters::read(parameters, &["collections"]);
        let wanted = parameters.collections();
        parameters.check()?;
        let (snapshot, catalog) = self.catalogs.current()?;
        let now = self.clock.now();
        let chosen = match &wanted {
            None => catalog.sorted(),
            Some(names) => names.iter().map(|name| find(&catalog, name)).collect::<Result<_, _>>()?,
        };
        let (mut definitions, mut records) = (VecDeque::new(), VecDeque::new());
        for collection in in_order(&catalog, &chosen) {
            let export = match Export::whole(&self.store, &snapshot, &catalog, collection, caller, now) {
                Err(RecordError::Forbidden(_)) if wanted.is_none() => continue,
                export => export?,
            };
            definitions.push_back(collection);
            records.push_back(Entry::Records(Arc::new(export)));
        }
        // Views have no records of their own.
        definitions.extend(wanted.is_none().then(|| catalog.views()).into_iter().flatten());
        let defines = caller.principal.may(COLLECTIONS, Action::Read);
        let defined = definitions.into_iter().filter_map(|own| catalog.defined(&own.def.name).filter(|_| defines));
        let mut entries = defined.map(Entry::definition).collect::<Result<VecDeque<_>, _>>()?;
        entries.append(&mut records);
        let archive = Archive { entries, open: None, ended: false, now };
        Ok(stream::try_unfold(archive, |mut archive| async move {
            Ok(archive.next().await?.map(|chunk| (Bytes::from(chunk), archive)))
        }))
    }
}

/// The collections, each once, after those that their relations lead to; of a circle, some come before.
fn in_order<'c>(catalog: &'c Catalog, chosen: &[&'c Arc<Collection>]) -> Vec<&'c Arc<Collection>> {
    let mut places: HashMap<u32, usize> = HashMap::new();
    for (place, collection) in chosen.iter().enumerate() {
        places.entry(collection.own_number()).or_insert(place);
    }
    let place_of = |name: &String| places.get(&catalog.by_name(name)?.own_number()).copied();
    let targets = |place: usize| {
        let fields = chosen.get(place).into_iter().flat_map(|collection| &collection.fields);
        let relation = |field: &Field| match &field.check {
            Check::Relation { collection, .. } => place_of(collection),
            _ => None,
        };
        fields.filter_map(relation).collect()
    };
    let first = |place: &usize| chosen.get(*place).filter(|own| places.get(&own.own_number()) == Some(place));
    let order = after_targets(chosen.len(), targets);
    order.iter().filter_map(first).copied().collect()
}

impl Entry {
    fn definition(collection: &Arc<Collection>) -> Result<Self, StoreError> {
        let json = serde_json::to_vec_pretty(&as_input(&collection.def)).map_err(StoreError::corrupt)?;
        Ok(Self::Definition { name: collection.def.name.clone(), json })
    }
}

impl Archive {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        if let Some(open) = self.open.take() {
            return self.go_on(open).await.map(Some);
        }
        let Some(entry) = self.entries.pop_front() else {
            // An archive ends with two blocks of nothing.
            return Ok((!std::mem::replace(&mut self.ended, true)).then(|| vec![0; 2 * BLOCK]));
        };
        match entry {
            Entry::Definition { name, json } => {
                let mut chunk = self.head(&format!("{name}.json"), json.len() as u64)?;
                chunk.extend_from_slice(&json);
                chunk.resize(chunk.len().next_multiple_of(BLOCK), 0);
                Ok(Some(chunk))
            }
            Entry::Records(export) => {
                let counted = Arc::clone(&export);
                let size = export.store.scan(move |_| counted.size()).await?;
                let chunk = self.head(&format!("{}.jsonl", export.collection.def.name), size)?;
                if size > 0 {
                    self.open = Some(Open { export, progress: Progress::Start, size, given: 0 });
                }
                Ok(Some(chunk))
            }
        }
    }

    async fn go_on(&mut self, open: Open) -> Result<Vec<u8>, RecordError> {
        let Open { export, progress, size, given } = open;
        let (mut chunk, progress) = Arc::clone(&export).chunk(progress).await?;
        let given = given + chunk.len() as u64;
        if !matches!(progress, Progress::End) {
            self.open = Some(Open { export, progress, size, given });
            return Ok(chunk);
        }
        if given != size {
            return Err(StoreError::corrupt("records changed while they were given out").into());
        }
        let padding = given.next_multiple_of(BLOCK as u64) - given;
        chunk.extend(std::iter::repeat_n(0, usize::try_from(padding).unwrap_or(0)));
        Ok(chunk)
    }

    fn head(&self, name: &str, size: u64) -> Result<Vec<u8>, RecordError> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(StoreError::corrupt)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(self.now.as_second()).unwrap_or(0));
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        Ok(header.as_bytes().to_vec())
    }
}

impl Export {
    /// How many bytes the lines of all records have.
    fn size(&self) -> Result<u64, RecordError> {
        let mut size = 0;
        self.scan("", &mut |_, record| {
            size += record.map_or(0, |record| record.len() as u64 + 1);
            ControlFlow::Continue(())
        })?;
        Ok(size)
    }
}
