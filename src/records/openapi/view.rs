//! Views in the document: of records, what can be read of them; of groups, a list with typed columns.

use serde_json::{Value, json};

use super::{
    aggregate::aggregate,
    history,
    names::Name,
    parameters::{self, query},
    paths::{Parts, Paths, answer},
    schema,
    text::code_list,
    transfer,
};
use crate::{
    access::Action,
    collections::{Catalog, Collection},
    expr::{self, Kind},
    http::openapi::{Object, shared},
    kernel::Code,
    records::aggregate::{Column, LIMIT_MAX, SORT_MAX, Style, columns_of},
};

/// The path items of a view of records.
pub(super) fn items(paths: &Paths<'_>) -> Object {
    let collection = format!("/api/v1/collections/{}", paths.collection.def.name);
    let record = format!("{collection}/records/{{id}}");
    Object::from_iter([
        (format!("{collection}/records"), json!({"get": paths.list()})),
        (record.clone(), json!({"parameters": [parameters::id()], "get": paths.read()})),
        (format!("{record}/history"), json!({"parameters": [parameters::id()], "get": history::history(paths)})),
        (format!("{collection}/aggregate"), json!({"get": aggregate(paths)})),
        (format!("{collection}/export"), json!({"get": transfer::export(paths)})),
    ])
}

/// A view of groups.
pub(super) struct Groups {
    columns: Vec<(Column, bool)>,
}

impl Groups {
    pub(super) fn of(view: &Collection, catalog: &Catalog) -> Self {
        Self { columns: columns_of(view, catalog) }
    }

    /// The path item of the view.
    pub(super) fn items(&self, paths: &Paths<'_>) -> Object {
        let path = format!("/api/v1/collections/{}/records", paths.collection.def.name);
        Object::from_iter([(path, json!({"get": self.list(paths)}))])
    }

    /// The schemas of a group and of a list of them.
    pub(super) fn schemas(&self, collection: &Collection, name: &Name) -> Object {
        let of = |what: &str| format!("{what} `{}`.", collection.def.name);
        let properties =
            self.columns.iter().map(|(column, nullable)| (column.name.clone(), schema_of(column, *nullable)));
        let group = json!({
            "type": "object",
            "description": of("A group of"),
            "required": self.names().collect::<Vec<_>>(),
            "properties": properties.collect::<Object>(),
        });
        let list = json!({
            "type": "object",
            "description": of("The groups of"),
            "required": ["items", "nextCursor"],
            "properties": {
                "items": {
                    "type": "array", "maxItems": LIMIT_MAX,
                    "items": {"$ref": format!("#/components/schemas/{}", name.schema)},
                },
                "nextCursor": {"type": ["string", "null"], "description": "Always null: there is one page."},
                "total": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "How many groups match in all; only with `total=true`.",
                },
            },
        });
        Object::from_iter([(name.schema.clone(), group), (format!("{}List", name.schema), list)])
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(column, _)| column.name.as_str())
    }

    fn list(&self, paths: &Paths<'_>) -> Value {
        let example = self.columns.iter().map(|(column, _)| (column.name.clone(), example_of(column)));
        let example = json!({"items": [example.collect::<Object>()], "nextCursor": null});
        let slow = shared::problem_of(
            Code::IndexRequired,
            "The view would look at too many records without an index (`index_required`); or there are too many groups, or a \
             sum is too large to be exact (`validation_failed`).",
            "\"salesByMonth\" would look at too many records; the collection that it reads needs an index that serves it",
        );
        let page = answer("The groups.", &[], paths.content("List", Some(example)));
        paths.operation(
            "list",
            "List groups",
            Action::List,
            Parts {
                parameters: self.parameters(),
                body: Value::Null,
                responses: shared::with_problems([(200, page), (422, slow)], &[400, 401, 403, 404, 429, 503]),
            },
        )
    }

    fn parameters(&self) -> Value {
        let names = code_list(self.names());
        json!([
            query(
                "filter",
                format!("Which groups to list: an expression over the columns {names}."),
                json!({"type": "string", "maxLength": expr::SOURCE_BYTES_MAX}),
                Value::Null,
            ),
            query(
                "sort",
                format!(
                    "Up to {SORT_MAX} columns by which to order, separated by commas; `-` descends. By the keys of the groups \
                     when absent. There are {names}."
                ),
                json!({"type": "string"}),
                Value::Null,
            ),
            query(
                "limit",
                "How many groups are answered at most.",
                json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_MAX}),
                Value::Null,
            ),
            query(
                "total",
                "Whether to count all groups that match.",
                json!({"type": "boolean", "default": false}),
                Value::Null,
            ),
        ])
    }
}

fn schema_of(column: &Column, nullable: bool) -> Value {
    let mut schema = match column.kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int => json!({"type": "integer", "format": "int64"}),
        Kind::Float => json!({"type": "number", "format": "double"}),
        Kind::Decimal => schema::decimal(),
        Kind::Str | Kind::Json => json!({"type": "string"}),
        Kind::DateTime => json!({"type": "string", "format": "date-time"}),
        Kind::Date => json!({"type": "string", "format": "date"}),
    };
    if let Some(kind) = schema.get_mut("type").filter(|_| nullable) {
        *kind = json!([kind.take(), "null"]);
    }
    schema
}

fn example_of(column: &Column) -> Value {
    match column.kind {
        Kind::Bool => json!(true),
        Kind::Int => json!(3),
        Kind::Float => json!(1.5),
        Kind::Decimal => json!("12.50"),
        Kind::Str | Kind::Json => json!("2026-01"),
        Kind::DateTime if column.style == Style::Hour => json!("2026-01-31T09:00:00+01:00"),
        Kind::DateTime => json!("2026-01-31T09:30:00Z"),
        Kind::Date => json!("2026-01-31"),
    }
}
