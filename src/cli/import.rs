//! `stead import`: a file as one stream through the API, however large it is.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufWriter, ErrorKind, IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use clap::{Args, ValueEnum};
use futures_util::stream;
use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    client::{Answer, Client, describe},
    pocketbase::{self, PocketBaseArgs},
};
use crate::{
    config::Config,
    records::{self, Piece, Splitter},
};

/// How much of the file is read at once.
const BLOCK_BYTES: usize = 64 << 10;
/// How many blocks may wait to be sent.
const BLOCKS_MAX: usize = 4;
/// How many rejected lines are shown; the rejects file has all.
const SHOWN_MAX: u64 = 10;

/// Flags of `import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The collection to import into; `pocketbase` with a folder takes over a whole PocketBase
    collection: String,
    /// The file: JSON lines, a JSON array, or CSV with a header; `-` for standard input; or the pb_data folder of a PocketBase
    file: PathBuf,
    /// The format [default: by the file's ending, else JSON lines]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Replace records whose id is in use, instead of rejecting the line
    #[arg(long)]
    upsert: bool,
    /// Check everything and write nothing
    #[arg(long)]
    dry_run: bool,
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
    /// A JSON array of objects
    Json,
    /// Comma-separated values, the first row naming the fields
    Csv,
}

impl Format {
    pub(super) fn of(path: &Path) -> Self {
        let ending = path.extension().unwrap_or_default();
        if ending.eq_ignore_ascii_case("csv") {
            Self::Csv
        } else if ending.eq_ignore_ascii_case("json") {
            Self::Json
        } else {
            Self::Jsonl
        }
    }

    /// As the API knows it.
    pub(super) fn of_api(self) -> records::Format {
        match self {
            Self::Jsonl => records::Format::Jsonl,
            Self::Json => records::Format::Json,
            Self::Csv => records::Format::Csv,
        }
    }
}

pub(super) async fn run(config: &Config, args: ImportArgs) -> anyhow::Result<()> {
    if let Some(folder) = args.pocketbase() {
        let folder = folder.to_owned();
        return pocketbase::run(config, &folder, args.pocketbase, args.upsert, args.dry_run).await;
    }
    if args.pocketbase.any() {
        bail!("--users, --no-superusers and --report belong to `stead import pocketbase FOLDER`");
    }
    let (reader, size) = open(&args.file)?;
    let bar = progress(size);
    let format = args.format.unwrap_or_else(|| Format::of(&args.file)).of_api();
    let sent = Sent::default();
    let feed = Feed {
        reader: Box::new(bar.wrap_read(reader)),
        splitter: Splitter::new(format, config.http.body_bytes_max),
        sent: Arc::clone(&sent),
    };
    let mut client = Client::connect(config).await?;
    let mut import =
        Import { rejects: Rejects::new(&args), sent, dry_run: args.dry_run, imported: 0, rejected: 0, bar };
    let done = import.all(&mut client, &path(&args, format), feed).await;
    client.close().await;
    if let Some(fault) = locked(&import.sent).fault.take() {
        return Err(fault).with_context(|| format!("cannot read {} to its end", args.file.display()));
    }
    done?;
    import.finish()
}

fn path(args: &ImportArgs, format: records::Format) -> String {
    let mode = if args.upsert { "upsert" } else { "create" };
    let (collection, format, dry_run) = (&args.collection, format.name(), args.dry_run);
    format!("/api/v1/collections/{collection}/import?mode={mode}&format={format}&dryRun={dry_run}&progress=true")
}

fn open(path: &Path) -> anyhow::Result<(Box<dyn std::io::Read + Send>, Option<u64>)> {
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

/// What was read of the file.
#[derive(Default)]
struct Read {
    /// Records of which no report has told yet. The server takes no more than it works on, so they are few.
    pieces: VecDeque<Piece>,
    /// Why the file could not be read to its end.
    fault: Option<std::io::Error>,
}

type Sent = Arc<Mutex<Read>>;

fn locked(sent: &Sent) -> MutexGuard<'_, Read> {
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file on its way, and what is in it.
struct Feed {
    reader: Box<dyn std::io::Read + Send>,
    splitter: Splitter,
    sent: Sent,
}

impl Feed {
    /// Reads the file to its end, or until no one takes it any more.
    fn run(mut self, blocks: &mpsc::Sender<std::io::Result<Bytes>>) {
        loop {
            let mut block = BytesMut::zeroed(BLOCK_BYTES);
            let block = match self.reader.read(&mut block) {
                Ok(length) => {
                    block.truncate(length);
                    block.freeze()
                }
                Err(fault) if fault.kind() == ErrorKind::Interrupted => continue,
                Err(fault) => {
                    // Breaks the body off: what is missing must not look like the end.
                    let cut = Err(fault.kind().into());
                    locked(&self.sent).fault = Some(fault);
                    let _ = blocks.blocking_send(cut);
                    return;
                }
            };
            let last = block.is_empty();
            self.remember(block.clone(), last);
            if last || blocks.blocking_send(Ok(block)).is_err() {
                return;
            }
        }
    }

    /// Keeps the records of the block, found as the server finds them. Where the server stops, this may stop, too.
    fn remember(&mut self, mut block: Bytes, last: bool) {
        let mut sent = locked(&self.sent);
        while let Ok(Some(piece)) = self.splitter.next(&mut block) {
            sent.pieces.push_back(piece);
        }
        if last {
            sent.pieces.extend(self.splitter.finish().ok().flatten());
        }
    }
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

struct Import {
    rejects: Rejects,
    sent: Sent,
    dry_run: bool,
    imported: u64,
    rejected: u64,
    bar: ProgressBar,
}

impl Import {
    async fn all(&mut self, client: &mut Client, path: &str, feed: Feed) -> anyhow::Result<()> {
        let (sender, receiver) = mpsc::channel(BLOCKS_MAX);
        // A thread of its own, for a file may be a pipe that stands still for long.
        let thread = std::thread::Builder::new().name("read".into());
        thread.spawn(move || feed.run(&sender))?;
        let blocks = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        let mut answer = client.stream(Method::POST, path, blocks).await?;
        if answer.status >= 400 {
            bail!("{}", describe(&serde_json::from_slice(&answer.bytes().await?)?));
        }
        self.follow(&mut answer).await
    }

    /// Reads the reports to the last one.
    async fn follow(&mut self, answer: &mut Answer) -> anyhow::Result<()> {
        let (mut pending, mut end) = (Vec::new(), Value::Null);
        while let Some(chunk) = answer.chunk().await? {
            pending.extend_from_slice(&chunk);
            let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let rest = pending.split_off(whole);
            for line in pending.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                end = self.told(serde_json::from_slice(line)?)?;
            }
            pending = rest;
        }
        let complete = end.get("complete").and_then(Value::as_bool);
        let detail = end.pointer("/error/detail").and_then(Value::as_str).unwrap_or("the server broke off");
        if complete != Some(true) {
            let (imported, rejected) = (self.imported, self.rejected);
            bail!("{detail}; {imported} records were imported before, {rejected} rejected");
        }
        Ok(())
    }

    /// Takes note of a report, and gives it back.
    fn told(&mut self, report: Value) -> anyhow::Result<Value> {
        let count = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
        let processed = count("processed");
        let told = usize::try_from(processed.saturating_sub(self.processed()))?;
        self.imported = count("imported");
        let mut pieces = {
            let mut sent = locked(&self.sent);
            let told = told.min(sent.pieces.len());
            sent.pieces.drain(..told).collect::<VecDeque<_>>()
        };
        for rejected in report.get("rejected").and_then(Value::as_array).into_iter().flatten() {
            let number = rejected.get("line").and_then(Value::as_u64).unwrap_or(0);
            let reason = rejected.get("reason").and_then(Value::as_str).unwrap_or_default();
            while pieces.front().is_some_and(|piece| piece.number < number) {
                pieces.pop_front();
            }
            let piece = pieces.front().filter(|piece| piece.number == number);
            let record = piece.map(|piece| String::from_utf8_lossy(&piece.text).into_owned()).unwrap_or_default();
            self.rejects.write(number, reason, &record)?;
            self.rejected += 1;
            if self.rejected <= SHOWN_MAX {
                self.bar.suspend(|| writeln!(std::io::stderr(), "line {number}: {reason}"))?;
            }
        }
        self.bar.set_message(format!("{} records", self.imported));
        Ok(report)
    }

    fn processed(&self) -> u64 {
        self.imported + self.rejected
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        if let Some(file) = &mut self.rejects.file {
            file.flush()?;
        }
        let done = if self.dry_run { "would import" } else { "imported" };
        writeln!(std::io::stdout(), "{done} {} records", self.imported)?;
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
