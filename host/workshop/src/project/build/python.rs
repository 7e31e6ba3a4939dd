//! Builds a filter module in Python: `componentize-py`, of the version that the project's `requirements.txt` pins, in an environment in the project's
//! own `.venv`.
//!
//! `--stub-wasi` leaves no import of WASI; what asks for the outside world all the same traps. It also bakes the seed of Python's hashes into the component, so
//! two builds of one source differ in some bytes: the module that was tested is the file that was tested.

use std::ffi::OsStr;
use std::path::Path;

use super::component::{BuiltModule, file as at, finish};
use super::steps::{Settings, StepError, run};
use crate::project::doctor;

const EXAMPLE: &str = "[tool.consign]\nkind = \"criteria\"\nentry = \"module\"     # src/module.py";

/// Builds the project and writes the component to `out`.
///
/// # Errors
/// See [`StepError`].
pub fn build(project: &Path, out: &Path, say: &mut dyn FnMut(&str)) -> Result<BuiltModule, StepError> {
    // Programs are named by their place in the project and run in it, where a relative name would be looked up twice.
    let project = &project.canonicalize().map_err(at(project))?;
    let file = project.join("pyproject.toml");
    let text = std::fs::read_to_string(&file).map_err(at(&file))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| StepError::Project { path: file.clone(), problem: error.to_string() })?;
    let settings = Settings::read(&file, table.get("tool").and_then(|tool| tool.get("consign")).cloned(), EXAMPLE)?;
    let environment = project.join(".venv");
    install(project, &environment, say)?;

    let program = environment.join("bin/componentize-py");
    say("making the component; the Python in it takes some 20 seconds");
    let folder = project.join("build");
    std::fs::create_dir_all(&folder).map_err(at(&folder))?;
    let made = folder.join("module.wasm");
    let arguments = [
        "--quiet",
        "--wit-path",
        &settings.wit,
        "--world",
        settings.world(),
        "componentize",
        "--stub-wasi",
        "--python-path",
        "src",
        &settings.entry,
        "--output",
        "build/module.wasm",
    ];
    // Packages of the environment alone, not of whatever Python is around.
    let variables = [("VIRTUAL_ENV", environment.as_os_str())];
    run(project, "making the component", &program, &arguments.map(OsStr::new), &variables)?;
    let component = std::fs::read(&made).map_err(at(&made))?;
    let version = doctor::version(program.as_os_str(), &["--version"]).unwrap_or_else(|| "componentize-py".to_owned());
    let built = finish(&component, out, None, version)?;
    // It is megabytes, and stands at `out` now.
    std::fs::remove_file(&made).map_err(at(&made))?;
    Ok(built)
}

/// The environment, if it is not there yet. One that could not be filled is taken away again.
fn install(project: &Path, environment: &Path, say: &mut dyn FnMut(&str)) -> Result<(), StepError> {
    if environment.join("bin/componentize-py").exists() {
        return Ok(());
    }
    let pins = project.join("requirements.txt");
    let named = std::fs::read_to_string(&pins).map_err(at(&pins))?;
    if !named.lines().any(|line| line.trim_start().starts_with("componentize-py")) {
        let problem = "it has to name componentize-py, with its version: componentize-py==0.25.1".to_owned();
        return Err(StepError::Project { path: pins, problem });
    }
    doctor::version(OsStr::new("python3"), &["--version"])
        .ok_or(StepError::Missing { program: "python3", why: "a filter in Python is built with it" })?;
    let there = environment.exists();
    say("making .venv: the first time it brings some 60 MB");
    let made = fill(project);
    if made.is_err() && !there {
        // What is wrong was said already; a folder that can't be removed would be used the next time and fail there.
        let _ = std::fs::remove_dir_all(environment);
    }
    made
}

fn fill(project: &Path) -> Result<(), StepError> {
    let make = ["-m", "venv", ".venv"].map(OsStr::new);
    run(project, "making the environment .venv (Debian: apt-get install python3-venv)", Path::new("python3"), &make, &[])?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt"].map(OsStr::new);
    run(project, "installing what requirements.txt names", &project.join(".venv/bin/python3"), &pip, &[])
}
