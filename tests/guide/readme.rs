//! Every command of the README runs, in order, as a newcomer types it.

use std::{fs, path::Path, process::Command};

use crate::server::STEAD;

/// The commands that the set-up section names; this test is run by the second, and runs the server of the first by the
/// binary that was built.
const SET_UP: [&str; 2] = ["cargo run --release -- serve", "tests/run"];

fn blocks(readme: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in readme.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (None, line) => assert!(!line.starts_with("```"), "a block that this test does not run: {line}"),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    blocks
}

#[test]
fn every_command_works() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(repository.join("README.md")).unwrap();
    let blocks = blocks(&readme);
    let (set_up, rest) = blocks.split_at(SET_UP.len());
    assert_eq!(set_up.iter().map(|block| block.trim()).collect::<Vec<_>>(), SET_UP, "exactly two set-up commands");

    let folder = tempfile::tempdir().unwrap();
    for part in ["config", "tests"] {
        std::os::unix::fs::symlink(repository.join(part), folder.path().join(part)).unwrap();
    }
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(STEAD, bin.join("stead")).unwrap();

    let output = Command::new("bash")
        .arg("-c")
        .arg(script(rest))
        .current_dir(folder.path())
        .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    for expected in [
        "made tracks",
        "imported 8 records",
        r#""total":"#,
        r#""nextCursor":""#,
        r#""indexes":[["billingCountry","-invoiceDate"]]"#,
        r#""expand":{"album":"#,
        r#"{"billingCountry":"USA","count":12,"#,
        r#""pointer":"/milliseconds""#,
        r#""title":"Its first album""#,
        r#""name":"A new song""#,
        r#""kind":"deleted""#,
        r#""name":"salesByCountry""#,
        r#""rejectedCount":0,"rejected":[],"complete":true,"collections":["#,
        r#""unitPrice":"1.29""#,
        r#""country":"Brazil""#,
        "[rate_limit]",
        "the configuration is valid",
    ] {
        assert!(stdout.contains(expected), "{expected} is missing in:\n{stdout}\n{stderr}");
    }
    let document = fs::read_to_string(folder.path().join("openapi.json")).unwrap();
    let printed = fs::read_to_string(folder.path().join("openapi-from-the-command-line.json")).unwrap();
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&document), parse(&printed));
    assert!(
        fs::read_to_string(folder.path().join("tracks.csv"))
            .unwrap()
            .starts_with("id,createdAt,updatedAt,version,name,")
    );
}

/// The blocks as one script: the server goes to the background on a free port, and every command must succeed.
fn script(blocks: &[String]) -> String {
    let mut script = String::from("set -eu\n");
    for block in blocks {
        if block.trim() == "stead serve" {
            script.push_str(
                "stead serve --listen 127.0.0.1:0 > ready 2> log & SERVER=$!\ntrap 'kill $SERVER' EXIT\n\
                 until grep -qs ready ready; do kill -0 $SERVER; done\nURL=$(sed 's/stead ready on //' ready)\n",
            );
        } else {
            script.push_str(&block.replace("http://127.0.0.1:8090", "$URL").replace("curl -s ", "curl -sS "));
        }
        script.push_str("echo\n");
    }
    script
}
