//! Evaluation. Plain comparisons borrow both sides and allocate nothing.

use jiff::Timestamp;

use crate::kernel::Scalar;

use super::{CompareOp, Expr, Field, Root, Term, Value, Values, text};

impl Expr {
    /// Whether the condition holds for `values`.
    #[must_use]
    pub fn eval(&self, values: &dyn Values) -> bool {
        match self {
            Self::Constant(always) => *always,
            Self::All(parts) => parts.iter().all(|part| part.eval(values)),
            Self::Any(parts) => parts.iter().any(|part| part.eval(values)),
            Self::Not(inner) => !inner.eval(values),
            Self::Compare { left, op, right } => compare(left, *op, right, values),
            Self::Contains { text, needle } => contains(text, needle, values),
            Self::In { item, list } => is_in(item, list, values),
            Self::Truth(term) => matches!(term.value(values), Value::Bool(true)),
            Self::Each { all, over, of_records, inner } => each(*all, over, *of_records, inner, values),
        }
    }
}

impl Term {
    /// The term's value.
    pub(super) fn value<'a>(&'a self, values: &'a dyn Values) -> Value<'a> {
        match self {
            Self::Literal(scalar) => scalar.into(),
            Self::List(items) => Value::Many(items.iter().map(Value::from).collect()),
            Self::Field(field) => values.value(field),
            Self::Now(seconds) => later(values.now(), *seconds),
            Self::Call { function, args } => function.apply(args, values),
        }
    }

    /// Whether the term is a field with many values.
    pub(super) fn is_many(&self) -> bool {
        matches!(self, Self::Field(Field { many: true, .. }))
    }

    /// Whether the term reads a value of the caller.
    fn is_of_caller(&self) -> bool {
        match self {
            Self::Field(field) => field.root == Root::Auth,
            Self::Call { args, .. } => args.iter().any(Self::is_of_caller),
            Self::Literal(_) | Self::List(_) | Self::Now(_) => false,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Literal(Scalar::Null))
    }

    /// Whether the term has no value.
    fn is_absent(&self, values: &dyn Values) -> bool {
        match self.value(values) {
            Value::Null => true,
            Value::Many(items) => self.is_many() && items.is_empty(),
            _ => false,
        }
    }
}

pub(super) fn compare(left: &Term, op: CompareOp, right: &Term, values: &dyn Values) -> bool {
    match op {
        CompareOp::Eq => equal(left, right, values),
        CompareOp::Ne => !equal(left, right, values),
        _ => left.value(values).order(&right.value(values)).is_some_and(|order| match op {
            CompareOp::Lt => order.is_lt(),
            CompareOp::Le => order.is_le(),
            CompareOp::Gt => order.is_gt(),
            _ => order.is_ge(),
        }),
    }
}

/// Two absent values are equal, save that one of the caller's equals only the literal null.
fn equal(left: &Term, right: &Term, values: &dyn Values) -> bool {
    match (left.is_null(), right.is_null()) {
        (true, _) => right.is_absent(values),
        (_, true) => left.is_absent(values),
        (false, false) => match (left.value(values), right.value(values)) {
            (Value::Null, Value::Null) => !left.is_of_caller() && !right.is_of_caller(),
            (left, right) => left.equals(&right),
        },
    }
}

pub(super) fn contains(text: &Term, needle: &Term, values: &dyn Values) -> bool {
    let Value::Str(text) = text.value(values) else { return false };
    match needle {
        Term::Literal(Scalar::Str(needle)) => text::contains(&text, needle),
        other => match other.value(values) {
            Value::Str(needle) => text::contains_unfolded(&text, &needle),
            _ => false,
        },
    }
}

fn is_in(item: &Term, list: &Term, values: &dyn Values) -> bool {
    let item = item.value(values);
    match list {
        Term::List(literals) if item == Value::Null => literals.iter().any(Scalar::is_null),
        Term::List(literals) => literals.iter().any(|literal| item.equals(&literal.into())),
        other => match other.value(values) {
            Value::Many(items) => items.iter().any(|other| item.equals(other)),
            _ => false,
        },
    }
}

fn later(instant: Timestamp, seconds: i64) -> Value<'static> {
    instant.checked_add(jiff::SignedDuration::from_secs(seconds)).map_or(Value::Null, Value::DateTime)
}

/// Looks at each until one decides.
fn each(all: bool, over: &Field, of_records: bool, inner: &Expr, values: &dyn Values) -> bool {
    let mut decided = false;
    let mut decides = |item: &dyn Values| {
        decided = inner.eval(item) != all;
        !decided
    };
    if of_records {
        values.each(over, &mut decides);
    } else if let Value::Many(items) = values.value(over) {
        items.iter().all(|item| decides(&Item { item, outer: values }));
    }
    decided != all
}

/// One value of many, and all that is around it.
struct Item<'a> {
    item: &'a Value<'a>,
    outer: &'a dyn Values,
}

impl Values for Item<'_> {
    fn value(&self, field: &Field) -> Value<'_> {
        if field.root == Root::Value { self.item.borrowed() } else { self.outer.value(field) }
    }

    fn each(&self, over: &Field, visit: &mut dyn FnMut(&dyn Values) -> bool) {
        self.outer.each(over, visit);
    }

    fn now(&self) -> Timestamp {
        self.outer.now()
    }
}

/// No values at all, for folding what reads none.
pub(super) struct NoValues;

impl Values for NoValues {
    fn value(&self, _: &Field) -> Value<'_> {
        Value::Null
    }

    fn each(&self, _: &Field, _: &mut dyn FnMut(&dyn Values) -> bool) {}

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}
