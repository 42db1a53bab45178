//! What is wrong with the operations of a batch, each fault under the index of its operation.

use crate::{
    kernel::{Code, DomainError as _, FieldError},
    records::RecordError,
};

/// The most faults that are told.
const ERRORS_MAX: usize = 100;

/// The faults of operations, each under its index.
#[derive(Default)]
pub(super) struct Faults {
    code: Option<Code>,
    errors: Vec<FieldError>,
}

impl Faults {
    /// Notes a fault of an operation, in the member `inside` of it.
    pub(super) fn take(&mut self, index: usize, inside: &str, error: &RecordError) {
        self.code.get_or_insert(error.code());
        let place = format!("/operations/{index}");
        let own = error.field_errors();
        if own.is_empty() {
            self.errors.push(FieldError::new(place.clone(), error.code().wire(), error));
        }
        // A parameter of a request by itself is a member of the operation here.
        let inside = if matches!(error, RecordError::Parameters(_)) { "/" } else { inside };
        let place = format!("{place}{inside}");
        self.errors.extend(own.iter().map(|error| error.clone().under(&place)));
    }

    /// Whether no more are told.
    pub(super) fn are_many(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    pub(super) fn into_result(self) -> Result<(), RecordError> {
        match self.code {
            None => Ok(()),
            Some(code) => Err(RecordError::Batch { code, errors: self.errors }),
        }
    }
}
