//! The file of counts, and what they depend on beside our code.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// What the counts were made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    compiler: String,
    processor: String,
}

impl Place {
    /// This machine and its compiler.
    pub fn here() -> Self {
        let compiler = Command::new("rustc").arg("-V").output().unwrap();
        Self { compiler: String::from_utf8_lossy(&compiler.stdout).trim().to_owned(), processor: features().join(" ") }
    }
}

/// By which libraries choose their code.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let features = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("bmi2", std::is_x86_feature_detected!("bmi2")),
        ("pclmulqdq", std::is_x86_feature_detected!("pclmulqdq")),
        ("aes", std::is_x86_feature_detected!("aes")),
    ];
    features.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    vec![std::env::consts::ARCH]
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.compiler, self.processor)
    }
}

/// The counts that hold.
pub struct Kept {
    pub place: Place,
    pub counts: BTreeMap<String, u64>,
}

impl Kept {
    pub fn read() -> Self {
        let text = std::fs::read_to_string(file()).unwrap_or_default();
        let mut kept = Self { place: Place { compiler: String::new(), processor: String::new() }, counts: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("a line of counts.txt is no NAME: VALUE: {line}"));
            match name {
                "compiler" => value.clone_into(&mut kept.place.compiler),
                "processor" => value.clone_into(&mut kept.place.processor),
                name => drop(kept.counts.insert(name.to_owned(), value.parse().unwrap())),
            }
        }
        kept
    }

    /// Writes one count anew. Those of another place are gone with it: counts of two compilers must not stand together.
    pub fn write(place: &Place, name: &str, count: u64) {
        // The tests run side by side.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Self::read();
        if kept.place != *place {
            kept = Self { place: place.clone(), counts: BTreeMap::new() };
        }
        kept.counts.insert(name.to_owned(), count);
        let mut text = "# Instructions of the hot paths: see main.rs.\n".to_owned();
        writeln!(text, "compiler: {}\nprocessor: {}", place.compiler, place.processor).unwrap();
        kept.counts.iter().for_each(|(name, count)| writeln!(text, "{name}: {count}").unwrap());
        std::fs::write(file(), text).unwrap();
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/counts.txt")
}
