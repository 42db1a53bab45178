//! From groups to the answer: the columns of each, those that are wanted, in order, as JSON text.

use jiff::Timestamp;

use super::{
    bucket::show_hour,
    groups::Groups,
    request::{Column, Request, Style},
};
use crate::{
    expr::{Field, Value, Values},
    kernel::Scalar,
    records::RecordError,
    store::key::{Direction, Reader},
};

/// The values of one group: its keys, then its aggregates.
type Row = Vec<Scalar>;

/// The JSON text of each group that is answered, in order, and how many there are in all.
pub(super) fn rows(
    request: &Request,
    groups: &Groups<'_>,
    now: Timestamp,
) -> Result<(Vec<Vec<u8>>, usize), RecordError> {
    let mut rows = Vec::new();
    for (key, cells) in groups.sorted() {
        let mut row = Vec::with_capacity(request.columns.len());
        let mut reader = Reader::new(key);
        for key in &request.keys {
            let value = reader.next(Direction::Ascending)?;
            row.push(key.unit.map_or(value.clone(), |unit| unit.label(value)));
        }
        for (cell, measure) in cells.iter().zip(&request.measures) {
            row.push(cell.finish(measure)?);
        }
        if request.having.as_ref().is_none_or(|having| having.eval(&RowView { row: &row, now })) {
            rows.push(row);
        }
    }
    let count = rows.len();
    // The sort is stable, so groups that are alike stay in the order of their keys.
    rows.sort_by(|a, b| compare(&request.sort, a, b));
    rows.truncate(request.limit);
    let rows = rows.iter().map(|row| write(request, row)).collect::<Result<_, _>>()?;
    Ok((rows, count))
}

fn compare(sort: &[(usize, Direction)], a: &Row, b: &Row) -> std::cmp::Ordering {
    let orders = sort.iter().map(|(place, direction)| {
        let order = a.get(*place).cmp(&b.get(*place));
        if *direction == Direction::Ascending { order } else { order.reverse() }
    });
    orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
}

/// The columns of a group as `having` sees them.
struct RowView<'a> {
    row: &'a Row,
    now: Timestamp,
}

impl Values for RowView<'_> {
    fn value(&self, field: &Field) -> Value<'_> {
        self.row.get(field.slot).map_or(Value::Null, Value::from)
    }

    fn each(&self, _: &Field, _: &mut dyn FnMut(&dyn Values) -> bool) {}

    fn now(&self) -> Timestamp {
        self.now
    }
}

fn write(request: &Request, row: &Row) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::with_capacity(request.columns.len() * 24);
    out.push(b'{');
    for (place, (column, value)) in request.columns.iter().zip(row).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        // Names have letters, digits and underscores, which JSON does not escape.
        out.extend_from_slice(format!("\"{}\":", column.name).as_bytes());
        write_value(request, column, value, &mut out)?;
    }
    out.push(b'}');
    Ok(out)
}

/// The JSON text of the answer.
pub(super) fn answer(rows: &[Vec<u8>], count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + rows.iter().map(|row| row.len() + 1).sum::<usize>());
    out.extend_from_slice(b"{\"items\":[");
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(row);
    }
    out.extend_from_slice(format!("],\"groups\":{count}}}").as_bytes());
    out
}

fn write_value(request: &Request, column: &Column, value: &Scalar, out: &mut Vec<u8>) -> Result<(), RecordError> {
    let text = match value {
        Scalar::Null => return put(out, &()),
        Scalar::Bool(bool) => return put(out, bool),
        Scalar::Int(int) => return put(out, int),
        Scalar::Float(float) => return put(out, float),
        Scalar::Str(text) => return put(out, text),
        Scalar::DateTime(instant) => match column.style {
            Style::Hour => show_hour(*instant, &request.zone),
            Style::Milliseconds => format!("{instant:.3}"),
            Style::Plain => instant.to_string(),
        },
        Scalar::Decimal(decimal) => decimal.to_string(),
        Scalar::Date(day) => day.to_string(),
        Scalar::Uuid(uuid) => uuid.to_string(),
    };
    put(out, &text)
}

fn put(out: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), RecordError> {
    Ok(serde_json::to_writer(out, value).map_err(crate::store::StoreError::corrupt)?)
}
