//! PocketBase's rules as rules of Stead that open no more than they did.
//!
//! A rule is translated when both mean the same. What differs, or might, is refused with the reason; the rule is then
//! absent, which opens nothing. Three differences are everywhere: PocketBase stores "" for an absent value, where most
//! fields here have null; it compares what has many values with all of them; and its guests are nobody here.

use super::{
    field::{Mapped, Shape},
    filter::{Filter, Operand, Operator, parse},
};

/// A collection as rules name it.
pub(super) struct Named<'a> {
    /// The id in PocketBase.
    pub(super) id: &'a str,
    /// The name in PocketBase.
    pub(super) from: &'a str,
    /// The name in Stead.
    pub(super) to: &'a str,
    pub(super) fields: &'a [Mapped],
    /// Whether these are the users that sign in.
    pub(super) is_users: bool,
}

/// All collections.
pub(super) struct Names<'a> {
    pub(super) collections: Vec<Named<'a>>,
}

type Result<T> = std::result::Result<T, String>;

/// What PocketBase's "" is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    /// Such a value is never empty, or there "" is no value of it.
    Never,
    Null,
    Blank,
    /// Null when something on the way is absent.
    Either,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Bool,
    Time,
    Json,
}

/// A side of a comparison that is looked up.
#[derive(Clone, Debug)]
struct Term {
    text: String,
    kind: Kind,
    empty: Empty,
    /// Whether relations lead to many of it.
    many: bool,
    /// Whether it is a list itself, which PocketBase compares as JSON text.
    list: bool,
    /// Whether relations lead to it.
    via: bool,
    is_auth: bool,
    is_body: bool,
}

enum Side {
    Term(Term),
    Text(String),
    Number(String),
    Bool(bool),
    Empty,
    Now,
}

/// Translates a rule of the collection `from`. The empty one opens to everyone.
///
/// # Errors
/// Why there is no rule that means the same.
pub(super) fn translate(names: &Names<'_>, from: &str, rule: &str) -> Result<String> {
    if rule.trim().is_empty() {
        return Ok("true".to_owned());
    }
    let own = names.collections.iter().find(|named| named.from == from).ok_or("there is no such collection")?;
    filter(names, own, &parse(rule)?, false)
}

fn filter(names: &Names<'_>, own: &Named<'_>, tree: &Filter, inner: bool) -> Result<String> {
    let join = |parts: &[Filter], sign: &str| -> Result<String> {
        let parts: Vec<String> = parts.iter().map(|part| filter(names, own, part, true)).collect::<Result<_>>()?;
        let joined = parts.join(sign);
        Ok(if inner { format!("({joined})") } else { joined })
    };
    match tree {
        Filter::Any(parts) => join(parts, " || "),
        Filter::All(parts) => join(parts, " && "),
        Filter::Compare(left, operator, right) => {
            if let Some(known) = auth_collection(names, left, *operator, right)? {
                return Ok(known.to_string());
            }
            compare(side(names, own, left)?, *operator, side(names, own, right)?)
        }
    }
}

/// `@request.auth.collectionName = "users"`: only those of one collection sign in here.
fn auth_collection(names: &Names<'_>, left: &Operand, operator: Operator, right: &Operand) -> Result<Option<bool>> {
    let (Operand::Name(name), Operand::Text(text)) = (left, right) else { return Ok(None) };
    let by = match name.as_str() {
        "@request.auth.collectionName" => |named: &Named<'_>| named.from.to_owned(),
        "@request.auth.collectionId" => |named: &Named<'_>| named.id.to_owned(),
        _ => return Ok(None),
    };
    let is_users = names.collections.iter().any(|named| named.is_users && by(named) == *text);
    match operator.sign {
        "=" => Ok(Some(is_users)),
        "!=" => Ok(Some(!is_users)),
        _ => Err("the caller's collection can only be equal to a name or not".into()),
    }
}

fn side(names: &Names<'_>, own: &Named<'_>, operand: &Operand) -> Result<Side> {
    let name = match operand {
        Operand::Text(text) if text.is_empty() => return Ok(Side::Empty),
        Operand::Text(text) => return Ok(Side::Text(text.clone())),
        Operand::Number(number) => return Ok(Side::Number(number.clone())),
        Operand::Name(name) => name.as_str(),
    };
    match name {
        "null" => return Ok(Side::Empty),
        "true" | "false" => return Ok(Side::Bool(name == "true")),
        "@now" => return Ok(Side::Now),
        _ => {}
    }
    let (path, modifier) = name.split_once(':').map_or((name, None), |(path, modifier)| (path, Some(modifier)));
    let term = term(names, own, path)?;
    modifier.map_or(Ok(Side::Term(term.clone())), |modifier| modified(term, modifier).map(Side::Term))
}

fn term(names: &Names<'_>, own: &Named<'_>, path: &str) -> Result<Term> {
    if let Some(name) = path.strip_prefix("@request.auth.") {
        let known = matches!(name, "id" | "email");
        let text = format!("@auth.{name}");
        let (kind, empty) = (Kind::Text, Empty::Never);
        let term = Term { text, kind, empty, many: false, list: false, via: false, is_auth: true, is_body: false };
        return if known { Ok(term) } else { Err(format!("rules know only id and email of the caller, not {name}")) };
    }
    let body = path.strip_prefix("@request.body.").or_else(|| path.strip_prefix("@request.data."));
    if let Some(name) = body {
        let term = resolve(names, own, name)?;
        if term.via || term.kind == Kind::Json {
            return Err(format!("of the body only fields are known, not {name}"));
        }
        let empty = if term.empty == Empty::Blank { Empty::Either } else { term.empty };
        return Ok(Term { text: format!("@request.body.{}", term.text), empty, is_body: true, ..term });
    }
    if path.starts_with('@') {
        return Err(format!("there is nothing like {path}"));
    }
    resolve(names, own, path)
}

/// A path of fields, over relations.
fn resolve(names: &Names<'_>, own: &Named<'_>, path: &str) -> Result<Term> {
    let mut segments = path.split('.').peekable();
    let (mut at, mut to, mut many) = (own, Vec::new(), false);
    while let Some(segment) = segments.next() {
        let via = !to.is_empty();
        let leaf = |to: &[String], kind, empty, list| {
            let empty = if via && empty == Empty::Blank { Empty::Either } else { empty };
            let text = to.join(".");
            Term { text, kind, empty, many, list, via, is_auth: false, is_body: false }
        };
        if let Some((other, field)) = segment.split_once("_via_") {
            let (other, unique, name) = back(names, at, other, field)?;
            to.push(name);
            many |= !unique;
            at = other;
            if segments.peek().is_none() {
                return Err(format!("{path} leads to records, not to a value"));
            }
            continue;
        }
        let last = segments.peek().is_none();
        if segment == "id" && last {
            to.push("id".into());
            return Ok(leaf(&to, Kind::Text, if via { Empty::Null } else { Empty::Never }, false));
        }
        let field = at.fields.iter().find(|field| field.from == segment);
        let field = field.ok_or_else(|| format!("{} of {} is not taken over", segment, at.from))?;
        to.push(field.to.clone());
        if let (Some(target), false) = (&field.target, last) {
            many |= field.shape == Shape::Many;
            at = names.collections.iter().find(|named| named.id == *target).ok_or("the relation leads nowhere")?;
            continue;
        }
        let (kind, empty, list) = match field.shape {
            Shape::Text { blank_is_null: false } => (Kind::Text, Empty::Blank, false),
            Shape::Text { blank_is_null: true } | Shape::One => (Kind::Text, Empty::Null, false),
            Shape::Number { zero_is_null: false, .. } => (Kind::Number, Empty::Never, false),
            Shape::Number { zero_is_null: true, .. } => {
                return Err(format!("{segment} is null here where it was 0"));
            }
            Shape::Bool => (Kind::Bool, Empty::Never, false),
            Shape::Time => (Kind::Time, Empty::Null, false),
            Shape::CreatedAt | Shape::UpdatedAt => (Kind::Time, Empty::Never, false),
            Shape::Many => (Kind::Text, Empty::Never, true),
            Shape::Place => return Err(format!("{segment} is a place")),
            Shape::Json => {
                to.extend(segments.map(str::to_owned));
                return Ok(leaf(&to, Kind::Json, Empty::Never, false));
            }
        };
        return if last { Ok(leaf(&to, kind, empty, list)) } else { Err(format!("{path} goes into a value")) };
    }
    Err(format!("{path} leads nowhere"))
}

/// A relation that is followed backwards: where it leads, whether to one record at most, and its name here.
fn back<'n, 'a>(
    names: &'n Names<'a>,
    at: &Named<'_>,
    other: &str,
    field: &str,
) -> Result<(&'n Named<'a>, bool, String)> {
    let fault = || format!("{other}_via_{field} leads nowhere");
    let other = names.collections.iter().find(|named| named.from == other).ok_or_else(fault)?;
    let points_here = |mapped: &&Mapped| mapped.from == field && mapped.target.as_deref() == Some(at.id);
    let field = other.fields.iter().find(points_here).ok_or_else(fault)?;
    let unique = field.def.as_ref().is_some_and(|def| def.unique);
    Ok((other, unique, format!("{}_via_{}", other.to, field.to)))
}

fn modified(term: Term, modifier: &str) -> Result<Term> {
    match modifier {
        "lower" if term.kind == Kind::Text && !term.many && !term.list => {
            Ok(Term { text: format!("lower({})", term.text), ..term })
        }
        "length" if term.list && !term.via && !term.is_body => {
            Ok(Term { text: format!("length({})", term.text), kind: Kind::Number, list: false, ..term })
        }
        _ => Err(format!("the modifier :{modifier} is not translated here")),
    }
}

fn compare(left: Side, operator: Operator, right: Side) -> Result<String> {
    match (left, right) {
        (Side::Term(left), Side::Term(right)) => {
            if right.many || (right.list && !left.list) {
                return terms(right, mirrored(operator)?, left);
            }
            terms(left, operator, right)
        }
        (Side::Term(left), right) if left.many => many(left, operator, &right),
        (Side::Term(left), right) if left.list => contains_in_list(&left, operator, &right),
        (Side::Term(left), right) => one(&left, operator.sign, &right),
        (left, Side::Term(right)) => compare(Side::Term(right), mirrored(operator)?, left),
        (left, right) => constants(&left, operator.sign, &right),
    }
}

fn mirrored(operator: Operator) -> Result<Operator> {
    let sign = match operator.sign {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        sign @ ("=" | "!=") => sign,
        _ => return Err("what contains the other must stand at the left".into()),
    };
    Ok(Operator { sign, ..operator })
}

fn constants(left: &Side, sign: &str, right: &Side) -> Result<String> {
    let equal = match (left, right) {
        (Side::Empty, Side::Empty) => true,
        (Side::Text(left), Side::Text(right)) => left == right,
        (Side::Number(left), Side::Number(right)) if left == right => true,
        (Side::Bool(left), Side::Bool(right)) => left == right,
        _ => return Err("two values of different types are compared".into()),
    };
    match sign {
        "=" => Ok(equal.to_string()),
        "!=" => Ok((!equal).to_string()),
        _ => Err("two values are compared with each other".into()),
    }
}

/// One value with a literal.
fn one(left: &Term, sign: &str, right: &Side) -> Result<String> {
    let name = &left.text;
    let mismatch = || Err(format!("{name} is compared with a value of another type"));
    let literal = match (left.kind, right) {
        (_, Side::Empty) => return empty(left, sign),
        (Kind::Json, right) => return json(left, sign, right),
        (Kind::Text, Side::Text(text)) => quoted(text),
        (Kind::Number, Side::Number(number)) => number.clone(),
        (Kind::Bool, Side::Bool(truth)) => truth.to_string(),
        (Kind::Time, Side::Now) => "@now".to_owned(),
        (Kind::Time, Side::Text(text)) => quoted(&instant(text)?),
        _ => return mismatch(),
    };
    match (sign, left.kind) {
        ("=" | "!=", _) => Ok(format!("{name} {sign} {literal}")),
        ("~" | "!~", Kind::Text) => match right {
            Side::Text(text) => contains(left, sign, text),
            _ => mismatch(),
        },
        ("~" | "!~", _) | (_, Kind::Bool) => mismatch(),
        (_, Kind::Text) if left.empty != Empty::Blank => Err(format!("{name} is null here where it was \"\"")),
        // Where PocketBase has "", it comes before every instant.
        ("<" | "<=", Kind::Time) if left.empty == Empty::Null => match left.via || left.is_body {
            true => Err(format!("{name} is null here where it was \"\"")),
            false => Ok(format!("({name} = null || {name} {sign} {literal})")),
        },
        _ => Ok(format!("{name} {sign} {literal}")),
    }
}

fn empty(left: &Term, sign: &str) -> Result<String> {
    let name = &left.text;
    let (joint, equal) = match sign {
        "=" => ("||", true),
        "!=" => ("&&", false),
        _ => return Err(format!("{name} is compared with nothing")),
    };
    match left.empty {
        Empty::Null => Ok(format!("{name} {sign} null")),
        Empty::Blank => Ok(format!("{name} {sign} \"\"")),
        Empty::Either => Ok(format!("({name} {sign} null {joint} {name} {sign} \"\")")),
        // Whoever calls has signed in.
        Empty::Never if left.is_auth => Ok((!equal).to_string()),
        Empty::Never => Err(format!("{name} is never empty")),
    }
}

/// In JSON, PocketBase takes true for 1 and lists for their text; only what is the same everywhere is translated.
fn json(left: &Term, sign: &str, right: &Side) -> Result<String> {
    let name = &left.text;
    match (sign, right) {
        ("=" | "!=", Side::Text(text)) => Ok(format!("{name} {sign} {}", quoted(text))),
        ("=", Side::Number(number)) => Ok(format!("{name} = {number}")),
        ("=", Side::Bool(truth)) => Ok(format!("{name} = {truth}")),
        _ => Err(format!("{name} is JSON, which compares otherwise")),
    }
}

fn contains(left: &Term, sign: &str, text: &str) -> Result<String> {
    if text.contains('%') || !text.is_ascii() {
        return Err(format!("{:?} has wildcards, or letters whose case PocketBase minds", text));
    }
    Ok(format!("{} {sign} {}", left.text, quoted(text)))
}

/// A list that PocketBase has as JSON text.
fn contains_in_list(left: &Term, operator: Operator, right: &Side) -> Result<String> {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(&b));
    match (operator.sign, right) {
        ("~", Side::Text(text)) if plain(text) && !left.via => Ok(format!("any({}) ~ {}", left.text, quoted(text))),
        ("!~", Side::Text(text)) if plain(text) && !left.via && !left.is_body => {
            Ok(format!("!(any({}) ~ {})", left.text, quoted(text)))
        }
        _ => Err(format!("{} is a list, which PocketBase compares as its JSON text", left.text)),
    }
}

/// Values of many records with a literal.
fn many(left: Term, operator: Operator, right: &Side) -> Result<String> {
    let name = left.text.clone();
    if left.list || matches!(right, Side::Empty) || left.kind == Kind::Json {
        return Err(format!("{name} are many lists, or many values that may be absent"));
    }
    let sign = operator.sign;
    let each = |word: &str| one(&Term { text: format!("{word}({name})"), many: false, ..left.clone() }, sign, right);
    // What PocketBase finds where there is no record at all, it takes for absent.
    match (sign, operator.any) {
        ("!=" | "!~", true) => Err(format!("{name}: that one of many differs is also so of none")),
        ("<" | "<=", _) if left.empty == Empty::Null => Err(format!("{name} is null here where it was \"\"")),
        (_, true) => each("any"),
        ("!=" | "!~", false) => each("all"),
        (_, false) => Ok(format!("({} && {})", each("any")?, each("all")?)),
    }
}

/// Two values that are looked up.
fn terms(left: Term, operator: Operator, right: Term) -> Result<String> {
    let (name, other, sign) = (&left.text, &right.text, operator.sign);
    if right.many || right.list || left.kind != right.kind || left.kind == Kind::Json {
        return Err(format!("{name} and {other} cannot be compared here"));
    }
    if left.list {
        return match sign {
            "~" if right.text == "@auth.id" && !left.many && !left.via => Ok(format!("{other} in {name}")),
            "!~" if right.text == "@auth.id" && !left.many && !left.via && !left.is_body => {
                Ok(format!("!(any({name}) ~ {other})"))
            }
            _ => Err(format!("{name} is a list, which PocketBase compares as its JSON text")),
        };
    }
    // Two absent values are equal only when they are absent alike.
    let alike = left.empty == right.empty || left.is_auth || right.is_auth;
    match (sign, operator.any) {
        ("=" | "!=", _) if !alike => Err(format!("{name} and {other} are absent in different ways")),
        ("=", true) if left.many && right.is_auth => {
            let ids = name.strip_suffix(".id").unwrap_or(name);
            Ok(format!("{other} in {ids}"))
        }
        ("=", false) if left.many => Ok(format!("(any({name}) = {other} && all({name}) = {other})")),
        ("!=", false) if left.many => Ok(format!("all({name}) != {other}")),
        ("=" | "!=", _) if !left.many => Ok(format!("{name} {sign} {other}")),
        ("~", _) if !left.many && right.is_auth => Ok(format!("{name} ~ {other}")),
        ("<" | "<=" | ">" | ">=", _) if !left.many && left.empty == Empty::Never && right.empty == Empty::Never => {
            Ok(format!("{name} {sign} {other}"))
        }
        _ => Err(format!("{name} and {other} cannot be compared with {sign} here")),
    }
}

/// The instant that PocketBase compares as text, when that is the same.
fn instant(text: &str) -> Result<String> {
    let moment = super::field::rfc3339(text);
    let whole = text.len() == 24 && text.as_bytes().get(10) == Some(&b' ') && moment.parse::<jiff::Timestamp>().is_ok();
    if whole { Ok(moment) } else { Err(format!("{text:?} is no whole instant, and PocketBase compares it as text")) }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
