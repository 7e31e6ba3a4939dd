//! `consign serve` while many want it at once: events that 64 clients hand in, one in each request and each durable before it is answered, beside the same events that `pgbench` inserts into a
//! `PostgreSQL` with as many clients; and how long pages of the console take while an export runs.
//!
//! `cargo run --release --manifest-path tests/benches/Cargo.toml -p consign-bench-serve [-- ROUNDS [SECONDS]]`: so many pairs (5), each side for so long (8). `-- 1 2` for a short run.
//! Needs Debian's `postgresql`. Both keep their data in the folder for temporary files, so `TMPDIR` says on which disk.

mod client;
mod ingest;
mod pages;
mod postgres;
mod served;

use std::process::ExitCode;
use std::time::Duration;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    consign_bench_measure::ended(run())
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (rounds, seconds) = match words.as_slice() {
        [] => (5, 8),
        [rounds] => (rounds.parse()?, 8),
        [rounds, seconds] => (rounds.parse()?, seconds.parse()?),
        _ => return Err("usage: [ROUNDS [SECONDS]]".into()),
    };
    let for_so_long = Duration::from_secs(std::cmp::max(1, seconds));
    consign_bench_measure::print_place();
    println!("| what | against | wanted | measured | holds |\n|---|---|---|---|---|");
    ingest::run(std::cmp::max(1, rounds), for_so_long)?;
    pages::run(for_so_long)
}
