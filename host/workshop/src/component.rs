//! A component that a developer names: a file, or a standard module by its name.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use consign_export::ShelfError;
use consign_export::modules::standard_component;
use consign_model::Digest;
use consign_model::module::Need;
use consign_sandbox::{BindError, Bound, LoadError, Module, Sandbox};
use serde_json::Value;

/// Why a component can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The file can't be read.
    #[error("{}: {cause}{}", path.display(), hint(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is refused, as the server would refuse it.
    #[error("{}: {cause}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: LoadError,
    },
    /// No such standard module.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// It does not take its configuration, or needs more than is approved.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The configuration can't be read.
    #[error("{what}: {cause}")]
    Config {
        /// The file, or that it is from the command line.
        what: String,
        /// Why.
        cause: String,
    },
}

fn hint(path: &Path) -> String {
    if path.extension().is_some_and(|extension| extension == "wasm") {
        "; 'consign filter build' makes it".to_owned()
    } else {
        "; name a component (.wasm), or a standard module as std/keywords".to_owned()
    }
}

/// How a standard module's name begins.
pub(crate) const STANDARD: &str = "std/";

/// Whether this names a standard module, which is in the program, and not a file.
pub fn is_standard(name: &Path) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(STANDARD)) && !name.exists()
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, ComponentError> {
    std::fs::read(path).map_err(|cause| ComponentError::Unreadable { path: path.to_owned(), cause })
}

/// Loads a component.
pub fn load(sandbox: &Sandbox, name: &Path) -> Result<Module, ComponentError> {
    let bytes: Cow<'_, [u8]> = if is_standard(name) { standard_component(&name.to_string_lossy())?.into() } else { read(name)?.into() };
    sandbox.load(&bytes).map_err(|cause| ComponentError::Refused { path: name.to_owned(), cause })
}

/// Why a server would not take the module's name: it is one of those that come with Consign, and this is not that module.
pub fn reserved_name(module: &Module) -> Option<String> {
    let name = &module.manifest().name;
    let is_ours = || standard_component(name).is_ok_and(|ours| Digest::of(ours) == module.digest());
    (name.starts_with(STANDARD) && !is_ours())
        .then(|| format!("its name is {name}, and names that begin with std/ are those of the modules that come with Consign: give it another one"))
}

/// Joins a module with a configuration; what is unset is all that it asks for.
pub fn bind(module: &Module, config: &Value, needs: Option<&[Need]>) -> Result<Bound, BindError> {
    module.bind(config, needs.unwrap_or(&module.manifest().needs))
}

/// A configuration from the command line: JSON as it stands, or a file in JSON, TOML or YAML.
pub fn config(text: Option<&str>) -> Result<Value, ComponentError> {
    let empty = || Value::Object(serde_json::Map::default());
    let Some(text) = text else { return Ok(empty()) };
    let wrong = |what: &str, cause: String| ComponentError::Config { what: what.to_owned(), cause };
    if text.trim_start().starts_with(['{', '[']) {
        return serde_json::from_str(text).map_err(|error| wrong("the configuration", error.to_string()));
    }
    let path = Path::new(text);
    let content = std::fs::read_to_string(path).map_err(|error| wrong(text, error.to_string()))?;
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let parsed = match extension.as_deref() {
        Some("toml") => toml::from_str(&content).map_err(|error| error.to_string()),
        Some("yaml" | "yml") => serde_saphyr::from_str(&content).map_err(|error| error.to_string()),
        _ => serde_json::from_str(&content).map_err(|error| error.to_string()),
    };
    parsed.map_err(|cause| wrong(text, cause))
}

/// Which component it is, for whoever compares runs.
pub fn label(module: &Module) -> String {
    let manifest = module.manifest();
    format!("{}@{}", manifest.name, manifest.version)
}

/// The digest of a file, if it is there.
pub fn digest(path: &Path) -> Option<Digest> {
    std::fs::read(path).ok().map(|bytes| Digest::of(&bytes))
}

/// A configuration to try a module with: its schema's first example, else an empty object.
pub fn example(schema: &Value) -> Value {
    let first = schema.get("examples").and_then(Value::as_array).and_then(|examples| examples.first());
    first.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::default()))
}
