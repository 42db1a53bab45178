//! Why the rules of a collection open something to somebody, or do not.

use std::sync::Arc;

use super::{
    RecordError,
    authorize::{Opening, open},
    related::Reach,
    service::{Caller, RecordService, find, not_found},
    view::View,
    write,
};
use crate::{
    access::{Action, Principal},
    collections::{Slots, catalog::CompiledRules},
    expr::Expr,
};

/// What a collection's rule says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSays {
    /// The rule; absent when there is none for this action.
    pub rule: Option<String>,
    /// Whether it opens this; `None` when that depends on the record, or on what is written.
    pub opens: Option<bool>,
}

impl RecordService {
    /// What the rule of a collection says of an action of somebody's, on one of its records if one is named.
    ///
    /// # Errors
    /// [`RecordError::NoCollection`], [`RecordError::NotFound`].
    pub fn explain(
        &self,
        principal: &Arc<Principal>,
        collection: &str,
        action: Action,
        record: Option<&str>,
    ) -> Result<RuleSays, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let collection = find(&catalog, collection)?;
        let caller =
            Caller { principal: Arc::clone(principal), request_id: String::new(), address: None, renewal: None };
        let text = collection.def.rules.of(action).map(str::to_owned);
        let now = self.clock.now();
        let opening = match open(&caller, collection, action, |rules| rule(rules, action), now) {
            Err(RecordError::Forbidden(_) | RecordError::ReadOnly { .. }) => {
                return Ok(RuleSays { rule: text, opens: Some(false) });
            }
            other => other?,
        };
        let Opening::Matching(condition) = opening else { return Ok(RuleSays { rule: text, opens: Some(true) }) };
        let written = text.as_deref().is_some_and(|text| text.contains("@request"));
        let Some(id) = record.filter(|_| action != Action::Create && !written) else {
            return Ok(RuleSays { rule: text, opens: None });
        };
        let stored = write::stored(&snapshot, collection, id)?.ok_or_else(|| not_found(collection, id))?;
        let slots = Slots::read(collection, &stored)?;
        let related = Reach::new(&snapshot, &catalog);
        let holds = View::of(collection, &slots, &related, now).satisfies(&condition)?;
        Ok(RuleSays { rule: text, opens: Some(holds) })
    }
}

fn rule(rules: &CompiledRules, action: Action) -> &Option<Expr> {
    match action {
        Action::List => &rules.list,
        Action::Read => &rules.read,
        Action::Create => &rules.create,
        Action::Update => &rules.update,
        Action::Delete => &rules.delete,
        Action::Assign | Action::Impersonate | Action::Work => &None,
    }
}
