//! The command line: one file for each subcommand.
//!
//! Commands that touch data are clients of the API. They speak to the server that has the data folder open, through
//! its socket there, or construct the same application themselves while no server runs: one path either way.

mod admin;
mod client;
mod config;
mod export;
mod import;
mod openapi;
mod pocketbase;
mod schema;
mod serve;
mod signing_key;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Sources, load};

/// A complete application backend in one binary.
#[derive(Debug, Parser)]
#[command(name = "stead", version, about, long_about = LONG_ABOUT, after_help = EXAMPLES, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

const LONG_ABOUT: &str = "\
A complete application backend in one binary: typed collections with an OpenAPI, users and access rules, durable \
writes, all in one folder.

Settings come from stead.toml in the current folder, then STEAD_* environment variables, then flags; \
`stead config show` prints the result.";

const EXAMPLES: &str = "\
Examples:
  stead serve                                        serve ./stead-data on 127.0.0.1:8090
  stead serve --data /var/lib/stead --listen 0.0.0.0:80
  echo \"$PASSWORD\" | stead admin create --email ann@example.com --password-stdin
  stead schema apply config/collections              make and change collections as files say
  stead import tracks tracks.jsonl                   take in JSON lines or CSV
  stead export tracks > tracks.jsonl                 give out a whole collection";

/// What every command knows.
#[derive(Debug, Args)]
struct Common {
    /// The configuration file [default: stead.toml when it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of everything that is stored [default: stead-data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API
    #[command(after_help = "\
Examples:
  stead serve                                       ./stead-data on 127.0.0.1:8090
  stead serve --data /var/lib/stead --listen 0.0.0.0:80")]
    Serve(serve::ServeArgs),
    /// Make admins
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Change the key that signs access tokens
    #[command(subcommand)]
    SigningKey(signing_key::SigningKeyCommand),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print the OpenAPI document of the collections as they are now
    #[command(after_help = "\
Example:
  stead openapi > openapi.json")]
    Openapi,
    /// Keep collections in files: show what differs, bring each to the other
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Take in records from JSON lines, a JSON array or CSV, or a whole PocketBase
    #[command(after_help = "\
Examples:
  stead import tracks tracks.jsonl                  bad lines go to tracks.jsonl.rejects.jsonl
  stead import tracks tracks.csv --upsert           replace records whose id is in use
  stead import tracks tracks.csv --dry-run          check everything, write nothing
  zcat tracks.jsonl.gz | stead import tracks -      from standard input
  stead import pocketbase pb_data --dry-run         show what a PocketBase would become here
  stead import pocketbase pb_data                   take over its collections, records and users")]
    Import(import::ImportArgs),
    /// Give out the records of a collection as JSON lines, a JSON array or CSV
    #[command(after_help = "\
Examples:
  stead export tracks > tracks.jsonl
  stead export tracks --output tracks.csv --filter 'milliseconds > 300000'")]
    Export(export::ExportArgs),
}

/// A command that failed, with the exit code.
#[derive(Debug)]
pub struct Failure {
    /// The process's exit code.
    pub code: u8,
    /// What to tell the operator.
    pub error: anyhow::Error,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: 1, error }
    }
}

/// Parses the command line and runs the command.
///
/// # Errors
/// [`Failure`] with exit code 2 for a configuration that is not valid, else 1.
pub fn run() -> Result<(), Failure> {
    let Cli { command, common } = Cli::parse();
    let mut flags = Vec::new();
    if let Some(data) = common.data {
        flags.push(("server.data".to_owned(), data));
    }
    if let Command::Serve(args) = &command {
        flags.extend(args.flags());
    }
    let config =
        load(&Sources::of_process(common.config, flags)).map_err(|error| Failure { code: 2, error: error.into() })?;
    match command {
        Command::Serve(_) => Ok(block_on(&config, serve::run(&config))?),
        Command::Admin(command) => Ok(block_on(&config, admin::run(&config, command))?),
        Command::SigningKey(command) => Ok(block_on(&config, signing_key::run(&config, command))?),
        Command::Config(command) => Ok(config::run(&config, &command)?),
        Command::Openapi => Ok(block_on(&config, openapi::run(&config))?),
        Command::Schema(command) => Ok(block_on(&config, schema::run(&config, command))?),
        Command::Import(args) => Ok(block_on(&config, import::run(&config, args))?),
        Command::Export(args) => Ok(block_on(&config, export::run(&config, args))?),
    }
}

fn block_on(config: &Config, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if config.server.threads > 0 {
        builder.worker_threads(config.server.threads);
    }
    builder.enable_all().build()?.block_on(work)
}
