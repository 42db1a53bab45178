//! What authentication costs: the application as the network sees it, and as the operator does, who needs no credentials, each served
//! over TCP by a child process of the benchmark on the same data. Nothing else differs between the two.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use poem::Server;
use poem::listener::TcpAcceptor;
use stead::app::{self, App};
use stead::config::{Sources, load};
use stead::kernel::SystemClock;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Options;
use crate::load::{Load, Maker};
use crate::process::Process;
use crate::report::Report;
use crate::system::System;

/// How often each side is measured, in turns.
const ROUNDS: usize = 5;

/// Who is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// Everyone, by token.
    Public,
    /// The operator, without one.
    Operator,
}

/// Serves the data in `STEAD_SERVER_DATA` until it is asked to stop.
pub(crate) fn serve(side: Side) -> anyhow::Result<()> {
    let config = load(&Sources::of_process(None, Vec::new()))?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        stead::telemetry::start(&config.log);
        let mut terminate = signal(SignalKind::terminate())?;
        let app = App::start(&config, app::open_store(&config)?, Arc::new(SystemClock)).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("stead ready on http://{}", listener.local_addr()?);
        let served = if side == Side::Public { app.public.clone() } else { app.operator.clone() };
        let stop = async move {
            terminate.recv().await;
        };
        let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?);
        server.run_with_graceful_shutdown(served, stop, Some(Duration::from_secs(5))).await?;
        app.close().await;
        Ok(())
    })
}

/// CPU time of a read by id with a token, beside that of one that needs none: medians of some rounds.
pub(crate) async fn measure<S: System>(
    system: &S,
    options: &Options,
    dir: &Path,
    report: &mut Report,
    reads: impl Fn(&str) -> Maker,
) -> anyhow::Result<()> {
    let (mut operator, mut public) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (process, addr) = start(Side::Operator, dir)?;
        operator.push(cpu(options, process, addr, reads("")).await?);
        let (process, addr) = start(Side::Public, dir)?;
        let token = system.sign_in(addr).await?;
        public.push(cpu(options, process, addr, reads(&token)).await?);
    }
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times.get(ROUNDS / 2).copied().unwrap_or_default()
    };
    let medians = (median(operator), median(public));
    report.ratio("CPU of a read by id with a token, beside one that needs none", medians);
    Ok(())
}

fn start(side: Side, dir: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let name = side.to_possible_value().context("a side's name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--__app", name.get_name()]).env("STEAD_SERVER_DATA", dir.join("data"));
    let (process, addr, _) = Process::serve(&mut command, &dir.join("app.log"))?;
    Ok((process, addr))
}

async fn cpu(options: &Options, process: Process, addr: SocketAddr, maker: Maker) -> anyhow::Result<Duration> {
    let load = Load { addr, connections: options.connections, seconds: options.seconds, maker };
    let outcome = load.run(&process.clock()).await?;
    process.stop().await?;
    anyhow::ensure!(outcome.errors == 0, "a read failed: {:?}", outcome.first_error);
    Ok(outcome.cpu.div_f64(outcome.latencies.total().max(1) as f64))
}
