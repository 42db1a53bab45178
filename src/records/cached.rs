//! Lists that need no work: pages that were answered before, as long as no record of the collection has changed.
//!
//! Only pages that are the same for whoever sees them are kept: of callers to whom the rules open everything, by filters that
//! name neither the caller nor the moment nor other collections. Such a page depends on the newest change of its collection
//! alone, which is in its key; so it is never stale, and its `ETag` costs no look at a record.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use moka::sync::Cache;

use super::{
    Page, RecordError, RecordService,
    authorize::{Opening, open},
    service::{Caller, find},
    sight::CallerSight,
};
use crate::{
    access::Action,
    collections::{Collection, Slot},
    expr::Expr,
    store::{Epoch, Snapshot},
};

/// The longest parameters, in bytes, of a page that is kept.
const PARAMETERS_MAX: usize = 2_048;
/// The largest page that is kept.
const PAGE_BYTES_MAX: usize = 256 << 10;
/// What a filter must not have in it for an answer to depend on its collection alone: the caller and the moment (`@`), paths over
/// relations. Texts that only look like these are no loss.
const BEYOND: [&str; 5] = ["@", ".", "_via_", "any", "all"];

/// What a page depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    collection: u32,
    epoch: u64,
    seq: u64,
    /// Fields that the caller does not see.
    veiled: Vec<Slot>,
    parameters: String,
}

impl Key {
    /// A text that is another one for another page. Numbers of changes are never used again, so it holds across restarts.
    fn etag(&self) -> String {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        context.update(format!("{self:?}").as_bytes());
        let digest = context.finish();
        format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest.as_ref().get(..15).unwrap_or_default()))
    }
}

/// The pages that were answered, within a bound of bytes.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    cache: Option<Cache<Key, Bytes>>,
}

impl Pages {
    /// Pages of at most so many bytes in all; none when 0.
    pub(super) fn new(bytes_max: u64) -> Self {
        let weigh =
            |key: &Key, page: &Bytes| u32::try_from(page.len() + key.parameters.len() + 128).unwrap_or(u32::MAX);
        let cache = (bytes_max > 0).then(|| Cache::builder().max_capacity(bytes_max).weigher(weigh).build());
        Self { cache }
    }
}

/// A list as it is answered.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The page as JSON text; nothing when the client has it already.
    pub json: Option<Bytes>,
    /// What tells the page from others; nothing when it depends on more than the collection.
    pub etag: Option<String>,
    /// Whether it was answered before; nothing when it cannot be kept.
    pub hit: Option<bool>,
    /// The `Cache-Control` that the collection asks for.
    pub cache_control: Option<String>,
}

impl RecordService {
    /// A page as JSON text, made anew only when it must be. `known` tells whether the client has the page of an `ETag`.
    ///
    /// # Errors
    /// As [`RecordService::list`].
    pub async fn list_json(
        &self,
        caller: &Caller,
        collection: &str,
        parameters: &[(String, String)],
        known: impl Fn(&str) -> bool,
    ) -> Result<Listed, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let found = catalog.find(collection).ok_or_else(|| RecordError::NoCollection(collection.to_owned()))?;
        let key = self.key(caller, &snapshot, found, parameters)?;
        let cache_control = cache_control(found, &found.rules.list, key.is_some());
        let kept = self.pages.cache.as_ref().zip(key);
        let Some((cache, key)) = kept else {
            let json = Some(page_json(&self.list(caller, collection, parameters).await?).into());
            return Ok(Listed { json, etag: None, hit: None, cache_control });
        };
        let etag = key.etag();
        if let Some(page) = cache.get(&key) {
            let json = (!known(&etag)).then_some(page);
            return Ok(Listed { json, etag: Some(etag), hit: Some(true), cache_control });
        }
        let page: Bytes = page_json(&self.list(caller, collection, parameters).await?).into();
        // The list took a newer snapshot when a record changed meanwhile; the page is then not that of the key.
        let current = self.store.snapshot().collection_seq(found.number()) == key.seq;
        if !current {
            return Ok(Listed { json: Some(page), etag: None, hit: Some(false), cache_control });
        }
        if page.len() <= PAGE_BYTES_MAX {
            cache.insert(key, page.clone());
        }
        let json = (!known(&etag)).then_some(page);
        Ok(Listed { json, etag: Some(etag), hit: Some(false), cache_control })
    }

    /// What a page depends on; nothing when that is more than its collection.
    fn key(
        &self,
        caller: &Caller,
        snapshot: &Snapshot,
        collection: &Collection,
        parameters: &[(String, String)],
    ) -> Result<Option<Key>, RecordError> {
        let now = self.clock.now();
        let opening = open(caller, collection, Action::List, |rules| &rules.list, now)?;
        let length: usize = parameters.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let beyond = |(name, value): &(String, String)| match name.as_str() {
            "expand" | "explain" => true,
            "filter" => BEYOND.iter().any(|part| value.contains(part)),
            "fields" => value.contains('.'),
            _ => false,
        };
        let mask = CallerSight { caller, now }.mask(collection);
        let same_for_all = mask.veiled.iter().all(|(_, condition)| *condition == Expr::Constant(false));
        // What an aggregate view reads may lie in other collections.
        let one = !collection.def.rewriting && !collection.is_aggregate();
        let whole = matches!(opening, Opening::All) && same_for_all && one;
        if !whole || length > PARAMETERS_MAX || parameters.iter().any(beyond) {
            return Ok(None);
        }
        let mut text = String::with_capacity(length);
        for (name, value) in parameters {
            text.extend([name.as_str(), "\0", value.as_str(), "\0"]);
        }
        Ok(Some(Key {
            collection: collection.own_number(),
            epoch: snapshot.epoch(Epoch::Schema),
            seq: snapshot.collection_seq(collection.number()),
            veiled: mask.veiled.into_iter().map(|(slot, _)| slot).collect(),
            parameters: text,
        }))
    }
}

/// How one record may be kept by clients.
#[derive(Clone, Debug)]
pub struct Caching {
    /// Whether the version of the record tells all that the answer depends on, so that who has it needs no other.
    pub by_version: bool,
    /// The `Cache-Control` to send.
    pub cache_control: Option<String>,
}

impl RecordService {
    /// How an answer with one record may be kept.
    ///
    /// # Errors
    /// [`RecordError::NoCollection`].
    pub fn caching(&self, collection: &str, parameters: &[(String, String)]) -> Result<Caching, RecordError> {
        let (_, catalog) = self.catalogs.current()?;
        let found = find(&catalog, collection)?;
        let by_version = parameters.is_empty() && found.rules.fields.is_empty();
        Ok(Caching { by_version, cache_control: cache_control(found, &found.rules.read, by_version) })
    }
}

/// The `Cache-Control` that a collection asks for. A cache that is shared may keep only what everybody gets alike
/// (RFC 9111, section 3.5): of anything else, the text allows no more than private ones.
fn cache_control(collection: &Collection, rule: &Option<Expr>, alike: bool) -> Option<String> {
    let asked = collection.def.cache_control.as_deref()?;
    let open = matches!(rule, Some(Expr::Constant(true))) && collection.rules.fields.is_empty();
    if open && alike {
        return Some(asked.to_owned());
    }
    let directive = |part: &str| part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    let shared = |part: &&str| matches!(directive(part).as_str(), "public" | "s-maxage" | "private");
    let own = asked.split(',').map(str::trim).filter(|part| !part.is_empty() && !shared(part));
    Some(std::iter::once("private").chain(own).collect::<Vec<_>>().join(", "))
}

/// The page as JSON text, made of the records' own texts.
fn page_json(page: &Page) -> Vec<u8> {
    let size: usize = page.items.iter().map(|item| item.len() + 1).sum();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(b"{\"items\":[");
    for (index, item) in page.items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.extend_from_slice(b"],\"nextCursor\":");
    match &page.next_cursor {
        // A cursor is base64, which JSON does not escape.
        Some(cursor) => out.extend_from_slice(format!("\"{cursor}\"").as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    if let Some(page) = page.page {
        out.extend_from_slice(format!(",\"page\":{page}").as_bytes());
    }
    if let Some(total) = page.total {
        out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
    }
    if let Some(explain) = &page.explain {
        out.extend_from_slice(format!(",\"explain\":{explain}").as_bytes());
    }
    out.push(b'}');
    out
}
