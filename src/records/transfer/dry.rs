//! What a dry run remembers of the chunks that it has undone, so that later ones are checked as if they were there.
//!
//! It remembers ids that were given, and values of unique indexes, by their digests. It does not remember what the
//! records hold: a rule that follows a relation into the same import sees what is stored, and a unique value that an
//! upsert gives up counts as taken until the end.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, Hash, RandomState},
};

use crate::{
    collections::Collection,
    kernel::{FieldError, error::pointer_to},
    records::prepare::Prepared,
};

/// The most ids and unique values that a dry run remembers, of 16 to 32 bytes each.
pub(super) const REMEMBERED_MAX: usize = 2_000_000;

/// A digest that two values share by no chance that matters: its keys are the process's own, so no one can look for one.
type Digest = u128;

/// What would have been written.
#[derive(Debug, Default)]
pub(super) struct Seen {
    keys: [RandomState; 2],
    ids: HashSet<Digest>,
    /// Entries of unique indexes, with the record that has them.
    entries: HashMap<Digest, Digest>,
}

impl Seen {
    fn digest(&self, what: impl Hash + Copy) -> Digest {
        let [high, low] = &self.keys;
        (u128::from(high.hash_one(what)) << 64) | u128::from(low.hash_one(what))
    }

    pub(super) fn has(&self, collection: u32, id: &str) -> bool {
        self.ids.contains(&self.digest((collection, id)))
    }

    pub(super) fn is_full(&self) -> bool {
        self.ids.len() + self.entries.len() > REMEMBERED_MAX
    }

    /// Takes out the relations that lead to records of the import.
    pub(super) fn settle(&self, prepared: &mut Prepared) {
        let seen = |collection: Option<u32>, id: &str| collection.is_some_and(|collection| self.has(collection, id));
        prepared.targets.retain(|target| !seen(target.collection, &target.id));
    }

    /// The unique values that another record of the import has.
    pub(super) fn check_unique(
        &self,
        collection: &Collection,
        id: &str,
        prepared: &Prepared,
        errors: &mut Vec<FieldError>,
    ) {
        let id = self.digest((collection.number(), id));
        for (name, key) in unique_entries(collection, prepared) {
            let other = self.entries.get(&self.digest(key)).is_some_and(|owner| *owner != id);
            let pointer = pointer_to(name);
            if other && !errors.iter().any(|known| known.pointer == pointer && known.code == "unique") {
                let detail = format!("another record of the import has the same {name} already");
                errors.push(FieldError::new(pointer, "unique", detail));
            }
        }
    }

    pub(super) fn remember(&mut self, collection: &Collection, id: &str, given: bool, prepared: &Prepared) {
        let own = self.digest((collection.number(), id));
        // No other record can name an id that is made up here, and a real run would make up another.
        if given {
            self.ids.insert(own);
        }
        for (_, key) in unique_entries(collection, prepared) {
            let key = self.digest(key);
            self.entries.insert(key, own);
        }
    }
}

/// The new entries of unique indexes, each with the name of the first field.
fn unique_entries<'a>(
    collection: &'a Collection,
    prepared: &'a Prepared,
) -> impl Iterator<Item = (&'a str, &'a [u8])> + 'a {
    prepared.indexes.iter().flat_map(move |change| {
        let index = collection.indexes.get(change.position).filter(|index| index.unique);
        let slot = index.and_then(|index| index.components.first()).map(|(slot, _)| *slot);
        slot.into_iter().flat_map(move |slot| {
            let values = change.added.iter().filter(|entry| !entry.has_null);
            values.map(move |entry| (collection.slot_name(slot), entry.key.get(..entry.values_end).unwrap_or_default()))
        })
    })
}
