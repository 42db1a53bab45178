//! The checked expression: what is evaluated, bound to a caller and planned.
//!
//! Its invariants are kept by `build`; code outside makes expressions by [`compile`](super::compile), [`Expr::all`],
//! [`Expr::any`] and [`Expr::negated`].

use std::sync::Arc;

use crate::kernel::Scalar;

use super::Function;

/// Whose fields a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// The record itself: a plain path.
    Record,
    /// The caller: `@auth.x`.
    Auth,
    /// The body of the request: `@request.body.x`.
    Body,
    /// The record before the change: `@old.x`.
    Old,
    /// One of the records that [`Expr::Each`] looks at.
    Item,
    /// One of the values that [`Expr::Each`] looks at.
    Value,
}

/// A step from a record to those that it points at, or that point at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The collection to which it leads, by a number that the [`Scope`](super::Scope) knows.
    pub to: u32,
    /// The relation: a field of the record when it leads forward, of the records that it leads to when it leads back.
    pub slot: usize,
    /// Whether it leads from a record to those that point at it.
    pub back: bool,
    /// Whether it may lead to more than one record.
    pub many: bool,
    /// What a record that it leads to must satisfy to be seen; one that does not is as if it were not there.
    pub guard: Option<Arc<Expr>>,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A double-precision number.
    Float,
    /// An exact decimal number.
    Decimal,
    /// Text; ids are text.
    Str,
    /// An instant.
    DateTime,
    /// A calendar day; compared with an instant it is its midnight in UTC.
    Date,
    /// Any JSON value, known only when it is read.
    Json,
}

impl Kind {
    /// The kind as messages call it, with its article.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int | Self::Float | Self::Decimal => "a number",
            Self::Str => "text",
            Self::DateTime => "a date and time",
            Self::Date => "a date",
            Self::Json => "JSON",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Decimal)
    }

    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::DateTime | Self::Date)
    }
}

/// A value that is read when the expression is evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Whose field it is.
    pub root: Root,
    /// The steps from that record to the one that has the value; empty for a field of its own.
    pub via: Vec<Hop>,
    /// Where the [`Scope`](super::Scope) says that its value is found.
    pub slot: usize,
    /// The kind of its value, or of each value when there are many.
    pub kind: Kind,
    /// Whether it holds many values.
    pub many: bool,
    /// The path as the source spells it, `@auth.id` with its prefix.
    pub name: String,
    /// The path inside a JSON value; empty for the whole value.
    pub rest: Vec<String>,
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl CompareOp {
    /// The operator that says the same with its sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }

    /// Whether it asks for an order, and not only for equality.
    #[must_use]
    pub fn is_order(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// A value known before evaluation.
    Literal(Scalar),
    /// Several of them: the list of [`Expr::In`], sorted and without repetition, or an argument that
    /// [`Expr::bind`] found to be many values.
    List(Vec<Scalar>),
    /// A value to read.
    Field(Field),
    /// The instant of the evaluation, so many seconds later.
    Now(i64),
    /// A function of other terms.
    Call {
        /// Which function.
        function: Function,
        /// What it is given, as many as it takes.
        args: Vec<Term>,
    },
}

impl Term {
    /// The kind of the term's value; of a null or a list, [`Kind::Json`].
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Literal(scalar) => match scalar {
                Scalar::Null => Kind::Json,
                Scalar::Bool(_) => Kind::Bool,
                Scalar::Int(_) => Kind::Int,
                Scalar::Float(_) => Kind::Float,
                Scalar::Decimal(_) => Kind::Decimal,
                Scalar::Str(_) | Scalar::Uuid(_) => Kind::Str,
                Scalar::DateTime(_) => Kind::DateTime,
                Scalar::Date(_) => Kind::Date,
            },
            Self::List(_) => Kind::Json,
            Self::Field(field) => field.kind,
            Self::Now(_) => Kind::DateTime,
            Self::Call { function, .. } => function.result(),
        }
    }

    fn for_each_field(&self, f: &mut dyn FnMut(&Field)) {
        match self {
            Self::Field(field) => f(field),
            Self::Call { args, .. } => args.iter().for_each(|arg| arg.for_each_field(f)),
            Self::Literal(_) | Self::List(_) | Self::Now(_) => {}
        }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Always or never true.
    Constant(bool),
    /// Every part is true; at least two, none of them an `All` or a `Constant`.
    All(Vec<Expr>),
    /// Some part is true; at least two, none of them an `Any` or a `Constant`.
    Any(Vec<Expr>),
    /// The inner condition is false.
    Not(Box<Expr>),
    /// Two values compare as `op` says.
    ///
    /// A literal stands at the right. It has the kind of the left side, save a number that this kind cannot hold
    /// exactly (which only [`Expr::bind`] can bring), a [`Kind::Json`] left side, and null, which asks whether the left
    /// side is absent, or empty when it holds many values.
    Compare {
        /// The left side.
        left: Term,
        /// The operator.
        op: CompareOp,
        /// The right side.
        right: Term,
    },
    /// The text has the needle in it, whatever the case of both.
    Contains {
        /// Where to look.
        text: Term,
        /// What to look for; a literal is folded to lower case already.
        needle: Term,
    },
    /// The item is one of the list.
    In {
        /// One value.
        item: Term,
        /// A [`Term::List`] of the item's kind, or a field with many values.
        list: Term,
    },
    /// The term is true; false when it is absent or, in JSON, something else.
    Truth(Term),
    /// Some value or record of many satisfies the inner condition, or all of them do. Of none, all do.
    Each {
        /// Whether all must.
        all: bool,
        /// The values; of records, the field that leads to them.
        over: Field,
        /// Whether the inner condition judges the records, and not the values.
        of_records: bool,
        /// The condition, in which [`Root::Item`] stands for the record or [`Root::Value`] for the value.
        inner: Box<Expr>,
    },
}

impl Expr {
    /// Calls `f` for each field in the expression, in the order of the source, as often as it is named.
    pub fn for_each_field(&self, f: &mut dyn FnMut(&Field)) {
        match self {
            Self::Constant(_) => {}
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.for_each_field(f)),
            Self::Not(inner) => inner.for_each_field(f),
            Self::Truth(term) => term.for_each_field(f),
            Self::Each { over, inner, .. } => {
                f(over);
                inner.for_each_field(f);
            }
            Self::Compare { left: first, right: second, .. }
            | Self::Contains { text: first, needle: second }
            | Self::In { item: first, list: second } => {
                first.for_each_field(f);
                second.for_each_field(f);
            }
        }
    }
}
