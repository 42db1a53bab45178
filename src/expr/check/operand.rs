//! Operands: paths to fields, names with `@`, function calls.

use crate::expr::{
    ExprError, Field, Function, Kind, Resolved, Root, Term,
    ast::{Literal, Operand, OperandKind},
    build,
    error::Result,
    function::Param,
};
use crate::kernel::Scalar;

use super::Checker;

/// An operand whose names are known. The numbers are positions.
pub(super) enum Checked {
    Literal(usize, Literal),
    List(usize, Vec<(usize, Literal)>),
    Value(Typed),
}

/// A term that has a kind.
pub(super) struct Typed {
    pub(super) position: usize,
    pub(super) term: Term,
    pub(super) kind: Kind,
    pub(super) many: bool,
    /// The operand as messages call it.
    pub(super) label: String,
}

impl Checker<'_> {
    pub(super) fn operand(&self, operand: Operand) -> Result<Checked> {
        let Operand { position, kind } = operand;
        Ok(match kind {
            OperandKind::Literal(literal) => Checked::Literal(position, literal),
            OperandKind::List(items) => Checked::List(position, items),
            OperandKind::Path(path) => {
                let segments: Vec<&str> = path.split('.').collect();
                Checked::Value(self.field(position, self.plain, &segments, &path)?)
            }
            OperandKind::Special(path) => Checked::Value(self.special(position, &path)?),
            OperandKind::Now(seconds) => {
                let label = "@now".to_owned();
                Checked::Value(Typed { position, term: Term::Now(seconds), kind: Kind::DateTime, many: false, label })
            }
            OperandKind::Each { all, .. } => {
                let word = if all { "all" } else { "any" };
                let message =
                    format!("{word}(…) stands at the left of a comparison; with a condition it stands by itself");
                return Err(ExprError::new(position, message));
            }
            OperandKind::Call { name, args } => Checked::Value(self.call(position, &name, args)?),
        })
    }

    /// What stands behind `@`.
    fn special(&self, position: usize, path: &str) -> Result<Typed> {
        let label = format!("@{path}");
        let segments: Vec<&str> = path.split('.').collect();
        let (root, rest) = match segments.as_slice() {
            ["auth", rest @ ..] => (Root::Auth, rest),
            ["old", rest @ ..] => (Root::Old, rest),
            ["request", "body", rest @ ..] => (Root::Body, rest),
            _ => {
                let message = format!("no name {label:?}; there are @auth, @request.body, @old and @now");
                return Err(ExprError::new(position, message));
            }
        };
        if rest.is_empty() {
            return Err(ExprError::new(position, format!("expected a field behind {label:?}, as in {label}.id")));
        }
        self.field(position, root, rest, &label)
    }

    fn field(&self, position: usize, root: Root, path: &[&str], name: &str) -> Result<Typed> {
        let fault = |message| ExprError::new(position, message);
        let Resolved { via, slot, kind, many, consumed } = self.scope.resolve(root, path).map_err(fault)?;
        let rest: Vec<String> = path.get(consumed..).unwrap_or_default().iter().map(|&name| name.to_owned()).collect();
        match rest.first() {
            Some(inner) if many => {
                return Err(fault(format!("{name:?}: there is no {inner:?} in a field with many values")));
            }
            Some(inner) if kind != Kind::Json => {
                return Err(fault(format!("{name:?}: there is no {inner:?} in {}", kind.name())));
            }
            _ => {}
        }
        let label = format!("{name:?}");
        let field = Field { root, via, slot, kind, many, name: name.to_owned(), rest };
        Ok(Typed { position, term: Term::Field(field), kind, many, label })
    }

    fn call(&self, position: usize, name: &str, args: Vec<Operand>) -> Result<Typed> {
        let Some(function) = Function::named(name) else {
            let names: Vec<&str> = Function::ALL.iter().map(|function| function.name()).collect();
            let message = format!("no function {name:?}; there are {}", names.join(", "));
            return Err(ExprError::new(position, message));
        };
        let params = function.params();
        if args.len() != params.len() {
            let message = format!("{name}() takes {} arguments, found {}", params.len(), args.len());
            return Err(ExprError::new(position, message.replace(" 1 arguments", " 1 argument")));
        }
        let mut terms = Vec::with_capacity(args.len() + 1);
        for (param, arg) in params.iter().zip(args) {
            self.argument(name, *param, arg, &mut terms)?;
        }
        let term = build::call(function, terms);
        Ok(Typed { position, term, kind: function.result(), many: false, label: format!("{name}()") })
    }

    fn argument(&self, function: &str, param: Param, arg: Operand, terms: &mut Vec<Term>) -> Result<()> {
        let position = arg.position;
        let found = match (param, self.operand(arg)?) {
            (Param::Text | Param::TextOrMany, Checked::Literal(_, Literal::Text(text))) => {
                terms.push(Term::Literal(Scalar::Str(text)));
                return Ok(());
            }
            (Param::Number, Checked::Literal(_, Literal::Number(number))) => {
                terms.push(Term::Literal(Scalar::Float(number.to_float())));
                return Ok(());
            }
            (_, Checked::Literal(_, literal)) => literal.name().to_owned(),
            (_, Checked::List(..)) => "a list".to_owned(),
            (param, Checked::Value(typed)) => match accepts(param, &typed) {
                true if param == Param::Place => {
                    terms.extend(["lat", "lon"].map(|part| inside(typed.term.clone(), part)));
                    return Ok(());
                }
                true => {
                    terms.push(typed.term);
                    return Ok(());
                }
                false if typed.many => format!("{}, which holds many values", typed.label),
                false => format!("{}, which is {}", typed.label, typed.kind.name()),
            },
        };
        Err(ExprError::new(position, format!("{function}() needs {}, found {found}", param.name())))
    }
}

fn accepts(param: Param, typed: &Typed) -> bool {
    match (param, typed.many, typed.kind) {
        (Param::TextOrMany, true, _) | (Param::Text | Param::TextOrMany, false, Kind::Str | Kind::Json) => true,
        (Param::Time, false, kind) => kind.is_time(),
        (Param::Number, false, kind) => kind.is_number() || kind == Kind::Json,
        (Param::Place, false, Kind::Json) => matches!(typed.term, Term::Field(_)),
        _ => false,
    }
}

/// A member of a JSON value.
fn inside(term: Term, member: &str) -> Term {
    match term {
        Term::Field(mut field) => {
            field.name = format!("{}.{member}", field.name);
            field.rest.push(member.to_owned());
            Term::Field(field)
        }
        other => other,
    }
}
