//! Records out of a stream of bytes, one at a time, whatever the pieces in which the bytes come.
//!
//! Only the ends of records are found here. Whether a record is one is for the import to say.

use bytes::{Buf as _, Bytes};

use super::{csv::Rows, format::Format};

/// How much is kept of a record that is longer than allowed.
const KEPT_BYTES: usize = 4096;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One record of a stream, or what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The number of its line, or of the element of an array, from 1.
    pub number: u64,
    /// Its text; of one that is longer than allowed, the beginning.
    pub text: Bytes,
    /// Why it cannot be a record at all.
    pub fault: Option<String>,
}

/// Why no further record can be found in a stream.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Broken(pub(super) String);

/// Finds records in bytes that come in pieces.
#[derive(Debug)]
pub struct Splitter {
    way: Way,
    /// The first bytes, until it is clear whether they are a byte order mark.
    mark: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Way {
    Lines(Lines),
    Array(Array),
    Rows(Rows),
    /// JSON of which nothing has come but white space: an array, or lines after all.
    Json {
        record_bytes_max: usize,
        /// The line that is read.
        line: u64,
    },
}

impl Splitter {
    /// For a stream of this format whose records have at most so many bytes.
    #[must_use]
    pub fn new(format: Format, record_bytes_max: usize) -> Self {
        let way = match format {
            Format::Jsonl => Way::Lines(Lines::new(record_bytes_max, 1)),
            Format::Json => Way::Json { record_bytes_max, line: 1 },
            Format::Csv => Way::Rows(Rows::new(record_bytes_max)),
        };
        Self { way, mark: Some(Vec::new()) }
    }

    /// Takes bytes from `input` to the end of the next record. `None` when all were taken and there is none yet.
    ///
    /// # Errors
    /// [`Broken`] when the stream is not of its format.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Piece>, Broken> {
        self.skip_mark(input);
        if let Way::Json { record_bytes_max, line } = self.way {
            let blank = input.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let blank = input.split_to(blank);
            let line = line + memchr::memchr_iter(b'\n', &blank).count() as u64;
            self.way = match input.first() {
                None => Way::Json { record_bytes_max, line },
                Some(b'[') => Way::Array(Array::new(record_bytes_max)),
                Some(_) => Way::Lines(Lines::new(record_bytes_max, line)),
            };
        }
        match &mut self.way {
            Way::Lines(lines) => Ok(lines.next(input)),
            Way::Array(array) => array.next(input),
            Way::Rows(rows) => rows.next(input),
            Way::Json { .. } => Ok(None),
        }
    }

    /// The last record, when the stream ends without an end of it.
    ///
    /// # Errors
    /// [`Broken`] when the stream cannot end here.
    pub fn finish(&mut self) -> Result<Option<Piece>, Broken> {
        if let Some(mark) = self.mark.take().filter(|mark| !mark.is_empty()) {
            let found = self.next(&mut Bytes::from(mark))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        match &mut self.way {
            Way::Lines(lines) => Ok(lines.finish()),
            Way::Array(array) => array.finish(),
            Way::Rows(rows) => rows.finish(),
            Way::Json { .. } => Ok(None),
        }
    }

    /// Leaves out a byte order mark, which no format knows.
    fn skip_mark(&mut self, input: &mut Bytes) {
        let Some(held) = &mut self.mark else { return };
        while held.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(held) && input.has_remaining() {
            held.push(input.get_u8());
        }
        if held.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(held) {
            return;
        }
        let held = self.mark.take().unwrap_or_default();
        if held != BYTE_ORDER_MARK {
            *input = Bytes::from([held.as_slice(), input].concat());
        }
    }
}

/// The beginning of a record whose end has not come yet.
#[derive(Debug)]
pub(super) struct Carry {
    bytes: Vec<u8>,
    length: usize,
    length_max: usize,
}

impl Carry {
    pub(super) fn new(length_max: usize) -> Self {
        Self { bytes: Vec::new(), length: 0, length_max }
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        self.length += more.len();
        if self.is_too_long() {
            let room = KEPT_BYTES.saturating_sub(self.bytes.len()).min(more.len());
            self.bytes.extend_from_slice(more.get(..room).unwrap_or_default());
            self.bytes.truncate(KEPT_BYTES);
        } else {
            self.bytes.extend_from_slice(more);
        }
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.length > self.length_max
    }

    /// The whole record, of which `last` had not been carried, and begins the next one.
    fn end(&mut self, last: Bytes, number: u64) -> Piece {
        if self.length == 0 && last.len() <= self.length_max {
            return Piece { number, text: last, fault: None };
        }
        self.push(&last);
        let fault = self.is_too_long().then(|| too_long(self.length_max));
        self.length = 0;
        Piece { number, text: std::mem::take(&mut self.bytes).into(), fault }
    }
}

pub(super) fn too_long(length_max: usize) -> String {
    format!("it is longer than {length_max} bytes, the most that a record may have")
}

/// A record in each line; blank lines are none.
#[derive(Debug)]
struct Lines {
    carry: Carry,
    line: u64,
}

impl Lines {
    fn new(record_bytes_max: usize, line: u64) -> Self {
        Self { carry: Carry::new(record_bytes_max), line }
    }

    fn next(&mut self, input: &mut Bytes) -> Option<Piece> {
        while let Some(end) = memchr::memchr(b'\n', input) {
            let last = input.split_to(end);
            input.advance(1);
            let piece = self.carry.end(last, self.line);
            self.line += 1;
            if !piece.text.trim_ascii().is_empty() || piece.fault.is_some() {
                return Some(piece);
            }
        }
        self.carry.push(input);
        input.clear();
        None
    }

    fn finish(&mut self) -> Option<Piece> {
        let piece = self.carry.end(Bytes::new(), self.line);
        (!piece.text.trim_ascii().is_empty() || piece.fault.is_some()).then_some(piece)
    }
}

/// The elements of a JSON array.
#[derive(Debug)]
struct Array {
    carry: Carry,
    number: u64,
    place: Place,
    /// How many brackets are open inside the element.
    depth: usize,
    string: InString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    BeforeArray,
    InElement,
    BehindArray,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InString {
    No,
    Yes,
    /// Behind a backslash.
    Escaped,
}

impl Array {
    fn new(record_bytes_max: usize) -> Self {
        let carry = Carry::new(record_bytes_max);
        Self { carry, number: 1, place: Place::BeforeArray, depth: 0, string: InString::No }
    }

    fn next(&mut self, input: &mut Bytes) -> Result<Option<Piece>, Broken> {
        loop {
            match self.place {
                Place::BeforeArray => {
                    let Some(open) = memchr::memchr(b'[', input) else {
                        input.clear();
                        return Ok(None);
                    };
                    input.advance(open + 1);
                    self.place = Place::InElement;
                }
                Place::InElement => {
                    let Some((end, byte)) = self.end_of_element(input) else {
                        self.carry.push(input);
                        input.clear();
                        return Ok(None);
                    };
                    let last = input.split_to(end);
                    input.advance(1);
                    let closed = byte == b']';
                    if closed {
                        self.place = Place::BehindArray;
                    }
                    let piece = self.carry.end(last, self.number);
                    self.number += 1;
                    let nothing = piece.text.trim_ascii().is_empty() && piece.fault.is_none();
                    if !(closed && nothing && piece.number == 1) {
                        return Ok(Some(piece));
                    }
                }
                Place::BehindArray => {
                    if !input.trim_ascii().is_empty() {
                        return Err(Broken("there is something behind the end of the JSON array".into()));
                    }
                    input.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// Where the comma or bracket is that ends the element.
    fn end_of_element(&mut self, input: &[u8]) -> Option<(usize, u8)> {
        for (at, byte) in input.iter().enumerate() {
            match (self.string, byte) {
                (InString::Escaped, _) | (InString::No, b'"') => self.string = InString::Yes,
                (InString::Yes, b'\\') => self.string = InString::Escaped,
                (InString::Yes, b'"') => self.string = InString::No,
                (InString::Yes, _) => {}
                (InString::No, b',' | b']') if self.depth == 0 => return Some((at, *byte)),
                (InString::No, b'{' | b'[') => self.depth += 1,
                (InString::No, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
                (InString::No, _) => {}
            }
        }
        None
    }

    fn finish(&mut self) -> Result<Option<Piece>, Broken> {
        match self.place {
            Place::BehindArray => Ok(None),
            _ => Err(Broken("the JSON array does not end".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Splits bytes that come in pieces of these lengths, over and over.
    fn split(format: Format, bytes: &[u8], lengths: &[usize], max: usize) -> (Vec<Piece>, Option<Broken>) {
        let mut splitter = Splitter::new(format, max);
        let (mut found, mut rest) = (Vec::new(), bytes);
        for length in lengths.iter().cycle() {
            let (head, tail) = rest.split_at((*length).clamp(1, rest.len().max(1)).min(rest.len()));
            let mut input = Bytes::copy_from_slice(head);
            loop {
                match splitter.next(&mut input) {
                    Ok(Some(piece)) => found.push(piece),
                    Ok(None) => break,
                    Err(broken) => return (found, Some(broken)),
                }
            }
            assert!(input.is_empty());
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        match splitter.finish() {
            Ok(last) => found.extend(last),
            Err(broken) => return (found, Some(broken)),
        }
        (found, None)
    }

    fn texts(pieces: &[Piece]) -> Vec<(u64, String)> {
        let text = |piece: &Piece| String::from_utf8_lossy(piece.text.trim_ascii()).into_owned();
        pieces.iter().map(|piece| (piece.number, text(piece))).collect()
    }

    fn any_object() -> impl Strategy<Value = Value> {
        proptest::collection::vec((".{0,8}", ".{0,12}"), 0..4).prop_map(|members| {
            let members = members.into_iter().map(|(name, text)| (name, json!([text, {"in": text}, 7, null])));
            Value::Object(members.collect())
        })
    }

    proptest! {
        #[test]
        fn what_was_joined_is_split_again(
            records in proptest::collection::vec(any_object(), 0..8),
            lengths in proptest::collection::vec(1_usize..40, 1..8),
            mark: bool,
        ) {
            let wanted: Vec<_> = (1..).zip(records.iter().map(ToString::to_string)).collect();
            let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
            let array = serde_json::to_string_pretty(&records).unwrap();
            for (format, text) in [(Format::Jsonl, &lines), (Format::Json, &lines), (Format::Json, &array)] {
                let text = if mark { format!("\u{feff}{text}") } else { text.clone() };
                let (found, broken) = split(format, text.as_bytes(), &lengths, 1 << 20);
                prop_assert_eq!(broken, None);
                let compact = |(number, text): (u64, String)| {
                    (number, serde_json::from_str::<Value>(&text).unwrap().to_string())
                };
                prop_assert_eq!(texts(&found).into_iter().map(compact).collect::<Vec<_>>(), wanted.clone());
            }
        }

        #[test]
        fn no_bytes_break_it(
            bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'['), any::<u8>()], 0..80),
            lengths in proptest::collection::vec(1_usize..9, 1..5),
        ) {
            for format in [Format::Jsonl, Format::Json, Format::Csv] {
                let whole = split(format, &bytes, &[1 << 20], 20);
                prop_assert_eq!(split(format, &bytes, &lengths, 20), whole);
            }
        }
    }

    #[test]
    fn arrays_end_once() {
        let rows: [(&str, &[&str], Option<&str>); 9] = [
            ("[]", &[], None),
            (" [ ] \n", &[], None),
            ("", &[], None),
            ("[1]", &["1"], None),
            ("[1,]", &["1", ""], None),
            ("[,1]", &["", "1"], None),
            ("[1", &[], Some("does not end")),
            ("[1,2", &["1"], Some("does not end")),
            ("[1] x", &["1"], Some("behind the end")),
        ];
        for (text, wanted, fault) in rows {
            let (found, broken) = split(Format::Json, text.as_bytes(), &[1], 100);
            let found: Vec<_> = texts(&found).into_iter().map(|(_, text)| text).collect();
            assert_eq!(found, wanted, "{text}");
            let broken = broken.map(|broken| broken.to_string());
            assert_eq!(broken.is_some(), fault.is_some(), "{text}: {broken:?}");
            assert!(broken.unwrap_or_default().contains(fault.unwrap_or_default()), "{text}");
        }
    }

    #[test]
    fn a_long_record_is_a_fault_and_the_next_one_is_found() {
        let long = "x".repeat(9000);
        let rows = [
            (Format::Jsonl, format!("1\n\"{long}\"\n2\n")),
            (Format::Json, format!("[1,\"{long}\",2]")),
            (Format::Csv, format!("a\n1\n{long}\n2\n")),
        ];
        for (format, text) in rows {
            for lengths in [[1 << 20], [100]] {
                let (found, broken) = split(format, text.as_bytes(), &lengths, 5000);
                assert_eq!((found.len(), broken), (3, None), "{format:?}");
                let faults: Vec<_> = found.iter().map(|piece| piece.fault.is_some()).collect();
                assert_eq!(faults, [false, true, false], "{format:?}");
                assert!(found[1].text.len() <= KEPT_BYTES + 8, "{format:?}: {}", found[1].text.len());
            }
        }
    }
}
