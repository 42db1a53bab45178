//! HTTP benchmarks of the real binary: requests per second, latency, and the server's CPU time per request.
//!
//! Code map: [`args`] what to run; [`data`] the records; [`client`] a small HTTP/1.1 client; [`load`] the closed-loop generator
//! around it; [`histogram`]; [`process`] the server as an operating system process; [`bare`] the poem servers that set the limit;
//! [`app`] the application with and without authentication;
//! [`system`] what a measured system must offer, [`stead`] and [`pocketbase`] the two that do; [`requests`] the rows made of
//! requests, [`identity`] sign-in and sessions, [`queue`] jobs, [`storage`] import, start and recovery; [`report`] the tables. `tests/bench/README.md` says what each row means.
//!
//! Not a test: nothing here passes or fails by speed. Wrong answers do fail the run, for a fast error is no result.
#![expect(clippy::print_stdout, reason = "the report is what this program writes to standard output")]

mod app;
mod args;
mod bare;
mod client;
mod data;
mod histogram;
mod identity;
mod load;
mod pocketbase;
mod process;
mod queue;
mod ratios;
mod report;
mod requests;
mod stead;
mod storage;
mod system;

use std::path::Path;

use anyhow::Context as _;
use args::{Options, Workload};
use clap::Parser as _;
use report::Report;
use system::System;

/// The same allocator as the server's, so that the ratio to the bare handler shows the pipeline and nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(layer) = options.bare {
        return bare::serve(layer);
    }
    if let Some(side) = options.app {
        return app::serve(side);
    }
    if !options.bench {
        println!("nothing measured: run this by `cargo bench --bench http`");
        return Ok(());
    }
    // One thread on purpose: the generator never takes more than one of the cores it shares with the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> anyhow::Result<()> {
    // Its own folder inside the one that was named: it is emptied.
    let dir = options.dir.as_deref().unwrap_or(Path::new(env!("CARGO_TARGET_TMPDIR"))).join("stead-bench");
    remove(&dir)?;
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let mut report = Report::default();
    let outcome = measure(options, &dir, &mut report).await;
    // A run that fails late still shows what it had measured.
    println!("{report}");
    if outcome.is_ok() && !options.keep {
        remove(&dir)?;
    }
    outcome.and_then(|()| report.verdict())
}

async fn measure(options: &Options, dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    requests::measure_bare(options, dir, report).await?;
    if options.wants(Workload::Layers) {
        requests::measure_layers(options, dir, report).await?;
        requests::measure_bare(options, dir, report).await?;
    }
    let stead = stead::Stead::new(options);
    measure_system(&stead, options, &dir.join("stead"), report).await?;
    if let Some(binary) = &options.pocketbase {
        let pocketbase = pocketbase::PocketBase::new(binary);
        measure_system(&pocketbase, options, &dir.join("pocketbase"), report).await?;
    }
    requests::measure_bare(options, dir, report).await
}

async fn measure_system<S: System>(
    system: &S,
    options: &Options,
    dir: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    if options.needs_records() {
        std::fs::create_dir_all(dir)?;
        storage::fill(system, options, dir, report).await?;
        if options.wants(Workload::Start) {
            storage::measure_start(system, dir, report).await?;
        }
        requests::measure_system(system, options, dir, report).await?;
        if options.wants(Workload::Identity) && S::AGGREGATE.is_some() {
            let server = system.serve(dir).await?;
            let token = system.sign_in(server.addr).await?;
            identity::measure::<S>(&server, &token, options, report).await?;
            server.process.stop().await?;
            app::measure(system, options, dir, report, |token| requests::reads::<S>(options, token)).await?;
        }
        if options.wants(Workload::Queue) && S::AGGREGATE.is_some() {
            let server = system.serve(dir).await?;
            let token = system.sign_in(server.addr).await?;
            queue::measure::<S>(&server, &token, options, report).await?;
            server.process.stop().await?;
        }
        if options.wants(Workload::Ratios) && S::AGGREGATE.is_some() {
            let server = system.serve(dir).await?;
            let token = system.sign_in(server.addr).await?;
            ratios::measure::<S>(&server, &token, options, report).await?;
            server.process.stop().await?;
        }
        if options.keep {
            // Out of the way of what comes next.
            std::fs::rename(dir, dir.with_extension("kept"))?;
        } else {
            remove(dir)?;
        }
    }
    if options.wants(Workload::ImportMillion) {
        std::fs::create_dir_all(dir)?;
        storage::measure_million(system, dir, report).await?;
        remove(dir)?;
    }
    if options.wants(Workload::Kill9Start) {
        std::fs::create_dir_all(dir)?;
        storage::measure_kill9(system, options, dir, report).await?;
    }
    Ok(())
}

fn remove(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
    }
    Ok(())
}
