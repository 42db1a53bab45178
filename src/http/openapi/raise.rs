//! From the OpenAPI 3.0 that the framework emits to the 3.1 that Stead serves.
//!
//! Two things happen on the way: schemas become JSON Schema 2020-12, and every operation gets what all of them share,
//! its error responses above all. What an operation says itself is never overwritten.

use serde_json::{Map, Value, json};

use super::{METHODS, Object, shared};

const DESCRIPTION: &str = "\
The API of this Stead server: users and sessions, collections, and the typed records of each collection.

Sign in at `POST /api/v1/auth/login` and send the access token as `Authorization: Bearer …`. Every error is a \
problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with a stable `code` and the `requestId` under \
which the server's log knows the request; only a request whose head is too large is answered 414 or 431 without a body. A record's `ETag` is \
its version; send it back as `If-Match` and nobody's change is overwritten unseen.";

/// Raises the document of `OpenApiService::spec()`. Operations under `public` paths need no credentials.
///
/// # Errors
/// When the text is not a JSON object.
pub fn raise(spec_3_0: &str, public: &[&str]) -> Result<Value, serde_json::Error> {
    let mut spec: Map<String, Value> = serde_json::from_str(spec_3_0)?;
    let mut take = |name: &str| match spec.shift_remove(name) {
        Some(Value::Object(object)) => object,
        _ => Object::new(),
    };
    let (mut paths, mut components) = (take("paths"), take("components"));
    let mut tags = spec.shift_remove("tags").unwrap_or_else(|| json!([]));
    for (path, item) in &mut paths {
        let is_public = public.contains(&path.as_str());
        let methods = item.as_object_mut().into_iter().flatten().filter(|(method, _)| METHODS.contains(&&***method));
        for (method, operation) in methods {
            if let Some(operation) = operation.as_object_mut() {
                raise_operation(operation, method, path, is_public);
                declare_tags(operation, &mut tags);
            }
        }
    }
    let mut schemas = shared::schemas();
    if let Some(Value::Object(own)) = components.get_mut("schemas") {
        own.values_mut().for_each(raise_schema);
        schemas.append(own);
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Stead",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "security": [{"bearer": []}, {"cookie": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": shared::responses(),
            "headers": shared::headers(),
            "securitySchemes": shared::security_schemes(),
        },
    }))
}

/// Every tag that is used stands in the list, and has a description.
fn declare_tags(operation: &Object, tags: &mut Value) {
    let Some(tags) = tags.as_array_mut() else { return };
    let used = operation.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in used {
        let description = format!("Operations on {name}.");
        match tags.iter_mut().find(|tag| tag.get("name").and_then(Value::as_str) == Some(name)) {
            None => tags.push(json!({"name": name, "description": description})),
            Some(Value::Object(tag)) => {
                tag.entry("description").or_insert(description.into());
            }
            Some(_) => {}
        }
    }
}

fn raise_operation(operation: &mut Object, method: &str, path: &str, public: bool) {
    operation.shift_remove("security");
    if public {
        operation.insert("security".into(), json!([]));
    }
    operation.entry("operationId").or_insert_with(|| operation_id(method, path).into());
    operation.entry("summary").or_insert_with(|| format!("{} {path}", method.to_uppercase()).into());
    let facts = Facts { public, path, ..raise_parameters(operation) };
    if let Some(Value::Object(request)) = operation.get_mut("requestBody") {
        raise_content(request);
    }
    let body = operation.contains_key("requestBody");
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        raise_response(status, response);
    }
    for status in (Facts { body, ..facts }).errors() {
        responses.entry(status.to_string()).or_insert_with(|| shared::problem(status));
    }
    responses.sort_keys();
}

/// `get` and `/health/live` make `getHealthLive`.
fn operation_id(method: &str, path: &str) -> String {
    let mut id = method.to_owned();
    let mut starts_word = true;
    for c in path.chars() {
        match c.is_ascii_alphanumeric() {
            true if starts_word => id.push(c.to_ascii_uppercase()),
            true => id.push(c),
            false => {}
        }
        starts_word = !c.is_ascii_alphanumeric();
    }
    id
}

/// What an operation's parts tell of the errors that it can answer.
#[derive(Clone, Copy, Default)]
struct Facts<'a> {
    public: bool,
    path: &'a str,
    body: bool,
    query: bool,
    conditional: bool,
}

impl Facts<'_> {
    fn errors(self) -> impl Iterator<Item = u16> {
        let has_path_parameter = self.path.contains('{');
        let rows: [(bool, &[u16]); 6] = [
            (self.body || self.query || has_path_parameter, &[400]),
            // What is public and has a body may take credentials there, or a token that works once.
            (!self.public || self.body, &[401, 403]),
            (has_path_parameter, &[404]),
            (self.conditional, &[412]),
            (self.body, &[409, 413, 415, 422]),
            (true, &[429, 503]),
        ];
        rows.into_iter().filter(|(applies, _)| *applies).flat_map(|(_, statuses)| statuses.iter().copied())
    }
}

fn raise_parameters(operation: &mut Object) -> Facts<'static> {
    let mut facts = Facts::default();
    let Some(Value::Array(parameters)) = operation.get_mut("parameters") else { return facts };
    for parameter in parameters.iter_mut().filter_map(Value::as_object_mut) {
        let is = |member: &str, value: &str| {
            parameter.get(member).and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(value))
        };
        facts.query |= is("in", "query");
        facts.conditional |= is("name", "if-match");
        for (member, default) in [("deprecated", false), ("explode", true)] {
            if parameter.get(member) == Some(&Value::Bool(default)) {
                parameter.shift_remove(member);
            }
        }
        parameter.get_mut("schema").into_iter().for_each(raise_schema);
    }
    facts
}

fn raise_response(status: &str, response: &mut Value) {
    let Some(response) = response.as_object_mut() else { return };
    let described = response.get("description").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    if !described {
        response.insert("description".into(), shared::reason(status).into());
    }
    raise_content(response);
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    let Some(headers) = headers.as_object_mut() else { return };
    for header in headers.values_mut().filter_map(Value::as_object_mut) {
        header.shift_remove("deprecated");
        header.get_mut("schema").into_iter().for_each(raise_schema);
    }
    for (name, header) in shared::success_headers() {
        headers.entry(name).or_insert(header);
    }
}

/// Media types lose their parameters, which JSON does not have, and their schemas are raised.
fn raise_content(holder: &mut Object) {
    let Some(content) = holder.get_mut("content").and_then(Value::as_object_mut) else { return };
    let raised = std::mem::take(content).into_iter().map(|(name, mut media)| {
        media.get_mut("schema").into_iter().for_each(raise_schema);
        let plain = name.split(';').next().unwrap_or_default().trim().to_owned();
        (plain, media)
    });
    *content = raised.collect();
}

/// A schema of OpenAPI 3.0 becomes one of JSON Schema 2020-12.
fn raise_schema(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    for member in ["items", "additionalProperties", "not"] {
        object.get_mut(member).into_iter().for_each(raise_schema);
    }
    for member in ["anyOf", "oneOf", "allOf"] {
        object.get_mut(member).and_then(Value::as_array_mut).into_iter().flatten().for_each(raise_schema);
    }
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(|properties| properties.values_mut()).for_each(raise_schema);
    for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        raise_bound(object, bound, exclusive);
    }
    if let Some(example) = object.shift_remove("example") {
        object.insert("examples".into(), json!([example]));
    }
    match object.get("format").and_then(Value::as_str) {
        Some("binary") => rename_format(object, "contentMediaType", "application/octet-stream"),
        Some("byte" | "base64") => rename_format(object, "contentEncoding", "base64"),
        _ => {}
    }
    unfold_reference(object);
    if object.shift_remove("nullable") == Some(Value::Bool(true)) {
        admit_null(object);
    }
}

fn rename_format(object: &mut Object, member: &str, value: &str) {
    object.shift_remove("format");
    object.insert(member.into(), value.into());
}

/// `exclusiveMinimum: true` beside `minimum: 3` becomes `exclusiveMinimum: 3`.
fn raise_bound(object: &mut Object, bound: &str, exclusive: &str) {
    let Some(is_exclusive) = object.get(exclusive).and_then(Value::as_bool) else { return };
    object.shift_remove(exclusive);
    if is_exclusive && let Some(value) = object.shift_remove(bound) {
        object.insert(exclusive.into(), value);
    }
}

/// The framework says a reference with remarks as `allOf` of both, and the remarks once more; 3.1 lets them stand beside
/// each other.
fn unfold_reference(object: &mut Object) {
    let Some([reference, remarks]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice) else { return };
    let (Some(target), Some(remarks)) = (reference.get("$ref").cloned(), remarks.as_object()) else { return };
    if remarks.iter().all(|(name, value)| object.get(name) == Some(value)) {
        object.shift_remove("allOf");
        object.shift_insert(0, "$ref".into(), target);
    }
}

fn admit_null(object: &mut Object) {
    if let Some(Value::Array(values)) = object.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    if let Some(kind) = object.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    } else if let Some(reference) = object.shift_remove("$ref") {
        object.insert("anyOf".into(), json!([{"$ref": reference}, {"type": "null"}]));
    } else if let Some(Value::Array(variants)) =
        ["anyOf", "oneOf"].iter().find_map(|member| object.get(*member)).cloned()
    {
        let member = if object.contains_key("anyOf") { "anyOf" } else { "oneOf" };
        let with_null = variants.into_iter().chain([json!({"type": "null"})]);
        object.insert(member.into(), with_null.collect());
    }
}
