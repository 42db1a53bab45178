//! Views against what they stand for: a view is its collection with one more condition, and a view of groups the aggregate
//! that it saves, whatever the indexes.

use std::collections::HashSet;

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::tests::{World, filter, indexes, row, sort};

/// Both conditions.
fn both(base: &str, filter: &str) -> String {
    match (base, filter) {
        (base, "") => base.to_owned(),
        ("", filter) => filter.to_owned(),
        (base, filter) => format!("({base}) && ({filter})"),
    }
}

impl World {
    async fn groups_of(&self, collection: &str, parameters: &[(&str, &str)]) -> Value {
        let given = parameters.iter().filter(|(_, value)| !value.is_empty());
        let parameters: Vec<_> = given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = self.records.aggregate(&self.caller, collection, &parameters).await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }
}

const SELECT: &str = "count, sum(size) as size, max(price) as price";

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_view_is_its_collection_with_one_more_condition(
        indexes in indexes(),
        late in any::<bool>(),
        rows in vec(row(), 0..40),
        base in filter(),
        queries in vec((filter(), sort(), 1..20_usize), 6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new(&indexes, late, &rows).await;
            let saved = if base.is_empty() { Value::Null } else { json!(base) };
            world.define(json!({"name": "some", "view": {"from": "things", "filter": saved}})).await;
            let group = "color, month(moment) as month";
            let view = json!({"from": "things", "filter": saved, "select": SELECT, "group": group, "having": "count > 1"});
            world.define(json!({"name": "grouped", "view": view})).await;
            for (filter, sort, limit) in queries {
                let whole = both(&base, &filter);
                let expected: HashSet<_> = world.scan(if whole.is_empty() { "1 = 1" } else { &whole }).into_iter().collect();
                let (found, totals) = world.walk_of("some", &filter, &sort, limit).await;
                let what = format!("indexes {indexes:?}, view {base}, filter {filter}, sort {sort}, limit {limit}");
                assert_eq!(found.len(), expected.len(), "{what}");
                assert!(totals.iter().all(|total| *total == expected.len() as u64), "{what}: {totals:?}");
                assert_eq!(found.into_iter().collect::<HashSet<_>>(), expected, "{what}");
                let narrowed = world.groups_of("some", &[("filter", &filter), ("select", SELECT), ("group", "color")]).await;
                let own = [("filter", whole.as_str()), ("select", SELECT), ("group", "color")];
                assert_eq!(narrowed, world.groups_of("things", &own).await, "{what}");
            }
            let parameters = [("sort", "-size,month"), ("filter", "count < 4"), ("total", "true")];
            let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let page = world.records.list(&world.caller, "grouped", &parameters).await.unwrap();
            let items: Vec<Value> = page.items.iter().map(|item| serde_json::from_slice(item).unwrap()).collect();
            let having = "count > 1 && count < 4";
            let own = [
                ("filter", base.as_str()), ("select", SELECT), ("group", group), ("having", having), ("sort", "-size,month"),
                ("limit", "1000"),
            ];
            let expected = world.groups_of("things", &own).await;
            assert_eq!(json!(items), expected["items"], "view {base}");
            assert_eq!(json!(page.total), expected["groups"]);
        });
    }
}
