//! A clock that a test sets, for a program that runs: a small library in C, loaded in front of the C library. `tests/faults/clock.c` says what it shifts.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::program::Ran;

/// The clock, shifted, for every command that goes by it.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
    shift: i64,
}

impl Clock {
    /// One that says so many seconds since 1970 now.
    pub fn at(seconds: i64) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/clock.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(folder.path().join("clock.so")).arg(source).arg("-ldl");
        let ran = Ran::of(cc);
        assert!(ran.code == Some(0), "the clock does not compile: {}", ran.stderr);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut clock = Self { folder, shift: 0 };
        clock.jump(seconds - i64::try_from(now).unwrap_or_else(|error| panic!("{error}")));
        clock
    }

    /// Sets it so many seconds forward, or back.
    pub fn jump(&mut self, seconds: i64) {
        self.shift += seconds;
        let path = self.folder.path().join("shift");
        let file = std::fs::File::options().write(true).create(true).truncate(false).open(&path);
        // By one call: whoever reads it meanwhile sees the one or the other.
        file.and_then(|file| file.write_all_at(&self.shift.to_ne_bytes(), 0)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// The command, going by it.
    #[must_use]
    pub fn before(&self, mut command: Command) -> Command {
        // Beside another that is loaded so.
        let mut libraries = self.folder.path().join("clock.so").into_os_string();
        let others = command.get_envs().find_map(|(name, value)| value.filter(|_| name == "LD_PRELOAD"));
        if let Some(others) = others {
            libraries.push(":");
            libraries.push(others);
        }
        command.env("LD_PRELOAD", libraries).env("CONSIGN_CLOCK_SHARED", self.folder.path().join("shift"));
        command
    }
}
