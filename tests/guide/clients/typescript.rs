//! TypeScript: `openapi-typescript` and `openapi-fetch`.

use std::{fs, process::Command};

use super::{Shop, here, run};
use crate::tools;

#[test]
fn typescript_is_content() {
    let shop = Shop::open();
    // Below the tools, where the compiler and node find packages.
    let folder = tempfile::tempdir_in(tools()).unwrap();
    let bin = tools().join("node_modules/.bin");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("openapi.json"), &shop.document).unwrap();
    fs::write(at("package.json"), r#"{"type": "module"}"#).unwrap();
    fs::copy(here("tests/guide/clients/client.ts"), at("client.ts")).unwrap();
    fs::copy(here("config/examples/workers/worker.ts"), at("worker.ts")).unwrap();
    run(Command::new(bin.join("openapi-typescript")).arg(at("openapi.json")).arg("--output").arg(at("schema.d.ts")));
    let mut compiler = Command::new(bin.join("tsc"));
    compiler.args(["--strict", "--noEmitOnError", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]);
    compiler.args(["--module", "nodenext", "--target", "es2022"]);
    run(compiler.args(["client.ts", "worker.ts"]).current_dir(folder.path()));
    shop.welcomes(Command::new("node").arg(at("client.js")));
    shop.is_served_by(Command::new("node").arg(at("worker.js")));
}
