//! The figures that are not requests: import, start, memory, and recovery after a kill.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use crate::args::Options;
use crate::data;
use crate::report::Report;
use crate::requests;
use crate::system::System;

/// Starts of which the median is reported.
const STARTS: usize = 5;
/// How long a server is left alone before its memory is read or it is killed.
const IDLE: Duration = Duration::from_secs(2);
/// How long a server takes writes before it is killed.
const UNDER_LOAD: Duration = Duration::from_secs(4);
/// Records of one import on the way to the size that `kill9-start` asks for.
const STEP: u64 = 200_000;
/// No folder takes more steps than this to reach its size.
const STEPS_MAX: u64 = 1000;

/// Makes the collection and imports the records of the run; the import is a row.
pub(crate) async fn fill<S: System>(
    system: &S,
    options: &Options,
    dir: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    prepare(system, dir).await?;
    import(system, dir, 0..options.records, options.categories, report).await
}

/// From spawn to ready after a clean stop, and the memory of a server that has done nothing yet.
pub(crate) async fn measure_start<S: System>(system: &S, dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let mut ready = Vec::new();
    let mut pss = Vec::new();
    for _ in 0..STARTS {
        let server = system.serve(dir).await?;
        ready.push(server.ready);
        tokio::time::sleep(IDLE).await;
        pss.push(server.process.pss_kib()?);
        server.process.stop().await?;
    }
    ready.sort_unstable();
    pss.sort_unstable();
    let middle = STARTS / 2;
    report.start(
        S::NAME,
        "after a clean stop",
        ready.get(middle).copied().unwrap_or_default(),
        pss.get(middle).copied(),
    );
    Ok(())
}

/// Whether memory grows with the file: one row for a tenth of a million, one for a million.
pub(crate) async fn measure_million<S: System>(system: &S, dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    prepare(system, dir).await?;
    import(system, dir, 0..100_000, 50, report).await?;
    import(system, dir, 100_000..1_100_000, 50, report).await
}

/// Recovery of a large folder: killed while idle, then killed under writes.
pub(crate) async fn measure_kill9<S: System>(
    system: &S,
    options: &Options,
    dir: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    prepare(system, dir).await?;
    let mut step = 0;
    while size_mib(&dir.join("data"))? < options.kill9_mib {
        ensure!(step < STEPS_MAX, "{STEPS_MAX} imports did not reach {} MiB", options.kill9_mib);
        import(system, dir, step * STEP..(step + 1) * STEP, options.categories, report).await?;
        step += 1;
    }
    let size = format!("{} MiB", size_mib(&dir.join("data"))?);

    let server = system.serve(dir).await?;
    tokio::time::sleep(IDLE).await;
    server.process.kill()?;
    let server = system.serve(dir).await?;
    report.start(S::NAME, &format!("after kill -9 while idle, {size}"), server.ready, None);

    let token = system.sign_in(server.addr).await?;
    let clock = server.process.clock();
    tokio::select! {
        ended = requests::create_on::<S>(options, server.addr, &token, &clock) => { ended?; }
        () = tokio::time::sleep(UNDER_LOAD) => {}
    }
    server.process.kill()?;
    let server = system.serve(dir).await?;
    report.start(S::NAME, &format!("after kill -9 under writes, {size}"), server.ready, None);
    system.sign_in(server.addr).await?;
    Ok(())
}

async fn prepare<S: System>(system: &S, dir: &Path) -> anyhow::Result<()> {
    system.create_admin(dir).await?;
    let server = system.serve(dir).await?;
    let token = system.sign_in(server.addr).await?;
    system.create_collection(server.addr, &token).await?;
    server.process.stop().await
}

async fn import<S: System>(
    system: &S,
    dir: &Path,
    numbers: std::ops::Range<u64>,
    categories: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let count = numbers.end - numbers.start;
    let file = dir.join("records.jsonl");
    data::write_lines(&file, numbers, categories)?;
    let import = system.import(dir, &file).await?;
    std::fs::remove_file(&file)?;
    report.import(S::NAME, count, &import);
    Ok(())
}

fn size_mib(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let meta = entry?.metadata()?;
        bytes += if meta.is_file() { meta.len() } else { 0 };
    }
    Ok(bytes >> 20)
}
