//! Where tests make filters' projects: in the same folder each time, since cargo compiles everything anew where a project's folder is another (its name is in the flags
//! that keep it out of the module). What was brought or compiled once stays beside it, as it does for whoever writes filters.

use std::fs::File;
use std::path::{Path, PathBuf};

/// The folder that projects are made in. One test has it at a time, also of another process; it is empty at first, and what is left in it stays to be looked at.
pub struct Workplace {
    folder: PathBuf,
    _lock: File,
}

impl Workplace {
    /// Waits until it is free.
    #[expect(clippy::new_without_default, reason = "it waits")]
    pub fn new() -> Self {
        let kept = kept();
        let folder = kept.join("work");
        let set_up = || {
            std::fs::create_dir_all(&folder)?;
            let lock = File::create(kept.join("lock"))?;
            lock.lock()?;
            std::fs::remove_dir_all(&folder)?;
            std::fs::create_dir(&folder)?;
            Ok::<_, std::io::Error>(lock)
        };
        let lock = set_up().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Self { folder, _lock: lock }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Where cargo builds what is in it.
    pub fn target(&self) -> PathBuf {
        kept().join("cargo")
    }

    /// A folder that stays, for packages: by what they are.
    pub fn packages(&self, name: &str) -> PathBuf {
        kept().join(name)
    }
}

/// Beside what cargo builds of ours.
fn kept() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|error| panic!("the program that runs the tests can't be found: {error}"));
    let built = own.ancestors().nth(3).unwrap_or_else(|| panic!("{} lies in no folder that cargo builds into", own.display()));
    built.join("filter-projects")
}
