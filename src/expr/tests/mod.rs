//! The tests of the language, over one small schema.

mod bind;
mod errors;
mod eval;
mod hostile;
mod model;
mod numbers;
mod shape;

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;

use super::{Expr, Field, Hop, Kind, Resolved, Root, Scope, Value, Values, compile};

const NOW: &str = "2026-03-01T12:00:00Z";

/// The fields that tests name; a field's slot is its row.
const FIELDS: &[(Root, &str, Kind, bool)] = &[
    (Root::Record, "title", Kind::Str, false),
    (Root::Record, "category", Kind::Str, false),
    (Root::Record, "views", Kind::Int, false),
    (Root::Record, "ratio", Kind::Float, false),
    (Root::Record, "price", Kind::Decimal, false),
    (Root::Record, "published", Kind::Bool, false),
    (Root::Record, "createdAt", Kind::DateTime, false),
    (Root::Record, "day", Kind::Date, false),
    (Root::Record, "tags", Kind::Str, true),
    (Root::Record, "counts", Kind::Int, true),
    (Root::Record, "days", Kind::Date, true),
    (Root::Record, "meta", Kind::Json, false),
    (Root::Record, "author", Kind::Str, false),
    (Root::Record, "author.name", Kind::Str, false),
    (Root::Auth, "id", Kind::Str, false),
    (Root::Auth, "roles", Kind::Str, true),
    (Root::Auth, "limit", Kind::Float, false),
    (Root::Auth, "level", Kind::Int, false),
    (Root::Auth, "credit", Kind::Decimal, false),
    (Root::Auth, "since", Kind::Date, false),
    (Root::Auth, "seen", Kind::DateTime, false),
    (Root::Auth, "meta", Kind::Json, false),
    (Root::Body, "title", Kind::Str, false),
    (Root::Old, "author", Kind::Str, false),
    (Root::Old, "title", Kind::Str, false),
];

struct Schema;

impl Scope for Schema {
    fn resolve(&self, root: Root, path: &[&str]) -> Result<Resolved, String> {
        // Inside of any(comments, …) a plain name is the comment's.
        let root = if root == Root::Item { Root::Record } else { root };
        let found = (1..=path.len()).rev().find_map(|consumed| {
            let name = path[..consumed].join(".");
            let slot = FIELDS.iter().position(|field| field.0 == root && field.1 == name)?;
            Some(Resolved { via: Vec::new(), slot, kind: FIELDS[slot].2, many: FIELDS[slot].3, consumed })
        });
        found.ok_or_else(|| format!("no field {:?}", path.join(".")))
    }

    fn records(&self, _: Root, path: &[&str]) -> Result<(Vec<Hop>, Box<dyn Scope + '_>), String> {
        if path == ["comments"] { Ok((Vec::new(), Box::new(Self))) } else { Err(format!("no records {path:?}")) }
    }
}

/// Values by the name of their field; a field without one is null.
#[derive(Clone, Debug, Default)]
struct Row(BTreeMap<&'static str, Value<'static>>);

impl Row {
    fn with(mut self, name: &'static str, value: Value<'static>) -> Self {
        self.0.insert(name, value);
        self
    }
}

impl Values for Row {
    fn value(&self, field: &Field) -> Value<'_> {
        let name = FIELDS[field.slot].1.to_owned();
        assert!(field.name.contains(&name), "the slot is that of the name");
        self.0.get(field.name.as_str()).map_or(Value::Null, borrow)
    }

    /// The comments of a row are three: itself, and one with more and one with fewer views.
    fn each(&self, over: &Field, visit: &mut dyn FnMut(&dyn Values) -> bool) {
        assert_eq!(over.name, "comments");
        let rows = [("few", 1), ("some", 100), ("many", 1_000)];
        let made = rows.map(|(title, views)| self.clone().with("title", text(title)).with("views", Value::Int(views)));
        let _ = made.iter().all(|row| visit(row));
    }

    fn now(&self) -> Timestamp {
        instant(NOW)
    }
}

fn borrow<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::Str(text) => Value::Str(Cow::Borrowed(text)),
        Value::Many(items) => Value::Many(items.iter().map(borrow).collect()),
        other => other.clone(),
    }
}

fn text(text: &str) -> Value<'static> {
    Value::Str(Cow::Owned(text.to_owned()))
}

fn texts(items: &[&str]) -> Value<'static> {
    Value::Many(items.iter().map(|item| text(item)).collect())
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A record with every field set, and a caller.
fn full() -> Row {
    Row::default()
        .with("title", text("Annual Report"))
        .with("category", text("news"))
        .with("views", Value::Int(100))
        .with("ratio", Value::Float(0.5))
        .with("price", Value::Decimal("12.50".parse().unwrap()))
        .with("published", Value::Bool(true))
        .with("createdAt", Value::DateTime(instant("2026-01-31T12:00:00Z")))
        .with("day", Value::Date("2026-01-31".parse().unwrap()))
        .with("tags", texts(&["red", "blue"]))
        .with("counts", Value::Many(vec![Value::Int(1), Value::Int(2)]))
        .with("days", Value::Many(vec![Value::Date("2026-01-31".parse().unwrap())]))
        .with("meta", Value::Many(vec![]))
        .with("meta.size", Value::Float(3.0))
        .with("meta.name", text("box"))
        .with("meta.flag", Value::Bool(true))
        .with("meta.list", Value::Many(vec![text("a"), Value::Int(1), Value::Null]))
        .with("author", text("u1"))
        .with("author.name", text("Ann"))
        .with("@auth.id", text("u1"))
        .with("@auth.roles", texts(&["editor", "admin"]))
        .with("@auth.limit", Value::Float(99.5))
        .with("@auth.level", Value::Int(3))
        .with("@auth.credit", Value::Decimal("12.50".parse().unwrap()))
        .with("@auth.since", Value::Date("2026-01-31".parse().unwrap()))
        .with("@auth.seen", Value::DateTime(instant("2026-01-31T06:00:00Z")))
        .with("@auth.meta.team", text("news"))
        .with("@auth.meta.list", texts(&["news", "sport"]))
        .with("@request.body.title", text("Annual Report"))
        .with("@old.author", text("u1"))
}

fn expr(source: &str) -> Expr {
    compile(source, &Schema).unwrap_or_else(|error| panic!("{source}: {error}"))
}

/// Checks what each source says of the values; `bind` must not change it.
fn assert_table(row: &Row, table: &[(&str, bool)]) {
    for (source, expected) in table {
        let expr = expr(source);
        assert_eq!(expr.eval(row), *expected, "{source}: {expr:?}");
        let bound = expr.bind(row, row.now());
        assert_eq!(bound.eval(row), *expected, "{source}, bound: {bound:?}");
        bound.for_each_field(&mut |field| assert_ne!(field.root, Root::Auth, "{source}: {bound:?}"));
    }
}
