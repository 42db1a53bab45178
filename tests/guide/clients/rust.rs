//! Rust: `openapi-generator` for `reqwest`.

use std::{fs, path::Path, process::Command};

use super::{Shop, here, run};
use crate::tools;

/// The version is one that the committed lock file knows whatever the server's.
const PROPERTIES: &str = "packageName=stead_client,packageVersion=0.0.0,library=reqwest";
const SOURCES: &str = "tests/guide/clients/rust";

#[test]
fn rust_is_content() {
    let shop = Shop::open();
    let folder =
        shop.generated("rust", &[include_str!("../../tools/requirements.txt"), PROPERTIES], |folder: &Path| {
            let mut generator = Command::new(tools().join("venv/bin/openapi-generator-cli"));
            generator.args(["generate", "-g", "rust", "-i", "openapi.json", "-o", "stead_client"]);
            generator.args(["--additional-properties", PROPERTIES]);
            run(generator.current_dir(folder));
        });
    let own = folder.join("client");
    fs::create_dir_all(&own).unwrap();
    for name in ["Cargo.toml", "Cargo.lock", "main.rs"] {
        fs::copy(here(SOURCES).join(name), own.join(name)).unwrap();
    }
    // Dependencies stay compiled when the document changes.
    let target = tools().join("clients/target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--quiet"]).env("CARGO_TARGET_DIR", &target).env_remove("RUSTFLAGS");
    run(cargo.current_dir(&own));
    shop.welcomes(&mut Command::new(target.join("debug/client")));
}
