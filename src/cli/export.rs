//! `stead export`: a collection as a stream, to a file or to standard output.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::Args;
use hyper::Method;

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
    let mut query = vec![("format", format.of_api().name())];
    query.extend(args.filter.as_deref().map(|filter| ("filter", filter)));
    let path = format!("/api/v1/collections/{}/export?{}", args.collection, serde_urlencoded::to_string(query)?);
    let mut answer = client.send(Method::GET, &path, Vec::new()).await?;
    if answer.status >= 400 {
        bail!("{}", describe(&serde_json::from_slice(&answer.bytes().await?)?));
    }
    let out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(std::io::stdout()),
    };
    let mut out = BufWriter::new(out);
    while let Some(chunk) = answer.chunk().await? {
        out.write_all(&chunk)?;
    }
    Ok(out.flush()?)
}
