//! Who may do what with a queue and its jobs: `queues` covers every queue, `queues.emails` one of them.

use super::error::QueueError;
use crate::access::{Action, Principal};

/// Whether the caller may do this with a queue, or with the jobs of it.
///
/// # Errors
/// [`QueueError::Forbidden`], with the permissions that it takes.
pub fn allow(caller: &Principal, queue: &str, action: Action) -> Result<(), QueueError> {
    if caller.may("queues", action) {
        return Ok(());
    }
    let resource = format!("queues.{queue}");
    if caller.may(&resource, action) {
        return Ok(());
    }
    Err(QueueError::Forbidden(format!("queues:{}, or {resource}:{}", action.name(), action.name())))
}
