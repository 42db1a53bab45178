//! What the collections of PocketBase become, before the server is asked.

use std::collections::{HashMap, HashSet};

use anyhow::bail;

use super::{
    field::{self, Around, Mapped, Shape, relaxed},
    index,
    read::{Collection, FieldSpec, RULES, Source},
    report::Report,
    rules::{Named, Names, translate},
    sign_in::{self, SignIn},
};
use crate::collections::{
    CollectionInput, IndexInput, Rules, is_reserved_collection, is_reserved_field,
    system::{RIGHTS, USERS},
};

/// The collection of PocketBase's superusers.
pub(super) const SUPERUSERS: &str = "_superusers";
/// The greatest length of `users.name`.
const USER_NAME_MAX: u64 = 200;
/// The greatest length of a name.
const NAME_MAX: usize = 60;
/// Fields of users that never leave PocketBase.
const SECRETS: [&str; 2] = ["password", "tokenKey"];

/// A collection by both names.
pub(super) struct Mapping {
    pub(super) source: Collection,
    pub(super) to: String,
    pub(super) fields: Vec<Mapped>,
    pub(super) indexes: Vec<IndexInput>,
    pub(super) rules: Rules,
    /// Who signs in, when these are the users.
    pub(super) sign_in: Option<SignIn>,
}

impl Mapping {
    /// The collection as the server makes it; `whole` when every record has all its relations.
    pub(super) fn input(&self, whole: bool) -> CollectionInput {
        let fields = self.fields.iter().filter_map(|field| {
            let def = field.def.as_ref()?;
            Some(if field.late && !whole { relaxed(def) } else { def.clone() })
        });
        CollectionInput {
            name: Some(self.to.clone()),
            fields: Some(fields.collect()),
            indexes: Some(self.indexes.clone()),
            rules: Some(self.rules.clone()),
            ..CollectionInput::default()
        }
    }

    pub(super) fn has_late(&self) -> bool {
        self.fields.iter().any(|field| field.late)
    }
}

/// Maps all collections, in an order in which relations lead to what is there already.
pub(super) fn map(source: &Source, users: Option<&str>, report: &mut Report) -> anyhow::Result<Vec<Mapping>> {
    let all = source.collections()?;
    let own = all.into_iter().filter(|collection| !collection.name.starts_with('_'));
    let (views, kept): (Vec<_>, Vec<_>) = own.partition(|collection| collection.kind == "view");
    for view in views {
        let query = view.options.get("viewQuery").and_then(serde_json::Value::as_str).unwrap_or_default();
        report.note(&view.name, "collection", query, "views are not taken over");
    }
    let users = users_of(&kept, users)?;
    let names = collection_names(&kept, users.as_deref(), report);
    let mut mappings = Vec::new();
    for collection in kept {
        let is_users = users.as_ref() == Some(&collection.name);
        mappings.push(mapping(source, collection, is_users, &names, report)?);
    }
    map_rules(&mut mappings, report);
    Ok(ordered(mappings))
}

/// The collection whose records sign in.
fn users_of(collections: &[Collection], wanted: Option<&str>) -> anyhow::Result<Option<String>> {
    let auth: Vec<_> = collections.iter().filter(|c| c.kind == "auth").map(|c| c.name.as_str()).collect();
    match (wanted, auth.as_slice()) {
        (Some(wanted), auth) if !auth.contains(&wanted) => {
            bail!("--users: there is no auth collection \"{wanted}\"; there are {}", auth.join(", "))
        }
        (Some(wanted), _) => Ok(Some(wanted.to_owned())),
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some((*only).to_owned())),
        (None, auth) => bail!("name the auth collection whose records sign in with --users: {}", auth.join(", ")),
    }
}

/// The names in Stead, by the ids in PocketBase.
fn collection_names(collections: &[Collection], users: Option<&str>, report: &mut Report) -> HashMap<String, String> {
    let mut taken = HashSet::from([USERS.to_owned()]);
    let mut names = HashMap::new();
    for collection in collections {
        let name = collection.name.as_str();
        let to = match users == Some(name) {
            true => USERS.to_owned(),
            false => free_name(name, &mut taken, is_reserved_collection),
        };
        if to != name {
            report.note(name, "collection", name, format!("it is called {to}"));
        }
        names.insert(collection.id.clone(), to);
    }
    names
}

/// The name, or one like it that nothing has.
fn free_name(wanted: &str, taken: &mut HashSet<String>, is_reserved: impl Fn(&str) -> bool) -> String {
    let mut name: String =
        wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(NAME_MAX).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert(0, 'x');
    }
    while is_reserved(&name) || taken.contains(&name.to_lowercase()) {
        name.push('_');
    }
    taken.insert(name.to_lowercase());
    name
}

fn mapping(
    source: &Source,
    collection: Collection,
    is_users: bool,
    names: &HashMap<String, String>,
    report: &mut Report,
) -> anyhow::Result<Mapping> {
    let sign_in = sign_in::judge(&collection, is_users, report);
    let to = names.get(&collection.id).cloned().unwrap_or_default();
    let mut indexes = Vec::new();
    for sql in collection.indexes.clone() {
        match index::parse(&sql) {
            Ok(index) => indexes.push((index, sql)),
            Err(_) if is_own_index(&collection, &sql) => {}
            Err(reason) => report.note(&collection.name, "index", sql, reason),
        }
    }
    let mut taken = HashSet::new();
    let mut fields = Vec::new();
    for spec in &collection.fields {
        let of_auth = collection.kind == "auth" && SECRETS.contains(&spec.name.as_str());
        if spec.name == "id" || of_auth {
            continue;
        }
        if let Some(mapped) = own_field(source, &collection, spec, is_users, &mut taken)? {
            fields.push(mapped);
            continue;
        }
        let own = |name: &str| is_users && (["email", "name"].contains(&name) || RIGHTS.contains(&name));
        let to = free_name(&spec.name, &mut taken, |name| is_reserved_field(name) || own(name));
        if to != spec.name {
            report.note(&collection.name, "field", spec.name.as_str(), format!("it is called {to}"));
        }
        let around = Around {
            collection: &collection.name,
            to,
            indexed: indexes.iter().any(|(index, _)| index.columns.iter().any(|(name, _)| *name == spec.name)),
            longest: source.longest(&collection.name, &spec.name)?,
            foreign_urls: match spec.kind.as_str() {
                "url" => source.others(&collection.name, &spec.name, &["http://", "https://"])?,
                _ => 0,
            },
            target: spec.collection_id.as_ref().and_then(|id| names.get(id)).cloned(),
        };
        fields.extend(field::map(spec, around, report));
    }
    if collection.kind == "auth" {
        sign_in::guard_fields(&mut fields);
    }
    let mut mapping = Mapping { source: collection, to, fields, indexes: Vec::new(), rules: Rules::default(), sign_in };
    for (index, sql) in indexes {
        if let Err(reason) = add_index(&mut mapping, &index) {
            report.note(&mapping.source.name, "index", sql.as_str(), reason);
        }
    }
    Ok(mapping)
}

/// A field that Stead has by itself: the times of a record, the address and the name of a user.
fn own_field(
    source: &Source,
    collection: &Collection,
    spec: &FieldSpec,
    is_users: bool,
    taken: &mut HashSet<String>,
) -> anyhow::Result<Option<Mapped>> {
    let is_auto = spec.kind == "autodate" && spec.on_create;
    let (to, shape) = match spec.name.as_str() {
        "created" | "createdAt" if is_auto && !spec.on_update => ("createdAt", Shape::CreatedAt),
        "updated" | "updatedAt" if is_auto && spec.on_update => ("updatedAt", Shape::UpdatedAt),
        "email" if is_users => ("email", Shape::One),
        "name" if is_users && spec.kind == "text" && !spec.hidden => {
            if source.longest(&collection.name, "name")? > USER_NAME_MAX {
                return Ok(None);
            }
            ("name", Shape::Text { blank_is_null: true })
        }
        _ => return Ok(None),
    };
    if !taken.insert(to.to_lowercase()) {
        return Ok(None);
    }
    let (from, to) = (spec.name.clone(), to.to_owned());
    Ok(Some(Mapped { from, to, def: None, shape, target: None, late: false }))
}

/// The indexes of PocketBase's own, of which the fields are gone or unique by themselves.
fn is_own_index(collection: &Collection, sql: &str) -> bool {
    collection.kind == "auth" && sql.contains("`idx_email_") && sql.contains("WHERE `email` != ''")
}

fn add_index(mapping: &mut Mapping, index: &index::Index) -> Result<(), String> {
    let is_secret = |name: &str| mapping.source.kind == "auth" && SECRETS.contains(&name);
    if let [(column, _)] = index.columns.as_slice() {
        if column == "id" || is_secret(column) {
            return Ok(());
        }
        let field = mapping.fields.iter_mut().find(|field| field.from == *column);
        if let Some(def) = field.and_then(|field| field.def.as_mut()) {
            if def.kind == "text" {
                return Err("the text is too long for an index here".to_owned());
            }
            def.unique |= index.unique && !def.many;
            def.indexed |= !index.unique && def.kind != "relation";
            return if index.unique && def.many { Err("a list cannot be unique".to_owned()) } else { Ok(()) };
        }
    }
    let terms = index.columns.iter().map(|(column, descends)| {
        let field = mapping.fields.iter().find(|field| field.from == *column);
        let name = if column == "id" { Some("id") } else { field.map(|field| field.to.as_str()) };
        let name = name.ok_or_else(|| format!("{column} is not taken over"))?;
        Ok(if *descends { format!("-{name}") } else { name.to_owned() })
    });
    let fields = terms.collect::<Result<Vec<_>, String>>()?;
    mapping.indexes.push(IndexInput { fields, unique: index.unique });
    Ok(())
}

fn map_rules(mappings: &mut [Mapping], report: &mut Report) {
    let mut translated = Vec::new();
    {
        let named = mappings.iter().map(|mapping| Named {
            id: &mapping.source.id,
            from: &mapping.source.name,
            to: &mapping.to,
            fields: &mapping.fields,
            is_users: mapping.sign_in.is_some(),
        });
        let names = Names { collections: named.collect() };
        for mapping in &*mappings {
            let from = &mapping.source.name;
            let mut rules: [Option<String>; 5] = Default::default();
            for ((rule, (name, _)), place) in mapping.source.rules.iter().zip(RULES).zip(&mut rules) {
                let Some(rule) = rule else { continue };
                match translate(&names, from, rule) {
                    Ok(rule) => *place = Some(rule),
                    Err(reason) => report.note(from, "rule", format!("{name}: {rule}"), format!("closed: {reason}")),
                }
            }
            let [list, read, create, update, delete] = rules;
            translated.push(Rules { list, read, create, update, delete });
        }
    }
    let open = mappings.iter().any(|mapping| mapping.source.rules.iter().flatten().any(|rule| rule.trim().is_empty()));
    if open {
        let reason = "Stead has no guests: what was open to everyone is open to everyone who signed in";
        report.note("", "rule", "the empty rule", reason);
    }
    for (mapping, mut rules) in mappings.iter_mut().zip(translated) {
        if mapping.sign_in.is_some() {
            let visible = mapping.fields.iter().find(|field| field.from == "emailVisibility").map(|field| &field.to);
            sign_in::hide_addresses(&mapping.source.name, &mut rules, visible.map(String::as_str), report);
            sign_in::keep_addresses(&mapping.source.name, &mut rules, report);
        }
        mapping.rules = rules;
    }
}

/// Each collection behind those that its relations lead to. Where there is a circle, or a relation of records to others of
/// their own collection, the relation comes late.
fn ordered(mut left: Vec<Mapping>) -> Vec<Mapping> {
    let mut done: Vec<Mapping> = Vec::new();
    while !left.is_empty() {
        let open = |mapping: &Mapping, done: &[Mapping]| -> usize {
            let open = |field: &&Mapped| {
                let target = field.target.as_deref();
                target.is_some_and(|target| !done.iter().any(|other| other.source.id == target))
            };
            mapping.fields.iter().filter(open).filter(|field| field.target.as_ref() != Some(&mapping.source.id)).count()
        };
        let next = (0..left.len()).min_by_key(|at| left.get(*at).map(|mapping| open(mapping, &done))).unwrap_or(0);
        let mut mapping = left.remove(next);
        for field in &mut mapping.fields {
            let there = |target: &String| done.iter().any(|other| other.source.id == *target);
            field.late = field.target.as_ref().is_some_and(|target| !there(target));
        }
        done.push(mapping);
    }
    done
}
