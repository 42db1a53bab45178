//! Walking over the text of a stored record without parsing it.
//!
//! Stored records are canonical: one JSON object, no white space between tokens, no member twice. That makes a
//! value's end a matter of counting brackets and quotes. Never use this on what a client sent.

use std::ops::ControlFlow;

use memchr::memmem::Finder;

use crate::store::StoreError;

/// Shows each member of a stored record, in stored order: its name and the text of its value, both as bytes, for most
/// are passed over unread. Stops when told to.
///
/// # Errors
/// [`StoreError::Corrupt`] when the bytes are not a canonical object, or what `visit` answers.
pub(super) fn members<'a>(
    record: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    if record == b"{}" {
        return Ok(());
    }
    let mut at = 1;
    loop {
        let name_end = string_end(record, at).ok_or_else(broken)?;
        let value_start = name_end + 1;
        let value_end = value_end(record, value_start).ok_or_else(broken)?;
        let name = record.get(at + 1..name_end - 1).ok_or_else(broken)?;
        let value = record.get(value_start..value_end).ok_or_else(broken)?;
        if visit(name, value)?.is_break() {
            return Ok(());
        }
        match record.get(value_end) {
            Some(b',') => at = value_end + 1,
            Some(b'}') => return Ok(()),
            _ => return Err(broken()),
        }
    }
}

/// What finds the member with this name.
pub(super) fn finder(name: &str) -> Finder<'static> {
    Finder::new(&format!("\"{name}\":")).into_owned()
}

/// The text of a member's value. The record must have no objects inside, and `name` no quotes: then a quote before a
/// colon ends a name of the record's own, for those in texts have a backslash before them.
pub(super) fn find<'a>(record: &'a [u8], member: &Finder<'_>) -> Option<&'a [u8]> {
    let start = member.find(record)? + member.needle().len();
    record.get(start..value_end(record, start)?)
}

fn broken() -> StoreError {
    StoreError::corrupt("a stored record is not canonical JSON")
}

/// The position after the string that starts at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The position after the value that starts at `start`.
pub(super) fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start)? {
        b'"' => string_end(bytes, start),
        b'{' | b'[' => container_end(bytes, start),
        _ => {
            bytes.get(start..)?.iter().position(|byte| matches!(byte, b',' | b'}' | b']')).map(|length| start + length)
        }
    }
}

fn container_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, start);
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\"\\\\{}\\[\\],:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec(("[a-z\"\\\\]{0,4}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn members_are_those_of_a_full_parse(pairs in proptest::collection::vec(("[a-zA-Z]{1,6}", value()), 0..6)) {
            let object: Map<String, Value> = pairs.into_iter().collect();
            let bytes = serde_json::to_vec(&object).unwrap();
            let mut seen = Map::new();
            members(&bytes, |name, value| {
                seen.insert(String::from_utf8(name.to_vec()).unwrap(), serde_json::from_slice(value).unwrap());
                Ok(ControlFlow::Continue(()))
            }).unwrap();
            prop_assert_eq!(seen, object);
        }

        #[test]
        fn a_member_is_found_whatever_texts_look_like(
            values in proptest::collection::vec(prop_oneof![
                "[\"\\\\ab,:\\]\\[{}]{0,12}".prop_map(Value::from),
                proptest::collection::vec("[\"\\\\ab,:]{0,8}", 0..3).prop_map(Value::from),
                any::<i64>().prop_map(Value::from),
            ], 4),
            shown in any::<[bool; 4]>(),
        ) {
            let names = ["a", "ab", "b", "ba"];
            let members = names.into_iter().zip(values).zip(shown).filter(|(_, shown)| *shown);
            let object: Map<String, Value> = members.map(|((name, value), _)| (name.to_owned(), value)).collect();
            let bytes = serde_json::to_vec(&object).unwrap();
            for name in names {
                let found = find(&bytes, &finder(name)).map(|text| serde_json::from_slice(text).unwrap());
                prop_assert_eq!(found.as_ref(), object.get(name));
            }
        }

        #[test]
        fn broken_bytes_are_an_error_not_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30), tail in "[{}\\[\\]\",:a1]{0,20}") {
            let _ = members(&bytes, |_, _| Ok(ControlFlow::Continue(())));
            let _ = members(format!("{{{tail}").as_bytes(), |_, _| Ok(ControlFlow::Continue(())));
        }
    }
}
