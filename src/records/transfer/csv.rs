//! Comma-separated values after RFC 4180, both ways.
//!
//! An empty cell in quotes is an empty text, one without is no value: only so does an empty text survive. For that
//! difference, which the readers in use do not tell, the format is read here.

use std::collections::HashSet;

use bytes::{Buf as _, Bytes};

use super::split::{Broken, Carry, Piece, too_long};
use crate::records::input::{self, Members};

/// The most cells of a row that are looked at.
const CELLS_MAX: usize = 2_000;
/// How many cells, and how much of each, are kept of a row that is no record.
const CELLS_KEPT: usize = 16;
const KEPT_BYTES: usize = 256;

/// Rows as JSON objects whose values are the cells as texts, under the names of the first row.
#[derive(Debug)]
pub(super) struct Rows {
    /// The names as JSON texts; `None` before the first row.
    names: Option<Vec<String>>,
    cells: Vec<Cell>,
    cell: Cell,
    /// The row as it stands there, for the limit.
    row: Carry,
    record_bytes_max: usize,
    place: Place,
    /// The line that is read, and the one in which the row began.
    line: u64,
    began: u64,
    /// Whether the byte before was a carriage return, to which a line feed belongs.
    returned: bool,
}

#[derive(Debug, Default)]
struct Cell {
    text: Vec<u8>,
    quoted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte of a cell.
    Start,
    Plain,
    Quoted,
    /// Behind a quote in quotes, which may be the first of two.
    Quote,
}

impl Rows {
    pub(super) fn new(record_bytes_max: usize) -> Self {
        Self {
            names: None,
            cells: Vec::new(),
            cell: Cell::default(),
            row: Carry::new(record_bytes_max),
            record_bytes_max,
            place: Place::Start,
            line: 1,
            began: 1,
            returned: false,
        }
    }

    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Piece>, Broken> {
        while input.has_remaining() {
            let (taken, ended) = self.take(input);
            input.advance(taken);
            if ended && let Some(piece) = self.end_row()? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    pub(super) fn finish(&mut self) -> Result<Option<Piece>, Broken> {
        if self.place == Place::Quoted {
            return Err(Broken(format!("the cell in quotes in the row of line {} does not end", self.began)));
        }
        self.end_cell();
        self.end_row()
    }

    /// Takes some bytes. Answers how many, and whether they ended a row.
    fn take(&mut self, input: &[u8]) -> (usize, bool) {
        // Most bytes are neither quote nor comma nor end of line, and go together.
        let ordinary = match self.place {
            Place::Quoted => input.iter().take_while(|byte| !matches!(byte, b'"' | b'\n')).count(),
            Place::Quote => 0,
            _ => input.iter().take_while(|byte| !matches!(byte, b'"' | b',' | b'\n' | b'\r')).count(),
        };
        if ordinary > 0 {
            self.returned = false;
            if self.place == Place::Start {
                self.place = Place::Plain;
            }
            self.keep(input.get(..ordinary).unwrap_or_default());
            return (ordinary, false);
        }
        let byte = input.first().copied().unwrap_or_default();
        (1, self.special(byte))
    }

    /// Takes a byte that may mean something. Answers whether it ended the row.
    fn special(&mut self, byte: u8) -> bool {
        let feeds = std::mem::take(&mut self.returned) && byte == b'\n';
        match (self.place, byte) {
            (Place::Start, b'"') => {
                self.row.push(b"\"");
                self.cell.quoted = true;
                self.place = Place::Quoted;
            }
            (Place::Quoted, b'"') => self.place = Place::Quote,
            (Place::Quote, b'"') => {
                self.keep(b"\"");
                self.place = Place::Quoted;
            }
            (Place::Quoted, _) => {
                self.line += u64::from(byte == b'\n');
                self.keep(&[byte]);
            }
            (_, b',') => {
                self.row.push(b",");
                self.end_cell();
            }
            (Place::Start, b'\n') if feeds => self.began = self.line,
            (_, b'\n' | b'\r') => {
                self.returned = byte == b'\r';
                self.end_cell();
                self.line += 1;
                return true;
            }
            (_, other) => {
                self.keep(&[other]);
                self.place = Place::Plain;
            }
        }
        false
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.row.push(bytes);
        // A row that is too long is shown, and no more.
        let room = if self.row.is_too_long() { KEPT_BYTES.saturating_sub(self.cell.text.len()) } else { bytes.len() };
        self.cell.text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn end_cell(&mut self) {
        self.place = Place::Start;
        let cell = std::mem::take(&mut self.cell);
        if self.cells.len() < CELLS_MAX {
            self.cells.push(cell);
        }
    }

    /// The row as a record; none when it is empty or the first one.
    fn end_row(&mut self) -> Result<Option<Piece>, Broken> {
        let cells = std::mem::take(&mut self.cells);
        let number = std::mem::replace(&mut self.began, self.line);
        let row = std::mem::replace(&mut self.row, Carry::new(self.record_bytes_max));
        let blank = cells.len() < 2 && cells.iter().all(|cell| cell.text.is_empty() && !cell.quoted);
        if blank {
            return Ok(None);
        }
        let Some(names) = &self.names else {
            self.names = Some(header(&cells, row.is_too_long())?);
            return Ok(None);
        };
        let fault = if row.is_too_long() {
            Some(too_long(self.record_bytes_max))
        } else if cells.len() > names.len() {
            Some(format!("the row has {} cells, the header {}", cells.len(), names.len()))
        } else if cells.iter().any(|cell| std::str::from_utf8(&cell.text).is_err()) {
            Some("the row is not UTF-8".to_owned())
        } else {
            None
        };
        let text = if fault.is_some() { list(&cells) } else { object(names, &cells) };
        Ok(Some(Piece { number, text: text.into(), fault }))
    }
}

fn header(cells: &[Cell], too_long: bool) -> Result<Vec<String>, Broken> {
    if too_long || cells.len() >= CELLS_MAX {
        return Err(Broken("the first row, which names the fields, is too long".into()));
    }
    let mut names = Vec::with_capacity(cells.len());
    let mut known = HashSet::new();
    for cell in cells {
        let name = std::str::from_utf8(&cell.text);
        let name = name.map_err(|_| Broken("the first row, which names the fields, is not UTF-8".into()))?;
        if !known.insert(name) {
            return Err(Broken(format!("the first row names \"{name}\" twice")));
        }
        names.push(text(name));
    }
    Ok(names)
}

fn text(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// The cells that hold something, by name.
fn object(names: &[String], cells: &[Cell]) -> String {
    let mut object = String::from("{");
    let filled = names.iter().zip(cells).filter(|(_, cell)| cell.quoted || !cell.text.is_empty());
    for (name, cell) in filled {
        if object.len() > 1 {
            object.push(',');
        }
        object.push_str(name);
        object.push(':');
        object.push_str(&text(std::str::from_utf8(&cell.text).unwrap_or_default()));
    }
    object.push('}');
    object
}

/// The cells of a row that is no record, as a person can read them.
fn list(cells: &[Cell]) -> String {
    let shown = cells.iter().take(CELLS_KEPT);
    let cell = |cell: &Cell| text(&String::from_utf8_lossy(cell.text.get(..KEPT_BYTES).unwrap_or(&cell.text)));
    format!("[{}]", shown.map(cell).collect::<Vec<_>>().join(","))
}

/// A column of an export.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// Whether a cell is JSON text even when the value is a text.
    pub(super) json: bool,
}

/// The first row.
pub(super) fn write_header(columns: &[Column], out: &mut Vec<u8>) {
    write_row(columns.iter().map(|column| Some(column.name.as_str())), out);
}

/// A record, which is canonical JSON text, as a row.
pub(super) fn write_record(columns: &[Column], record: &[u8], out: &mut Vec<u8>) {
    let members: Members<'_> = input::members(record).unwrap_or_default();
    // Members come in the order of the columns, though some may be missing.
    let mut members = members.into_iter().peekable();
    let cells = columns.iter().map(|column| {
        let (_, value) = members.next_if(|(name, _)| *name == *column.name)?;
        match &*value {
            "null" => None,
            text if text.starts_with('"') && !column.json => serde_json::from_str::<String>(text).ok(),
            other => Some(other.to_owned()),
        }
    });
    write_row(cells, out);
}

fn write_row(cells: impl Iterator<Item = Option<impl AsRef<str>>>, out: &mut Vec<u8>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let Some(cell) = cell {
            write_cell(cell.as_ref(), out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn write_cell(cell: &str, out: &mut Vec<u8>) {
    let special = |byte: u8| matches!(byte, b'"' | b',' | b'\n' | b'\r');
    let blank = cell.starts_with(char::is_whitespace) || cell.ends_with(char::is_whitespace);
    let plain = !cell.is_empty() && !blank && !cell.bytes().any(special);
    if plain {
        out.extend_from_slice(cell.as_bytes());
        return;
    }
    out.push(b'"');
    for (index, part) in cell.split('"').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn any_cell() -> impl Strategy<Value = String> {
        let special = prop_oneof![
            Just("\""),
            Just(","),
            Just("\n"),
            Just("\r"),
            Just("\r\n"),
            Just(" "),
            Just("\u{0}"),
            Just("é")
        ];
        let part = prop_oneof![special.prop_map(str::to_owned), "[a-z]{0,3}"];
        proptest::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
    }

    fn any_table() -> impl Strategy<Value = Vec<Vec<String>>> {
        (2_usize..5)
            .prop_flat_map(|columns| proptest::collection::vec(proptest::collection::vec(any_cell(), columns), 0..5))
    }

    /// The rows of a table as objects whose cells were filled.
    fn read(text: &[u8]) -> Vec<Value> {
        let (mut rows, mut input, mut found) = (Rows::new(1 << 20), Bytes::copy_from_slice(text), Vec::new());
        while let Some(piece) = rows.next(&mut input).unwrap() {
            assert_eq!(piece.fault, None);
            found.push(serde_json::from_slice(&piece.text).unwrap());
        }
        found.extend(rows.finish().unwrap().map(|piece| serde_json::from_slice::<Value>(&piece.text).unwrap()));
        found
    }

    fn names(columns: usize) -> Vec<String> {
        (0..columns).map(|number| format!("c{number}")).collect()
    }

    proptest! {
        #[test]
        fn other_readers_read_what_is_written(table in any_table()) {
            let mut text = Vec::new();
            for row in &table {
                write_row(row.iter().map(Some), &mut text);
            }
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_slice());
            let rows: Vec<Vec<String>> =
                reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
            prop_assert_eq!(rows, table);
        }

        #[test]
        fn what_others_write_is_read(table in any_table(), crlf: bool) {
            let end = if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
            let mut writer = ::csv::WriterBuilder::new().terminator(end).from_writer(Vec::new());
            let columns = names(table.first().map_or(1, Vec::len));
            writer.write_record(&columns).unwrap();
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let found = read(&writer.into_inner().unwrap());
            prop_assert_eq!(found.len(), table.len());
            for (found, row) in found.iter().zip(&table) {
                for (name, cell) in columns.iter().zip(row) {
                    let empty = cell.is_empty() && found.get(name).is_none();
                    prop_assert!(empty || found[name] == **cell, "{} in {:?}", found, row);
                }
            }
        }

        #[test]
        fn a_table_comes_back_with_its_gaps(table in proptest::collection::vec(proptest::collection::vec(proptest::option::of(any_cell()), 3), 0..6)) {
            let columns = names(3);
            let mut text = Vec::new();
            write_row(columns.iter().map(Some), &mut text);
            for row in &table {
                write_row(row.iter().map(Option::as_ref), &mut text);
            }
            let object = |row: &Vec<Option<String>>| {
                let filled = columns.iter().zip(row).filter_map(|(name, cell)| Some((name.clone(), cell.clone()?.into())));
                Value::Object(filled.collect())
            };
            prop_assert_eq!(read(&text), table.iter().map(object).collect::<Vec<_>>());
        }
    }
}
