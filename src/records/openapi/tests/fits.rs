//! As much of JSON Schema as the document uses.

use serde_json::Value;

/// Fails unless `value` fits `schema`.
pub(super) fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Err(fault) = fits(document, schema, value) {
        panic!("{at}: {fault}\n{value}\n{schema}");
    }
}

fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    for (keyword, operand) in schema.as_object().unwrap() {
        let fit = match keyword.as_str() {
            "$ref" => {
                let target = document.pointer(operand.as_str().unwrap().trim_start_matches('#')).unwrap();
                fits(document, target, value)?;
                true
            }
            "type" => match operand {
                Value::Array(kinds) => kinds.iter().any(|kind| is(value, kind.as_str().unwrap())),
                kind => is(value, kind.as_str().unwrap()),
            },
            "enum" => operand.as_array().unwrap().contains(value),
            "anyOf" => operand.as_array().unwrap().iter().any(|variant| fits(document, variant, value).is_ok()),
            "oneOf" => {
                operand.as_array().unwrap().iter().filter(|variant| fits(document, variant, value).is_ok()).count() == 1
            }
            "allOf" => operand.as_array().unwrap().iter().all(|part| fits(document, part, value).is_ok()),
            "pattern" => {
                let pattern = regex::Regex::new(operand.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= operand.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= operand.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|number| number >= operand.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= operand.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= operand.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= operand.as_u64().unwrap()),
            "uniqueItems" => {
                value.as_array().is_none_or(|items| (1..items.len()).all(|i| !items[..i].contains(&items[i])))
            }
            "items" => value.as_array().into_iter().flatten().all(|item| fits(document, operand, item).is_ok()),
            "required" => operand.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(property) = operand.get(name) {
                        fits(document, property, member).map_err(|fault| format!("{name}: {fault}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = |name: &String| schema["properties"].get(name).is_some();
                let mut others = value.as_object().into_iter().flatten().filter(|(name, _)| !known(name));
                match operand {
                    Value::Bool(allowed) => *allowed || others.next().is_none(),
                    other => others.all(|(_, member)| fits(document, other, member).is_ok()),
                }
            }
            "description" | "format" | "default" | "writeOnly" => true,
            unknown => return Err(format!("what is {unknown}?")),
        };
        if !fit {
            return Err(format!("{keyword} {operand}"));
        }
    }
    Ok(())
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}
