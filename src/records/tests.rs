//! The planner against a naive model: whatever the indexes, filter, order and page size, a walk over the pages visits
//! exactly the records that a scan finds, in order, and the total counts them. Aggregates share the fixture.

use std::{cmp::Ordering, collections::HashSet, fmt::Write as _, sync::Arc};

use proptest::{collection::vec, prelude::*, sample::subsequence};
use serde_json::{Value, json};

use super::{
    Caller, Format, ImportMode, Limits, RecordService, SavedAggregates,
    asking::Asking,
    related::Reach,
    sight::CallerSight,
    transfer::{Import, ImportOptions, Intake},
    view::View,
};
use crate::{
    access::Who,
    collections::{
        Catalogs, Collection, CollectionInput, CollectionService, Slots, catalog::split_direction, layout, maintenance,
    },
    kernel::SystemClock,
    mail::MailService,
    queue::{self, Jobs},
    store::{Options, Schema, Store, StoreError, key::Direction},
    templates::Templates,
};

const COLUMNS: [(&str, &str); 8] = [
    ("color", "string"),
    ("size", "integer"),
    ("weight", "number"),
    ("price", "decimal"),
    ("sold", "boolean"),
    ("day", "date"),
    ("moment", "datetime"),
    ("tags", "string"),
];

pub(super) struct World {
    _folder: tempfile::TempDir,
    catalogs: Arc<Catalogs>,
    pub(super) records: Arc<RecordService>,
    pub(super) caller: Caller,
}

impl World {
    pub(super) async fn new(indexes: &[Vec<String>], late: bool, rows: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tables = crate::collections::TABLES.into_iter().chain(super::TABLES).chain(queue::TABLES).collect();
        let schema = Schema { tables, migrations: Vec::new() };
        let store = Store::open(&folder.path().join("s"), &Options::default(), &schema).unwrap();
        let catalogs = Arc::new(Catalogs::new(store.clone()));
        let clock = Arc::new(SystemClock);
        let collections =
            CollectionService::new(store.clone(), Arc::clone(&catalogs), clock.clone(), Arc::new(SavedAggregates));
        let jobs = Jobs::new(store.clone(), clock.clone(), []);
        let templates = Templates::new(store.clone(), clock.clone(), ("Stead", ""), "en");
        let mail = MailService::new(store, jobs.clone(), templates);
        let limits = Limits { examined_max: 1 << 20, hops_max: 3, pages_bytes_max: 0 };
        let records = RecordService::new(collections.clone(), Arc::clone(&catalogs), (jobs, mail), clock, limits);
        let records = Arc::new(records);
        let caller = Caller::operator();
        let world = Self { _folder: folder, catalogs, records, caller };
        let fields = COLUMNS.map(|(name, kind)| json!({ "name": name, "type": kind, "many": name == "tags" }));
        let indexes = json!(indexes.iter().map(|fields| json!({ "fields": fields })).collect::<Vec<_>>());
        let now = if late { json!([]) } else { indexes.clone() };
        let input = |value: Value| serde_json::from_value::<CollectionInput>(value).unwrap();
        let who = Who::default();
        collections.create(&who, input(json!({ "name": "things", "fields": fields, "indexes": now }))).await.unwrap();
        world.import(rows).await;
        world.take_statistics();
        if late {
            collections.update(&who, "things", input(json!({ "indexes": indexes }))).await.unwrap();
            maintenance::catch_up(&world.catalogs).await.unwrap();
            world.take_statistics();
        }
        world
    }

    /// Makes another collection.
    pub(super) async fn define(&self, definition: Value) {
        let (store, catalogs) = (self.catalogs.store().clone(), Arc::clone(&self.catalogs));
        let service = CollectionService::new(store, catalogs, Arc::new(SystemClock), Arc::new(SavedAggregates));
        service.create(&Who::default(), serde_json::from_value(definition).unwrap()).await.unwrap();
    }

    pub(super) fn asking<R>(&self, ask: impl FnOnce(&Asking<'_>) -> R) -> R {
        let (_, catalog) = self.catalogs.current().unwrap();
        let sight = CallerSight { caller: &self.caller, now: jiff::Timestamp::UNIX_EPOCH };
        ask(&Asking { sight, catalog: &catalog, collection: catalog.by_name("things").unwrap(), hops_max: 3 })
    }

    /// Without them, small collections are planned by rules of thumb.
    fn take_statistics(&self) {
        let (snapshot, catalog) = self.catalogs.current().unwrap();
        self.records.statistics.take_now(&snapshot, catalog.by_name("things").unwrap());
    }

    async fn import(&self, rows: &[Value]) {
        let mut lines = String::new();
        for row in rows {
            writeln!(lines, "{row}").unwrap();
        }
        let options = ImportOptions {
            format: Format::Jsonl,
            mode: ImportMode::Create,
            dry_run: false,
            record_bytes_max: 1 << 20,
            idle: std::time::Duration::MAX,
        };
        let body = futures_util::stream::iter([Ok(lines.into())]);
        let import = Import::new(&self.records, self.caller.clone(), "things".into(), options, body).unwrap();
        let (report, error) = Intake::run(import).await;
        assert!(report.rejected.is_empty() && error.is_none(), "{report:?} {error:?}");
    }

    /// The records that match, found by looking at each.
    pub(super) fn scan(&self, filter: &str) -> Vec<Vec<u8>> {
        let (snapshot, catalog) = self.catalogs.current().unwrap();
        let collection = catalog.by_name("things").unwrap();
        let filter = self.asking(|asking| asking.filter(filter)).unwrap();
        let related = Reach::new(&snapshot, &catalog);
        let mut found = Vec::new();
        layout::scan_records::<StoreError>(&snapshot, collection.number(), "", &mut |_, record| {
            let slots = Slots::read(collection, record).unwrap();
            if filter.eval(&View::of(collection, &slots, &related, jiff::Timestamp::UNIX_EPOCH)) {
                found.push(record.to_vec());
            }
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
        found
    }

    async fn total(&self, filter: &str) -> u64 {
        let parameters = [("filter", filter), ("limit", "1"), ("total", "true")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.records.list(&self.caller, "things", &parameters).await.unwrap().total.unwrap()
    }

    /// Every record of every page, and the totals that the pages told.
    async fn walk(&self, filter: &str, sort: &str, limit: usize) -> (Vec<Vec<u8>>, HashSet<u64>) {
        self.walk_of("things", filter, sort, limit).await
    }

    /// [`World::walk`] of any collection.
    pub(super) async fn walk_of(
        &self,
        collection: &str,
        filter: &str,
        sort: &str,
        limit: usize,
    ) -> (Vec<Vec<u8>>, HashSet<u64>) {
        let (mut found, mut totals, mut cursor) = (Vec::new(), HashSet::new(), None::<String>);
        for _ in 0..500 {
            let mut parameters =
                vec![("filter", filter.to_owned()), ("limit", limit.to_string()), ("total", "true".into())];
            parameters.extend((!sort.is_empty()).then(|| ("sort", sort.to_owned())));
            parameters.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let parameters: Vec<_> = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let page = self.records.list(&self.caller, collection, &parameters).await.unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items);
            totals.insert(page.total.unwrap());
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        (found, totals)
    }
}

fn compare(collection: &Collection, sort: &str, a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (Slots::read(collection, a).unwrap(), Slots::read(collection, b).unwrap());
    sort.split(',').filter(|term| !term.is_empty()).fold(Ordering::Equal, |so_far, term| {
        let (name, direction) = split_direction(term);
        let slot = collection.slot(name).unwrap();
        let order = a.scalar(collection, slot).cmp(&b.scalar(collection, slot));
        so_far.then(if direction == Direction::Ascending { order } else { order.reverse() })
    })
}

pub(super) fn row() -> impl Strategy<Value = Value> {
    let nullable = |strategy: BoxedStrategy<Value>| prop_oneof![1 => Just(Value::Null), 5 => strategy].boxed();
    let color = nullable(prop_oneof!["red|green|blue|", "[a-c\u{0}é]{0,3}"].prop_map(Value::from).boxed());
    let size = nullable((-3..3_i64).prop_map(Value::from).boxed());
    let weight = nullable(prop_oneof![Just(-0.0), Just(0.5), Just(-1e300), -2.0..2.0].prop_map(Value::from).boxed());
    let price = nullable((-30..30_i64).prop_map(|n| format!("{}.{:02}", n / 10, n.abs() % 10 * 10).into()).boxed());
    let sold = nullable(any::<bool>().prop_map(Value::from).boxed());
    let day = nullable((1..5_u8).prop_map(|day| format!("2026-01-{day:02}").into()).boxed());
    let moment = nullable((1..5_u8).prop_map(|hour| format!("2026-01-01T{hour:02}:00:00Z").into()).boxed());
    let tags = nullable(subsequence(vec!["x", "y", "z"], 0..=3).prop_map(|tags| json!(tags)).boxed());
    (color, size, weight, price, sold, day, moment, tags).prop_map(
        |(color, size, weight, price, sold, day, moment, tags)| {
            json!({ "color": color, "size": size, "weight": weight, "price": price, "sold": sold, "day": day, "moment": moment, "tags": tags })
        },
    )
}

pub(super) fn indexes() -> impl Strategy<Value = Vec<Vec<String>>> {
    let single: Vec<&str> = COLUMNS.iter().take(7).map(|(name, _)| *name).chain(["createdAt", "id"]).collect();
    let directed = (subsequence(single, 1..=3).prop_shuffle(), vec(any::<bool>(), 3));
    let plain = directed.prop_map(|(names, down)| {
        let term = |(name, down): (&str, bool)| if down { format!("-{name}") } else { name.to_owned() };
        names.into_iter().zip(down).map(term).collect::<Vec<_>>()
    });
    let tags = any::<bool>().prop_map(|with| with.then(|| vec!["tags".to_owned()]));
    (vec(plain, 0..4), tags).prop_map(|(mut indexes, tags)| {
        indexes.extend(tags);
        indexes.dedup();
        let mut seen = HashSet::new();
        indexes.retain(|index| seen.insert(index.clone()));
        indexes
    })
}

fn condition() -> impl Strategy<Value = String> {
    let op = || prop_oneof![Just("="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let equal = || prop_oneof![Just("="), Just("!=")];
    prop_oneof![
        (op(), prop_oneof![Just("red"), Just("green"), Just("a"), Just("")])
            .prop_map(|(op, v)| format!("color {op} \"{v}\"")),
        (op(), -3..3_i64).prop_map(|(op, v)| format!("size {op} {v}")),
        (op(), -3..3_i64).prop_map(|(op, v)| format!("size {op} {v}.5")),
        (op(), prop_oneof![Just("0"), Just("0.5"), Just("-1e300"), Just("1.25")])
            .prop_map(|(op, v)| format!("weight {op} {v}")),
        (op(), -3..3_i64).prop_map(|(op, v)| format!("price {op} {v}.50")),
        any::<bool>().prop_map(|v| format!("sold = {v}")),
        Just("sold".to_owned()),
        (op(), 1..5_u8).prop_map(|(op, v)| format!("day {op} \"2026-01-0{v}\"")),
        (op(), 1..5_u8).prop_map(|(op, v)| format!("moment {op} \"2026-01-01T0{v}:00:00Z\"")),
        prop_oneof![Just("x"), Just("y"), Just("q")].prop_map(|v| format!("\"{v}\" in tags")),
        (prop_oneof![Just("color"), Just("size"), Just("tags"), Just("day")], equal())
            .prop_map(|(name, op)| format!("{name} {op} null")),
        Just("color in [\"red\", \"blue\", null]".to_owned()),
        Just("size in [-1, 0, 2]".to_owned()),
        Just("color ~ \"E\"".to_owned()),
        prop_oneof![Just("r"), Just(""), Just("a"), Just("gre")].prop_map(|v| format!("startsWith(color, \"{v}\")")),
        (op(), 1..5_u8).prop_map(|(op, v)| format!("date(moment) {op} \"2026-01-0{v}\"")),
        prop_oneof![Just("any"), Just("all")].prop_map(|each| format!("{each}(tags) != \"x\"")),
        prop_oneof![Just("x"), Just("q")].prop_map(|v| format!("any(tags) = \"{v}\"")),
    ]
}

pub(super) fn filter() -> impl Strategy<Value = String> {
    let clause = prop_oneof![
        4 => condition(),
        1 => vec(condition(), 2).prop_map(|parts| format!("({})", parts.join(" || "))),
        1 => condition().prop_map(|part| format!("!({part})")),
    ];
    vec(clause, 0..4).prop_map(|clauses| clauses.join(" && "))
}

pub(super) fn sort() -> impl Strategy<Value = String> {
    let names: Vec<&str> = COLUMNS.iter().take(7).map(|(name, _)| *name).chain(["id", "createdAt"]).collect();
    (subsequence(names, 0..=3).prop_shuffle(), vec(any::<bool>(), 3)).prop_map(|(names, down)| {
        let term = |(name, down): (&str, bool)| if down { format!("-{name}") } else { name.to_owned() };
        names.into_iter().zip(down).map(term).collect::<Vec<_>>().join(",")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_what_a_scan_finds(
        indexes in indexes(),
        late in any::<bool>(),
        rows in vec(row(), 0..60),
        queries in vec((filter(), sort(), 1..20_usize), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new(&indexes, late, &rows).await;
            for (filter, sort, limit) in queries {
                let expected = world.scan(if filter.is_empty() { "1 = 1" } else { &filter });
                let (found, totals) = world.walk(&filter, &sort, limit).await;
                let what = format!("indexes {indexes:?}, filter {filter}, sort {sort}, limit {limit}");
                let wanted: HashSet<_> = expected.iter().cloned().collect();
                let given: HashSet<_> = found.iter().cloned().collect();
                assert_eq!((given.len(), found.len()), (wanted.len(), wanted.len()), "{what}");
                assert_eq!(given, wanted, "{what}");
                assert!(totals.iter().all(|total| *total == expected.len() as u64), "{what}: {totals:?}");
                let (_, catalog) = world.catalogs.current().unwrap();
                let collection = catalog.by_name("things").unwrap();
                assert!(found.is_sorted_by(|a, b| compare(collection, &sort, a, b).is_le()), "{what}");
            }
        });
    }
}

/// What is done between two totals.
#[derive(Clone, Debug)]
enum Step {
    Create(Value),
    Patch(usize, Value),
    Delete(usize),
    Nothing,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        row().prop_map(Step::Create),
        (any::<usize>(), row()).prop_map(|(at, row)| Step::Patch(at, row)),
        any::<usize>().prop_map(Step::Delete),
        Just(Step::Nothing),
    ]
}

impl World {
    async fn take(&self, step: Step) {
        let ids: Vec<String> = self
            .scan("1 = 1")
            .iter()
            .map(|record| serde_json::from_slice::<Value>(record).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        let id = |at: usize| ids.get(at % ids.len().max(1)).cloned();
        match step {
            Step::Create(row) => {
                self.records.create(&self.caller, "things", row.to_string().as_bytes()).await.unwrap();
            }
            Step::Patch(at, row) => {
                let Some(id) = id(at) else { return };
                self.records
                    .update(&self.caller, "things", &id, row.to_string().into_bytes(), false, None)
                    .await
                    .unwrap();
            }
            Step::Delete(at) => {
                let Some(id) = id(at) else { return };
                self.records.delete(&self.caller, "things", &id, None).await.unwrap();
            }
            Step::Nothing => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]

    /// What earlier totals left behind never makes a later one wrong, whatever is written between them.
    #[test]
    fn totals_stay_true_while_records_change(
        indexes in indexes(),
        rows in vec(row(), 0..30),
        filters in vec(filter(), 1..4),
        steps in vec(step(), 0..16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new(&indexes, false, &rows).await;
            for step in steps {
                let what = format!("{step:?}");
                world.take(step).await;
                for filter in filters.iter().filter(|filter| !filter.is_empty()) {
                    assert_eq!(world.total(filter).await, world.scan(filter).len() as u64, "{filter} after {what}");
                }
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]

    /// Whatever is written between two pages, a record that nobody touches is on exactly one of them if it matches, and on none
    /// if it does not.
    #[test]
    fn a_cursor_never_repeats_or_skips_what_did_not_change(
        indexes in indexes(),
        rows in vec(row(), 0..40),
        filter in filter(),
        sort in sort(),
        limit in 1..6_usize,
        steps in vec(vec(step(), 0..3), 60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new(&indexes, false, &rows).await;
            let everything = if filter.is_empty() { "1 = 1" } else { &filter };
            let before: HashSet<_> = world.scan(everything).into_iter().collect();
            let all_before: HashSet<_> = world.scan("1 = 1").into_iter().collect();
            let (mut seen, mut cursor) = (Vec::new(), None::<String>);
            for steps in steps {
                let mut parameters = vec![("filter", filter.clone()), ("limit", limit.to_string())];
                parameters.extend((!sort.is_empty()).then(|| ("sort", sort.clone())));
                parameters.extend(cursor.take().map(|cursor| ("cursor", cursor)));
                let parameters: Vec<_> = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let page = world.records.list(&world.caller, "things", &parameters).await.unwrap();
                seen.extend(page.items);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
                for step in steps {
                    world.take(step).await;
                }
                world.take_statistics();
            }
            // A walk that new records outran tells nothing of what lies behind.
            if cursor.is_none() {
                let after: HashSet<_> = world.scan("1 = 1").into_iter().collect();
                for record in all_before.intersection(&after) {
                    let times = seen.iter().filter(|seen| *seen == record).count();
                    let what = format!("indexes {indexes:?}, filter {filter}, sort {sort}, limit {limit}");
                    assert_eq!(times, usize::from(before.contains(record)), "{what}: {:?}", String::from_utf8_lossy(record));
                }
            }
        });
    }
}
