//! Reading the parameters of an aggregate request: every fault at once.

use jiff::tz::TimeZone;

use super::{
    GROUP_MAX, LIMIT_DEFAULT, LIMIT_MAX, SELECT_MAX, SORT_MAX,
    items::{self, Fault, echo},
    request::{Column, Key, Measure, Request},
};
use crate::{
    collections::catalog::split_direction,
    expr::{self, Expr, Hop, Resolved, Root, Scope},
    kernel::FieldError,
    records::{RecordError, asking::Asking},
    store::key::Direction,
};

/// The parameters that there are.
const NAMES: [&str; 7] = ["filter", "select", "group", "having", "sort", "limit", "timezone"];
/// The parameters of a list of groups.
const LIST_NAMES: [&str; 4] = ["filter", "sort", "limit", "total"];
/// What a request selects that says nothing of it.
const SELECT_DEFAULT: &str = "count";

impl Request {
    /// Reads the parameters of an aggregate request.
    pub(super) fn parse(asking: &Asking<'_>, parameters: &[(String, String)]) -> Result<Self, RecordError> {
        let (mut request, mut errors) = Self::read(&asking.scope(), parameters);
        match asking.filter(value_of(parameters, "filter").unwrap_or_default()) {
            Ok(filter) => request.filter = filter,
            Err(fault) if errors.is_empty() => return Err(fault),
            Err(fault) => errors.push(FieldError::new("filter", "invalid", fault)),
        }
        if errors.is_empty() { Ok(request) } else { Err(RecordError::Parameters(errors)) }
    }

    /// Reads all but the filter, with every fault.
    pub(super) fn read(scope: &dyn Scope, parameters: &[(String, String)]) -> (Self, Vec<FieldError>) {
        let mut reader = Reader { scope, errors: Vec::new(), columns: Vec::new() };
        reader.check_names(parameters, &NAMES);
        let value = |name| value_of(parameters, name);
        let keys = reader.keys(value("group"));
        let measures = reader.measures(value("select").unwrap_or(SELECT_DEFAULT));
        let limit = reader.limit(value("limit"));
        let zone = reader.zone(value("timezone"));
        let sort = reader.sort(value("sort"));
        let having = reader.having(value("having"));
        let Reader { errors, columns, .. } = reader;
        let filter = Expr::Constant(true);
        (Self { filter, keys, measures, columns, having, sort, limit, zone }, errors)
    }

    /// Narrows what is answered to the groups that the parameters of a list ask for, whose filter is about columns. Answers
    /// whether the number of all of them is asked for, too.
    pub(super) fn narrow(&mut self, parameters: &[(String, String)]) -> Result<bool, RecordError> {
        let columns = std::mem::take(&mut self.columns);
        let scope = ColumnScope { columns: &columns };
        let mut reader = Reader { scope: &scope, errors: Vec::new(), columns: columns.clone() };
        reader.check_names(parameters, &LIST_NAMES);
        let value = |name| value_of(parameters, name);
        self.limit = value("limit").map_or(LIMIT_MAX, |limit| reader.limit(Some(limit)));
        self.sort = reader.sort(value("sort"));
        let total = value("total").unwrap_or("false");
        if !matches!(total, "true" | "false") {
            reader.fail("total", "type", "must be true or false");
        }
        if !reader.errors.is_empty() {
            return Err(RecordError::Parameters(reader.errors));
        }
        if let Some(filter) = value("filter") {
            let filter = expr::compile(filter, &scope).map_err(RecordError::Filter)?;
            self.having = Some(Expr::all(self.having.take().into_iter().chain([filter])));
        }
        self.columns = columns;
        Ok(total == "true")
    }
}

/// The value of a parameter, unless it says nothing.
fn value_of<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let found = parameters.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

struct Reader<'c> {
    /// The fields.
    scope: &'c dyn Scope,
    errors: Vec<FieldError>,
    /// The columns of the answer so far, those of items at fault included, so that naming them is no further fault.
    columns: Vec<Column>,
}

impl Reader<'_> {
    fn fail(&mut self, name: &str, code: &'static str, detail: impl std::fmt::Display) {
        self.errors.push(FieldError::new(name, code, detail));
    }

    /// The value, or its fault is noted.
    fn noted<T>(&mut self, name: &str, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|(code, detail)| self.fail(name, code, detail)).ok()
    }

    /// The parts between commas; none, when there are too many.
    fn split<'v>(&mut self, name: &str, value: Option<&'v str>, max: usize) -> Vec<&'v str> {
        let items: Vec<&str> = value.into_iter().flat_map(|value| value.split(',')).take(max + 1).collect();
        if items.len() <= max {
            return items;
        }
        self.fail(name, "items", format_args!("at most {max}, separated by commas"));
        Vec::new()
    }

    fn check_names(&mut self, parameters: &[(String, String)], names: &[&str]) {
        for (place, (name, _)) in parameters.iter().enumerate() {
            if !names.contains(&name.as_str()) {
                self.fail(name, "unknown_parameter", format_args!("there are {}", names.join(", ")));
            } else if parameters.iter().take(place).any(|(known, _)| known == name) {
                self.fail(name, "duplicate", "stands there twice");
            }
        }
    }

    fn keys(&mut self, value: Option<&str>) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for text in self.split("group", value, GROUP_MAX) {
            let item = items::item(text, "a field, or a unit of time such as month(createdAt)");
            let Some(item) = self.noted("group", item) else { continue };
            let key = self.noted("group", items::key(self.scope, &item));
            self.add_column("group", Column::new(item.column(), key.as_ref().map(Key::shape)));
            keys.extend(key);
        }
        if keys.iter().filter(|key| key.field.many).count() > 1 {
            self.fail("group", "items", "only one key may be a field with many values");
        }
        keys
    }

    fn measures(&mut self, value: &str) -> Vec<Measure> {
        let mut measures = Vec::new();
        for text in self.split("select", Some(value), SELECT_MAX) {
            let item = items::item(text, "count, or an aggregate such as sum(price) or sum(price) as total");
            let Some(item) = self.noted("select", item) else { continue };
            let measure = self.noted("select", items::measure(self.scope, &item));
            self.add_column("select", Column::new(item.column(), measure.as_ref().map(Measure::shape)));
            measures.extend(measure);
        }
        measures
    }

    fn add_column(&mut self, parameter: &str, column: Column) {
        if self.columns.iter().any(|known| known.name == column.name) {
            let detail = format!("there are two columns {}; name one with `as`", echo(&column.name));
            self.fail(parameter, "duplicate", detail);
        }
        self.columns.push(column);
    }

    fn limit(&mut self, value: Option<&str>) -> usize {
        let Some(value) = value else { return LIMIT_DEFAULT };
        let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        if limit.is_none() {
            self.fail("limit", "too_large", format_args!("must be from 1 to {LIMIT_MAX}"));
        }
        limit.unwrap_or(LIMIT_DEFAULT)
    }

    fn zone(&mut self, value: Option<&str>) -> TimeZone {
        let Some(name) = value else { return TimeZone::UTC };
        TimeZone::get(name).unwrap_or_else(|_| {
            let detail = format!("there is no time zone {}; take an IANA name such as Europe/Berlin", echo(name));
            self.fail("timezone", "unknown_timezone", detail);
            TimeZone::UTC
        })
    }

    fn sort(&mut self, value: Option<&str>) -> Vec<(usize, Direction)> {
        let mut terms: Vec<(usize, Direction)> = Vec::new();
        for term in self.split("sort", value, SORT_MAX) {
            let (name, direction) = split_direction(term.trim());
            match self.columns.iter().position(|column| column.name == name) {
                None => {
                    let detail = no_column(&self.columns, name);
                    self.fail("sort", "unknown_field", detail);
                }
                Some(place) if terms.iter().any(|(known, _)| *known == place) => {
                    self.fail("sort", "duplicate", format_args!("{} stands there twice", echo(name)));
                }
                Some(place) => terms.push((place, direction)),
            }
        }
        terms
    }

    fn having(&mut self, value: Option<&str>) -> Option<Expr> {
        let compiled = expr::compile(value?, &ColumnScope { columns: &self.columns });
        compiled.map_err(|fault| self.fail("having", "invalid", fault)).ok()
    }
}

/// Names of `having`: the columns of the answer.
struct ColumnScope<'a> {
    columns: &'a [Column],
}

impl Scope for ColumnScope<'_> {
    fn resolve(&self, root: Root, path: &[&str]) -> Result<Resolved, String> {
        let name = path.first().copied().unwrap_or_default();
        let found = self.columns.iter().enumerate().find(|(_, column)| root == Root::Record && column.name == name);
        let (slot, column) = found.ok_or_else(|| no_column(self.columns, name))?;
        Ok(Resolved { via: Vec::new(), slot, kind: column.kind, many: false, consumed: 1 })
    }

    fn records(&self, _: Root, path: &[&str]) -> Result<(Vec<Hop>, Box<dyn Scope + '_>), String> {
        Err(format!("{} leads to no records", echo(&path.join("."))))
    }
}

fn no_column(columns: &[Column], name: &str) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    format!("no column {}; there are {}", echo(name), echo_list(&names))
}

fn echo_list(names: &[&str]) -> String {
    names.iter().map(|name| echo(name)).collect::<Vec<_>>().join(", ")
}
