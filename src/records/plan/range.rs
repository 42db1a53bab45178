//! Ranges of keys.

use super::{KeyRange, constraint::Bound};
use crate::{
    kernel::Scalar,
    store::key::{Direction, encode, encode_str_prefix, prefix_end},
};

/// Each prefix with each value behind it, in order.
pub(super) fn extend(prefixes: &[Vec<u8>], values: &[Scalar], direction: Direction) -> Vec<Vec<u8>> {
    let with = |prefix: &Vec<u8>, value: &Scalar| {
        let mut key = prefix.clone();
        encode(value, direction, &mut key);
        key
    };
    let mut keys: Vec<_> =
        prefixes.iter().flat_map(|prefix| values.iter().map(move |value| with(prefix, value))).collect();
    keys.sort_unstable();
    keys
}

/// All keys with a prefix.
pub(super) fn whole(prefix: &[u8]) -> KeyRange {
    KeyRange { from: prefix.to_vec(), to: prefix_end(prefix).unwrap_or_default() }
}

/// The key of one record by id.
pub(super) fn point_range(prefix: &[u8], id: &Scalar) -> Option<KeyRange> {
    let Scalar::Str(id) = id else { return None };
    let from = [prefix, id.as_bytes()].concat();
    let to = [from.as_slice(), &[0]].concat();
    Some(KeyRange { from, to })
}

/// Narrows a range of one component to what a bound allows. No bound of order allows null.
pub(super) fn narrow(range: &mut KeyRange, prefix: &[u8], bound: &Bound, direction: Direction) {
    let key = |value: &Scalar| {
        let mut key = prefix.to_vec();
        encode(value, direction, &mut key);
        key
    };
    let after = |value: &Scalar| prefix_end(&key(value)).unwrap_or_default();
    let (low, high) = match (bound, direction) {
        (Bound::AtLeast(value), Direction::Ascending) => (Some(key(value)), None),
        (Bound::Above(value), Direction::Ascending) => (Some(after(value)), None),
        (Bound::AtMost(value), Direction::Ascending) => (Some(after(&Scalar::Null)), Some(after(value))),
        (Bound::Below(value), Direction::Ascending) => (Some(after(&Scalar::Null)), Some(key(value))),
        (Bound::AtLeast(value), Direction::Descending) => (None, Some(after(value))),
        (Bound::Above(value), Direction::Descending) => (None, Some(key(value))),
        (Bound::AtMost(value), Direction::Descending) => (Some(key(value)), Some(key(&Scalar::Null))),
        (Bound::Below(value), Direction::Descending) => (Some(after(value)), Some(key(&Scalar::Null))),
        (Bound::Prefix(part), _) => {
            let mut low = prefix.to_vec();
            encode_str_prefix(part, direction, &mut low);
            let high = prefix_end(&low);
            (Some(low), high)
        }
        (Bound::OneOf(_), _) => (None, None),
    };
    if let Some(low) = low.filter(|low| *low > range.from) {
        range.from = low;
    }
    if let Some(high) = high.filter(|high| *high < range.to) {
        range.to = high;
    }
}
