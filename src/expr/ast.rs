//! The syntax tree: what the source says, with positions, before names and types are known.

use super::{CompareOp, number::Number};

/// A condition as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Compare { left: Operand, comparison: Comparison, right: Operand },
    Bare(Operand),
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Order(CompareOp),
    Contains,
    Lacks,
    In,
}

/// One side of a comparison, a function's argument, or a condition by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) position: usize,
    pub(super) kind: OperandKind,
}

/// What the operand is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum OperandKind {
    Literal(Literal),
    List(Vec<(usize, Literal)>),
    /// `author.name`
    Path(String),
    /// `@auth.id`, without the sign.
    Special(String),
    /// The instant of the evaluation, so many seconds later.
    Now(i64),
    /// `any(tags)`, `all(tags)`; with a condition about each record, a condition by itself.
    Each {
        all: bool,
        over: Box<Operand>,
        inner: Option<Box<Condition>>,
    },
    Call {
        name: String,
        args: Vec<Operand>,
    },
}

/// A value in the source, not yet of any field's kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
}

impl Literal {
    /// The literal as messages call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
        }
    }
}
