//! `any(…)` and `all(…)`: conditions about each of many values, or of many records.

use crate::expr::{
    Expr, ExprError, Field, Kind, Root, Term,
    ast::{Comparison, Condition, Operand, OperandKind},
    build,
    error::Result,
};

use super::{
    Checker, compared,
    operand::{Checked, Typed},
};

impl Checker<'_> {
    /// `any(tags) = "x"`: some value compares so.
    pub(super) fn each_value(
        &self,
        position: usize,
        all: bool,
        over: Operand,
        comparison: Comparison,
        right: Operand,
    ) -> Result<Expr> {
        let word = word(all);
        let (over, kind, label) = match self.operand(over)? {
            Checked::Value(Typed { term: Term::Field(field), many: true, label, kind, .. })
                if field.root != Root::Auth =>
            {
                (field, kind, label)
            }
            Checked::Value(Typed { term: Term::Field(field), label, .. }) if field.root == Root::Auth => {
                let name = label.trim_matches('"');
                return Err(ExprError::new(position, format!(r#"write "x" in {name} for what the caller has"#)));
            }
            Checked::Value(typed) if !typed.many => {
                let message = format!("{word}() needs many values, {} holds one: compare it as it is", typed.label);
                return Err(ExprError::new(position, message));
            }
            _ => return Err(ExprError::new(position, format!("{word}() needs a field with many values"))),
        };
        let item = Field {
            root: Root::Value,
            via: Vec::new(),
            slot: 0,
            kind,
            many: false,
            name: over.name.clone(),
            rest: Vec::new(),
        };
        let item = Typed { position, term: Term::Field(item), kind, many: false, label };
        let inner = compared(Checked::Value(item), comparison, self.operand(right)?)?;
        Ok(build::each(all, over, false, inner))
    }

    /// `any(comments_via_post, approved)`: some record satisfies the condition.
    pub(super) fn each_record(
        &self,
        position: usize,
        all: bool,
        over: Operand,
        inner: Option<Box<Condition>>,
    ) -> Result<Expr> {
        let word = word(all);
        let Some(inner) = inner else {
            return Err(ExprError::new(
                position,
                format!("compare {word}(…) with a value, or write {word}(…, condition)"),
            ));
        };
        let (root, name) = match over.kind {
            OperandKind::Path(path) => (self.plain, path),
            OperandKind::Special(path) => match path.split_once('.') {
                Some(("old", rest)) => (Root::Old, rest.to_owned()),
                _ => return Err(ExprError::new(over.position, format!("{word}() needs a path to records"))),
            },
            _ => return Err(ExprError::new(over.position, format!("{word}() needs a path to records"))),
        };
        let path: Vec<&str> = name.split('.').collect();
        let (via, scope) = self.scope.records(root, &path).map_err(|message| ExprError::new(over.position, message))?;
        let inner = Checker { scope: &*scope, plain: Root::Item }.condition(*inner)?;
        let over = Field { root, via, slot: 0, kind: Kind::Str, many: true, name, rest: Vec::new() };
        Ok(build::each(all, over, true, inner))
    }
}

fn word(all: bool) -> &'static str {
    if all { "all" } else { "any" }
}
