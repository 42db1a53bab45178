//! The expression language of filters, access rules and realtime subscriptions.
//!
//! [`compile`] takes a source text through `lex` → `parse` (a syntax tree with positions, `ast`) → `check` (names and
//! types, by a [`Scope`]) to an [`Expr`]. An `Expr` is a predicate over [`Values`] and, after [`Expr::bind`], what a
//! planner reads. Not here: where fields live, how their values are read, and which index serves a query.
//!
//! Semantics worth knowing:
//! - The logic has two values. A comparison by order with an absent value is false; `!=` and `!~` are the exact
//!   negations of `=` and `~`. Two absent values are equal, with one exception:
//! - an absent value *of the caller* equals only the literal `null`. So `author = @auth.id` never opens a record without
//!   an author to a guest, who has no id.
//! - Numbers compare by their exact value, whatever their kinds.
//! - Many values are never compared as if they were one: `any(tags) = "x"` and `all(tags) != "x"` say which is meant, and
//!   `any(comments_via_post, approved && author = @auth.id)` holds when one and the same record satisfies all of it.
//!
//! Hostile input is bounded by the four constants below, so no expression can exhaust the stack or stall a scan.

mod ast;
mod bind;
mod build;
mod check;
mod error;
mod eval;
mod fit;
mod function;
mod geo;
mod lex;
mod number;
mod parse;
mod quoted;
mod scope;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod tree;
mod value;

pub use error::ExprError;
pub use function::Function;
pub use number::normalise;
pub use scope::{Resolved, Scope};
pub use tree::{CompareOp, Expr, Field, Hop, Kind, Root, Term};
pub use value::{Value, Values};

/// The greatest length of a source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 8192;
/// How deep parentheses, `!` and function calls may nest.
pub const DEPTH_MAX: usize = 32;
/// How many operands an expression may have in all; a list is one.
pub const OPERANDS_MAX: usize = 200;
/// How many items a list may have.
pub const LIST_ITEMS_MAX: usize = 100;

/// Reads `source` and checks it against the fields that `scope` knows.
///
/// # Errors
/// [`ExprError`] at the first place where the source breaks a bound, the grammar or the types.
pub fn compile(source: &str, scope: &dyn Scope) -> Result<Expr, ExprError> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!("the expression is longer than {SOURCE_BYTES_MAX} bytes");
        return Err(ExprError::new(SOURCE_BYTES_MAX, message));
    }
    let condition = parse::parse(lex::tokens(source)?, source.len())?;
    check::Checker::new(scope).condition(condition)
}
