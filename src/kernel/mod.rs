//! The vocabulary that every other module speaks: no input or output, no HTTP, no storage.

pub mod clock;
pub mod error;
pub mod id;
pub mod scalar;

pub use clock::{Clock, SystemClock};
pub use error::{Code, DomainError, FieldError};
pub use id::{IdSource, RecordId};
pub use scalar::Scalar;
