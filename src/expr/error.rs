//! What is wrong with a source text, and where.

/// A source text that is not a valid expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {message}", .position + 1)]
pub struct ExprError {
    /// The byte of the source, counted from 0, at which the offending part begins.
    pub position: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl ExprError {
    pub(super) fn new(position: usize, message: impl Into<String>) -> Self {
        Self { position, message: message.into() }
    }
}

/// What each step of [`compile`](super::compile) answers.
pub(super) type Result<T> = std::result::Result<T, ExprError>;
