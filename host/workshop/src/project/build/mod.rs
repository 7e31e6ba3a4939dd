//! Building a filter's project, by what is in its folder. Each language has its own compilers; what comes out is the same: a component that imports
//! nothing but the contract.

pub mod component;
pub mod python;
pub mod rust;
mod steps;
pub mod typescript;

use std::path::{Path, PathBuf};

pub use component::{BuiltModule, ComponentError};
pub use rust::Symbols;

use super::Language;

/// Why a module was not built. The texts say what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no such folder, or no project in it.
    #[error(
        "{} holds no filter project: there is no Cargo.toml (Rust), package.json (TypeScript) or pyproject.toml (Python) in it. Name the folder of one, or \
         make one: consign filter new NAME --lang rust --kind criteria",
        .0.display()
    )]
    NoProject(PathBuf),
    /// Rust.
    #[error(transparent)]
    Rust(#[from] rust::RustError),
    /// TypeScript or Python: a step of it.
    #[error(transparent)]
    Step(#[from] steps::StepError),
}

/// Builds the project in `project` and writes the component to `out`, all of it or nothing. Compilers' messages go to standard error; `say` is told of
/// what takes long.
///
/// # Errors
/// See [`BuildError`].
pub fn build(project: &Path, out: &Path, symbols: Symbols, say: &mut dyn FnMut(&str)) -> Result<BuiltModule, BuildError> {
    let language = Language::of(project).ok_or_else(|| BuildError::NoProject(project.to_owned()))?;
    match language {
        Language::Rust => Ok(rust::build(project, out, symbols)?),
        Language::TypeScript => Ok(typescript::build(project, out, say)?),
        Language::Python => Ok(python::build(project, out, say)?),
    }
}
