//! A large export takes no more memory to import than a small one. Its size is 160 MiB, and 2 GiB by `CONSIGN_FULL=1`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;
use std::time::Instant;

use consign_tests::{Consign, Running, make, say, seed, until};

/// Imports so many MiB, and answers with the most memory that took, in KiB.
fn peak_of(mib: u64, seed: u64) -> u64 {
    let consign = Consign::new();
    let file = consign.beside("export.zip");
    make("large", &file, &[seed, mib]);
    let bytes = std::fs::metadata(&file).unwrap().len();
    assert!(bytes > mib << 20, "{bytes} bytes are less than {mib} MiB");
    let mut command = consign.command(&["import", &file.display().to_string(), "--source", "s", "--json"]);
    let mut running = Running::of(command.stdout(Stdio::piped()));
    let output = running.stdout();
    let reading = std::thread::spawn(move || std::io::read_to_string(output).unwrap());
    let (begun, mut peak) = (Instant::now(), 0);
    until("the import to end", || {
        peak = running.peak_memory().unwrap_or(0).max(peak);
        running.ended().is_some()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let report: serde_json::Value = serde_json::from_str(&reading.join().unwrap()).unwrap();
    assert_eq!((&report["refused"], &report["stored"]["message"]), (&0.into(), &(mib * 6000).into()), "{report}");
    say(format_args!("{mib} MiB: {seconds:.1} s, peak memory {} MiB", peak / 1024));
    peak
}

#[test]
fn memory_does_not_grow_with_the_export() {
    let seed = seed("large export");
    let mib = if std::env::var_os("CONSIGN_FULL").is_some() { 2048 } else { 160 };
    let (small, large) = (peak_of(32, seed), peak_of(mib, seed));
    // What the store knows of each event, 24 bytes, and its cache of them, grow up to a bound of their own.
    assert!(large < small * 3 / 2 + 64 * 1024, "{small} KiB for 32 MiB, {large} KiB for {mib} MiB");
}
