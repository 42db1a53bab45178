//! A plan as a person reads it.

use serde_json::{Map, Value};

use crate::collections::sync::{Action, Effect, Plan, Step};

const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";
const CYAN: &str = "36";
const BOLD: &str = "1";

/// The steps, collection by collection, and how many there are.
pub(super) fn plan(plan: &Plan, coloured: bool) -> String {
    if plan.steps.is_empty() {
        return "Nothing differs.\n".into();
    }
    let paint = |style: &str, text: &str| match coloured {
        true => format!("\x1b[{style}m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    let mut text = String::new();
    for steps in plan.steps.chunk_by(|a, b| a.collection == b.collection) {
        text.push_str(&paint(BOLD, &heading(steps)));
        text.push('\n');
        for step in steps {
            let Some((sign, line)) = line(step) else { continue };
            let style = match sign {
                '+' => GREEN,
                '-' => RED,
                '>' => CYAN,
                _ => YELLOW,
            };
            let mark = if step.effect == Effect::Destructive { paint(RED, "  (destructive)") } else { String::new() };
            text.push_str(&format!("  {}{mark}\n", paint(style, &format!("{sign} {line}"))));
        }
        text.push('\n');
    }
    let summary = &plan.summary;
    let (create, change, delete) = (summary.create, summary.change, summary.delete);
    text.push_str(&format!("Plan: {create} to make, {change} to change, {delete} to delete"));
    match summary.destructive {
        0 => {}
        1 => text.push_str("; 1 destructive step (needs --allow-destructive)"),
        many => text.push_str(&format!("; {many} destructive steps (need --allow-destructive)")),
    }
    text.push('\n');
    text
}

/// What was done, a line for each collection.
pub(super) fn done(plan: &Plan) -> String {
    let mut text = String::new();
    for steps in plan.steps.chunk_by(|a, b| a.collection == b.collection) {
        let did = |action: Action| steps.iter().any(|step| step.action == action);
        let done = match () {
            () if did(Action::CreateCollection) => "made",
            () if did(Action::DeleteCollection) => "deleted",
            () => "changed",
        };
        let name = steps.first().map_or("", |step| &step.collection);
        text.push_str(&format!("{done} {name}\n"));
    }
    text
}

fn heading(steps: &[Step]) -> String {
    let name = steps.first().map_or("", |step| &step.collection);
    let of = |action: Action| steps.iter().find(|step| step.action == action);
    if of(Action::CreateCollection).is_some() {
        format!("{name} (new)")
    } else if let Some(step) = of(Action::RenameCollection) {
        format!("{name} (was {})", shown(step.before.as_ref()))
    } else {
        name.to_owned()
    }
}

/// A step's sign and text; nothing when the heading says it.
fn line(step: &Step) -> Option<(char, String)> {
    let name = step.name.as_deref().unwrap_or_default();
    let (before, after) = (step.before.as_ref(), step.after.as_ref());
    Some(match step.action {
        Action::CreateCollection => return None,
        Action::RenameCollection => ('>', format!("rename collection {} → {}", shown(before), shown(after))),
        Action::DeleteCollection if before.is_some() => ('-', "view".into()),
        Action::DeleteCollection => ('-', "collection with all its records".into()),
        Action::ChangeDescription => ('~', format!("description: {} → {}", shown(before), shown(after))),
        Action::ChangeCaching => ('~', format!("cacheControl: {} → {}", shown(before), shown(after))),
        Action::ChangeView => match before {
            None => ('+', format!("view: {}", differences(None, after).replace("none → ", ""))),
            Some(_) => ('~', format!("view: {}", differences(before, after))),
        },
        Action::AddField => ('+', format!("field {}", attributes(after))),
        Action::DropField => ('-', format!("field {}", attributes(before))),
        Action::RenameField => ('>', format!("rename field {} → {}", shown(before), shown(after))),
        Action::ChangeField => ('~', format!("field {name}: {}", differences(before, after))),
        Action::MoveFields => ('~', format!("order of fields: {}", names(after))),
        Action::AddIndex => ('+', index(after)),
        Action::DropIndex => ('-', index(before)),
        Action::ChangeTriggers => ('~', format!("triggers: {} → {}", triggers(before), triggers(after))),
        Action::ChangeRule => match (before, after) {
            (None, _) => ('+', format!("rule {name}: {}", shown(after))),
            (_, None) => ('-', format!("rule {name}: {}", shown(before))),
            _ => ('~', format!("rule {name}: {} → {}", shown(before), shown(after))),
        },
    })
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".into(),
        Some(Value::Bool(true)) => "yes".into(),
        Some(Value::Bool(false)) => "no".into(),
        Some(Value::String(text)) if !text.contains(char::is_control) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A field's name, type and other attributes.
fn attributes(field: Option<&Value>) -> String {
    let mut words = Vec::new();
    for (name, value) in field.and_then(Value::as_object).into_iter().flatten() {
        match (name.as_str(), value) {
            ("name" | "type", value) => words.push(shown(Some(value))),
            ("required", Value::Bool(false)) | ("description", _) => {}
            (name, Value::Bool(true)) => words.push(name.to_owned()),
            (name, value) => words.push(format!("{name} {}", shown(Some(value)))),
        }
    }
    words.join(" ")
}

fn differences(before: Option<&Value>, after: Option<&Value>) -> String {
    let empty = Map::new();
    let members = |value: Option<&Value>| value.and_then(Value::as_object).unwrap_or(&empty).clone();
    let (before, after) = (members(before), members(after));
    let others = after.keys().filter(|name| !before.contains_key(*name));
    let names = before.keys().chain(others);
    let difference = |name: &String| {
        let (was, is) = (before.get(name), after.get(name));
        let flag = was.or(is).is_some_and(Value::is_boolean) && was.and(is).is_none();
        let shown = |value: Option<&Value>| if flag && value.is_none() { "no".to_owned() } else { shown(value) };
        format!("{name} {} → {}", shown(was), shown(is))
    };
    names.map(difference).collect::<Vec<_>>().join(", ")
}

fn names(list: Option<&Value>) -> String {
    let names = list.and_then(Value::as_array).into_iter().flatten();
    names.map(|name| shown(Some(name))).collect::<Vec<_>>().join(", ")
}

fn triggers(list: Option<&Value>) -> String {
    let Some(list) = list.and_then(Value::as_array) else { return "none".into() };
    let one = |trigger: &Value| format!("{} in {}", shown(trigger.get("kind")), shown(trigger.get("queue")));
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn index(index: Option<&Value>) -> String {
    let unique = index.and_then(|index| index.get("unique")) == Some(&Value::Bool(true));
    let fields = names(index.and_then(|index| index.get("fields")));
    format!("{}index ({fields})", if unique { "unique " } else { "" })
}
