//! Random expressions, printed and compiled, say what a naive reading of the same tree says.

use std::{cmp::Ordering, fmt::Write};

use proptest::{
    prelude::{Just, Strategy, prop, prop_assert_eq, prop_oneof, proptest},
    sample::select,
};

use super::{Row, Value, Values, expr};

/// A value as the model knows it: numbers are hundredths, instants are hours of 2026-01.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Null,
    Bool(bool),
    Number(i64),
    Text(&'static str),
    Time(i64),
    Many(Vec<Plain>),
}

/// How a kind of literal is written, and the fields that hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Number,
    Text,
    Time,
    Bool,
}

/// Fields that hold one value. Those of a sort compare with each other.
const ONES: &[(&str, Sort)] = &[
    ("views", Sort::Number),
    ("ratio", Sort::Number),
    ("price", Sort::Number),
    ("@auth.level", Sort::Number),
    ("@auth.limit", Sort::Number),
    ("@auth.credit", Sort::Number),
    ("title", Sort::Text),
    ("category", Sort::Text),
    ("@auth.id", Sort::Text),
    ("@old.title", Sort::Text),
    ("createdAt", Sort::Time),
    ("day", Sort::Time),
    ("@auth.since", Sort::Time),
    ("@auth.seen", Sort::Time),
    ("published", Sort::Bool),
];

const MANYS: &[(&str, Sort)] = &[("tags", Sort::Text), ("@auth.roles", Sort::Text), ("counts", Sort::Number)];

const TEXTS: &[&str] = &["", "a", "B", "ab", "bA", "É", "é"];

#[derive(Clone, Debug)]
enum Side {
    Field(&'static str),
    Literal(&'static str, Plain),
}

#[derive(Clone, Debug)]
enum Tree {
    Any(Vec<Tree>),
    All(Vec<Tree>),
    Not(Box<Tree>),
    Compare(Side, &'static str, Side),
    Contains(Side, Side),
    In(Side, Vec<Side>),
    Member(Side, &'static str),
    Truth(&'static str),
}

fn sort_of(name: &str) -> Sort {
    ONES.iter().chain(MANYS).find(|field| field.0 == name).unwrap().1
}

/// A literal that may stand beside the field `name`.
fn literal(name: &'static str) -> impl Strategy<Value = Side> {
    let plain = match sort_of(name) {
        Sort::Number => select(vec![-150_i64, -100, 0, 25, 50, 100, 150, 200]).prop_map(Plain::Number).boxed(),
        Sort::Text => select(TEXTS).prop_map(Plain::Text).boxed(),
        Sort::Time if ["day", "@auth.since"].contains(&name) => {
            (0..3_i64).prop_map(|day| Plain::Time(day * 24)).boxed()
        }
        Sort::Time => (0..6_i64).prop_map(|half| Plain::Time(half * 12)).boxed(),
        Sort::Bool => prop::bool::ANY.prop_map(Plain::Bool).boxed(),
    };
    plain.prop_map(move |plain| Side::Literal(name, plain))
}

fn compare() -> impl Strategy<Value = Tree> {
    (select(ONES), select(&["=", "!=", "<", "<=", ">", ">="][..])).prop_flat_map(|((name, sort), operator)| {
        let operator = if sort == Sort::Bool && !operator.ends_with('=') { "=" } else { operator };
        let operator = if sort == Sort::Bool && operator.len() == 2 { "!=" } else { operator };
        let equal = operator == "=" || operator == "!=";
        let same: Vec<&str> = ONES.iter().filter(|other| other.1 == sort).map(|other| other.0).collect();
        let null = if equal { Plain::Null } else { Plain::Bool(true) };
        let null = Just(Side::Literal(name, null)).prop_filter("an order", move |_| equal);
        let literal = literal(name).boxed();
        let other = if equal {
            prop_oneof![4 => literal, 3 => select(same).prop_map(Side::Field), 1 => null].boxed()
        } else {
            prop_oneof![4 => literal, 3 => select(same).prop_map(Side::Field)].boxed()
        };
        (other, prop::bool::ANY).prop_map(move |(other, swap)| match swap {
            true => Tree::Compare(other, operator, Side::Field(name)),
            false => Tree::Compare(Side::Field(name), operator, other),
        })
    })
}

fn leaf() -> impl Strategy<Value = Tree> {
    let text = || prop_oneof![select(vec!["title", "category", "@auth.id"]).prop_map(Side::Field), literal("title")];
    let contains = (text(), text()).prop_map(|(text, needle)| Tree::Contains(text, needle));
    let within = select(ONES).prop_flat_map(|(name, _)| {
        let item = prop_oneof![6 => literal(name), 1 => Just(Side::Literal(name, Plain::Null))];
        prop::collection::vec(item, 0..4).prop_map(move |items| Tree::In(Side::Field(name), items))
    });
    let member = select(MANYS).prop_flat_map(|(name, sort)| {
        let same: Vec<&str> = ONES.iter().filter(|other| other.1 == sort).map(|other| other.0).collect();
        let item = prop_oneof![literal(name), select(same).prop_map(Side::Field)];
        item.prop_map(move |item| Tree::Member(item, name))
    });
    let empty =
        select(MANYS).prop_map(|(name, _)| Tree::Compare(Side::Field(name), "=", Side::Literal(name, Plain::Null)));
    prop_oneof![6 => compare(), 2 => contains, 2 => within, 2 => member, 1 => empty, 1 => Just(Tree::Truth("published"))]
}

fn tree() -> impl Strategy<Value = Tree> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::Any),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::All),
            inner.prop_map(|inner| Tree::Not(Box::new(inner))),
        ]
    })
}

type Record = Vec<(&'static str, Plain)>;

fn record() -> impl Strategy<Value = Record> {
    let one = |name: &'static str| {
        let whole = ["views", "@auth.level"].contains(&name);
        let value = literal(name).prop_map(move |side| match side {
            Side::Literal(_, Plain::Number(number)) if whole => Plain::Number(number / 100 * 100),
            Side::Literal(_, plain) => plain,
            Side::Field(_) => Plain::Null,
        });
        prop_oneof![3 => value, 1 => Just(Plain::Null)].prop_map(move |value| (name, value)).boxed()
    };
    let many = |name: &'static str| {
        let item = literal(name).prop_map(|side| match side {
            Side::Literal(_, Plain::Number(number)) => Plain::Number(number / 100 * 100),
            Side::Literal(_, plain) => plain,
            Side::Field(_) => Plain::Null,
        });
        prop::collection::vec(item, 0..3).prop_map(move |items| (name, Plain::Many(items))).boxed()
    };
    let ones = ONES.iter().map(|field| one(field.0));
    ones.chain(MANYS.iter().map(|field| many(field.0))).collect::<Vec<_>>()
}

fn read(record: &Record, side: &Side) -> Plain {
    match side {
        Side::Field(name) => record.iter().find(|field| field.0 == *name).unwrap().1.clone(),
        Side::Literal(_, plain) => plain.clone(),
    }
}

/// The naive reading.
fn holds(tree: &Tree, record: &Record) -> bool {
    match tree {
        Tree::Any(parts) => parts.iter().any(|part| holds(part, record)),
        Tree::All(parts) => parts.iter().all(|part| holds(part, record)),
        Tree::Not(inner) => !holds(inner, record),
        Tree::Truth(name) => read(record, &Side::Field(name)) == Plain::Bool(true),
        Tree::Compare(left, operator, right) => match *operator {
            "=" => equal(record, left, right),
            "!=" => !equal(record, left, right),
            operator => order(&read(record, left), &read(record, right)).is_some_and(|order| match operator {
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }),
        },
        Tree::Contains(text, needle) => match (read(record, text), read(record, needle)) {
            (Plain::Text(text), Plain::Text(needle)) => text.to_lowercase().contains(&needle.to_lowercase()),
            _ => false,
        },
        Tree::In(item, list) => list.iter().any(|other| equal(record, item, other)),
        Tree::Member(item, name) => match (read(record, item), read(record, &Side::Field(name))) {
            (Plain::Null, _) => false,
            (item, Plain::Many(items)) => items.contains(&item),
            _ => false,
        },
    }
}

fn equal(record: &Record, left: &Side, right: &Side) -> bool {
    let of_caller = |side: &Side| matches!(side, Side::Field(name) if name.starts_with("@auth"));
    let literal = |side: &Side| matches!(side, Side::Literal(..));
    match (read(record, left), read(record, right)) {
        (Plain::Null, Plain::Null) => literal(left) || literal(right) || !(of_caller(left) || of_caller(right)),
        (Plain::Null, Plain::Many(items)) | (Plain::Many(items), Plain::Null) => items.is_empty(),
        (left, right) => left == right,
    }
}

fn order(left: &Plain, right: &Plain) -> Option<Ordering> {
    match (left, right) {
        (Plain::Number(a), Plain::Number(b)) | (Plain::Time(a), Plain::Time(b)) => Some(a.cmp(b)),
        (Plain::Text(a), Plain::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn instant(hours: i64) -> String {
    format!("2026-01-{:02}T{:02}:00:00Z", hours / 24 + 1, hours % 24)
}

fn write_side(side: &Side, source: &mut String) {
    match side {
        Side::Field(name) => source.push_str(name),
        Side::Literal(name, plain) => match plain {
            Plain::Null | Plain::Many(_) => source.push_str("null"),
            Plain::Bool(bool) => write!(source, "{bool}").unwrap(),
            Plain::Number(number) => write!(source, "{}e-2", number).unwrap(),
            Plain::Text(text) => write!(source, "{text:?}").unwrap(),
            Plain::Time(hours) if ["day", "@auth.since"].contains(name) => {
                write!(source, "'{}'", &instant(*hours)[..10]).unwrap()
            }
            Plain::Time(hours) => write!(source, "'{}'", instant(*hours)).unwrap(),
        },
    }
}

fn write_tree(tree: &Tree, source: &mut String) {
    let mut join = |parts: &[Tree], operator: &str| {
        for (index, part) in parts.iter().enumerate() {
            source.push_str(if index == 0 { "(" } else { operator });
            write_tree(part, source);
        }
        source.push(')');
    };
    match tree {
        Tree::Any(parts) => join(parts, " || "),
        Tree::All(parts) => join(parts, " && "),
        Tree::Not(inner) => {
            source.push('!');
            write_tree(inner, source);
        }
        Tree::Truth(name) => source.push_str(name),
        Tree::Compare(left, operator, right) => write_pair(left, operator, right, source),
        Tree::Contains(text, needle) => write_pair(text, "~", needle, source),
        Tree::Member(item, name) => write_pair(item, "in", &Side::Field(name), source),
        Tree::In(item, list) => {
            write_side(item, source);
            source.push_str(" in [");
            for (index, item) in list.iter().enumerate() {
                source.push_str(if index == 0 { "" } else { ", " });
                write_side(item, source);
            }
            source.push(']');
        }
    }
}

fn write_pair(left: &Side, operator: &str, right: &Side, source: &mut String) {
    write_side(left, source);
    write!(source, " {operator} ").unwrap();
    write_side(right, source);
}

/// The value as a field of this name gives it.
fn value(name: &str, plain: &Plain) -> Value<'static> {
    match plain {
        Plain::Null => Value::Null,
        Plain::Bool(bool) => Value::Bool(*bool),
        Plain::Text(text) => Value::Str((*text).into()),
        Plain::Many(items) => Value::Many(items.iter().map(|item| value(name, item)).collect()),
        Plain::Time(hours) if ["day", "@auth.since"].contains(&name) => {
            Value::Date(instant(*hours)[..10].parse().unwrap())
        }
        Plain::Time(hours) => Value::DateTime(super::instant(&instant(*hours))),
        Plain::Number(number) => match name {
            "views" | "@auth.level" | "counts" => Value::Int(number / 100),
            "ratio" | "@auth.limit" => Value::Float(i32::try_from(*number).map(f64::from).unwrap() / 100.0),
            _ => Value::Decimal(rust_decimal::Decimal::new(*number, 2)),
        },
    }
}

proptest! {
    #[test]
    fn compiled_expressions_say_what_they_read(tree in tree(), record in record()) {
        let mut source = String::new();
        write_tree(&tree, &mut source);
        let row = Row(record.iter().map(|(name, plain)| (*name, value(name, plain))).collect());
        let expr = expr(&source);
        let expected = holds(&tree, &record);
        prop_assert_eq!(expr.eval(&row), expected, "{}: {:?}", source, expr);
        let bound = expr.bind(&row, row.now());
        prop_assert_eq!(bound.eval(&row), expected, "{}, bound: {:?}", source, bound);
    }
}
