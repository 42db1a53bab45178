//! Names of schemas and operations: from a collection's name, and never the same for two collections.
//!
//! Client generators fold case and underscores, so names count as the same when they differ in these only. The older
//! collection keeps the better name; so a new collection never changes the clients of those that are there.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::shapes;
use crate::{
    collections::{Catalog, Check, Collection},
    http::openapi::shared,
};

/// What is appended to the name of a collection's schemas.
pub(super) const SUFFIXES: [&str; 5] = ["", "Create", "Update", "List", "Expand"];

/// The names that stand for one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The first part of schema names, and the last part of the ids of operations on one record: `MediaType`.
    pub(super) schema: String,
    /// The last part of the ids of operations on many records: `MediaTypes`.
    pub(super) operation: String,
    /// The schema of each enum field, by the field's name: `MediaTypeQuality`.
    pub(super) enums: HashMap<String, String>,
}

/// The names of every collection, by number.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<u32, Name>);

impl Names {
    /// Names for the collections of a catalog.
    pub(super) fn of(catalog: &Catalog) -> Self {
        let row = |collection: &Arc<Collection>| {
            let enums = collection.fields.iter().filter(|field| matches!(field.check, Check::Enum(_)));
            let enums = enums.map(|field| field.name.clone()).collect();
            (collection.own_number(), collection.def.name.clone(), enums)
        };
        Self::assign(catalog.sorted().into_iter().chain(catalog.views()).map(row))
    }

    /// The names of the collection with this number and name.
    pub(super) fn get(&self, number: u32, name: &str) -> Name {
        let own = || Name { schema: pascal_case(name), operation: pascal_case(name), enums: HashMap::new() };
        self.0.get(&number).cloned().unwrap_or_else(own)
    }

    /// Names for collections that are told by number, name and names of enum fields.
    fn assign(collections: impl Iterator<Item = (u32, String, Vec<String>)>) -> Self {
        let mut ordered: Vec<_> = collections.collect();
        ordered.sort_unstable();
        let reserved = shared::SCHEMAS.iter().chain(&shapes::SCHEMAS);
        let mut schemas: HashSet<String> = reserved.map(|name| name.to_lowercase()).collect();
        let mut operations: HashSet<String> = HashSet::new();
        let mut names = HashMap::new();
        for (number, name, fields) in ordered {
            let full = pascal_case(&name);
            let operation = claim(&mut operations, [full.clone()], &[""]);
            let schema = claim(&mut schemas, [singular(&full), full], &SUFFIXES);
            let mut enum_name = |field: String| {
                let wanted = format!("{schema}{}", singular(&pascal_case(&field)));
                let name = claim(&mut schemas, [wanted.clone(), format!("{wanted}Value")], &[""]);
                (field, name)
            };
            let enums = fields.into_iter().map(&mut enum_name).collect();
            names.insert(number, Name { schema, operation, enums });
        }
        Self(names)
    }
}

/// Takes the first name that is free with all suffixes: one of those wanted, else the last of them with a number.
fn claim<const N: usize>(taken: &mut HashSet<String>, wanted: [String; N], suffixes: &[&str]) -> String {
    let keys = |name: &str| suffixes.iter().map(|suffix| format!("{name}{suffix}").to_lowercase()).collect::<Vec<_>>();
    let last = wanted.last().cloned().unwrap_or_default();
    let numbered = (2..).map(|number: u32| format!("{last}{number}"));
    let mut candidates = wanted.into_iter().chain(numbered);
    let name = candidates.find(|name| !keys(name).iter().any(|key| taken.contains(key))).unwrap_or_default();
    taken.extend(keys(&name));
    name
}

/// `media_types` and `mediaTypes` make `MediaTypes`.
fn pascal_case(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    let capitalised = words.flat_map(|word| {
        let mut chars = word.chars();
        chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars)
    });
    capitalised.collect()
}

/// Words that look like plurals and are none, or that have no plain singular.
const UNCHANGED: [&str; 38] = [
    "alias",
    "analytics",
    "atlas",
    "bias",
    "bus",
    "canvas",
    "chaos",
    "christmas",
    "clothes",
    "cosmos",
    "diagnoses",
    "dns",
    "gas",
    "goods",
    "graphics",
    "halves",
    "heroes",
    "kudos",
    "lens",
    "lenses",
    "logistics",
    "mathematics",
    "means",
    "news",
    "oases",
    "physics",
    "politics",
    "potatoes",
    "premises",
    "quizzes",
    "scarves",
    "series",
    "shoes",
    "sms",
    "species",
    "statistics",
    "texas",
    "thieves",
];

/// Plurals whose singular follows no rule, or the rule for another ending.
const IRREGULAR: [(&str, &str); 18] = [
    ("aliases", "alias"),
    ("atlases", "atlas"),
    ("brownies", "brownie"),
    ("caches", "cache"),
    ("calories", "calorie"),
    ("canvases", "canvas"),
    ("children", "child"),
    ("cookies", "cookie"),
    ("gases", "gas"),
    ("hoodies", "hoodie"),
    ("houses", "house"),
    ("men", "man"),
    ("movies", "movie"),
    ("people", "person"),
    ("rookies", "rookie"),
    ("selfies", "selfie"),
    ("women", "woman"),
    ("zombies", "zombie"),
];

/// Endings of plurals, the more special first: what they end in, how many letters to drop, what to put there. Dropping
/// none leaves words as they are whose singular is a matter of luck.
const ENDINGS: [(&str, usize, &str); 21] = [
    ("ss", 0, ""),
    ("us", 0, ""),
    ("is", 0, ""),
    ("sses", 2, ""),
    ("shes", 2, ""),
    ("ches", 2, ""),
    ("xes", 2, ""),
    ("ies", 3, "y"),
    ("oes", 0, ""),
    ("uses", 0, ""),
    ("yses", 0, ""),
    ("oses", 1, ""),
    ("lves", 0, ""),
    ("eaves", 0, ""),
    ("oaves", 0, ""),
    ("ieves", 0, ""),
    ("knives", 0, ""),
    ("wives", 0, ""),
    ("lives", 0, ""),
    ("zzes", 0, ""),
    ("s", 1, ""),
];

/// The singular of a PascalCase name's last word, where it is sure; else the name as it is.
fn singular(pascal: &str) -> String {
    let start = pascal.rfind(|c: char| c.is_ascii_uppercase()).unwrap_or(0);
    let (head, word) = pascal.split_at_checked(start).unwrap_or(("", pascal));
    let lower = word.to_lowercase();
    let capitalised = |word: &str| format!("{head}{}", pascal_case(word));
    if let Some((_, one)) = IRREGULAR.iter().find(|(many, _)| *many == lower) {
        return capitalised(one);
    }
    let is_short = lower.len() < 4 || (lower.len() == 4 && lower.ends_with("ies"));
    if is_short || UNCHANGED.contains(&lower.as_str()) {
        return pascal.to_owned();
    }
    match ENDINGS.iter().find(|(ending, ..)| lower.ends_with(ending)) {
        Some((_, dropped, added)) => {
            let kept = word.len().checked_sub(*dropped).and_then(|length| word.get(..length)).unwrap_or(word);
            format!("{head}{kept}{added}")
        }
        None => pascal.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singulars_are_sure_or_absent() {
        let rows = [
            ("Tracks", "Track"),
            ("MediaTypes", "MediaType"),
            ("Categories", "Category"),
            ("Addresses", "Address"),
            ("Boxes", "Box"),
            ("Movies", "Movie"),
            ("People", "Person"),
            ("News", "News"),
            ("Status", "Status"),
            ("Series", "Series"),
            ("Media", "Media"),
            ("Databases", "Database"),
            ("Sizes", "Size"),
            ("Days", "Day"),
            ("UserSettings", "UserSetting"),
            ("SMS", "SMS"),
            ("Heroes", "Heroes"),
            ("Statuses", "Statuses"),
            ("Courses", "Course"),
            ("Archives", "Archive"),
            ("Leaves", "Leaves"),
            ("A", "A"),
            ("S", "S"),
        ];
        for (many, one) in rows {
            assert_eq!(singular(many), one);
        }
    }

    fn assigned(names: &[&str]) -> Vec<(String, String, String)> {
        let rows = (1..).zip(names).map(|(number, name)| (number, (*name).to_owned(), vec!["kind".to_owned()]));
        let assigned = Names::assign(rows);
        let named = (1..).zip(names).map(|(number, name)| assigned.get(number, name));
        named.map(|name| (name.schema, name.operation, name.enums["kind"].clone())).collect()
    }

    #[test]
    fn no_two_collections_share_a_name() {
        let names = [
            "media_types",
            "mediaTypes",
            "MediaTypes",
            "media__types_",
            "media_type",
            "mediaTypes2",
            "posts",
            "Posts",
            "post_creates",
            "post",
            "postList",
            "problems",
            "problem",
            "problemErrors",
            "category",
            "categories",
            "geoPoints",
            "import_reports",
            "categoryKinds",
            "media_type_expands",
        ];
        let assigned = assigned(&names);
        let reserved = shared::SCHEMAS.iter().chain(&shapes::SCHEMAS);
        let mut schemas: HashSet<String> = reserved.map(|name| name.to_lowercase()).collect();
        let mut operations = HashSet::new();
        for (schema, operation, kind) in assigned {
            assert!(operations.insert(operation.to_lowercase()), "{operation}");
            assert!(schemas.insert(kind.to_lowercase()), "{kind}");
            for suffix in SUFFIXES {
                assert!(schemas.insert(format!("{schema}{suffix}").to_lowercase()), "{schema}{suffix}");
            }
        }
    }

    #[test]
    fn the_older_collection_keeps_its_name() {
        let old = assigned(&["media_types", "posts"]);
        let new = assigned(&["media_types", "posts", "mediaTypes", "post", "Posts", "postKinds"]);
        assert_eq!(old, new[..2]);
        assert_eq!(old[0], ("MediaType".into(), "MediaTypes".into(), "MediaTypeKind".into()));
        assert_eq!(new[2], ("MediaTypes".into(), "MediaTypes2".into(), "MediaTypesKind".into()));
    }
}
