//! The rows that are made of requests: what each asks, that the answer is the right one, and the row for the report.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::ValueEnum as _;
use redb::{Database, Durability, TableDefinition};

use crate::args::{Options, Workload};
use crate::bare::{self, Layer};
use crate::data::{self, LIMIT, VIEWS_MEDIAN};
use crate::histogram::Histogram;
use crate::load::{Load, Maker, Outcome};
use crate::process::{CpuClock, Process};
use crate::report::Report;
use crate::system::{ListQuery, System, authorization, call, request};

/// Headers of a request that accepts compression.
const GZIP: &str = "Accept-Encoding: gzip\r\n";
/// An aggregation that an index over the category answers.
const BY_CATEGORY: &str = "group=category&limit=1000";
/// An aggregation that no index answers.
const SUMMED: &str = "group=published&select=count,sum(views)";
/// Record number → JSON: one table without an index, the least that a durable create can be.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

/// The bare handler. It is measured at several moments of a run, for the machine is not the same at all of them.
pub(crate) async fn measure_bare(options: &Options, dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let outcome = load_bare(options, Layer::None, dir).await?;
    report.bare_row("poem", Layer::None.label(), &outcome);
    Ok(())
}

/// The bare handler behind each stock layer.
pub(crate) async fn measure_layers(options: &Options, dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    for layer in Layer::value_variants().iter().filter(|layer| **layer != Layer::None) {
        let outcome = load_bare(options, *layer, dir).await?;
        report.row("poem", layer.label(), &outcome);
    }
    Ok(())
}

async fn load_bare(options: &Options, layer: Layer, dir: &Path) -> anyhow::Result<Outcome> {
    let name = layer.to_possible_value().context("a layer's name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--__bare", name.get_name()]);
    let (process, addr, _) = Process::serve(&mut command, &dir.join("bare.log"))?;
    let headers = if options.gzip || layer.gzip() { GZIP } else { "" };
    let maker = fixed("GET", bare::PATH, headers);
    run(options, addr, options.connections, maker, &process.clock()).await
}

/// The wanted rows of a system whose records are in place. Those that change records come last.
pub(crate) async fn measure_system<S: System>(
    system: &S,
    options: &Options,
    dir: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    use Workload::{
        Aggregate, AggregateRead, Create, Latency, List, ListAgain, ListTotal, ListTotalAgain, Patch, Pipeline, Read,
    };
    let rows =
        [Pipeline, Read, List, ListAgain, ListTotal, ListTotalAgain, Aggregate, AggregateRead, Patch, Create, Latency];
    let has = |workload| S::AGGREGATE.is_some() || !matches!(workload, Aggregate | AggregateRead);
    let wanted: Vec<_> = rows.into_iter().filter(|row| options.wants(*row) && has(*row)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let server = system.serve(dir).await?;
    let clock = server.process.clock();
    for workload in wanted {
        // Access tokens are short-lived: each row gets its own.
        let token = system.sign_in(server.addr).await?;
        let row = Row::new::<S>(options, &token);
        row.check(system, workload, server.addr).await?;
        let (label, maker) = row.plan(system, workload);
        let connections = if workload.alone() { 1 } else { options.connections };
        let outcome = run(options, server.addr, connections, maker, &clock).await?;
        report.row(S::NAME, label, &outcome);
        if workload == Latency {
            report.row("redb", "one record in a durable commit, in process", &commit_records(options, dir)?);
        }
    }
    server.process.stop().await
}

/// Reads of random records, with a token unless it is empty.
pub(crate) fn reads<S: System>(options: &Options, token: &str) -> Maker {
    let headers = if token.is_empty() { String::new() } else { authorization(token) };
    Row { headers: headers.into(), ..Row::new::<S>(options, token) }.read()
}

/// Creates of records.
pub(crate) fn creates<S: System>(options: &Options, token: &str) -> Maker {
    Row::new::<S>(options, token).create()
}

/// Creates records over many connections, for longer than anyone listens: the caller drops the future.
pub(crate) async fn create_on<S: System>(
    options: &Options,
    addr: SocketAddr,
    token: &str,
    clock: &CpuClock,
) -> anyhow::Result<Outcome> {
    let maker = creates::<S>(options, token);
    Load { addr, connections: options.connections, seconds: 3600, maker }.run(clock).await
}

async fn run(
    options: &Options,
    addr: SocketAddr,
    connections: u64,
    maker: Maker,
    clock: &CpuClock,
) -> anyhow::Result<Outcome> {
    Load { addr, connections, seconds: options.seconds, maker }.run(clock).await
}

/// What the requests of a system's rows are made from.
struct Row {
    records: u64,
    categories: u64,
    headers: Rc<str>,
    path: &'static str,
}

impl Row {
    fn new<S: System>(options: &Options, token: &str) -> Self {
        let gzip = if options.gzip { GZIP } else { "" };
        let headers = format!("{}{gzip}", authorization(token)).into();
        Self { records: options.records, categories: options.categories, headers, path: S::RECORDS }
    }

    fn plan<S: System>(&self, system: &S, workload: Workload) -> (&'static str, Maker) {
        match workload {
            Workload::Read => ("read by id", self.read()),
            Workload::List => {
                ("list, indexed filter and sort, limit 30, a new filter each time", self.list_anew(system, false))
            }
            Workload::ListAgain => ("the same, asked again", self.list(system, false)),
            Workload::ListTotal => ("the same with the total, a new filter each time", self.list_anew(system, true)),
            Workload::ListTotalAgain => ("the same with the total, asked again", self.list(system, true)),
            Workload::Aggregate => ("count by an indexed field, one connection", self.aggregate::<S>(BY_CATEGORY)),
            Workload::AggregateRead => {
                ("count and sum, every record read, one connection", self.aggregate::<S>(SUMMED))
            }
            Workload::Patch => ("patch one field", self.patch()),
            Workload::Create => ("create", self.create()),
            Workload::Latency => ("create, one connection", self.create()),
            _ => ("trivial handler behind the pipeline", fixed("GET", S::HEALTH, &self.headers)),
        }
    }

    /// A row that measures the wrong answer measures nothing.
    async fn check<S: System>(&self, system: &S, workload: Workload, addr: SocketAddr) -> anyhow::Result<()> {
        let total = matches!(workload, Workload::ListTotal | Workload::ListTotalAgain);
        if total || matches!(workload, Workload::List | Workload::ListAgain) {
            let query = ListQuery { category: 7 % self.categories, views: VIEWS_MEDIAN, total };
            let list = call(addr, "GET", &system.list_path(query), &authorization_only(&self.headers), "").await?;
            let items = list.get("items").and_then(|items| items.as_array()).context("a list's items")?.len() as u64;
            let expected = self.matches(query);
            ensure!(items == expected.min(LIMIT), "the list holds {items} items");
            let counted = list.get(S::TOTAL).and_then(serde_json::Value::as_u64);
            ensure!(!total || counted == Some(expected), "the list counts {counted:?} matches, there are {expected}");
        }
        if let (Workload::Aggregate, Some(path)) = (workload, S::AGGREGATE) {
            let path = format!("{path}?{BY_CATEGORY}");
            let answer = call(addr, "GET", &path, &authorization_only(&self.headers), "").await?;
            let counts = answer.get("items").and_then(|items| items.as_array()).context("the groups")?;
            let sum: u64 = counts.iter().filter_map(|item| item.get("count")?.as_u64()).sum();
            ensure!(sum == self.records && counts.len() as u64 == self.categories, "the groups hold {sum} records");
        }
        if workload == Workload::Read {
            let path = format!("{}/{}", self.path, data::id(1));
            let record = call(addr, "GET", &path, &authorization_only(&self.headers), "").await?;
            ensure!(record.get("views").and_then(serde_json::Value::as_u64) == Some(data::views(1)), "got {record}");
        }
        Ok(())
    }

    fn matches(&self, query: ListQuery) -> u64 {
        let category = (0..self.records).filter(|n| n % self.categories == query.category);
        category.filter(|n| data::views(*n) > query.views).count() as u64
    }

    fn read(&self) -> Maker {
        let (path, headers, records) = (self.path, Rc::clone(&self.headers), self.records);
        Rc::new(move |n, out| {
            let id = data::id(data::scatter(n) % records);
            request(out, "GET", &format!("{path}/{id}"), &headers, "");
        })
    }

    fn list<S: System>(&self, system: &S, total: bool) -> Maker {
        let query = |category| system.list_path(ListQuery { category, views: VIEWS_MEDIAN, total });
        let paths: Vec<String> = (0..self.categories).map(query).collect();
        let headers = Rc::clone(&self.headers);
        Rc::new(move |n, out| {
            let at = usize::try_from(n).unwrap_or_default() % paths.len();
            request(out, "GET", paths.get(at).map_or("/", String::as_str), &headers, "");
        })
    }

    /// Each request asks for another number of views, so that no earlier answer helps.
    fn list_anew<S: System>(&self, system: &S, total: bool) -> Maker {
        const PLACE: u64 = 987_654_321;
        let query = |category| system.list_path(ListQuery { category, views: PLACE, total });
        let paths: Vec<String> = (0..self.categories).map(query).collect();
        let headers = Rc::clone(&self.headers);
        Rc::new(move |n, out| {
            let at = usize::try_from(n).unwrap_or_default() % paths.len();
            let views = (VIEWS_MEDIAN - 5_000 + n % 10_000).to_string();
            let path = paths.get(at).map_or("/", String::as_str).replace(&PLACE.to_string(), &views);
            request(out, "GET", &path, &headers, "");
        })
    }

    fn aggregate<S: System>(&self, query: &str) -> Maker {
        fixed("GET", &format!("{}?{query}", S::AGGREGATE.unwrap_or_default()), &self.headers)
    }

    fn patch(&self) -> Maker {
        let (path, headers, records) = (self.path, Rc::clone(&self.headers), self.records);
        Rc::new(move |n, out| {
            let id = data::id(data::scatter(n) % records);
            let body = format!(r#"{{"views":{}}}"#, data::views(n ^ 0xffff));
            request(out, "PATCH", &format!("{path}/{id}"), &headers, &body);
        })
    }

    fn create(&self) -> Maker {
        let (path, headers, records, categories) = (self.path, Rc::clone(&self.headers), self.records, self.categories);
        Rc::new(move |n, out| request(out, "POST", path, &headers, &data::record(records + n, categories)))
    }
}

fn fixed(method: &str, path: &str, headers: &str) -> Maker {
    let mut bytes = Vec::new();
    request(&mut bytes, method, path, headers, "");
    Rc::new(move |_, out| out.extend_from_slice(&bytes))
}

/// Checks read plain JSON, whatever the rows ask for.
fn authorization_only(headers: &str) -> String {
    headers.replace(GZIP, "")
}

/// What the storage engine alone takes for a durable create of a record of this size.
fn commit_records(options: &Options, dir: &Path) -> anyhow::Result<Outcome> {
    let database = Database::create(dir.join("bare.redb"))?;
    let clock = CpuClock::own();
    let (before, start) = (clock.read()?, Instant::now());
    let mut latencies = Histogram::new();
    let mut n = 0;
    while start.elapsed() < Duration::from_secs(options.seconds) {
        let record = data::record(n, options.categories);
        let at = Instant::now();
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.open_table(RECORDS)?.insert(n, record.as_bytes())?;
        transaction.commit()?;
        latencies.record(at.elapsed());
        n += 1;
    }
    let cpu = clock.read()?.saturating_sub(before);
    Ok(Outcome { latencies, elapsed: start.elapsed(), cpu, errors: 0, first_error: None })
}
