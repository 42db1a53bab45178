//! Devices from which users have signed in: a sign-in from another one is told to the user.
//!
//! A device is what the client calls itself, but for its numbers: those of versions change all the time.

use std::ops::ControlFlow;

use serde_json::json;

use super::{Account, session::SessionRow};
use crate::{
    access::secret::sha256,
    inbox,
    mail::{MailService, Message},
    store::{Raw, Read as _, Scan, StoreError, Table, Tx},
};

/// Key: a user's id, 0, a hash of the device.
const DEVICES: Table<[u8], Raw> = Table::new("auth.devices");

/// The tables of this topic.
pub(super) const TABLES: [&str; 1] = [DEVICES.name()];

/// The most devices that are known of a user; with one more, they are learnt anew.
const DEVICES_MAX: usize = 50;
/// What users may say that they do not want to hear of.
const CATEGORY: &str = "security";

fn range(user: &str) -> (Vec<u8>, Vec<u8>) {
    ([user.as_bytes(), &[0]].concat(), [user.as_bytes(), &[1]].concat())
}

fn keys_of(tx: &Tx<'_>, user: &str) -> Result<Vec<Vec<u8>>, StoreError> {
    let (from, to) = range(user);
    let mut keys = Vec::new();
    tx.scan::<StoreError>(DEVICES.name(), &from, &to, Scan::Forward, &mut |key, _| {
        keys.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(keys)
}

/// Learns the device of a session that is opened, and tells its user of one that is not the first and was not seen before.
pub(super) fn learn(
    tx: &mut Tx<'_>,
    mail: &MailService,
    account: &Account,
    session: &SessionRow,
) -> Result<(), StoreError> {
    let user = account.id.as_str();
    let name: String = session.device.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect();
    let hash = sha256(name.as_bytes());
    let key = [range(user).0, hash.into_iter().take(16).collect()].concat();
    if tx.get(DEVICES, &key[..])?.is_some() {
        return Ok(());
    }
    let known = keys_of(tx, user)?;
    if known.len() >= DEVICES_MAX {
        forget(tx, user)?;
    }
    tx.put(DEVICES, &key[..], &Raw(Vec::new()))?;
    if known.is_empty() || !inbox::wants_mail(tx, user, CATEGORY)? {
        return Ok(());
    }
    let device = Some(session.device.as_str()).filter(|device| !device.is_empty());
    let values = json!({"device": device, "address": session.address, "at": session.created_at});
    mail.put(tx, Message::new("session.new", account.email.clone(), values).for_user(user), session.created_at)
}

/// Forgets the devices of a user.
pub(super) fn forget(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    keys_of(tx, user)?.iter().try_for_each(|key| tx.delete(DEVICES, &key[..]).map(drop))
}
