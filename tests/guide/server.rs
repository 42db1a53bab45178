//! A server of the built binary on a folder of its own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

/// The built binary.
pub(crate) const STEAD: &str = env!("CARGO_BIN_EXE_stead");

/// Collections that have every type and attribute that the document describes, and those of the music shop.
pub(crate) const SCHEMAS: [&str; 2] = ["config/examples/chinook", "tests/guide/everything"];

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens: `http://127.0.0.1:…`.
    pub(crate) url: String,
    /// What it said on standard error until it told how to make the first admin.
    pub(crate) said: Vec<String>,
}

impl Server {
    /// Starts a server on the data folder `data`, where there is no user yet, and waits until it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same, with variables in its environment.
    pub(crate) fn start_with(data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(STEAD);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("stead ready on ").expect("the ready line").to_owned();
        // The set-up link comes before the ready line; the log that follows it is read so that the pipe never fills.
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            stderr.read_line(&mut line).unwrap();
            said.push(line.trim().to_owned());
            if line.contains("--password-stdin") || line.is_empty() {
                break;
            }
        }
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, url, said }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that ended by itself cannot be killed, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary to its end and answers its standard output.
pub(crate) fn stead(data: &Path, args: &[&str]) -> String {
    stead_with(data, args, "")
}

/// The same, with a text on its standard input.
pub(crate) fn stead_with(data: &Path, args: &[&str], input: &str) -> String {
    let mut command = Command::new(STEAD);
    command.args(args).arg("--data").arg(data);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "stead {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
