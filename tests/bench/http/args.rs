//! The command line: which workloads run, how long, on how many records.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::{app::Side, bare::Layer};

/// Measures Stead over HTTP, beside a bare poem handler and, if asked, PocketBase.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench http --")]
pub(crate) struct Options {
    /// What to measure; everything but those marked "opt-in" when none is named. They run in a fixed order.
    #[arg(value_enum)]
    pub(crate) workloads: Vec<Workload>,
    /// How long each row of requests is measured, after one second that is not counted.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Connections that are open at once; each waits for its answer before it asks again.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) connections: u64,
    /// Records in the collection before the first request.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) records: u64,
    /// Distinct categories. The list filter leaves half a category: about records ÷ categories ÷ 2 matches.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) categories: u64,
    /// Data that is stored before the kill -9 of `kill9-start`.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=102_400))]
    pub(crate) kill9_mib: u64,
    /// Sends `Accept-Encoding: gzip` with every request.
    #[arg(long)]
    pub(crate) gzip: bool,
    /// The binary to measure instead of the one that cargo has just built.
    #[arg(long, value_name = "PATH")]
    pub(crate) stead: Option<PathBuf>,
    /// An environment variable of the measured server, for settings under comparison; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) env: Vec<(String, String)>,
    /// A PocketBase binary; it is put through the same workloads.
    #[arg(long, value_name = "PATH")]
    pub(crate) pocketbase: Option<PathBuf>,
    /// Where the data goes, in a folder `stead-bench`; a real disk, for a memory file system makes every fsync free.
    #[arg(long, value_name = "PATH")]
    pub(crate) dir: Option<PathBuf>,
    /// Leaves data and server logs in place.
    #[arg(long)]
    pub(crate) keep: bool,
    /// The child process of this program: serves the bare handler behind one layer.
    #[arg(long = "__bare", hide = true)]
    pub(crate) bare: Option<Layer>,
    /// The child process of this program: serves the application to one side.
    #[arg(long = "__app", hide = true)]
    pub(crate) app: Option<Side>,
    /// `cargo bench` passes this; `cargo test --all-targets`, which runs benchmarks too, does not.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// The bare poem handler. Always measured, for every other row is compared with it.
    Bare,
    /// The bare handler behind each of poem's stock layers, and behind all of them.
    Layers,
    /// A trivial handler behind the whole pipeline: the liveness check.
    Pipeline,
    /// One record by id.
    Read,
    /// Thirty records of a category above a number of views, newest first, of a query that was never asked before.
    List,
    /// The same, of queries that are asked again while nothing is written.
    ListAgain,
    /// The same with the total, of a query that was never asked before.
    ListTotal,
    /// The same with the total, of queries that are asked again while nothing is written.
    ListTotalAgain,
    /// One field changed, durably.
    Patch,
    /// One record added, durably.
    Create,
    /// A durable create over one connection, beside a bare redb commit.
    Latency,
    /// Bulk import into an empty collection.
    Import,
    /// From spawn to ready after a clean stop, and the memory of the idle server.
    Start,
    /// Opt-in: records counted by an indexed field, over one connection.
    Aggregate,
    /// Opt-in: counts and sums by a field without an index, over one connection: every record is read.
    AggregateRead,
    /// Opt-in: ratios over one connection: deep pages, totals, expansions, batches. Take --records 1000000 --categories 3.
    Ratios,
    /// Opt-in: refreshes, sign-ins beside the bare rate of hashing and beside reads, and reads with and without authentication.
    Identity,
    /// Opt-in: making jobs, working them off, and how soon one starts.
    Queue,
    /// Opt-in: import of 1,000,000 records, with peak memory.
    ImportMillion,
    /// Opt-in: from spawn to ready after kill -9, idle and under load.
    Kill9Start,
}

impl Workload {
    const fn opt_in(self) -> bool {
        matches!(
            self,
            Self::Aggregate
                | Self::AggregateRead
                | Self::Ratios
                | Self::Identity
                | Self::Queue
                | Self::ImportMillion
                | Self::Kill9Start
        )
    }

    /// Whether it runs over one connection, for what one request takes is the question.
    pub(crate) const fn alone(self) -> bool {
        matches!(self, Self::Latency | Self::Aggregate | Self::AggregateRead)
    }
}

impl Options {
    /// Whether this workload was named, or is part of what runs when none is.
    pub(crate) fn wants(&self, workload: Workload) -> bool {
        if self.workloads.is_empty() { !workload.opt_in() } else { self.workloads.contains(&workload) }
    }

    /// Whether any wanted workload runs on the collection of `--records` records.
    pub(crate) fn needs_records(&self) -> bool {
        let others = [Workload::Bare, Workload::Layers, Workload::ImportMillion, Workload::Kill9Start];
        Workload::value_variants().iter().any(|w| self.wants(*w) && !others.contains(w))
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
