//! What is remembered of pulls: what a server said of its answer, and what each item was.

use crate::{
    access::secret::sha256,
    store::{Json, Raw, Read, StoreError, Table, Tx},
};

/// How much of a hash stands for an item.
const HASH: usize = 16;

/// What a server said of an answer, for the next request.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// Key: source (16 bytes). Value: what its server said of the last answer that was taken in whole.
const SOURCES: Table<[u8], Json<Validators>> = Table::new("pulls.sources");
/// Key: source (16 bytes), id of the record. Value: the hash (16 bytes) of the record that was last taken in.
const ITEMS: Table<[u8], Raw> = Table::new("pulls.items");

/// The tables of this feature.
pub const TABLES: [&str; 2] = [SOURCES.name(), ITEMS.name()];

/// The begin of a hash.
pub(super) fn hash(bytes: &[u8]) -> Vec<u8> {
    sha256(bytes).get(..HASH).unwrap_or_default().to_vec()
}

pub(super) fn validators(source: &impl Read, of: &[u8]) -> Result<Option<Validators>, StoreError> {
    Ok(source.get(SOURCES, of)?.map(|Json(validators)| validators))
}

pub(super) fn put_validators(tx: &mut Tx<'_>, of: &[u8], validators: &Validators) -> Result<(), StoreError> {
    tx.put(SOURCES, of, &Json(validators.clone()))
}

pub(super) fn is_known(source: &impl Read, of: &[u8], id: &str, hash: &[u8]) -> Result<bool, StoreError> {
    source.view(ITEMS.name(), &[of, id.as_bytes()].concat(), |found| found == Some(hash))
}

pub(super) fn put_item(tx: &mut Tx<'_>, of: &[u8], id: &str, hash: Vec<u8>) -> Result<(), StoreError> {
    tx.put(ITEMS, &[of, id.as_bytes()].concat()[..], &Raw(hash))
}
