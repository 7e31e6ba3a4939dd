//! What every language ends in: a component that imports nothing but the contract, checked and written whole.
//!
//! This file and `rust.rs` are a part of `guest-filters/tools/dist` too, which is in another workspace: so neither knows anything else of this room.

use std::io::Write;
use std::path::{Path, PathBuf};

/// What a module may import: the contract, of any version. A component with anything else is refused here, as the host would refuse it later.
const CONTRACT: &str = "consign:filter/";

/// A module that was built and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltModule {
    /// Where the component was written.
    pub path: PathBuf,
    /// The component's SHA-256, in lower-case hexadecimal digits: what a policy stores.
    pub sha256: String,
    /// Bytes of the component.
    pub size: u64,
    /// Bytes of the core module in it before it became a component, where the compiler made one.
    pub core_size: Option<u64>,
    /// What made it: the compiler's version line, say. Another toolchain makes other bytes.
    pub toolchain: String,
}

/// Why a component is no filter, or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// It can't be read.
    #[error("What was built is no component: {0}")]
    NoComponent(String),
    /// It imports what the host does not give.
    #[error(
        "The module imports what no filter may have: {}. A dependency of it wants the outside world; use one that does not, or turn that feature off.",
        .0.join(", ")
    )]
    ForeignImports(Vec<String>),
    /// It exports no interface of the contract, or both.
    #[error("The module exports {found}. A filter exports either `criteria` or `grouping` of the package consign:filter.")]
    Exports {
        /// What it exports, for people.
        found: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Checks a component and writes it to `out`, all of it or nothing.
///
/// # Errors
/// It is no filter, or could not be written.
pub fn finish(component: &[u8], out: &Path, core_size: Option<u64>, toolchain: String) -> Result<BuiltModule, ComponentError> {
    check_interface(component)?;
    write_whole(out, component)?;
    Ok(BuiltModule {
        path: out.to_owned(),
        sha256: hex::encode(ring::digest::digest(&ring::digest::SHA256, component)),
        size: component.len() as u64,
        core_size,
        toolchain,
    })
}

/// Whether a component imports the contract alone and exports one kind of filter.
///
/// # Errors
/// See the variants of [`ComponentError`] about imports and exports.
pub fn check_interface(component: &[u8]) -> Result<(), ComponentError> {
    let decoded = wit_component::decode(component).map_err(|error| ComponentError::NoComponent(format!("{error:#}")))?;
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else {
        let found = "an interface description alone";
        return Err(ComponentError::NoComponent(found.to_owned()));
    };
    let Some(world) = resolve.worlds.get(world) else {
        return Err(ComponentError::NoComponent("it has no world".to_owned()));
    };
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key));
    let foreign: Vec<String> = imports.filter(|name| !name.starts_with(CONTRACT)).collect();
    if !foreign.is_empty() {
        return Err(ComponentError::ForeignImports(foreign));
    }
    // Beside the contract's a component may have exports that nobody calls: componentize-py leaves one named `exports`.
    let exports: Vec<String> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let of_contract: Vec<&String> = exports.iter().filter(|name| name.starts_with(CONTRACT)).collect();
    let kind = |name: &str| {
        let interface = name.strip_prefix(CONTRACT)?.split('@').next()?;
        matches!(interface, "criteria" | "grouping").then_some(())
    };
    match of_contract.as_slice() {
        [one] if kind(one).is_some() => Ok(()),
        _ if exports.is_empty() => Err(ComponentError::Exports { found: "nothing".to_owned() }),
        _ => Err(ComponentError::Exports { found: exports.join(", ") }),
    }
}

/// Beside the place first, then over it: a reader sees the old file or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ComponentError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(file(folder))?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    std::fs::File::create(&beside).and_then(|mut new| new.write_all(bytes)).map_err(file(&beside))?;
    std::fs::rename(&beside, path).map_err(file(path))
}

/// An error of this file.
pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> ComponentError {
    let path = path.to_owned();
    move |source| ComponentError::File { path, source }
}
