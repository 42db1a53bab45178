//! A server as the operating system sees it: started, ready, CPU time used, memory held, stopped. Linux only: it reads `/proc`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// Linux reports process times in hundredths of a second on every architecture.
const TICK: Duration = Duration::from_millis(10);
/// A server that is not ready by then never will be.
pub(crate) const READY_MAX: Duration = Duration::from_secs(120);
/// A drain that takes longer is a failure.
const STOP_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);
/// What a ready server prints before its address.
const READY: &str = "stead ready on http://";

/// A child process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

/// Reads the CPU time of a process and its threads.
#[derive(Debug)]
pub(crate) struct CpuClock(String);

impl Process {
    /// Starts a server whose log goes to a file, and waits for its ready line. The duration is from spawn to that line.
    pub(crate) fn serve(command: &mut Command, log: &Path) -> anyhow::Result<(Self, SocketAddr, Duration)> {
        let start = Instant::now();
        let mut process = Self::spawn(command.stdout(Stdio::piped()), log)?;
        let stdout = process.child.stdout.take().context("standard output")?;
        let (sender, lines) = mpsc::channel();
        // The thread reads on after the ready line, so that the server never writes to a closed pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send((line, Instant::now()));
            }
        });
        loop {
            let (line, at) = lines
                .recv_timeout(READY_MAX.saturating_sub(start.elapsed()))
                .with_context(|| format!("no ready line; see {}", log.display()))?;
            if let Some(addr) = line.trim().strip_prefix(READY) {
                return Ok((process, addr.parse().context(line.clone())?, at - start));
            }
        }
    }

    /// Starts a program whose log goes to a file.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log).context("create the log file")?;
        let child = command
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// Its CPU time from now on.
    pub(crate) fn clock(&self) -> CpuClock {
        CpuClock(self.child.id().to_string())
    }

    /// The memory that is its alone plus its share of what it shares, in KiB.
    pub(crate) fn pss_kib(&self) -> anyhow::Result<u64> {
        field_kib(&format!("/proc/{}/smaps_rollup", self.child.id()), "Pss:")
    }

    /// Resident memory now, and the most there ever was, in KiB.
    pub(crate) fn rss_kib(&self) -> anyhow::Result<(u64, u64)> {
        let path = format!("/proc/{}/status", self.child.id());
        Ok((field_kib(&path, "VmRSS:")?, field_kib(&path, "VmHWM:")?))
    }

    /// Runs it to its end and gives its CPU time; `sample` is called every few milliseconds meanwhile.
    pub(crate) async fn finish(mut self, mut sample: impl FnMut(&Self)) -> anyhow::Result<Duration> {
        let clock = self.clock();
        // A process that has ended keeps its times until it is waited for.
        while !clock.ended()? {
            sample(&self);
            tokio::time::sleep(POLL).await;
        }
        let cpu = clock.read()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the program failed: {status}");
        Ok(cpu)
    }

    /// Asks it to stop (SIGTERM) and waits until it has; to end with a failure is an error.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let kill = format!("kill -TERM {}", self.child.id());
        ensure!(
            Command::new("sh").args(["-c", &kill]).status()?.success(),
            "the server had ended before it was asked to"
        );
        let start = Instant::now();
        while start.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server did not stop cleanly: {status}");
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("the server did not stop within {STOP_MAX:?}")
    }

    /// Ends it without warning (SIGKILL).
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl CpuClock {
    /// Of this very program.
    pub(crate) fn own() -> Self {
        Self("self".to_owned())
    }

    /// User and system time so far.
    pub(crate) fn read(&self) -> anyhow::Result<Duration> {
        let stat = self.stat()?;
        let mut ticks = stat.split_whitespace().skip(11).map_while(|field| field.parse::<u32>().ok());
        let (user, system) = ticks.next().zip(ticks.next()).context("times in /proc/PID/stat")?;
        Ok(TICK * (user + system))
    }

    fn ended(&self) -> anyhow::Result<bool> {
        Ok(self.stat()?.starts_with('Z'))
    }

    /// `/proc/PID/stat` from the state on: what precedes it, the name, may contain spaces.
    fn stat(&self) -> anyhow::Result<String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        let (_, fields) = stat.rsplit_once(") ").context("a name in /proc/PID/stat")?;
        Ok(fields.to_owned())
    }
}

fn field_kib(path: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name} in {path}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
