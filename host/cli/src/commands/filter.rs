//! `filter`

use std::path::Path;

use crate::args::FilterCommand;
use crate::filter_build::build;
use crate::output::{Ending, Failure, bytes, say, say_json};

/// Does what was asked for about a filter project.
pub fn filter(command: &FilterCommand, json: bool) -> Result<Ending, Failure> {
    let FilterCommand::Build { project, out } = command;
    let out = match out {
        Some(out) => out.clone(),
        None => project.join(format!("{}.wasm", name(project)?)),
    };
    let built = build(project, &out)?;
    if json {
        say_json(&serde_json::json!({
            "path": built.path, "sha256": built.sha256, "bytes": built.size, "core_bytes": built.core_size, "toolchain": built.toolchain,
        }))?;
    } else {
        say(format_args!("built {} ({}, {})", built.path.display(), bytes(built.size), built.toolchain));
        say(format_args!("sha256:{}", built.sha256));
    }
    Ok(Ending::Done)
}

/// The project's folder name, for the file.
fn name(project: &Path) -> Result<String, Failure> {
    let whole = project.canonicalize().map_err(|error| Failure::new(format!("the folder {} cannot be read: {error}", project.display())))?;
    Ok(whole.file_name().map_or_else(|| "filter".to_owned(), |name| name.to_string_lossy().into_owned()))
}
