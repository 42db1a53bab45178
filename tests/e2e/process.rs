//! The binary as the operating system sees it: spawned, read, signalled, awaited.
//!
//! Nothing here sleeps. A wait ends with what it waits for, with the end of the process, or with a panic at
//! [`DEADLINE`] that shows what the process wrote.

use std::{
    io::{Read, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// What takes longer has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// What a server that serves prints before its address.
pub(crate) const READY: &str = "stead ready on http://";

/// A machine with nothing on it but the binary: a folder to work in, with the data folder inside.
pub(crate) struct Site {
    folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The binary in this folder, without the environment of the tests.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stead"));
        command.args(arguments).env_clear().current_dir(self.folder.path());
        command
    }

    /// The binary on the data folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.arg("--data").arg(self.data());
        command
    }

    pub(crate) fn serve_command(&self) -> Command {
        self.command(&["serve", "--listen", "127.0.0.1:0"])
    }

    /// Starts the server and waits for its ready line.
    pub(crate) fn serve(&self) -> Server {
        Server::start(self.serve_command())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Process::spawn(self.command(arguments)).finish()
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Finished {
        let mut process = Process::spawn(self.command(arguments));
        let mut stdin = process.input();
        // The process may end without reading; what it says then is what the test looks at.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        process.finish()
    }
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Standard output of a process that must have succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// Standard error of a process that must have failed, as a failure is told: with a text, not with a panic.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.stderr.contains("stead: "), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self.stderr
    }
}

/// A running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap();
        let stdout = Output::collect(child.stdout.take().unwrap());
        let stderr = Output::collect(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input; closed when dropped.
    pub(crate) fn input(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", self.id())]).status().unwrap();
        assert!(sent.success(), "cannot send {name}");
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        drop(self.child.stdin.take());
        // Both pipes close when the process ends, for it has no children.
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        Finished { code: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server that has said that it is ready.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Server {
    #[track_caller]
    pub(crate) fn start(command: Command) -> Self {
        let process = Process::spawn(command);
        let Some(line) = process.stdout.line_with(READY) else {
            panic!("the server ended before it was ready: {:#?}", process.finish());
        };
        let address = line.strip_prefix(READY).unwrap().parse().unwrap();
        Self { process, address }
    }

    /// Asks it to stop and waits until it has.
    #[track_caller]
    pub(crate) fn stop(self) -> Finished {
        self.process.signal("TERM");
        self.process.finish()
    }
}

/// What a process writes, as far as it has come.
#[derive(Clone)]
pub(crate) struct Output {
    shared: Arc<(Mutex<Written>, Condvar)>,
}

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    ended: bool,
}

impl Output {
    fn collect(mut pipe: impl Read + Send + 'static) -> Self {
        let output = Self { shared: Arc::default() };
        let shared = Arc::clone(&output.shared);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = pipe.read(&mut buffer).unwrap_or(0);
                let mut written = shared.0.lock().unwrap();
                written.bytes.extend_from_slice(&buffer[..read]);
                written.ended = read == 0;
                shared.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        output
    }

    /// The first whole line that contains `needle`, as soon as it is there; `None` when the output ends without it.
    #[track_caller]
    pub(crate) fn line_with(&self, needle: &str) -> Option<String> {
        let mut found = None;
        self.wait(&format!("a line with {needle:?}"), |written| {
            let whole = written.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let text = String::from_utf8_lossy(&written.bytes[..whole]);
            found = text.lines().find(|line| line.contains(needle)).map(str::to_owned);
            found.is_some() || written.ended
        });
        found
    }

    /// The whole output, when it has ended.
    #[track_caller]
    pub(crate) fn all(&self) -> String {
        self.wait("the end of the process", |written| written.ended);
        String::from_utf8_lossy(&self.shared.0.lock().unwrap().bytes).into_owned()
    }

    #[track_caller]
    fn wait(&self, what: &str, mut done: impl FnMut(&Written) -> bool) {
        let until = Instant::now() + DEADLINE;
        let mut written = self.shared.0.lock().unwrap();
        while !done(&written) {
            let left = until.saturating_duration_since(Instant::now());
            let text = || String::from_utf8_lossy(&written.bytes).into_owned();
            assert!(!left.is_zero(), "{what} did not come within {DEADLINE:?}; the process wrote:\n{}", text());
            written = self.shared.1.wait_timeout(written, left).unwrap().0;
        }
    }
}

/// A folder or file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
