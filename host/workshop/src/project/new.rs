//! A new project: a filter that works, its tests, a chat to try it on, and all that it takes to build it without this repository.
//!
//! The files are in the program. What a project needs of the repository goes into it as a copy: the contract, and for Rust the SDK, whose `Cargo.toml` is
//! made to stand alone. So a project builds the same in five years, whatever has become of this program by then.

use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

use super::{Kind, Language};
use crate::component::STANDARD;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/project/templates");
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-filters/sdk");
/// Versions that the SDK takes from its workspace.
const GUEST_WORKSPACE: &str = include_str!("../../../../guest-filters/Cargo.toml");
/// So that a project's first build takes what the SDK was tested with; cargo leaves out what the project does not use.
const GUEST_LOCK: &str = include_str!("../../../../guest-filters/Cargo.lock");
const CONTRACT: &str = include_str!("../../../../wit/filter.wit");

/// Why a project was not made. The texts say what to do next.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name can't be a module's.
    #[error("{0:?} can't be a filter's name: it has 1 to 128 of a-z, 0-9, '.', '_' and '-', with '/' between parts, such as acme/no-bots")]
    Name(String),
    /// Nobody could upload it.
    #[error(
        "{0:?} can't be a filter's name: names that begin with std/ are those of the modules that come with Consign; begin with your firm's, say"
    )]
    Standard(String),
    /// There is something already.
    #[error("{} is there already and not empty. Choose another name, or another folder with --folder", .0.display())]
    NotEmpty(PathBuf),
    /// What is built into the program is broken.
    #[error("the program's own copy of the SDK can't be read: {0}; this is a fault of Consign, please report it")]
    Sdk(String),
    /// A file or folder could not be made.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The folder that a project of this name goes into, unless another is named.
pub fn folder_of(name: &str) -> PathBuf {
    PathBuf::from(name.rsplit('/').next().unwrap_or(name))
}

/// Makes a project in `folder`, all of it or nothing. `name` is the module's.
///
/// # Errors
/// See [`NewError`].
pub fn create(name: &str, language: Language, kind: Kind, folder: &Path) -> Result<(), NewError> {
    if !is_name(name) {
        return Err(NewError::Name(name.to_owned()));
    }
    if name.starts_with(STANDARD) {
        return Err(NewError::Standard(name.to_owned()));
    }
    let here = |source| NewError::File { path: folder.to_owned(), source };
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(NewError::NotEmpty(folder.to_owned())),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(here(error)),
        Ok(false) | Err(_) => {}
    }
    let project = files(name, language, kind, folder)?;
    // Written beside its place and put there at once; an empty folder that is there already gives way.
    let whole = std::path::absolute(folder).map_err(here)?;
    let parent = whole.parent().ok_or_else(|| NewError::NotEmpty(folder.to_owned()))?;
    std::fs::create_dir_all(parent).map_err(here)?;
    let beside = tempfile::Builder::new().prefix(".consign-new-").tempdir_in(parent).map_err(here)?;
    for (path, text) in project {
        write(&beside.path().join(path), &text)?;
    }
    open_up(beside.path()).map_err(here)?;
    std::fs::rename(beside.path(), &whole).map_err(here)?;
    // It is no temporary folder any more, and its old name may be another's tomorrow.
    let _moved = beside.keep();
    Ok(())
}

/// A temporary folder is its owner's alone; a project is like any other folder.
fn open_up(folder: &Path) -> std::io::Result<()> {
    let like = tempfile::Builder::new().make_in(folder, |path| std::fs::create_dir(path))?;
    std::fs::set_permissions(folder, std::fs::metadata(like.path())?.permissions())?;
    std::fs::remove_dir(like.path())
}

fn write(path: &Path, text: &str) -> Result<(), NewError> {
    let wrong = |source| NewError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    std::fs::write(path, text).map_err(wrong)
}

/// All files of a project, by their place in it.
fn files(name: &str, language: Language, kind: Kind, folder: &Path) -> Result<Vec<(PathBuf, String)>, NewError> {
    let package = package_name(&folder_of(name).to_string_lossy());
    // `consign filter build` names the module by its folder.
    let module = folder.file_name().map_or_else(|| package.clone(), |folder| folder.to_string_lossy().into_owned());
    let function = function_name(&package);
    let values = [("name", name), ("folder", module.as_str()), ("package", &package), ("function", &function), ("kind", kind.name())];
    let mut files = vec![(PathBuf::from("wit/filter.wit"), CONTRACT.to_owned())];
    for part in ["common", kind.name()] {
        let at = Path::new(language.template()).join(part);
        let template = TEMPLATES.get_dir(&at).ok_or_else(|| NewError::Sdk(format!("there is no {}", at.display())))?;
        for (path, text) in texts(template)? {
            let path = path.strip_prefix(&at).map_err(|error| NewError::Sdk(error.to_string()))?;
            files.push((unhidden(path), filled(text, &values)));
        }
    }
    if language == Language::Rust {
        files.push((PathBuf::from("Cargo.lock"), GUEST_LOCK.to_owned()));
        files.extend(sdk()?);
    }
    Ok(files)
}

/// Files with their texts, of a folder and those below it.
fn texts<'a>(folder: &'a Dir<'_>) -> Result<Vec<(&'a Path, &'a str)>, NewError> {
    let mut found = Vec::new();
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => found.extend(texts(folder)?),
            DirEntry::File(file) => {
                let text = file.contents_utf8().ok_or_else(|| NewError::Sdk(format!("{} is no text", file.path().display())))?;
                found.push((file.path(), text));
            }
        }
    }
    Ok(found)
}

/// `.gitignore` has no dot in the program's copy: it would be in force there.
fn unhidden(path: &Path) -> PathBuf {
    if path == Path::new("gitignore") { PathBuf::from(".gitignore") } else { path.to_owned() }
}

fn filled(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value))
}

/// What a package, or the function and the type that are named by it, can't be called: words of Rust, and what the templates and the SDK use themselves.
const RESERVED: &str = "abstract alloc as assert async await become bitflags bool box break char check config consign-filter consign-filter-macros const continue core crate \
    default do dyn else enum err error event-flags extern f32 f64 false final fn for gen group i128 i16 i32 i64 i8 if impl in isize let loop macro match mod \
    move mut none ok option override participant placement priv proc-macro pub ref result return rule schema self serde serde-json some static std str string struct \
    super test tests trait true try type typeof u128 u16 u32 u64 u8 union unsafe unsized use user-flags usize vec verdict view virtual where while yield";

/// A name's last part as a package's.
fn package_name(last: &str) -> String {
    let name = last.replace('.', "-");
    if RESERVED.split_whitespace().any(|reserved| reserved == name.replace('_', "-")) { format!("filter-{name}") } else { name }
}

/// A package's name as a function's.
fn function_name(package: &str) -> String {
    let name = package.replace('-', "_");
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("filter_{name}") } else { name }
}

/// The SDK for a project of its own: without its tests, standing alone, and with the contract beside it.
fn sdk() -> Result<Vec<(PathBuf, String)>, NewError> {
    let workspace: toml::Table = GUEST_WORKSPACE.parse().map_err(|error: toml::de::Error| NewError::Sdk(error.to_string()))?;
    let workspace = workspace.get("workspace").and_then(toml::Value::as_table).ok_or_else(|| NewError::Sdk("no workspace".to_owned()))?;
    let mut files = Vec::new();
    for (path, text) in texts(&SDK)? {
        if path.starts_with("tests") || path.starts_with("macros/tests") {
            continue;
        }
        let text = match path.file_name().and_then(|name| name.to_str()) {
            Some("Cargo.toml") => standing_alone(text, workspace)?,
            Some("bindings.rs") => text.replace("../../wit/filter.wit", "../wit/filter.wit"),
            _ => text.to_owned(),
        };
        files.push((Path::new("sdk").join(path), text));
    }
    Ok(files)
}

/// A `Cargo.toml` with what it takes from its workspace written into it.
fn standing_alone(text: &str, workspace: &toml::Table) -> Result<String, NewError> {
    let wrong = |what: &str| NewError::Sdk(format!("Cargo.toml: {what}"));
    let mut manifest: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(&error.to_string()))?;
    manifest.remove("lints");
    manifest.remove("dev-dependencies");
    manifest.remove("test");
    let of_workspace = |part: &str, name: &str| workspace.get(part).and_then(|part| part.get(name)).cloned().ok_or_else(|| wrong(name));
    let inherits = |value: &toml::Value| value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
    for (part, of) in [("package", "package"), ("dependencies", "dependencies")] {
        let Some(table) = manifest.get_mut(part).and_then(toml::Value::as_table_mut) else { continue };
        for (name, value) in table.iter_mut().filter(|(_, value)| inherits(value)) {
            let mut whole = of_workspace(of, name)?;
            if part == "dependencies" {
                let own = value.as_table().cloned().unwrap_or_default();
                whole = joined(whole, &own, &wrong)?;
            }
            *value = whole;
        }
    }
    Ok(manifest.to_string())
}

/// A dependency of the workspace with what a crate adds to it. Folders are named from the workspace there, and from the SDK here.
fn joined(whole: toml::Value, own: &toml::Table, wrong: &impl Fn(&str) -> NewError) -> Result<toml::Value, NewError> {
    let mut table = match whole {
        toml::Value::String(version) => toml::Table::from_iter([("version".to_owned(), toml::Value::String(version))]),
        toml::Value::Table(table) => table,
        other => return Err(wrong(&format!("{other} is no dependency"))),
    };
    if let Some(toml::Value::String(path)) = table.get_mut("path") {
        *path = path.strip_prefix("sdk/").ok_or_else(|| wrong("a dependency lies outside the SDK"))?.to_owned();
    }
    for (key, value) in own.iter().filter(|(key, _)| *key != "workspace") {
        table.insert(key.clone(), value.clone());
    }
    Ok(toml::Value::Table(table))
}

/// As the host has it for a module's name.
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        part.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
    };
    name.len() <= 128 && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn nothing_is_left_to_fill_in() {
        for language in Language::ALL {
            for kind in [Kind::Criteria, Kind::Grouping] {
                let folder = tempfile::tempdir().unwrap();
                let project = folder.path().join("deep/my-filter");
                create("acme/my-filter", language, kind, &project).unwrap();
                let mut files = BTreeMap::new();
                for (path, _) in super::files("acme/my-filter", language, kind, &project).unwrap() {
                    files.insert(path.clone(), std::fs::read_to_string(project.join(&path)).unwrap());
                }
                for (path, text) in &files {
                    let left = ["{{name}}", "{{folder}}", "{{package}}", "{{function}}", "{{kind}}"].iter().find(|place| text.contains(**place));
                    assert_eq!(left, None, "{}", path.display());
                    assert!(!path.starts_with("sdk") || !text.contains("workspace = true"), "{}", path.display());
                }
                assert!(files.contains_key(Path::new(".gitignore")) && files.contains_key(Path::new("README.md")));
                assert_eq!(Language::of(&project), Some(language));
                let beside = std::fs::read_dir(folder.path().join("deep")).unwrap().count();
                assert_eq!(beside, 1, "something was left beside the project");
            }
        }
    }

    #[test]
    fn a_folder_with_something_in_it_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        create("empty", Language::Python, Kind::Criteria, folder.path()).unwrap();
        let again = create("empty", Language::Rust, Kind::Criteria, folder.path());
        assert!(matches!(again, Err(NewError::NotEmpty(_))), "{again:?}");
        assert!(!folder.path().join("Cargo.toml").exists());
        let file = folder.path().join("README.md");
        assert!(matches!(create("x", Language::Rust, Kind::Criteria, &file), Err(NewError::File { .. })));
    }

    #[test]
    fn names_are_those_of_modules() {
        for wrong in ["", "Acme", "a//b", "../etc", "a b", "/a", "-a"] {
            assert!(matches!(create(wrong, Language::Rust, Kind::Criteria, Path::new("never-made")), Err(NewError::Name(_))), "{wrong}");
        }
        assert_eq!(folder_of("acme/desk/no-bots"), PathBuf::from("no-bots"));
        assert_eq!(function_name("2-much"), "filter_2_much");
        assert_eq!(
            ["match", "check", "consign-filter", "participant", "no-bots"].map(package_name),
            ["filter-match", "filter-check", "filter-consign-filter", "filter-participant", "no-bots"]
        );
        let standard = create("std/mine", Language::Rust, Kind::Criteria, Path::new("never-made"));
        assert!(matches!(standard, Err(NewError::Standard(_))), "{standard:?}");
    }
}
