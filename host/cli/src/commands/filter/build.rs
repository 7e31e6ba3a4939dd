//! `filter build`

use std::path::Path;

use crate::filter_build;
use crate::output::{Ending, Failure, bytes, say, say_json};

/// Builds a project into a component.
pub fn build(project: &Path, out: Option<&Path>, json: bool) -> Result<Ending, Failure> {
    let out = match out {
        Some(out) => out.to_owned(),
        None => project.join(format!("{}.wasm", name(project)?)),
    };
    let built = filter_build::build(project, &out)?;
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
