//! Operations on the records of one collection.

use serde_json::{Value, json};

use super::{
    aggregate::aggregate, example, history, names::Name, parameters, relations::Relation, shapes, text::code, transfer,
};
use crate::{
    access::Action,
    collections::Collection,
    http::openapi::{Object, shared},
    kernel::Code,
};

/// What all operations of a collection are described from.
pub(super) struct Paths<'a> {
    pub(super) collection: &'a Collection,
    pub(super) name: &'a Name,
    pub(super) relations: &'a [Relation],
}

impl Paths<'_> {
    /// The path items of the collection.
    pub(super) fn items(&self) -> Object {
        let collection = format!("/api/v1/collections/{}", self.collection.def.name);
        let records = format!("{collection}/records");
        let record = format!("{records}/{{id}}");
        let history = format!("{record}/history");
        let all = json!({
            "get": self.list(),
            "post": self.create(),
            "patch": self.update_all(),
            "delete": self.delete_all(),
        });
        let one = json!({
            "parameters": [parameters::id()],
            "get": self.read(),
            "put": self.replace(),
            "patch": self.update(),
            "delete": self.delete(),
        });
        Object::from_iter([
            (records, all),
            (record, one),
            (history, json!({"parameters": [parameters::id()], "get": history::history(self)})),
            (format!("{collection}/upsert"), json!({"post": self.upsert()})),
            (format!("{collection}/aggregate"), json!({"get": aggregate(self)})),
            (format!("{collection}/import"), json!({"post": transfer::import(self)})),
            (format!("{collection}/export"), json!({"get": transfer::export(self)})),
        ])
    }

    pub(super) fn list(&self) -> Value {
        let page = self.content("List", example::list(self.collection));
        let slow = shared::problem_of(
            Code::IndexRequired,
            "The query would examine too many records without an index.",
            "the query examined 100000 records; an index over createdAt would serve it",
        );
        let success = answer("A page of records.", &[], page);
        self.operation(
            "list",
            "List records",
            Action::List,
            Parts {
                parameters: parameters::list(self.collection, self.relations),
                body: Value::Null,
                responses: shared::with_problems([(200, success), (422, slow)], &[400, 401, 403, 404, 429, 503]),
            },
        )
    }

    fn create(&self) -> Value {
        let made = answer("The record was made.", &["ETag", "Location"], self.record());
        let errors = [400, 401, 403, 404, 409, 413, 415, 422, 429, 503];
        self.operation(
            "create",
            "Create a record",
            Action::Create,
            Parts {
                parameters: json!([parameters::idempotency_key()]),
                body: self.body("Create", example::create(self.collection)),
                responses: shared::with_problems([(201, made)], &errors),
            },
        )
    }

    fn upsert(&self) -> Value {
        let made = answer("The record was made.", &["ETag", "Location"], self.record());
        let changed = answer("The record as it is now.", &["ETag"], self.record());
        let errors = [400, 401, 403, 404, 409, 413, 415, 422, 429, 503];
        self.operation(
            "upsert",
            "Change or create a record",
            Action::Create,
            Parts {
                parameters: json!([parameters::by(self.collection), parameters::idempotency_key()]),
                body: self.body("Create", example::create(self.collection)),
                responses: shared::with_problems([(201, made), (200, changed)], &errors),
            },
        )
    }

    fn update_all(&self) -> Value {
        let body = self.body("Update", Some(example::update(self.collection)));
        self.bulk("bulkUpdate", "Change all records that match", Action::Update, body)
    }

    fn delete_all(&self) -> Value {
        self.bulk("bulkDelete", "Delete all records that match", Action::Delete, Value::Null)
    }

    fn bulk(&self, verb: &str, summary: &str, action: Action, body: Value) -> Value {
        let schema = shapes::reference("BulkResult");
        let example = json!({"matched": 3, "dryRun": false});
        let success = answer("How many.", &[], json!({"application/json": {"schema": schema, "example": example}}));
        let errors = [400, 401, 403, 404, 409, 413, 415, 422, 429, 503];
        let filter = parameters::required(parameters::filter(self.collection));
        self.operation(
            verb,
            summary,
            action,
            Parts {
                parameters: json!([filter, parameters::dry_run(), parameters::idempotency_key()]),
                body,
                responses: shared::with_problems([(200, success)], &errors),
            },
        )
    }

    pub(super) fn read(&self) -> Value {
        let found = answer("The record.", &["ETag"], self.record());
        let same = answer("The record is the one that `If-None-Match` names.", &["ETag"], Value::Null);
        let errors = [400, 401, 403, 404, 429, 503];
        self.operation(
            "read",
            "Read a record",
            Action::Read,
            Parts {
                parameters: [parameters::shown(self.collection), parameters::if_none_match()]
                    .into_iter()
                    .chain(parameters::expand(self.relations))
                    .collect(),
                body: Value::Null,
                responses: shared::with_problems([(200, found), (304, same)], &errors),
            },
        )
    }

    fn replace(&self) -> Value {
        let body = self.body("Create", example::create(self.collection));
        self.change("replace", "Replace a record", body)
    }

    fn update(&self) -> Value {
        let body = self.body("Update", Some(example::update(self.collection)));
        self.change("update", "Change fields of a record", body)
    }

    fn change(&self, verb: &str, summary: &str, body: Value) -> Value {
        let changed = answer("The record as it is now.", &["ETag"], self.record());
        let errors = [400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503];
        self.operation(
            verb,
            summary,
            Action::Update,
            Parts {
                parameters: json!([parameters::if_match()]),
                body,
                responses: shared::with_problems([(200, changed)], &errors),
            },
        )
    }

    fn delete(&self) -> Value {
        let gone = answer("The record is gone.", &[], Value::Null);
        let errors = [400, 401, 403, 404, 409, 412, 429, 503];
        self.operation(
            "delete",
            "Delete a record",
            Action::Delete,
            Parts {
                parameters: json!([parameters::if_match()]),
                body: Value::Null,
                responses: shared::with_problems([(204, gone)], &errors),
            },
        )
    }

    pub(super) fn operation(&self, verb: &str, summary: &str, action: Action, parts: Parts) -> Value {
        let name = &self.collection.def.name;
        let mut operation = Object::from_iter([
            ("tags".to_owned(), json!([name])),
            ("operationId".to_owned(), format!("{verb}{}", self.subject(verb)).into()),
            ("summary".to_owned(), format!("{summary} of {name}").into()),
            ("description".to_owned(), format!("{}{}", note(verb), self.access(action)).into()),
        ]);
        for (member, value) in [("parameters", parts.parameters), ("requestBody", parts.body)] {
            if !value.is_null() {
                operation.insert(member.into(), value);
            }
        }
        operation.insert("responses".into(), parts.responses);
        operation.into()
    }

    /// What the id of an operation says it is about: `Track` or `Tracks`. No verb begins with another, so no two ids agree.
    fn subject(&self, verb: &str) -> &str {
        match verb {
            "create" | "read" | "replace" | "update" | "delete" | "upsert" => &self.name.schema,
            _ => &self.name.operation,
        }
    }

    /// Who may call it.
    fn access(&self, action: Action) -> String {
        let rule = self.collection.def.rules.of(action);
        let permission = format!("`{}:{}`", self.collection.def.name, action.name());
        match rule {
            None => format!("Open to callers with a role that has the permission {permission}."),
            Some(rule) => format!(
                "Open to callers with a role that has the permission {permission}; to others for records that fit \
                 the rule {}.",
                code(rule)
            ),
        }
    }

    fn record(&self) -> Value {
        self.content("", example::record(self.collection))
    }

    fn body(&self, suffix: &str, example: Option<Value>) -> Value {
        json!({"required": true, "content": self.content(suffix, example)})
    }

    pub(super) fn content(&self, suffix: &str, example: Option<Value>) -> Value {
        let mut media = json!({"schema": shapes::reference(&format!("{}{suffix}", self.name.schema))});
        if let (Some(media), Some(example)) = (media.as_object_mut(), example) {
            media.insert("example".into(), example);
        }
        json!({"application/json": media})
    }
}

/// What differs from operation to operation.
pub(super) struct Parts {
    pub(super) parameters: Value,
    pub(super) body: Value,
    pub(super) responses: Value,
}

/// What is special about an operation, for people.
fn note(verb: &str) -> String {
    let note = match verb {
        "list" => "Pages follow each other by `cursor`. ",
        "replace" => "Fields that the body lacks take their defaults. ",
        "update" => {
            "Fields that the body lacks stay as they are; a `json` field is merged (RFC 7396). A number may be \
             `{\"$increment\": n}`, a list `{\"$append\": [..]}` or `{\"$remove\": [..]}`. "
        }
        "upsert" => {
            "The record that agrees in the fields `by` is changed as an update does, which takes the permission or rule of \
             an update; when there is none, it is made. "
        }
        "bulkUpdate" | "bulkDelete" => "In one transaction, all or none; up to 10,000 records. ",
        "aggregate" => "Where an index tells all that is asked, no record is read. ",
        "import" => return transfer::import_note(),
        "export" => "All records in one consistent state, as a stream. ",
        "delete" => "Records that refer to this one follow the `onDelete` of their relations. ",
        _ => "",
    };
    note.to_owned()
}

/// A response that is no error.
pub(super) fn answer(description: &str, headers: &[&str], content: Value) -> Value {
    let own = headers.iter().map(|name| ((*name).to_owned(), shared::header(name)));
    let mut answer = json!({
        "description": description,
        "headers": shared::success_headers().chain(own).collect::<Object>(),
    });
    if let (Some(answer), false) = (answer.as_object_mut(), content.is_null()) {
        answer.insert("content".into(), content);
    }
    answer
}
