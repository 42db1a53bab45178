//! PocketBase as a measured system, with the same fields and indexes. It has no bulk import, so records go in through its batch
//! endpoint, and its server's CPU time is what that costs.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::data::LIMIT;
use crate::process::{Process, READY_MAX};
use crate::system::{EMAIL, Import, ListQuery, PASSWORD, Server, System, authorization, call, escape};

/// Records of one batch request.
const BATCH: usize = 500;

/// The binary.
pub(crate) struct PocketBase {
    binary: PathBuf,
}

impl PocketBase {
    /// Measures this binary.
    pub(crate) fn new(binary: &Path) -> Self {
        Self { binary: binary.to_owned() }
    }

    fn command(&self, args: &[&str], dir: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).arg("--dir").arg(dir.join("data")).stdout(Stdio::null());
        command
    }
}

impl System for PocketBase {
    const NAME: &'static str = "PocketBase";
    const RECORDS: &'static str = "/api/collections/posts/records";
    const HEALTH: &'static str = "/api/health";
    const TOTAL: &'static str = "totalItems";
    const AGGREGATE: Option<&'static str> = None;

    async fn create_admin(&self, dir: &Path) -> anyhow::Result<()> {
        let status =
            self.command(&["superuser", "upsert", EMAIL, PASSWORD], dir).status().context("start pocketbase")?;
        ensure!(status.success(), "pocketbase superuser upsert failed: {status}");
        Ok(())
    }

    /// It announces itself before it listens, so ready is the first connection that it takes.
    async fn serve(&self, dir: &Path) -> anyhow::Result<Server> {
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let start = Instant::now();
        let process =
            Process::spawn(&mut self.command(&["serve", "--http", &addr.to_string()], dir), &dir.join("server.log"))?;
        while TcpStream::connect(addr).is_err() {
            ensure!(start.elapsed() < READY_MAX, "pocketbase does not listen");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Server { process, addr, ready: start.elapsed() })
    }

    async fn sign_in(&self, addr: SocketAddr) -> anyhow::Result<String> {
        let body = json!({"identity": EMAIL, "password": PASSWORD}).to_string();
        let answer = call(addr, "POST", "/api/collections/_superusers/auth-with-password", "", &body).await?;
        Ok(answer.get("token").and_then(|token| token.as_str()).context("a token")?.to_owned())
    }

    async fn create_collection(&self, addr: SocketAddr, token: &str) -> anyhow::Result<()> {
        let headers = authorization(token);
        let settings = json!({"batch": {"enabled": true, "maxRequests": BATCH, "timeout": 60}}).to_string();
        call(addr, "PATCH", "/api/settings", &headers, &settings).await?;
        let body = json!({
            "name": "posts",
            "type": "base",
            "fields": [
                {"name": "title", "type": "text", "required": true, "max": 200},
                {"name": "body", "type": "text"},
                {"name": "category", "type": "text", "required": true},
                {"name": "views", "type": "number", "onlyInt": true},
                {"name": "published", "type": "bool"},
                {"name": "created", "type": "autodate", "onCreate": true},
                {"name": "updated", "type": "autodate", "onCreate": true, "onUpdate": true},
            ],
            "indexes": [
                "CREATE INDEX posts_category_created ON posts (category, created)",
                "CREATE INDEX posts_views ON posts (views)",
            ],
        });
        call(addr, "POST", "/api/collections", &headers, &body.to_string()).await?;
        Ok(())
    }

    async fn import(&self, dir: &Path, file: &Path) -> anyhow::Result<Import> {
        let server = self.serve(dir).await?;
        let headers = authorization(&self.sign_in(server.addr).await?);
        let clock = server.process.clock();
        let (start, before) = (Instant::now(), clock.read()?);
        let mut rss_kib = Vec::new();
        let mut lines = BufReader::new(std::fs::File::open(file)?).lines();
        loop {
            let batch: Vec<String> = lines.by_ref().take(BATCH).collect::<Result<_, _>>()?;
            if batch.is_empty() {
                break;
            }
            call(server.addr, "POST", "/api/batch", &headers, &batch_body(&batch)?).await?;
            rss_kib.push(server.process.rss_kib()?.0);
        }
        let (elapsed, cpu) = (start.elapsed(), clock.read()?.saturating_sub(before));
        let (_, peak_kib) = server.process.rss_kib()?;
        server.process.stop().await?;
        Ok(Import { elapsed, cpu, peak_kib, rss_kib })
    }

    fn list_path(&self, query: ListQuery) -> String {
        let ListQuery { category, views, total } = query;
        let filter = escape(&format!(r#"category = "c{category}" && views > {views}"#));
        let total = if total { "" } else { "&skipTotal=true" };
        format!("{}?filter={filter}&sort=-created&perPage={LIMIT}{total}", Self::RECORDS)
    }
}

fn batch_body(records: &[String]) -> anyhow::Result<String> {
    let mut body = String::from(r#"{"requests":["#);
    for (at, record) in records.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        write!(body, r#"{comma}{{"method":"POST","url":"{}","body":{record}}}"#, PocketBase::RECORDS)?;
    }
    body.push_str("]}");
    Ok(body)
}
