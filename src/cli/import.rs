//! `stead import`: a file in chunks through the API, however large it is.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, IsTerminal as _, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{
    client::Client,
    pocketbase::{self, PocketBaseArgs},
};
use crate::config::Config;

/// The most lines of a chunk: enough to share a commit, few enough to let other writers in between.
const CHUNK_LINES: usize = 2_000;
/// About the most bytes of a chunk; it stays below the smallest sensible limit for bodies.
const CHUNK_BYTES: usize = 512 << 10;
/// The most bytes of a line that are read; no server takes a body that long by default.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// How much of a longer line goes to the rejects file.
const LINE_BYTES_KEPT: usize = 4096;
/// How many rejected lines are shown; the rejects file has all.
const SHOWN_MAX: u64 = 10;

/// Flags of `import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The collection to import into; `pocketbase` with a folder takes over a whole PocketBase
    collection: String,
    /// The file: JSON lines, or CSV with a header; `-` for standard input; or the pb_data folder of a PocketBase
    file: PathBuf,
    /// The format [default: by the file's ending, else JSON lines]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Replace records whose id is in use, instead of rejecting the line
    #[arg(long)]
    upsert: bool,
    /// Where rejected lines go, with the reasons [default: FILE.rejects.jsonl]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    #[command(flatten)]
    pocketbase: PocketBaseArgs,
}

impl ImportArgs {
    /// The data folder of a PocketBase, when one is to be taken over. No records of a collection come from a folder.
    fn pocketbase(&self) -> Option<&Path> {
        (self.collection == "pocketbase" && self.file.is_dir()).then_some(&*self.file)
    }
}

/// The format of a file of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values, the first row naming the fields
    Csv,
}

impl Format {
    pub(super) fn of(path: &Path) -> Self {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            Self::Csv
        } else {
            Self::Jsonl
        }
    }
}

pub(super) async fn run(config: &Config, args: ImportArgs) -> anyhow::Result<()> {
    if let Some(folder) = args.pocketbase() {
        let folder = folder.to_owned();
        return pocketbase::run(config, &folder, args.pocketbase, args.upsert).await;
    }
    if args.pocketbase.any() {
        bail!("--users, --no-superusers, --dry-run and --report belong to `stead import pocketbase FOLDER`");
    }
    let (reader, size) = open(&args.file)?;
    let bar = progress(size);
    let format = args.format.unwrap_or_else(|| Format::of(&args.file));
    let mut lines = Lines::new(bar.wrap_read(reader), format)?;
    let mut client = Client::connect(config).await?;
    let mut import = Import { rejects: Rejects::new(&args), path: path(&args), imported: 0, rejected: 0, bar };
    let done = import.all(&mut client, &mut lines, config.http.body_bytes_max).await;
    client.close().await;
    done?;
    import.finish()
}

fn path(args: &ImportArgs) -> String {
    let mode = if args.upsert { "upsert" } else { "create" };
    format!("/api/v1/collections/{}/import?mode={mode}", args.collection)
}

fn open(path: &Path) -> anyhow::Result<(Box<dyn Read>, Option<u64>)> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let size = file.metadata().map(|data| data.len()).ok();
    Ok((Box::new(file), size))
}

/// A bar on a terminal, nothing elsewhere.
fn progress(size: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{bar:30} {bytes}/{total_bytes} {msg} ({elapsed}, {eta} left)";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    size.map_or_else(ProgressBar::new_spinner, |size| ProgressBar::new(size).with_style(style))
}

/// Records of a file as JSON lines, one at a time.
enum Lines<R: Read> {
    Json { reader: BufReader<R>, line: u64 },
    Csv { reader: Box<csv::Reader<R>>, header: Vec<String>, line: u64 },
}

/// A line of the file.
struct Line {
    /// Its number, from 1.
    number: u64,
    /// Why it cannot be sent at all.
    fault: Option<String>,
}

impl<R: Read> Lines<R> {
    fn new(reader: R, format: Format) -> anyhow::Result<Self> {
        if format == Format::Jsonl {
            return Ok(Self::Json { reader: BufReader::with_capacity(1 << 16, reader), line: 0 });
        }
        let mut reader = Box::new(csv::ReaderBuilder::new().flexible(true).from_reader(reader));
        let header = reader.headers().context("the CSV file has no header")?.iter().map(str::to_owned).collect();
        Ok(Self::Csv { reader, header, line: 1 })
    }

    /// Appends the next record as a line of JSON; `None` at the end.
    fn next(&mut self, out: &mut Vec<u8>) -> anyhow::Result<Option<Line>> {
        match self {
            Self::Json { reader, line } => loop {
                let start = out.len();
                let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', out)?;
                if read == 0 {
                    return Ok(None);
                }
                *line += 1;
                if read as u64 == LINE_BYTES_MAX && out.last() != Some(&b'\n') {
                    skip_line(reader)?;
                    out.truncate(start + LINE_BYTES_KEPT);
                    out.push(b'\n');
                    let fault = Some(format!(
                        "the line is longer than {LINE_BYTES_MAX} bytes; the record here is its beginning"
                    ));
                    return Ok(Some(Line { number: *line, fault }));
                }
                if out.get(start..).is_some_and(|text| text.trim_ascii().is_empty()) {
                    out.truncate(start);
                    continue;
                }
                if out.last() != Some(&b'\n') {
                    out.push(b'\n');
                }
                return Ok(Some(Line { number: *line, fault: None }));
            },
            Self::Csv { reader, header, line } => {
                let mut row = csv::ByteRecord::new();
                if !reader.read_byte_record(&mut row).context("the CSV file cannot be read")? {
                    return Ok(None);
                }
                *line = row.position().map_or(*line + 1, csv::Position::line);
                let fault = match csv::StringRecord::from_byte_record(row) {
                    Ok(row) if row.len() <= header.len() => {
                        serde_json::to_writer(&mut *out, &row_object(header, &row))?;
                        None
                    }
                    Ok(row) => {
                        serde_json::to_writer(&mut *out, &row.iter().collect::<Vec<_>>())?;
                        Some(format!("the row has {} cells, the header {}", row.len(), header.len()))
                    }
                    Err(error) => {
                        let row = error.into_byte_record();
                        let cells: Vec<_> = row.iter().map(String::from_utf8_lossy).collect();
                        serde_json::to_writer(&mut *out, &cells)?;
                        Some("the row is not UTF-8".to_owned())
                    }
                };
                out.push(b'\n');
                Ok(Some(Line { number: *line, fault }))
            }
        }
    }
}

/// Reads on to the end of the line, and keeps nothing of it.
fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (length, end) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(length);
        if end {
            return Ok(());
        }
    }
}

/// A row as an object: empty cells are left out, cells that hold a list or an object are taken as such.
fn row_object(header: &[String], row: &csv::StringRecord) -> serde_json::Map<String, Value> {
    let filled = header.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
    filled
        .map(|(name, cell)| {
            let nested = cell.starts_with(['[', '{']).then(|| serde_json::from_str(cell).ok()).flatten();
            (name.clone(), nested.unwrap_or_else(|| Value::String(cell.to_owned())))
        })
        .collect()
}

/// The file of rejected lines; made when the first one comes.
struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    fn new(args: &ImportArgs) -> Self {
        let default = || {
            let name = if args.file.as_os_str() == "-" { "import".into() } else { args.file.display().to_string() };
            PathBuf::from(format!("{name}.rejects.jsonl"))
        };
        Self { path: args.rejects.clone().unwrap_or_else(default), file: None }
    }

    fn write(&mut self, line: u64, reason: &str, record: &str) -> anyhow::Result<()> {
        if self.file.is_none() {
            let made = File::create(&self.path).with_context(|| format!("cannot write {}", self.path.display()))?;
            self.file = Some(BufWriter::new(made));
        }
        if let Some(file) = &mut self.file {
            serde_json::to_writer(
                &mut *file,
                &serde_json::json!({ "line": line, "reason": reason, "record": record }),
            )?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// What is dealt with at once: lines to send, and lines that cannot be sent.
#[derive(Default)]
struct Chunk {
    lines: Vec<u8>,
    numbers: Vec<u64>,
    refused: Vec<(u64, String, String)>,
    bytes: usize,
}

impl Chunk {
    /// Whether there is room for one more line; the first one always fits.
    fn takes(&self, bytes: usize, bytes_max: usize) -> bool {
        let lines = self.numbers.len() + self.refused.len();
        lines == 0 || (lines < CHUNK_LINES && self.bytes + bytes <= bytes_max)
    }

    fn add(&mut self, number: u64, record: &[u8]) {
        self.lines.extend_from_slice(record);
        self.numbers.push(number);
        self.bytes += record.len();
    }

    fn refuse(&mut self, number: u64, reason: String, record: &[u8]) {
        self.refused.push((number, reason, text_of(record)));
        self.bytes += record.len();
    }
}

fn text_of(record: &[u8]) -> String {
    String::from_utf8_lossy(record).trim_end_matches('\n').to_owned()
}

struct Import {
    rejects: Rejects,
    path: String,
    imported: u64,
    rejected: u64,
    bar: ProgressBar,
}

impl Import {
    async fn all<R: Read>(
        &mut self,
        client: &mut Client,
        lines: &mut Lines<R>,
        body_bytes_max: usize,
    ) -> anyhow::Result<()> {
        let chunk_bytes = CHUNK_BYTES.min(body_bytes_max);
        let (mut chunk, mut record) = (Chunk::default(), Vec::new());
        while let Some(line) = lines.next(&mut record)? {
            if !chunk.takes(record.len(), chunk_bytes) {
                self.chunk(client, std::mem::take(&mut chunk)).await?;
            }
            let too_large = || format!("the line is larger than {body_bytes_max} bytes, the most that a request takes");
            match line.fault.or_else(|| (record.len() > body_bytes_max).then(too_large)) {
                Some(reason) => chunk.refuse(line.number, reason, &record),
                None => chunk.add(line.number, &record),
            }
            record.clear();
        }
        self.chunk(client, chunk).await
    }

    async fn chunk(&mut self, client: &mut Client, chunk: Chunk) -> anyhow::Result<()> {
        let Chunk { lines, numbers, mut refused, .. } = chunk;
        if !numbers.is_empty() {
            let report = client.json(Method::POST, &self.path, lines.clone()).await?;
            self.imported += report.get("imported").and_then(Value::as_u64).unwrap_or(0);
            let records: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
            for rejected in report.get("rejected").and_then(Value::as_array).into_iter().flatten() {
                let place = rejected.get("line").and_then(Value::as_u64).and_then(|line| usize::try_from(line).ok());
                let place = place.unwrap_or(0).wrapping_sub(1);
                let reason = rejected.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
                let record = records.get(place).copied().unwrap_or_default();
                refused.push((numbers.get(place).copied().unwrap_or(0), reason, text_of(record)));
            }
        }
        refused.sort_by_key(|(number, ..)| *number);
        for (number, reason, record) in refused {
            self.rejects.write(number, &reason, &record)?;
            self.rejected += 1;
            if self.rejected <= SHOWN_MAX {
                self.bar.suspend(|| writeln!(std::io::stderr(), "line {number}: {reason}"))?;
            }
        }
        self.bar.set_message(format!("{} records", self.imported));
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        if let Some(file) = &mut self.rejects.file {
            file.flush()?;
        }
        writeln!(std::io::stdout(), "imported {} records", self.imported)?;
        if self.rejected == 0 {
            // A file of an earlier import would say what is no longer so; mostly there is none.
            let _ = std::fs::remove_file(&self.rejects.path);
        }
        if self.rejected > 0 {
            bail!(
                "{} lines were rejected; they are in {} with the reasons",
                self.rejected,
                self.rejects.path.display()
            );
        }
        Ok(())
    }
}
