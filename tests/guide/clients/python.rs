//! Python: `openapi-python-client`, which may not warn, and mypy.

use std::{fs, path::Path, process::Command};

use super::{Shop, here, run};
use crate::tools;

/// JSON lines are no media type that the generator knows, so it is told that they are bytes.
const CONFIG: &str = "content_type_overrides:\n  application/x-ndjson: application/octet-stream\n  application/x-tar: application/octet-stream\n";

#[test]
fn python_is_content() {
    let shop = Shop::open();
    let bin = tools().join("venv/bin");
    let versions = [include_str!("../../tools/requirements.txt"), CONFIG];
    let folder = shop.generated("python", &versions, |folder: &Path| {
        fs::write(folder.join("config.yml"), CONFIG).unwrap();
        let mut generator = Command::new(bin.join("openapi-python-client"));
        generator.args(["generate", "--fail-on-warning", "--meta", "none", "--config", "config.yml"]);
        generator.args(["--path", "openapi.json", "--output-path", "stead_client"]);
        // It tidies up by ruff, which stands beside it.
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        run(generator.env("PATH", path).current_dir(folder));
    });
    let (client, worker) = (here("tests/guide/clients/client.py"), here("config/examples/workers/worker.py"));
    let mut types = Command::new(bin.join("mypy"));
    // What the generator's own templates are to be blamed for is passed over.
    types.args(["--strict", "--follow-imports", "silent", "--no-error-summary"]).args([&client, &worker]);
    run(types.env("MYPYPATH", &folder).current_dir(&folder));
    shop.welcomes(Command::new(bin.join("python")).arg(client).env("PYTHONPATH", &folder));
    shop.is_served_by(Command::new(bin.join("python")).arg(worker).env("PYTHONPATH", &folder));
}
