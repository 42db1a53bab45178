//! Stead as a measured system: the commands and requests that a user of it would use, and nothing internal.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::args::Options;
use crate::data::LIMIT;
use crate::process::Process;
use crate::system::{EMAIL, Import, ListQuery, PASSWORD, Server, System, authorization, call, escape};

/// Settings that differ from the defaults. One client sends everything here, so limits on how much one client may send belong
/// here, raised out of reach but switched on, for they are part of what is measured. Nothing else does.
const SETTINGS: &[(&str, &str)] = &[("STEAD_RATE_LIMIT_SIGN_IN_PER_MINUTE", "0")];

/// The binary and how it is configured.
pub(crate) struct Stead {
    binary: PathBuf,
    env: Vec<(String, String)>,
}

impl Stead {
    /// The binary that cargo built for this run, unless the options name another.
    pub(crate) fn new(options: &Options) -> Self {
        let mut env: Vec<_> = SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        env.extend(options.env.iter().cloned());
        Self { binary: options.stead.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_stead").into()), env }
    }

    fn command(&self, args: &[&str], dir: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).arg("--data").arg(dir.join("data")).envs(self.env.iter().map(|(k, v)| (k, v)));
        command
    }
}

impl System for Stead {
    const NAME: &'static str = "Stead";
    const RECORDS: &'static str = "/api/v1/collections/posts/records";
    const HEALTH: &'static str = "/health/live";
    const TOTAL: &'static str = "total";
    const AGGREGATE: Option<&'static str> = Some("/api/v1/collections/posts/aggregate");

    async fn create_admin(&self, dir: &Path) -> anyhow::Result<()> {
        let mut command = self.command(&["admin", "create", "--email", EMAIL, "--password-stdin"], dir);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("start stead")?;
        child.stdin.take().context("standard input")?.write_all(PASSWORD.as_bytes())?;
        let status = child.wait()?;
        ensure!(status.success(), "stead admin create failed: {status}");
        Ok(())
    }

    async fn serve(&self, dir: &Path) -> anyhow::Result<Server> {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"], dir);
        let (process, addr, ready) = Process::serve(&mut command, &dir.join("server.log"))?;
        Ok(Server { process, addr, ready })
    }

    async fn sign_in(&self, addr: SocketAddr) -> anyhow::Result<String> {
        let body = json!({"email": EMAIL, "password": PASSWORD}).to_string();
        let answer = call(addr, "POST", "/api/v1/auth/login", "", &body).await?;
        Ok(answer.get("accessToken").and_then(|token| token.as_str()).context("an access token")?.to_owned())
    }

    async fn create_collection(&self, addr: SocketAddr, token: &str) -> anyhow::Result<()> {
        let body = json!({
            "name": "posts",
            "fields": [
                {"name": "title", "type": "string", "required": true, "max": 200},
                {"name": "body", "type": "text"},
                {"name": "category", "type": "string", "required": true},
                {"name": "views", "type": "integer", "required": true},
                {"name": "published", "type": "boolean"},
            ],
            "indexes": [{"fields": ["category", "createdAt"]}, {"fields": ["views"]}],
        });
        call(addr, "POST", "/api/v1/collections", &authorization(token), &body.to_string()).await?;
        Ok(())
    }

    async fn import(&self, dir: &Path, file: &Path) -> anyhow::Result<Import> {
        let file = file.to_str().context("a path in UTF-8")?;
        let mut command = self.command(&["import", "posts", file], dir);
        let start = Instant::now();
        let process = Process::spawn(command.stdout(Stdio::null()), &dir.join("import.log"))?;
        let (mut rss_kib, mut peak_kib) = (Vec::new(), 0);
        let cpu = process
            .finish(|process| {
                // Between its end and our noticing it, the process has no memory to report.
                if let Ok((now, peak)) = process.rss_kib() {
                    rss_kib.push(now);
                    peak_kib = peak;
                }
            })
            .await
            .with_context(|| format!("stead import; see {}", dir.join("import.log").display()))?;
        Ok(Import { elapsed: start.elapsed(), cpu, peak_kib, rss_kib })
    }

    fn list_path(&self, query: ListQuery) -> String {
        let ListQuery { category, views, total } = query;
        let filter = escape(&format!(r#"category = "c{category}" && views > {views}"#));
        let total = if total { "&total=true" } else { "" };
        format!("{}?filter={filter}&sort=-createdAt&limit={LIMIT}{total}", Self::RECORDS)
    }
}
