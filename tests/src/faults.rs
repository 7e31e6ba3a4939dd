//! Faults of the disk, and kills at a step that is counted: a small library in C, loaded in front of the C library, that looks at each call that writes
//! below the data folder. `tests/faults/shim.c` says what a step is.
//!
//! A small file system that runs full would need root, and could fail nothing but space; `strace` can inject errors, and is missing on most machines.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::program::{Consign, Ran};

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: steps are counted.
    Count,
    /// This and every later one fails as on a full disk. Removing goes on.
    Full,
    /// The same, but the first one writes half.
    Partial,
    /// This and every later one fails as on a broken disk.
    Broken,
    /// This one fails so, and no other.
    BrokenOnce,
    /// The process is killed before it.
    KillBefore,
    /// The process is killed after it.
    KillAfter,
    /// Each one while [`Shim::switch`] is on fails as on a full disk.
    FullWhile,
    /// The same as on a broken disk.
    BrokenWhile,
}

impl Fault {
    fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Broken => "broken",
            Self::BrokenOnce => "broken-once",
            Self::KillBefore => "kill-before",
            Self::KillAfter => "kill-after",
            Self::FullWhile => "full-while",
            Self::BrokenWhile => "broken-while",
        }
    }
}

/// What the library saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// Steps that were begun.
    pub count: u64,
    /// Steps that were hit.
    pub hit: u64,
    /// The first of these: the call and the path.
    pub first: String,
}

/// The library, compiled.
#[derive(Debug)]
pub struct Shim {
    folder: TempDir,
}

impl Shim {
    /// Compiles it.
    pub fn build() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/shim.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(folder.path().join("shim.so")).arg(source).arg("-ldl");
        let ran = Ran::of(cc);
        assert!(ran.code == Some(0), "the shim does not compile: {}", ran.stderr);
        Self { folder }
    }

    /// Runs a command of the program to its end, with a fault at a step of its own, counted from 1.
    pub fn run(&self, consign: &Consign, args: &[&str], fault: Fault, at: u64) -> (Ran, Steps) {
        self.run_as(consign, args, fault, at, |command| command)
    }

    /// The same, with a command that was changed before.
    pub fn run_as(&self, consign: &Consign, args: &[&str], fault: Fault, at: u64, change: impl FnOnce(Command) -> Command) -> (Ran, Steps) {
        let shared: PathBuf = consign.beside("steps");
        // Counts begin anew; the first time there is none.
        let _ = std::fs::remove_file(&shared);
        let ran = Ran::of(self.before(change(consign.command(args)), &consign.data(), &shared, fault, at));
        let bytes = std::fs::read(&shared).unwrap_or_else(|error| panic!("the shim was not loaded: {}: {error}", shared.display()));
        (ran, read(&bytes).unwrap_or_else(|| panic!("{} is no count of steps", shared.display())))
    }
}

/// Where the shared memory has its switch: see `struct shared`.
const SWITCH: u64 = 8 + 8 + 4072;

impl Shim {
    fn before(&self, mut command: Command, below: &Path, shared: &Path, fault: Fault, at: u64) -> Command {
        command
            .env("LD_PRELOAD", self.folder.path().join("shim.so"))
            .env("CONSIGN_FAULT_BELOW", below)
            .env("CONSIGN_FAULT_SHARED", shared)
            .env("CONSIGN_FAULT_DO", fault.word())
            .env("CONSIGN_FAULT_AT", at.to_string());
        command
    }

    /// A command whose writing below a folder fails while the switch, a file for [`Shim::switch`], is on. It is off where it was never set.
    #[must_use]
    pub fn switched(&self, command: Command, below: &Path, switch: &Path, fault: Fault) -> Command {
        self.before(command, below, switch, fault, 0)
    }

    /// From now on, while a program runs too.
    pub fn switch(&self, switch: &Path, on: bool) {
        let file = std::fs::File::options().write(true).create(true).truncate(false).open(switch);
        let written = file.and_then(|file| file.write_all_at(&u64::from(on).to_le_bytes(), SWITCH));
        written.unwrap_or_else(|error| panic!("{}: {error}", switch.display()));
    }

    /// How many steps have failed.
    pub fn hits(&self, switch: &Path) -> u64 {
        std::fs::read(switch).ok().and_then(|bytes| read(&bytes)).map_or(0, |steps| steps.hit)
    }
}

fn read(bytes: &[u8]) -> Option<Steps> {
    let (count, rest) = bytes.split_first_chunk::<8>()?;
    let (hit, text) = rest.split_first_chunk::<8>()?;
    let text = text.split(|byte| *byte == 0).next()?;
    Some(Steps { count: u64::from_le_bytes(*count), hit: u64::from_le_bytes(*hit), first: String::from_utf8_lossy(text).into_owned() })
}
