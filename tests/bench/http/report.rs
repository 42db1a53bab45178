//! The tables, as markdown. Each row is also shown on standard error as soon as it is there, for a run takes minutes.

use std::fmt;
use std::time::Duration;

use crate::load::Outcome;
use crate::system::Import;

/// What the run has measured so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    requests: Vec<Row>,
    imports: Vec<String>,
    starts: Vec<String>,
    ratios: Vec<String>,
    failures: Vec<String>,
    /// CPU time per request of the bare handler, in µs, each time that it was measured.
    bare_us: Vec<f64>,
}

#[derive(Debug)]
struct Row {
    /// The cells up to the CPU time.
    cells: String,
    cpu_us: f64,
    errors: u64,
}

impl Report {
    /// A row of requests.
    pub(crate) fn row(&mut self, system: &str, work: &str, outcome: &Outcome) {
        // A request that failed was paid for too.
        let answered = (outcome.latencies.total() + outcome.errors).max(1) as f64;
        let cpu_us = outcome.cpu.as_secs_f64() * 1e6 / answered;
        let cells = format!(
            "| {system} | {work} | {:.0} | {:.2} | {:.2} | {cpu_us:.1} |",
            outcome.latencies.total() as f64 / outcome.elapsed.as_secs_f64(),
            millis(outcome.latencies.percentile(50)),
            millis(outcome.latencies.percentile(99)),
        );
        eprintln!("{cells} {} errors |", outcome.errors);
        self.requests.push(Row { cells, cpu_us, errors: outcome.errors });
        if let Some(error) = &outcome.first_error {
            self.failures.push(format!("{system}, {work}: {} errors, the first: {error}", outcome.errors));
        }
    }

    /// A row of the bare handler. It is measured several times in a run; the rows are compared with the median.
    pub(crate) fn bare_row(&mut self, system: &str, work: &str, outcome: &Outcome) {
        self.row(system, work, outcome);
        self.bare_us.extend(self.requests.last().map(|row| row.cpu_us));
        self.bare_us.sort_unstable_by(f64::total_cmp);
    }

    /// An error if any request failed: a fast refusal is no result.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.failures.is_empty(), "requests failed in {} rows", self.failures.len());
        Ok(())
    }

    /// A row of the import table.
    pub(crate) fn import(&mut self, system: &str, records: u64, import: &Import) {
        let count = records.max(1) as f64;
        let quarters: Vec<_> = (1..=4)
            .filter_map(|quarter| import.rss_kib.get((import.rss_kib.len() * quarter / 4).saturating_sub(1)))
            .map(|kib| mib(*kib))
            .collect();
        let line = format!(
            "| {system} | {records} | {:.1} | {:.0} | {:.1} | {} | {} |",
            import.elapsed.as_secs_f64(),
            count / import.elapsed.as_secs_f64(),
            import.cpu.as_secs_f64() * 1e6 / count,
            mib(import.peak_kib),
            quarters.join(", "),
        );
        eprintln!("{line}");
        self.imports.push(line);
    }

    /// A row of the table of ratios: the medians of two kinds of request.
    pub(crate) fn ratio(&mut self, what: &str, (base, other): (Duration, Duration)) {
        let ratio = other.as_secs_f64() / base.as_secs_f64();
        let line = format!("| {what} | {:.3} | {:.3} | {ratio:.2} |", millis(base), millis(other));
        eprintln!("{line}");
        self.ratios.push(line);
    }

    /// A row of the start table.
    pub(crate) fn start(&mut self, system: &str, situation: &str, ready: Duration, pss_kib: Option<u64>) {
        let line = format!("| {system} | {situation} | {:.0} | {} |", millis(ready), pss_kib.map_or("".into(), mib));
        eprintln!("{line}");
        self.starts.push(line);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = "| system | work | requests/s | p50 ms | p99 ms | CPU µs/request | × bare | errors |\n\
                        |---|---|--:|--:|--:|--:|--:|--:|";
        let bare_us = median(&self.bare_us).unwrap_or(f64::NAN);
        let rows =
            self.requests.iter().map(|row| format!("{} {:.2} | {} |", row.cells, row.cpu_us / bare_us, row.errors));
        table(f, requests, &rows.collect::<Vec<_>>())?;
        let imports = "| system | imported | seconds | records/s | CPU µs/record | peak RSS MiB | RSS MiB at each quarter |\n\
                       |---|--:|--:|--:|--:|--:|---|";
        table(f, imports, &self.imports)?;
        let starts = "| system | start | ready ms | idle PSS MiB |\n|---|---|--:|--:|";
        table(f, starts, &self.starts)?;
        table(f, "| pair | base ms | other ms | other ÷ base |\n|---|--:|--:|--:|", &self.ratios)?;
        self.failures.iter().try_for_each(|failure| writeln!(f, "**{failure}**"))
    }
}

fn table(f: &mut fmt::Formatter<'_>, head: &str, rows: &[String]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(f, "{head}")?;
    rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
    writeln!(f)
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn mib(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}
