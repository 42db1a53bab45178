//! `GET …/aggregate`: counts, sums and the like over the records of one collection.

use serde_json::{Value, json};

use super::{
    parameters::{self, query, visible},
    paths::{Parts, Paths, answer},
    shapes,
    text::code_list,
};
use crate::{
    access::Action,
    collections::{
        Collection,
        catalog::{CREATED_AT, VERSION},
    },
    expr::{self, Kind},
    http::openapi::shared,
    kernel::Code,
    records::aggregate::{Function, GROUP_MAX, LIMIT_DEFAULT, LIMIT_MAX, SELECT_MAX, SORT_MAX, Unit},
};

/// The operation.
pub(super) fn aggregate(paths: &Paths<'_>) -> Value {
    let groups = answer(
        "The groups that were asked for, one item each; without `group`, one item for all records.",
        &[],
        json!({"application/json": {"schema": shapes::reference("AggregateResult"), "example": example(paths.collection)}}),
    );
    let errors = [400, 401, 403, 404, 429, 503];
    paths.operation(
        "aggregate",
        "Aggregate records",
        Action::List,
        Parts {
            parameters: parameters(paths.collection),
            body: Value::Null,
            responses: shared::with_problems([(200, groups), (422, too_much())], &errors),
        },
    )
}

fn parameters(collection: &Collection) -> Value {
    let text = || json!({"type": "string"});
    json!([
        parameters::filter(collection),
        query("select", select(collection), json!({"type": "string", "default": "count"}), example_select(collection)),
        query("group", group(collection), text(), "month(createdAt) as month"),
        query(
            "having",
            "Which groups to answer: an expression, as a filter is one, over the columns of the answer.",
            json!({"type": "string", "maxLength": expr::SOURCE_BYTES_MAX}),
            "count >= 2",
        ),
        query(
            "sort",
            format!(
                "Up to {SORT_MAX} columns of the answer by which to order, separated by commas; `-` descends. By the \
                 keys of the groups when absent."
            ),
            text(),
            "-count,month",
        ),
        query(
            "limit",
            "How many groups are answered at most.",
            json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}),
            LIMIT_DEFAULT,
        ),
        query(
            "timezone",
            "The time zone in which units of time begin, by its IANA name.",
            json!({"type": "string", "default": "UTC"}),
            "Europe/Berlin",
        ),
    ])
}

fn select(collection: &Collection) -> String {
    let rows = Function::ALL.map(|(name, function)| {
        let fields: Vec<&str> = visible(collection, |kind, _| function.fits(kind)).collect();
        format!("`{name}` of {}", code_list(fields.iter().copied()))
    });
    format!(
        "Up to {SELECT_MAX} aggregates, separated by commas: `count` of the records; {}. A column has the name of its \
         function and field (`minCreatedAt`), or the one behind `as`. Null is passed over; without any value, a \
         `sum`, `avg`, `min` or `max` is null. The `avg` of decimals is rounded to 10 digits, half to even; that of \
         other numbers is a float.",
        rows.join("; ")
    )
}

fn group(collection: &Collection) -> String {
    let fields: Vec<&str> = visible(collection, |kind, _| kind != Kind::Json).collect();
    let times: Vec<&str> =
        visible(collection, |kind, many| !many && matches!(kind, Kind::DateTime | Kind::Date)).collect();
    format!(
        "Up to {GROUP_MAX} keys by which to group, separated by commas: a field out of {}; or one of the units {} of \
         {}, as in `month(createdAt)`, but a date has no hour. Weeks begin on Monday (ISO 8601). `as` names the \
         column. A field with many values puts a record into a group for each; one such key at most.",
        code_list(fields.iter().copied()),
        code_list(Unit::ALL.iter().map(|(name, _)| *name)),
        code_list(times.iter().copied()),
    )
}

/// An aggregate of a number, where there is one.
fn example_select(collection: &Collection) -> String {
    match summed(collection) {
        Some((name, _)) => format!("count,sum({name}) as total"),
        None => format!("count,max({}) as newest", collection.slot_name(CREATED_AT)),
    }
}

/// A field that makes sense to sum, with its kind.
fn summed(collection: &Collection) -> Option<(&str, Kind)> {
    let mut names = visible(collection, |kind, _| Function::Sum.fits(kind));
    let name = names.find(|name| *name != collection.slot_name(VERSION))?;
    collection.slot(name).map(|slot| (name, collection.kind(slot).0))
}

/// What [`example_select`] answers by month.
fn example(collection: &Collection) -> Value {
    let row = |month: &str, count: u64| match summed(collection) {
        None => json!({"month": month, "count": count, "newest": format!("{month}-28T09:30:00.000Z")}),
        Some((_, Kind::Decimal)) => json!({"month": month, "count": count, "total": format!("{}.50", count * 4)}),
        Some(_) => json!({"month": month, "count": count, "total": count * 4}),
    };
    json!({"items": [row("2026-01", 3), row("2026-02", 2)], "groups": 2})
}

fn too_much() -> Value {
    shared::problem_of(
        Code::IndexRequired,
        "The aggregation would examine too many records without an index (`index_required`); or there are too many \
         groups, or a sum is too large to be exact (`validation_failed`).",
        "the query looks at more than 2000000 records; add an index over createdAt to the collection, or narrow the filter",
    )
}
