//! The syntax tree to a checked expression: names by the [`Scope`], types here.

mod compare;
mod each;
mod literal;
mod operand;

use super::{
    Expr, ExprError, Kind, Root, Scope,
    ast::{Comparison, Condition, Literal, Operand, OperandKind},
    build,
    error::Result,
};
use operand::Checked;

/// Checks one source.
pub(super) struct Checker<'a> {
    scope: &'a dyn Scope,
    /// What a plain path starts from: the record, or inside of `any(…, …)` one of those looked at.
    plain: Root,
}

impl<'a> Checker<'a> {
    pub(super) fn new(scope: &'a dyn Scope) -> Self {
        Self { scope, plain: Root::Record }
    }

    /// The checked form of `condition`. Its depth is bounded by the parser.
    pub(super) fn condition(&self, condition: Condition) -> Result<Expr> {
        match condition {
            Condition::Any(parts) => Ok(Expr::any(self.conditions(parts)?)),
            Condition::All(parts) => Ok(Expr::all(self.conditions(parts)?)),
            Condition::Not(inner) => Ok(self.condition(*inner)?.negated()),
            Condition::Bare(Operand { position, kind: OperandKind::Each { all, over, inner } }) => {
                self.each_record(position, all, *over, inner)
            }
            Condition::Bare(operand) => self.bare(operand),
            Condition::Compare {
                left: Operand { position, kind: OperandKind::Each { all, over, inner: None } },
                comparison,
                right,
            } => self.each_value(position, all, *over, comparison, right),
            Condition::Compare { left, comparison, right } => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                compared(left, comparison, right)
            }
        }
    }

    /// Every part is checked, also behind one that decides the whole.
    fn conditions(&self, parts: Vec<Condition>) -> Result<Vec<Expr>> {
        parts.into_iter().map(|part| self.condition(part)).collect()
    }

    /// An operand that is a condition by itself.
    fn bare(&self, operand: Operand) -> Result<Expr> {
        let position = operand.position;
        let found = match self.operand(operand)? {
            Checked::Literal(_, Literal::Bool(always)) => return Ok(Expr::Constant(always)),
            Checked::Literal(_, literal) => literal.name().to_owned(),
            Checked::List(..) => "a list".to_owned(),
            Checked::Value(typed) => match typed.kind {
                _ if typed.many => format!("{}, which holds many values", typed.label),
                Kind::Bool | Kind::Json => return Ok(build::truth(typed.term)),
                kind => format!("{}, which is {}", typed.label, kind.name()),
            },
        };
        Err(ExprError::new(position, format!("expected a condition, found {found}")))
    }
}

fn compared(left: Checked, comparison: Comparison, right: Checked) -> Result<Expr> {
    match comparison {
        Comparison::Order(op) => compare::order(left, op, right),
        Comparison::Contains => compare::contains(left, right),
        Comparison::Lacks => compare::contains(left, right).map(Expr::negated),
        Comparison::In => compare::within(left, right),
    }
}
