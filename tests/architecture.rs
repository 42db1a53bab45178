//! The rules of the source tree that no lint knows: who may name whom, what every file opens with, where things lie.
//!
//! ARCHITECTURE.md explains the ranks. How long a function may be is for clippy to say.
#![expect(clippy::unwrap_used, reason = "a tree that cannot be read fails the test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The top-level modules by rank. One names those of lower ranks only: none above it, none beside it.
const RANKS: [(u8, &[&str]); 16] = [
    (0, &["kernel", "config"]),
    (1, &["telemetry", "expr", "outgoing"]),
    (2, &["store"]),
    (3, &["access"]),
    (4, &["http", "queue"]),
    (5, &["audit", "schedules", "templates"]),
    (6, &["inbox", "mail", "roles"]),
    (7, &["keys"]),
    (8, &["auth", "collections"]),
    (9, &["records"]),
    (
        10,
        &[
            "users",
            "jobs",
            "webhooks",
            "realtime",
            "pulls",
            "summaries",
            "retention",
            "health",
            "docs",
            "openapi",
            "pages",
        ],
    ),
    (11, &["notifications"]),
    (12, &["app"]),
    (13, &["server"]),
    (14, &["cli"]),
    (15, &["lib", "main"]),
];

/// Who names the HTTP framework, besides each feature's `api.rs`, and `dto.rs` or what stands in a folder `dto`.
const POEM: &str =
    "src/http src/app src/server src/docs.rs src/pages.rs src/openapi.rs src/health.rs src/cli/client.rs";

/// What the top level of the repository holds, besides dot-files.
const TOP_LEVEL: &str =
    "Cargo.toml Cargo.lock README.md ARCHITECTURE.md LICENSE src assets config tests packaging systemd";

const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder of the repository, as paths from its root.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "there is no Rust file under {folder}");
    files
}

fn text(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// A source file without its tests, which may name anything, and without comments.
struct Source {
    path: PathBuf,
    /// The names from the crate's root down: `records`, `openapi` for `src/records/openapi/mod.rs`.
    modules: Vec<String>,
    code: String,
}

fn sources() -> Vec<Source> {
    let is_test = |path: &PathBuf| path.iter().any(|part| part == "tests" || part == "tests.rs");
    let made = |path: PathBuf| {
        let inner = path.strip_prefix("src").unwrap().with_extension("");
        let names = inner.iter().map(|part| part.to_str().unwrap().to_owned());
        let modules = names.filter(|name| name != "mod").collect();
        let whole = text(&path);
        let code = whole.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        Source { path, modules, code }
    };
    rust_files("src").into_iter().filter(|path| !is_test(path)).map(made).collect()
}

impl Source {
    fn module(&self) -> &str {
        self.modules.first().unwrap()
    }

    /// The top-level modules that the file names, alone or in a group: `crate::a::B`, `use crate::{a, b::{C, D}}`.
    fn mentions(&self) -> BTreeSet<String> {
        // The binary is a crate of its own.
        let root = if self.module() == "main" { "stead::" } else { "crate::" };
        let paths = self.code.split(root).skip(1);
        paths.flat_map(|rest| rest.strip_prefix('{').map_or_else(|| vec![first_word(rest)], items)).collect()
    }

    /// Whether the file names this crate.
    fn names(&self, krate: &str) -> bool {
        let is_inner = |c: char| c.is_alphanumeric() || c == '_';
        let mut found = self.code.match_indices(krate);
        found.any(|(at, _)| !self.code.get(..at).unwrap().ends_with(is_inner))
    }
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first word of each item of a group, given what stands behind its opening brace.
fn items(group: &str) -> Vec<String> {
    let (mut depth, mut outer) = (1, String::new());
    for c in group.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match depth {
            0 => break,
            1 => outer.push(c),
            _ => {}
        }
    }
    outer.split(',').map(first_word).filter(|word| !word.is_empty()).collect()
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(_, modules)| modules.contains(&module)).map(|(rank, _)| *rank)
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
}

#[test]
fn every_file_opens_with_its_purpose_and_is_of_readable_length() {
    let mut faults = Vec::new();
    for path in ["src", "tests"].into_iter().flat_map(rust_files) {
        let text = text(&path);
        if !text.starts_with("//! ") {
            faults.push(format!("{} does not open with `//!` and what it is for", path.display()));
        }
        if text.lines().count() > LINES_MAX {
            faults.push(format!("{} has more than {LINES_MAX} lines", path.display()));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_module_has_a_rank_and_names_only_lower_ones() {
    let mut faults = Vec::new();
    let sources = sources();
    for source in &sources {
        let (module, path) = (source.module(), source.path.display());
        let own = rank(module);
        if own.is_none() {
            faults.push(format!("{path}: {module} has no rank; give it one here and in ARCHITECTURE.md"));
        }
        let above = source.mentions().into_iter().filter(|other| other != module && rank(other) >= own);
        faults.extend(above.map(|other| format!("{path}: {module} names {other}, which is not of a lower rank")));
        // Such a path would go around the ranks.
        if source.code.contains(&"super::".repeat(source.modules.len())) {
            faults.push(format!("{path}: a path of `super` reaches the crate's root; write `crate::`"));
        }
    }
    let ranked = RANKS.iter().flat_map(|(_, modules)| modules.iter());
    let gone = ranked.filter(|module| !sources.iter().any(|source| source.module() == **module));
    faults.extend(gone.map(|module| format!("{module} has a rank, and is no module")));
    assert_none(&faults);
}

#[test]
fn the_engine_is_named_by_the_store_and_the_framework_by_the_edge() {
    let is_edge = |path: &Path| {
        let is_dto = path.ends_with("dto.rs") || path.components().any(|part| part.as_os_str() == "dto");
        path.ends_with("api.rs") || is_dto || POEM.split(' ').any(|edge| path.starts_with(edge))
    };
    let mut faults = Vec::new();
    for source in sources() {
        let path = source.path.display();
        if source.names("redb::") && source.module() != "store" {
            faults.push(format!("{path} names redb; only the store does"));
        }
        if (source.names("poem::") || source.names("poem_openapi::")) && !is_edge(&source.path) {
            faults.push(format!("{path} names poem; only the edge does"));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_top_level_holds_only_what_every_reader_expects() {
    // The folder may belong to another user than the one who runs the tests.
    let listed = Command::new("git").args(["-c", "safe.directory=*", "ls-files"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names: BTreeSet<_> = listed.lines().filter_map(|path| path.split('/').next()).collect();
    let expected = |name: &&str| name.starts_with('.') || TOP_LEVEL.split(' ').any(|known| known == *name);
    assert_none(&names.into_iter().filter(|name| !expected(name)).map(str::to_owned).collect::<Vec<_>>());
}

/// What the checklist of security names is a test.
#[test]
fn the_checklist_names_tests_that_there_are() {
    let list = text(Path::new("tests/security.md"));
    let known: String = ["src", "tests"].iter().flat_map(|folder| rust_files(folder)).map(|path| text(&path)).collect();
    let named: Vec<&str> = list.split('`').skip(1).step_by(2).filter(|name| name.contains('_')).collect();
    let is_name =
        |name: &&&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let names: Vec<_> = named.iter().filter(is_name).collect();
    assert!(names.len() > 50, "{names:?}");
    let lost: Vec<_> = names.into_iter().filter(|name| !known.contains(&format!("fn {name}("))).collect();
    assert!(lost.is_empty(), "tests/security.md names what is no test: {lost:?}");
}
