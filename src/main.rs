//! The binary: parse the command line, run, map errors to exit codes.

use std::{io::Write as _, process::ExitCode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match stead::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do when even this cannot be written.
            let _ = writeln!(std::io::stderr(), "stead: {:#}", failure.error);
            ExitCode::from(failure.code)
        }
    }
}
