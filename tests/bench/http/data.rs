//! The records: about 400 bytes each, the same in every run and for every system, made from their number alone.

use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Views are spread evenly below this, so the list filter "above half of it" leaves half a category.
const VIEWS_MAX: u64 = 1_000_000;
/// Views above which the list filter looks.
pub(crate) const VIEWS_MEDIAN: u64 = VIEWS_MAX / 2;
/// Records of a page.
pub(crate) const LIMIT: u64 = 30;

const WORDS: [&str; 32] = [
    "amber", "anchor", "autumn", "basalt", "bridge", "canyon", "cedar", "cobalt", "copper", "delta", "ember", "falcon",
    "fjord", "garden", "glacier", "harbor", "island", "juniper", "lantern", "meadow", "mirror", "north", "orchard",
    "pebble", "quarry", "river", "saffron", "signal", "timber", "valley", "willow", "zenith",
];

/// What a server answers to a read by id, as the bare handler returns it.
pub(crate) const STORED: &str = concat!(
    r#"{"id":"r00000000000001","createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z","version":1,"#,
    r#""title":"signal harbor juniper copper 1","body":"amber falcon river delta north quarry basalt lantern meadow ember "#,
    r#"glacier canyon willow timber pebble orchard saffron mirror island cobalt cedar bridge autumn anchor fjord garden "#,
    r#"harbor juniper zenith valley signal copper amber falcon river delta north quarry basalt lantern meadow ember glacier "#,
    r#"canyon","category":"c7","views":500123,"published":true}"#
);

/// The id of a record: lower-case letters and digits, fifteen of them, which every system takes.
pub(crate) fn id(n: u64) -> String {
    format!("r{n:014}")
}

/// A record as a client sends it, without an id.
pub(crate) fn record(n: u64, categories: u64) -> String {
    let title = words(n, 4);
    let body = words(n ^ 0x5bd1, 38);
    let (category, views, published) = (n % categories, views(n), n.is_multiple_of(3));
    format!(
        r#"{{"title":"{title} {n}","body":"{body}","category":"c{category}","views":{views},"published":{published}}}"#
    )
}

/// A record with its id.
pub(crate) fn record_with_id(n: u64, categories: u64) -> String {
    let record = record(n, categories);
    format!(r#"{{"id":"{}",{}"#, id(n), record.trim_start_matches('{'))
}

/// A value for the field `views`.
pub(crate) fn views(n: u64) -> u64 {
    scatter(n) % VIEWS_MAX
}

/// A number that looks unrelated to its neighbours' (splitmix64).
pub(crate) const fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Writes records as JSON lines.
pub(crate) fn write_lines(path: &Path, numbers: std::ops::Range<u64>, categories: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    for n in numbers {
        writeln!(out, "{}", record_with_id(n, categories))?;
    }
    out.flush()?;
    Ok(())
}

fn words(seed: u64, count: u64) -> String {
    let mut text = String::with_capacity(300);
    for at in 0..count {
        let pick = usize::try_from(scatter(seed.wrapping_mul(64) + at) % 32).unwrap_or_default();
        if at > 0 {
            text.push(' ');
        }
        text.push_str(WORDS.get(pick).copied().unwrap_or_default());
    }
    text
}
