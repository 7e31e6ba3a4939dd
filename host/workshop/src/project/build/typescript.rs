//! Builds a filter module in TypeScript: types from the contract, `tsc` to check, `esbuild` for one ES module, `componentize-js` for the component.
//!
//! All four come from the project's `package-lock.json`. With every feature of `componentize-js` off the engine in the component imports nothing of WASI.
//! Packages' install scripts are not run: none of the four needs its own, and a filter's author should not have to trust a thousand others.

use std::ffi::OsStr;
use std::path::Path;

use super::component::{BuiltModule, file as at, finish};
use super::steps::{Settings, StepError, run};
use crate::project::doctor;

/// All that `componentize-js` can give a component beside the contract.
const FEATURES: [&str; 5] = ["random", "stdio", "clocks", "http", "fetch-event"];

const EXAMPLE: &str = r#"  "consign": { "kind": "criteria", "entry": "src/module.ts" }"#;

/// Builds the project and writes the component to `out`.
///
/// # Errors
/// See [`StepError`].
pub fn build(project: &Path, out: &Path, say: &mut dyn FnMut(&str)) -> Result<BuiltModule, StepError> {
    // Programs are named by their place in the project and run in it, where a relative name would be looked up twice.
    let project = &project.canonicalize().map_err(at(project))?;
    let file = project.join("package.json");
    let text = std::fs::read_to_string(&file).map_err(at(&file))?;
    let package: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| StepError::Project { path: file.clone(), problem: error.to_string() })?;
    let settings = Settings::read(&file, package.get("consign"), EXAMPLE)?;
    let node = doctor::version(OsStr::new("node"), &["--version"])
        .ok_or(StepError::Missing { program: "node", why: "a filter in TypeScript is built with it" })?;
    install(project, say)?;

    let bin = |name: &str| Path::new("node_modules/.bin").join(name);
    let step = |what, name: &str, arguments: &[&str]| {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        run(project, what, &project.join(bin(name)), &arguments, &[])
    };
    let world = settings.world();
    step("writing the contract's types", "jco", &["guest-types", &settings.wit, "--world-name", world, "--out-dir", "types", "--quiet"])?;
    step("checking the types", "tsc", &["--noEmit", "--project", "."])?;
    let bundle = "build/module.js";
    step(
        "bundling",
        "esbuild",
        &[
            &settings.entry,
            "--bundle",
            "--format=esm",
            "--platform=neutral",
            "--main-fields=module,main",
            "--target=es2022",
            "--external:consign:*",
            "--log-level=warning",
            &format!("--outfile={bundle}"),
        ],
    )?;
    say("making the component; the JavaScript engine in it takes half a minute");
    let made = project.join("build/module.wasm");
    let mut arguments = vec![bundle, "--wit", &settings.wit, "--world-name", world, "--out", "build/module.wasm", "--disable"];
    arguments.extend(FEATURES);
    step("making the component", "componentize-js", &arguments)?;
    let component = std::fs::read(&made).map_err(at(&made))?;
    let built = finish(&component, out, None, format!("node {node}, {}", versions(project)))?;
    // It is megabytes, and stands at `out` now.
    std::fs::remove_file(&made).map_err(at(&made))?;
    Ok(built)
}

/// What the lock file says, if nothing is installed yet.
fn install(project: &Path, say: &mut dyn FnMut(&str)) -> Result<(), StepError> {
    if project.join("node_modules/.bin/componentize-js").exists() {
        return Ok(());
    }
    doctor::version(OsStr::new("npm"), &["--version"])
        .ok_or(StepError::Missing { program: "npm", why: "the project's packages are installed with it" })?;
    let command = if project.join("package-lock.json").is_file() { "ci" } else { "install" };
    say(&format!("npm {command}: the first time it brings some 200 MB"));
    let arguments = [command, "--ignore-scripts", "--no-audit", "--no-fund"].map(OsStr::new);
    run(project, "installing the project's packages", Path::new("npm"), &arguments, &[])?;
    if project.join("node_modules/.bin/componentize-js").exists() {
        return Ok(());
    }
    let problem = "devDependencies has to name @bytecodealliance/componentize-js, @bytecodealliance/jco, esbuild and typescript";
    Err(StepError::Project { path: project.join("package.json"), problem: problem.to_owned() })
}

/// The versions of what the component is made of.
fn versions(project: &Path) -> String {
    let version = |package: &str| {
        let text = std::fs::read_to_string(project.join("node_modules").join(package).join("package.json")).ok()?;
        let package: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(package.get("version")?.as_str()?.to_owned())
    };
    let of = |name: &str, package: &str| format!("{name} {}", version(package).unwrap_or_else(|| "of an unknown version".to_owned()));
    [of("componentize-js", "@bytecodealliance/componentize-js"), of("esbuild", "esbuild")].join(", ")
}
