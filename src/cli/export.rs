//! `stead export`: a collection as a stream, to a file or to standard output.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::Args;
use hyper::Method;
use serde_json::{Map, Value};

use super::{
    client::{Client, describe},
    import::Format,
};
use crate::config::Config;

/// Flags of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The collection to export
    collection: String,
    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format [default: by the file's ending, else JSON lines]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only records that match, as in a list request
    #[arg(long)]
    filter: Option<String>,
}

pub(super) async fn run(config: &Config, args: ExportArgs) -> anyhow::Result<()> {
    let format = args.format.or_else(|| args.output.as_deref().map(Format::of)).unwrap_or(Format::Jsonl);
    let mut client = Client::connect(config).await?;
    let done = export(&mut client, &args, format).await;
    client.close().await;
    done
}

async fn export(client: &mut Client, args: &ExportArgs, format: Format) -> anyhow::Result<()> {
    let query = args.filter.as_ref().map(|filter| serde_urlencoded::to_string([("filter", filter)])).transpose()?;
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let path = format!("/api/v1/collections/{}/export{query}", args.collection);
    let columns = match format {
        Format::Jsonl => Vec::new(),
        Format::Csv => columns(client, &args.collection).await?,
    };
    let mut answer = client.send(Method::GET, &path, Vec::new()).await?;
    if answer.status >= 400 {
        bail!("{}", describe(&serde_json::from_slice(&answer.bytes().await?)?));
    }
    let out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(std::io::stdout()),
    };
    let mut sink = Sink::new(BufWriter::new(out), format, columns)?;
    while let Some(chunk) = answer.chunk().await? {
        sink.take(&chunk)?;
    }
    sink.finish()
}

/// The names of the system fields and of the collection's own that are not hidden.
async fn columns(client: &mut Client, collection: &str) -> anyhow::Result<Vec<String>> {
    let def = client.json(Method::GET, &format!("/api/v1/collections/{collection}"), Vec::new()).await?;
    let view = def.get("view");
    let def = match view.and_then(|view| view.get("from")).and_then(Value::as_str) {
        None => def.clone(),
        Some(source) => client.json(Method::GET, &format!("/api/v1/collections/{source}"), Vec::new()).await?,
    };
    let listed = view.and_then(|view| view.get("fields")).and_then(Value::as_array);
    let fields = def.get("fields").and_then(Value::as_array).into_iter().flatten();
    let shown = fields
        .filter(|field| field.get("hidden") != Some(&Value::Bool(true)))
        .filter(|field| listed.is_none_or(|listed| field.get("name").is_some_and(|name| listed.contains(name))));
    let own = shown.filter_map(|field| field.get("name")?.as_str().map(str::to_owned));
    Ok(crate::collections::catalog::SYSTEM_FIELDS.iter().map(|(name, _)| (*name).to_owned()).chain(own).collect())
}

/// Where JSON lines go, as they are or as rows.
enum Sink<W: Write> {
    Json(W),
    Csv { writer: Box<csv::Writer<W>>, columns: Vec<String>, pending: Vec<u8> },
}

impl<W: Write> Sink<W> {
    fn new(out: W, format: Format, columns: Vec<String>) -> anyhow::Result<Self> {
        if format == Format::Jsonl {
            return Ok(Self::Json(out));
        }
        let mut writer = Box::new(csv::Writer::from_writer(out));
        writer.write_record(&columns)?;
        Ok(Self::Csv { writer, columns, pending: Vec::new() })
    }

    fn take(&mut self, chunk: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Json(out) => Ok(out.write_all(chunk)?),
            Self::Csv { writer, columns, pending } => {
                pending.extend_from_slice(chunk);
                let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let rest = pending.split_off(whole);
                for line in pending.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let record: Map<String, Value> = serde_json::from_slice(line)?;
                    writer.write_record(columns.iter().map(|name| cell(record.get(name))))?;
                }
                *pending = rest;
                Ok(())
            }
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Json(mut out) => out.flush()?,
            Self::Csv { mut writer, .. } => writer.flush()?,
        }
        Ok(())
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
