//! Where webhooks are stored.

use std::ops::ControlFlow;

use uuid::Uuid;

use super::model::Webhook;
use crate::{
    queue::JobId,
    store::{Json, Raw, Read, Scan, StoreError, Table, Tx, key::prefix_end},
};

/// Key: id. Value: the webhook.
const WEBHOOKS: Table<str, Json<Webhook>> = Table::new("webhooks.defs");
/// Key: nothing. Value: the change of the log up to which all webhooks were told. Key `version`: how often a webhook was stored or removed.
const CURSOR: Table<str, Json<u64>> = Table::new("webhooks.cursor");
const VERSION: &str = "version";
/// Key: id of the webhook, zero, id of the job (a UUIDv7). Value: nothing.
const DELIVERIES: Table<[u8], Raw> = Table::new("webhooks.deliveries");

/// The tables of this feature.
pub const TABLES: [&str; 3] = [WEBHOOKS.name(), CURSOR.name(), DELIVERIES.name()];

pub(super) fn webhook(source: &impl Read, id: &str) -> Result<Option<Webhook>, StoreError> {
    Ok(source.get(WEBHOOKS, id)?.map(|Json(webhook)| webhook))
}

/// All webhooks, the oldest first.
pub(super) fn all(source: &impl Read) -> Result<Vec<Webhook>, StoreError> {
    Ok(source.values(WEBHOOKS)?.into_iter().map(|Json(webhook)| webhook).collect())
}

/// Another number for each state of the webhooks.
pub(super) fn version(source: &impl Read) -> Result<u64, StoreError> {
    Ok(source.get(CURSOR, VERSION)?.map_or(0, |Json(version)| version))
}

fn move_version(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let next = version(tx)? + 1;
    tx.put(CURSOR, VERSION, &Json(next))
}

pub(super) fn put(tx: &mut Tx<'_>, webhook: &Webhook) -> Result<(), StoreError> {
    move_version(tx)?;
    tx.put(WEBHOOKS, &webhook.id, &Json(webhook.clone()))
}

pub(super) fn cursor(source: &impl Read) -> Result<Option<u64>, StoreError> {
    Ok(source.get(CURSOR, "")?.map(|Json(seq)| seq))
}

pub(super) fn put_cursor(tx: &mut Tx<'_>, seq: u64) -> Result<(), StoreError> {
    tx.put(CURSOR, "", &Json(seq))
}

fn prefix(webhook: &str) -> Vec<u8> {
    [webhook.as_bytes(), &[0]].concat()
}

fn delivery_key(webhook: &str, job: JobId) -> Vec<u8> {
    [&prefix(webhook)[..], job.as_bytes()].concat()
}

pub(super) fn add_delivery(tx: &mut Tx<'_>, webhook: &str, job: JobId) -> Result<(), StoreError> {
    tx.put(DELIVERIES, &delivery_key(webhook, job)[..], &Raw(Vec::new()))
}

pub(super) fn has_delivery(source: &impl Read, webhook: &str, job: JobId) -> Result<bool, StoreError> {
    source.view(DELIVERIES.name(), &delivery_key(webhook, job), |found| found.is_some())
}

/// The jobs of a webhook, the newest first, of those before one.
pub(super) fn deliveries(
    source: &impl Read,
    webhook: &str,
    before: Option<JobId>,
    max: usize,
) -> Result<Vec<JobId>, StoreError> {
    let from = prefix(webhook);
    let to = before.map_or_else(|| prefix_end(&from).unwrap_or_default(), |before| delivery_key(webhook, before));
    let mut found = Vec::new();
    source.scan::<StoreError>(DELIVERIES.name(), &from, &to, Scan::Backward, &mut |key, _| {
        if found.len() == max {
            return Ok(ControlFlow::Break(()));
        }
        let id = key.get(from.len()..).and_then(|id| Uuid::from_slice(id).ok());
        found.push(id.map(JobId::from).ok_or_else(|| StoreError::corrupt("a delivery has no id"))?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// The oldest jobs of a webhook, as long as `is_gone`, at most `max`.
pub(super) fn forget(
    tx: &mut Tx<'_>,
    webhook: &str,
    max: usize,
    is_gone: impl Fn(&Tx<'_>, JobId) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let from = prefix(webhook);
    let mut keys = Vec::new();
    tx.scan::<StoreError>(
        DELIVERIES.name(),
        &from,
        &prefix_end(&from).unwrap_or_default(),
        Scan::Forward,
        &mut |key, _| {
            keys.push(key.to_vec());
            Ok(if keys.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        },
    )?;
    for key in keys {
        let id = key.get(from.len()..).and_then(|id| Uuid::from_slice(id).ok()).map(JobId::from);
        if !id.map_or(Ok(true), |id| is_gone(tx, id))? {
            break;
        }
        tx.delete_bytes(DELIVERIES.name(), key)?;
    }
    Ok(())
}

/// Removes a webhook, and what is known of its deliveries; their jobs stay for as long as the queue keeps them.
pub(super) fn delete(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    move_version(tx)?;
    forget(tx, id, usize::MAX, |_, _| Ok(true))?;
    tx.delete(WEBHOOKS, id).map(drop)
}
