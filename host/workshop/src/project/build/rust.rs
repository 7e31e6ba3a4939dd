//! Builds a filter module in Rust: cargo for `wasm32-unknown-unknown`, then a component that imports nothing but the contract.
//!
//! The bytes depend on the sources, the toolchain and this program, and on nothing else: not on the folder, the user's cargo home or the time.
//! A tenant's reviewer can so build the same digest again. (One exception is cargo's: of a crate that is taken by path from outside the module's
//! workspace it hashes the folder's name into symbols.) Paths that compilers write into panic texts are mapped to fixed ones for that, and flags
//! from the environment are not used.
//!
//! The WebAssembly target comes from rustup where it is installed. Where rustup can't be reached, Debian ships a compiler and the standard library's
//! sources, and cargo builds the library on the spot; that is an unstable option of cargo's, so it is used with Debian's own pair of programs only.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::component::{BuiltModule, ComponentError, file, finish};

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_LINKER: &str = "wasm-ld";

/// How much of what a debugger wants stays in the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// Nothing: a trap says the numbers of functions.
    None,
    /// The names of functions: a trap says where it was, for some kilobytes.
    Names,
    /// Files and lines too, as DWARF: for looking for a fault, since it makes the module several times as large.
    Lines,
}

/// Why a module was not built. The texts say what to do next.
#[derive(Debug, thiserror::Error)]
pub enum RustError {
    /// Neither way to the WebAssembly target is open.
    #[error(
        "No Rust compiler for WebAssembly was found. Install one of these and try again:\n  \
         rustup target add wasm32-unknown-unknown\n  \
         apt-get install rustc-web cargo-web rust-web-src lld"
    )]
    NoToolchain,
    /// A program that was there could not be run.
    #[error("`{program}` could not be run: {source}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// Cargo has said on standard error what is wrong.
    #[error("cargo could not build {} ({status}); its messages stand above.", .project.display())]
    Cargo {
        /// The project.
        project: PathBuf,
        /// Cargo's exit status.
        status: std::process::ExitStatus,
    },
    /// Built, but as something else.
    #[error(
        "{} makes no WebAssembly module. Its Cargo.toml needs:\n  [lib]\n  crate-type = [\"cdylib\"]",
        .0.display()
    )]
    NoModule(PathBuf),
    /// The core module can't become a component.
    #[error(
        "The module can't be made a component: {0}. Does the crate export a filter, with `consign_filter::export_criteria!` or `export_grouping!`?"
    )]
    NoComponent(String),
    /// It is a component and no filter, or a file could not be read or written.
    #[error(transparent)]
    Component(#[from] ComponentError),
}

/// Builds the module of the cargo project in `project_dir` and writes the component to `out`, all of it or nothing. Cargo's progress and messages go to
/// standard error.
///
/// # Errors
/// See [`RustError`].
pub fn build(project_dir: &Path, out: &Path, symbols: Symbols) -> Result<BuiltModule, RustError> {
    let project = project_dir.canonicalize().map_err(file(project_dir))?;
    let toolchain = Toolchain::find(&project)?;
    let module = compile(&project, &toolchain, symbols)?;
    let core = std::fs::read(&module).map_err(file(&module))?;
    let component = componentise(&core)?;
    Ok(finish(&component, out, Some(core.len() as u64), toolchain.version)?)
}

/// What a project in this folder would be built by, if anything is there.
pub fn toolchain(folder: &Path) -> Option<String> {
    Toolchain::find(folder).ok().map(|toolchain| toolchain.version)
}

/// Makes a core module that a contract's binding generator prepared a component.
///
/// # Errors
/// It holds no description of its interface.
pub fn componentise(core: &[u8]) -> Result<Vec<u8>, RustError> {
    let encoded = wit_component::ComponentEncoder::default().validate(true).module(core).and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| RustError::NoComponent(format!("{error:#}")))
}

impl Symbols {
    /// The profile's settings for it, as cargo reads them from the environment.
    fn profile(self) -> [(&'static str, &'static str); 2] {
        let (strip, debug) = match self {
            Self::None => ("symbols", "none"),
            Self::Names => ("debuginfo", "none"),
            Self::Lines => ("none", "line-tables-only"),
        };
        [("CARGO_PROFILE_RELEASE_STRIP", strip), ("CARGO_PROFILE_RELEASE_DEBUG", debug)]
    }
}

/// How to reach the WebAssembly target.
#[derive(Clone, Debug)]
struct Toolchain {
    cargo: OsString,
    rustc: OsString,
    library: Library,
    /// For people and for `dist/TOOLCHAIN`.
    version: String,
}

/// Where the standard library for the target comes from.
#[derive(Clone, Debug)]
enum Library {
    /// It is installed beside the compiler, with a linker.
    Installed,
    /// It is built from these sources, and linked by LLVM's `wasm-ld`.
    FromSource(PathBuf),
}

impl Toolchain {
    fn find(project: &Path) -> Result<Self, RustError> {
        Self::installed(project).or_else(|| Self::debian(project)).ok_or(RustError::NoToolchain)
    }

    /// The toolchain of the project (its `rust-toolchain.toml` counts), if it has the target.
    fn installed(project: &Path) -> Option<Self> {
        let rustc = OsStr::new("rustc");
        let args = ["--print", "target-libdir", "--target", TARGET];
        let library = PathBuf::from(ask(project, rustc, &args)?);
        let mut files = std::fs::read_dir(library).ok()?;
        let is_core = |name: &OsStr| name.to_string_lossy().starts_with("libcore-");
        let found = files.any(|file| file.is_ok_and(|file| is_core(&file.file_name())));
        found.then_some(())?;
        Some(Self { version: ask(project, rustc, &["--version"])?, cargo: "cargo".into(), rustc: rustc.to_owned(), library: Library::Installed })
    }

    fn debian(project: &Path) -> Option<Self> {
        let rustc = OsStr::new(DEBIAN_RUSTC);
        let sysroot = PathBuf::from(ask(project, rustc, &["--print", "sysroot"])?);
        let sources = sysroot.join("lib/rustlib/src/rust");
        let present = sources.join("library/Cargo.lock").is_file() && Path::new(DEBIAN_CARGO).is_file();
        let compiler = present.then(|| ask(project, rustc, &["--version"]))??;
        let linker = ask(project, OsStr::new(DEBIAN_LINKER), &["--version"])?;
        Some(Self {
            version: format!("{compiler}, {linker}, library from source"),
            cargo: DEBIAN_CARGO.into(),
            rustc: rustc.to_owned(),
            library: Library::FromSource(sources.canonicalize().ok()?),
        })
    }
}

/// A program's first line of output; none if it is not there or fails.
fn ask(folder: &Path, program: &OsStr, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(folder).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

/// Runs cargo; the path of the core module it made.
fn compile(project: &Path, toolchain: &Toolchain, symbols: Symbols) -> Result<PathBuf, RustError> {
    let mut cargo = Command::new(&toolchain.cargo);
    cargo
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(project)
        .env("RUSTC", &toolchain.rustc)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(project, toolchain)?)
        .envs(symbols.profile())
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_BUILD_RUSTFLAGS")
        // Split into other units the same source becomes other bytes.
        .env("CARGO_INCREMENTAL", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Library::FromSource(_) = toolchain.library {
        cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER);
    }
    let run = |source| RustError::Run { program: toolchain.cargo.to_string_lossy().into_owned(), source };
    let mut child = cargo.spawn().map_err(run)?;
    let mut module = None;
    if let Some(messages) = child.stdout.take() {
        for line in BufReader::new(messages).lines() {
            let line = line.map_err(run)?;
            module = artifact(&line, project).or(module);
        }
    }
    let status = child.wait().map_err(run)?;
    if !status.success() {
        let project = project.to_owned();
        return Err(RustError::Cargo { project, status });
    }
    module.ok_or_else(|| RustError::NoModule(project.to_owned()))
}

/// The module that a line of cargo's messages names, if it is the project's own.
fn artifact(line: &str, project: &Path) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    (message.get("reason")? == "compiler-artifact").then_some(())?;
    let manifest = Path::new(message.get("manifest_path")?.as_str()?);
    (manifest.canonicalize().ok()? == project.join("Cargo.toml")).then_some(())?;
    let files = message.get("filenames")?.as_array()?;
    let mut files = files.iter().filter_map(|file| file.as_str()).map(PathBuf::from);
    files.find(|file| file.extension() == Some(OsStr::new("wasm")))
}

/// Flags for the module alone (cargo does not give them to build scripts and macros). Later mappings win over earlier ones.
fn rustflags(project: &Path, toolchain: &Toolchain) -> Result<OsString, RustError> {
    let places = Places::of(project, toolchain)?;
    let mut flags = OsString::new();
    let mut add = |flag: OsString| {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push(flag);
    };
    if let Library::FromSource(_) = toolchain.library {
        add("-Clinker-flavor=wasm-ld".into());
    }
    let mut map = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        add(flag);
    };
    for (name, folder) in &places.local_crates {
        map(folder, &format!("/local/{name}"));
    }
    map(&places.workspace, "/module");
    map(&places.target, "/target");
    map(&places.cargo_home, "/cargo");
    if let Library::FromSource(sources) = &toolchain.library {
        map(sources, "/rust");
        map(Path::new("/usr/lib/rustlib/src/rust"), "/rust");
    }
    Ok(flags)
}

/// Folders whose names may get into a module.
struct Places {
    workspace: PathBuf,
    /// Crates that are taken from a folder (the SDK in a checkout, say), by name.
    local_crates: Vec<(String, PathBuf)>,
    target: PathBuf,
    cargo_home: PathBuf,
}

impl Places {
    fn of(project: &Path, toolchain: &Toolchain) -> Result<Self, RustError> {
        let output = Command::new(&toolchain.cargo)
            .args(["metadata", "--format-version=1", "--filter-platform", TARGET])
            .current_dir(project)
            .env("RUSTC", &toolchain.rustc)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| RustError::Run { program: toolchain.cargo.to_string_lossy().into_owned(), source })?;
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let place = |name: &str| metadata.get(name)?.as_str().map(PathBuf::from);
        let (Some(workspace), Some(target)) = (place("workspace_root"), place("target_directory")) else {
            return Err(RustError::Cargo { project: project.to_owned(), status: output.status });
        };
        let home = || std::env::home_dir().map(|home| home.join(".cargo"));
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home);
        let packages = metadata.get("packages").and_then(|packages| packages.as_array());
        let local = |package: &serde_json::Value| {
            let folder = Path::new(package.get("manifest_path")?.as_str()?).parent()?.to_owned();
            let outside = package.get("source")?.is_null() && !folder.starts_with(&workspace);
            outside.then_some((package.get("name")?.as_str()?.to_owned(), folder))
        };
        let local_crates = packages.into_iter().flatten().filter_map(local).collect();
        Ok(Self { workspace, local_crates, target, cargo_home: cargo_home.unwrap_or_else(|| PathBuf::from(".cargo")) })
    }
}
