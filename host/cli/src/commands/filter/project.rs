//! `filter new`, `filter doctor` and `filter build`: a filter's project.

use std::path::Path;

use consign_workshop::project::build::{BuiltModule, Symbols};
use consign_workshop::project::{Kind, Language, build as building, doctor as examining, new as making};

use crate::args::{FilterKind, FilterLanguage};
use crate::output::{Ending, Failure, bytes, say, say_json};

/// Makes a project.
pub fn new(name: &str, language: FilterLanguage, kind: FilterKind, folder: Option<&Path>, json: bool) -> Result<Ending, Failure> {
    let folder = folder.map_or_else(|| making::folder_of(name), Path::to_owned);
    let (language, kind) = (language.into(), kind.into());
    making::create(name, language, kind, &folder)?;
    if json {
        say_json(&serde_json::json!({ "name": name, "language": language, "kind": kind, "folder": folder }))?;
        return Ok(Ending::Done);
    }
    say(format_args!("made {}, a {} in {}", folder.display(), noun(kind), language.name()));
    say(format_args!("  cd {}", folder.display()));
    say("  consign filter doctor      # what of the toolchain is missing");
    say("  consign filter build       # and what else to do says README.md");
    Ok(Ending::Done)
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Criteria => "criterion",
        Kind::Grouping => "grouping",
    }
}

/// Looks for what projects are built with.
pub fn doctor(language: Option<FilterLanguage>, json: bool) -> Result<Ending, Failure> {
    let here = Path::new(".");
    let asked = language.map(Language::from).or_else(|| Language::of(here));
    let languages = asked.map_or_else(|| Language::ALL.to_vec(), |language| vec![language]);
    let examined: Vec<_> = languages.into_iter().map(|language| examining::examine(language, here)).collect();
    let ending = Ending::complete_if(examined.iter().any(|examination| examination.ready));
    if json {
        say_json(&examined)?;
        return Ok(ending);
    }
    for examination in &examined {
        let state = if examination.ready { "ready" } else { "something is missing" };
        say(format_args!("{}: {state}", examination.language.name()));
        for check in &examination.checks {
            match (&check.found, check.remedies.as_slice()) {
                (Some(found), []) => say(format_args!("  {}: {found}", check.what)),
                (Some(found), _) => say(format_args!("  {}: {found} is too old", check.what)),
                (None, _) => say(format_args!("  {}: missing", check.what)),
            }
            for (index, remedy) in check.remedies.iter().enumerate() {
                say(format_args!("    {} {remedy}", if index == 0 { "get it:" } else { "or:    " }));
            }
        }
    }
    Ok(ending)
}

/// Builds a project.
pub fn build(project: &Path, out: Option<&Path>, debug: bool, json: bool) -> Result<Ending, Failure> {
    let out = match out {
        Some(out) => out.to_owned(),
        None => project.join(format!("{}.wasm", name(project)?)),
    };
    let symbols = if debug { Symbols::Lines } else { Symbols::Names };
    let BuiltModule { path, sha256, size, core_size, toolchain } = building::build(project, &out, symbols, &mut |text| eprintln!("{text}"))?;
    if json {
        say_json(&serde_json::json!({ "path": path, "digest": sha256, "bytes": size, "core_bytes": core_size, "toolchain": toolchain }))?;
    } else {
        say(format_args!("built {} ({}, {toolchain})", path.display(), bytes(size)));
        say(format_args!("sha256:{sha256}"));
    }
    Ok(Ending::Done)
}

/// The project's folder name, for the file.
fn name(project: &Path) -> Result<String, Failure> {
    let whole = project.canonicalize().map_err(|error| Failure::new(format!("the folder {} cannot be read: {error}", project.display())))?;
    Ok(whole.file_name().map_or_else(|| "filter".to_owned(), |name| name.to_string_lossy().into_owned()))
}

impl From<FilterLanguage> for Language {
    fn from(language: FilterLanguage) -> Self {
        match language {
            FilterLanguage::Rust => Self::Rust,
            FilterLanguage::Ts => Self::TypeScript,
            FilterLanguage::Python => Self::Python,
        }
    }
}

impl From<FilterKind> for Kind {
    fn from(kind: FilterKind) -> Self {
        match kind {
            FilterKind::Criteria => Self::Criteria,
            FilterKind::Grouping => Self::Grouping,
        }
    }
}
