//! Use cases of one's own account.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::{Value, json};

use crate::{
    access::{Principal, Who},
    audit::AuditService,
    auth::{AuthError, AuthService, own_session},
    collections::{Catalog, Catalogs, system::USERS},
    kernel::Clock,
    keys::KeyService,
    records::{Caller, RecordError, RecordService},
    users::UserError,
};

/// How many records are read at once.
const PAGE: &str = "1000";

/// Use cases of one's own account.
#[derive(Clone)]
pub struct OwnAccount {
    /// Records.
    pub records: Arc<RecordService>,
    /// Which collections there are.
    pub catalogs: Arc<Catalogs>,
    /// Sessions and other credentials.
    pub auth: Arc<AuthService>,
    /// Keys of programs.
    pub keys: Arc<KeyService>,
    /// The log of security events.
    pub audit: AuditService,
    /// Whether users may delete their own account.
    pub may_delete: bool,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for OwnAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnAccount").field("may_delete", &self.may_delete).finish_non_exhaustive()
    }
}

/// Records that are still to be given out: a collection, and the condition on them.
type Rest = VecDeque<(String, String)>;

/// How far an export is.
struct Progress {
    own: OwnAccount,
    caller: Caller,
    rest: Rest,
    /// Where the collection goes on that was begun.
    cursor: Option<String>,
    /// Whether something stands before the next collection.
    some: bool,
    ended: bool,
}

impl OwnAccount {
    /// Deletes the caller's account, with all that the deletion of the record entails.
    ///
    /// # Errors
    /// Those of [`AuthService::prove_caller`]; [`AuthError::Forbidden`] where it is off, [`AuthError::LastAdmin`],
    /// [`RecordError::Referenced`] when a record forbids it.
    pub(super) async fn delete(
        &self,
        caller: &Principal,
        who: &Who,
        password: Option<String>,
    ) -> Result<(), UserError> {
        own_session(caller)?;
        if !self.may_delete {
            return Err(
                AuthError::Forbidden("users cannot delete their accounts here; ask those who run the server").into()
            );
        }
        self.auth.prove_caller(caller, who, password).await?;
        Ok(self.records.delete(&Caller::on_behalf(who), USERS, caller.id.as_str(), None).await?)
    }

    /// Everything of the caller's, as one JSON document: the account, and the records that lead to it and that the caller may list.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] but in person; a later fault ends the stream with it.
    pub(super) async fn export(
        &self,
        caller: Caller,
    ) -> Result<impl Stream<Item = Result<Bytes, RecordError>> + Send + use<>, UserError> {
        let user = &caller.principal;
        own_session(user)?;
        let (_, catalog) = self.catalogs.current()?;
        let head = json!({
            "exportedAt": self.clock.now().to_string(),
            "account": {"id": user.id.as_str(), "email": user.email, "verified": user.verified, "roles": user.roles},
            "credentials": self.auth.credentials_of(user)?,
            "keys": self.keys.list(user, Some(user.id.as_str())).map_or(Value::Null, |keys| {
                keys.iter().map(|key| json!({"id": key.id, "name": key.name, "permissions": key.permissions, "createdAt": key.created_at})).collect()
            }),
            "events": self.audit.of_user(user.id.as_str()).await?,
        });
        // The records come behind the last of these members.
        let mut first = head.to_string();
        first.pop();
        first.push_str(",\"records\":{");
        let rest = leading_to(&catalog, user.id.as_str());
        let progress = Progress { own: self.clone(), caller, rest, cursor: None, some: false, ended: false };
        let records = stream::try_unfold(progress, |mut progress| async move {
            Ok(progress.next().await?.map(|chunk| (Bytes::from(chunk), progress)))
        });
        Ok(futures_util::StreamExt::chain(stream::once(async { Ok(Bytes::from(first)) }), records))
    }
}

/// Collections with records that lead to a user, and the condition that finds these.
fn leading_to(catalog: &Catalog, user: &str) -> Rest {
    let Some(users) = catalog.by_name(USERS) else { return Rest::new() };
    let mut conditions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for referrer in &users.referrers {
        let Some(collection) = catalog.by_number(referrer.collection).filter(|own| own.def.name != USERS) else {
            continue;
        };
        let (name, many) = (
            collection.slot_name(referrer.slot),
            collection.field(referrer.slot).is_some_and(|field| field.many.is_some()),
        );
        let condition = if many { format!("any({name}) = \"{user}\"") } else { format!("{name} = \"{user}\"") };
        conditions.entry(collection.def.name.clone()).or_default().push(condition);
    }
    let own = (USERS.to_owned(), format!("id = \"{user}\""));
    [own].into_iter().chain(conditions.into_iter().map(|(name, any)| (name, any.join(" || ")))).collect()
}

impl Progress {
    /// The next page of records.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        while let Some((collection, filter)) = self.rest.front().cloned() {
            let mut parameters = vec![("filter".to_owned(), filter), ("limit".to_owned(), PAGE.to_owned())];
            let begun = self.cursor.take().map(|cursor| parameters.push(("cursor".to_owned(), cursor))).is_some();
            let caller = self.caller.renewed()?;
            let page = match self.own.records.list(&caller, &collection, &parameters).await {
                // What the caller may not list is nothing to take along.
                Err(RecordError::Forbidden(_)) if !begun => {
                    self.rest.pop_front();
                    continue;
                }
                page => page?,
            };
            let mut chunk = if begun { b",".to_vec() } else { self.head(&collection) };
            chunk.extend(page.items.join(&b','));
            self.cursor = page.next_cursor;
            if self.cursor.is_none() {
                chunk.push(b']');
                self.rest.pop_front();
            }
            return Ok(Some(chunk));
        }
        Ok((!std::mem::replace(&mut self.ended, true)).then(|| b"}}\n".to_vec()))
    }

    fn head(&mut self, collection: &str) -> Vec<u8> {
        let comma = if std::mem::replace(&mut self.some, true) { "," } else { "" };
        format!("{comma}\"{collection}\":[").into_bytes()
    }
}
