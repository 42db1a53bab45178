//! The groups that were met, each with a cell for every aggregate. Bounded in number and in bytes.

use std::collections::{HashMap, HashSet};

use super::{
    GROUP_BYTES_MAX, GROUPS_MAX,
    cell::Cell,
    request::{Function, Key, Measure, Request},
};
use crate::{
    expr::{Value, Values},
    records::RecordError,
    store::key::{Direction, encode, encode_str},
};

/// What a map costs for each entry, beside its key.
const ENTRY_BYTES: usize = 48;

/// Groups by their keys, written so that bytes order as groups do.
#[derive(Debug)]
pub(super) struct Groups<'r> {
    request: &'r Request,
    by_key: HashMap<Box<[u8]>, usize>,
    /// The cells of the first group, then of the second, and so on.
    cells: Vec<Cell>,
    /// Group, aggregate and value, of what `distinct` has met.
    met: HashSet<Box<[u8]>>,
    /// About how much memory all of it takes.
    bytes: usize,
    /// The key of the record before, and its group: neighbours are often of one group.
    last: Option<usize>,
    last_key: Vec<u8>,
    /// Where keys and values are written, kept to allocate once.
    scratch: Vec<u8>,
}

impl<'r> Groups<'r> {
    /// No group; the one of all records, when there are no keys.
    pub(super) fn new(request: &'r Request) -> Result<Self, RecordError> {
        let mut groups = Self {
            request,
            by_key: HashMap::new(),
            cells: Vec::new(),
            met: HashSet::new(),
            bytes: 0,
            last: None,
            last_key: Vec::new(),
            scratch: Vec::with_capacity(64),
        };
        if request.keys.is_empty() {
            groups.find()?;
        }
        Ok(groups)
    }

    /// Takes in a record with these values, so many times.
    pub(super) fn take(&mut self, values: &dyn Values, times: u64) -> Result<(), RecordError> {
        let request = self.request;
        let items = match request.keys.iter().find(|key| key.field.many) {
            None => return self.take_item(values, None, times),
            Some(key) => match values.value(&key.field) {
                Value::Null => return Ok(()),
                Value::Many(items) => items,
                // An entry of an index has one item.
                item => vec![item],
            },
        };
        items.iter().try_for_each(|item| self.take_item(values, Some(item), times))
    }

    /// Takes in a record for the group that it has by its values, and by one item of the key with many.
    fn take_item(&mut self, values: &dyn Values, item: Option<&Value<'_>>, times: u64) -> Result<(), RecordError> {
        let request = self.request;
        self.scratch.clear();
        for key in &request.keys {
            match item.filter(|_| key.field.many) {
                Some(item) => write_key(request, key, item, &mut self.scratch),
                None => write_key(request, key, &values.value(&key.field), &mut self.scratch),
            }
        }
        let group = self.find()?;
        for (place, measure) in request.measures.iter().enumerate() {
            match measure.field.as_ref().map(|field| values.value(field)) {
                None => self.count(group, place, times),
                Some(Value::Null) => {}
                Some(Value::Many(items)) => {
                    items.iter().try_for_each(|item| self.add(group, place, measure, item, times))?;
                }
                Some(value) => self.add(group, place, measure, &value, times)?,
            }
        }
        Ok(())
    }

    /// The group with the key in `scratch`, made when it is new.
    fn find(&mut self) -> Result<usize, RecordError> {
        if let Some(group) = self.last.filter(|_| self.last_key == self.scratch) {
            return Ok(group);
        }
        let group = match self.by_key.get(self.scratch.as_slice()) {
            Some(group) => *group,
            None => self.make()?,
        };
        self.last = Some(group);
        self.last_key.clone_from(&self.scratch);
        Ok(group)
    }

    fn make(&mut self) -> Result<usize, RecordError> {
        let group = self.by_key.len();
        if group >= GROUPS_MAX {
            return Err(RecordError::TooLarge(format!(
                "there are more than {GROUPS_MAX} groups; group by what has fewer values, or narrow the filter"
            )));
        }
        self.grow(self.scratch.len() + ENTRY_BYTES + self.request.measures.len() * size_of::<Cell>())?;
        self.by_key.insert(self.scratch.as_slice().into(), group);
        self.cells.extend(self.request.measures.iter().map(Cell::of));
        Ok(group)
    }

    fn grow(&mut self, bytes: usize) -> Result<(), RecordError> {
        self.bytes += bytes;
        if self.bytes > GROUP_BYTES_MAX {
            return Err(RecordError::TooLarge(format!(
                "the groups and their different values take more than {} MiB; narrow the filter, or ask for fewer at once",
                GROUP_BYTES_MAX >> 20
            )));
        }
        Ok(())
    }

    fn cell(&mut self, group: usize, place: usize) -> Option<&mut Cell> {
        self.cells.get_mut(group * self.request.measures.len() + place)
    }

    fn count(&mut self, group: usize, place: usize, times: u64) {
        if let Some(Cell::Count(count)) = self.cell(group, place) {
            *count += times;
        }
    }

    fn add(
        &mut self,
        group: usize,
        place: usize,
        measure: &Measure,
        value: &Value<'_>,
        times: u64,
    ) -> Result<(), RecordError> {
        if measure.function == Function::Distinct {
            return self.meet(group, place, value);
        }
        let Some(cell) = self.cell(group, place) else { return Ok(()) };
        let grown = cell.add(measure, value, times)?;
        self.bytes = self.bytes.saturating_add_signed(grown.min(0));
        self.grow(grown.max(0).unsigned_abs())
    }

    fn meet(&mut self, group: usize, place: usize, value: &Value<'_>) -> Result<(), RecordError> {
        self.scratch.clear();
        self.scratch.extend_from_slice(&group.to_be_bytes());
        self.scratch.extend_from_slice(&place.to_be_bytes());
        write_value(value, &mut self.scratch);
        if self.met.contains(self.scratch.as_slice()) {
            return Ok(());
        }
        self.grow(self.scratch.len() + ENTRY_BYTES)?;
        self.met.insert(self.scratch.as_slice().into());
        self.count(group, place, 1);
        Ok(())
    }

    /// Each group's key and cells, by key.
    pub(super) fn sorted(&self) -> Vec<(&[u8], &[Cell])> {
        let width = self.request.measures.len();
        let cells = |group: usize| self.cells.get(group * width..(group + 1) * width).unwrap_or_default();
        let mut sorted: Vec<_> = self.by_key.iter().map(|(key, group)| (&**key, cells(*group))).collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }
}

fn write_key(request: &Request, key: &Key, value: &Value<'_>, out: &mut Vec<u8>) {
    match key.unit {
        Some(unit) => encode(&unit.start(value, &request.zone), Direction::Ascending, out),
        None => write_value(value, out),
    }
}

/// A value so that equal ones have equal bytes. A text is not copied before.
fn write_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => encode_str(text, Direction::Ascending, out),
        other => {
            if let Some(scalar) = other.clone().into_scalar() {
                encode(&scalar, Direction::Ascending, out);
            }
        }
    }
}
