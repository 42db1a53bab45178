//! The OpenAPI document is valid, and clean under a public linter's recommended rules.

use std::{fs, path::Path, process::Command};

use crate::{server::stead, tools};

/// A collection with every type and attribute that the document describes.
const EVERYTHING: &str = r#"
description = "Everything that a field can be."
rules = { list = "flag = true", read = "id != null", create = "@auth.id != null", update = "owner = @auth.id", delete = "owner = @auth.id" }
indexes = [{ fields = ["kind", "-createdAt"] }, { fields = ["slug"], unique = true }]
fields = [
  { name = "slug", type = "string", format = "slug", required = true, min = 2, max = 80 },
  { name = "code", type = "string", pattern = "[A-Z]{3}-[0-9]+" },
  { name = "mail", type = "string", format = "email" },
  { name = "site", type = "string", format = "url" },
  { name = "key", type = "string", format = "uuid", hidden = true },
  { name = "body", type = "text", searchable = true },
  { name = "count", type = "integer", required = true, min = 0, max = 10, default = 1 },
  { name = "ratio", type = "number", nullable = false, default = 0.5 },
  { name = "price", type = "decimal", min = "0", max = "99.99" },
  { name = "flag", type = "boolean", indexed = true },
  { name = "moment", type = "datetime" },
  { name = "day", type = "date" },
  { name = "extra", type = "json" },
  { name = "kind", type = "enum", values = ["news", "sport"], required = true },
  { name = "tags", type = "string", many = true, maxItems = 5, nullable = false },
  { name = "owner", type = "relation", collection = "users", onDelete = "setNull" },
  { name = "others", type = "relation", collection = "everything", many = true },
  { name = "picture", type = "file", mediaTypes = ["image/*"], maxBytes = 5000000 },
  { name = "place", type = "geoPoint" },
]
"#;

/// A view of records, and one of groups with every kind of column.
const VIEWS: [(&str, &str); 2] = [
    (
        "flagged",
        "rules = { list = \"true\", read = \"owner = @auth.id\" }\n[view]\nfrom = \"everything\"\nfilter = \"flag && key = null\"\n\
         fields = [\"slug\", \"price\", \"owner\", \"tags\"]\n",
    ),
    (
        "priceByMonth",
        "rules = { list = \"@auth.id != null\" }\n[view]\nfrom = \"everything\"\ntimezone = \"Europe/Berlin\"\nhaving = \"count > 1\"\n\
         select = \"count, sum(price) as total, avg(ratio), min(moment), max(day), distinct(kind), max(count) as most\"\n\
         group = \"month(moment) as month, hour(moment) as hour, flag, owner.email\"\n",
    ),
];

fn check(name: &str, program: &Path, args: &[&str]) {
    let output =
        Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{name} does not run: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {said}");
    // The linter succeeds with warnings, and counts them in its last line.
    assert!(!said.contains("You have"), "{name}: {said}");
}

#[test]
fn the_document_is_valid_and_clean() {
    let folder = tempfile::tempdir().unwrap();
    let (data, schemas) = (folder.path().join("data"), folder.path().join("schemas"));
    fs::create_dir(&schemas).unwrap();
    fs::write(schemas.join("everything.toml"), EVERYTHING).unwrap();
    for (name, text) in VIEWS {
        fs::write(schemas.join(format!("{name}.toml")), text).unwrap();
    }
    stead(&data, &["schema", "apply", "config/examples/chinook"]);
    stead(&data, &["schema", "apply", schemas.to_str().unwrap()]);
    let document = folder.path().join("openapi.json");
    fs::write(&document, stead(&data, &["openapi"])).unwrap();
    let file = document.to_str().unwrap();
    check("openapi-spec-validator", &tools().join("venv/bin/openapi-spec-validator"), &["--schema", "3.1.0", file]);
    check("redocly", &tools().join("node_modules/.bin/redocly"), &["lint", "--extends", "recommended", file]);
}
