//! The memory of an import or an export does not grow with its file.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use crate::process::{Process, Site};

const LINES: u32 = 200_000;
/// The lines after which the peak must have been reached.
const WARM: u32 = 50_000;
/// Twice what was measured, with the page cache that is configured below.
const PEAK_MAX_KIB: u64 = 168 * 1024;
/// How much the rest of the file may add to the peak.
const GROWTH_MAX_KIB: u64 = 16 * 1024;

#[test]
fn importing_a_long_file_takes_no_more_memory_than_a_short_one() {
    let site = Site::new();
    let schema = "[[fields]]\nname = \"title\"\ntype = \"string\"\n\n[[fields]]\nname = \"text\"\ntype = \"text\"\n";
    site.write("schema/things.toml", schema);
    site.run(&["schema", "apply", "schema"]).success();

    // The file is a pipe, which the import reads no sooner than it needs: what it has read is what was written.
    let mut command = site.command(&["import", "things", "/dev/stdin"]);
    command.env("STEAD_STORE_CACHE_BYTES", (16 << 20).to_string());
    let mut process = Process::spawn(command);
    let mut file = process.input();
    let mut lines = String::new();
    let mut warm_kib = 0;
    for number in 0..LINES {
        writeln!(lines, "{{\"title\":\"thing {number}\",\"text\":\"{}\"}}", "x".repeat(100)).unwrap();
        if lines.len() > 1 << 16 {
            file.write_all(lines.as_bytes()).unwrap();
            lines.clear();
        }
        if number == WARM {
            warm_kib = peak_kib(process.id());
        }
    }
    file.write_all(lines.as_bytes()).unwrap();
    let peak_kib = peak_kib(process.id());
    drop(file);
    assert_eq!(process.finish().success(), format!("imported {LINES} records\n"));
    println!("peak: {warm_kib} KiB after {WARM} lines, {peak_kib} KiB after {LINES}");
    assert!(peak_kib < PEAK_MAX_KIB, "{peak_kib} KiB");
    assert!(peak_kib < warm_kib + GROWTH_MAX_KIB, "from {warm_kib} KiB to {peak_kib} KiB");
    for format in ["jsonl", "json", "csv"] {
        export(&site, format);
    }
}

/// Gives out everything to a pipe that is read no sooner than it is looked at, and looks at the memory at the end.
fn export(site: &Site, format: &str) {
    let mut command = site.command(&["export", "things", "--format", format]);
    command.env("STEAD_STORE_CACHE_BYTES", (16 << 20).to_string());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut rows, mut line, mut warm_kib, mut peak) = (0, String::new(), 0, 0);
    while out.read_line(&mut line).unwrap() > 0 {
        rows += u32::from(line.contains("thing "));
        line.clear();
        match rows {
            WARM => warm_kib = peak_kib(child.id()),
            // The process waits for the rest to be read, and so is there to be looked at.
            rows if rows == LINES - 2_000 && peak == 0 => peak = peak_kib(child.id()),
            _ => {}
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(rows, LINES, "{format}");
    println!("export as {format}: {warm_kib} KiB after {WARM} lines, {peak} KiB near the end");
    assert!((1..PEAK_MAX_KIB).contains(&peak), "{format}: {peak} KiB");
    assert!(peak < warm_kib + GROWTH_MAX_KIB, "{format}: from {warm_kib} KiB to {peak} KiB");
}

/// The most memory that the process has had so far.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
