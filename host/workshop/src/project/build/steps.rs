//! Steps of a build that other programs do.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde::Deserialize;

use super::component::ComponentError;
use crate::project::Kind;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A program is not there.
    #[error("{program} was not found, and {why}. `consign filter doctor` says what is missing and how to get it.")]
    Missing {
        /// The program.
        program: &'static str,
        /// What it is for.
        why: &'static str,
    },
    /// A program could not be run.
    #[error("`{program}` could not be run: {source}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program has said on standard error what is wrong.
    #[error("{what} failed ({status}); the messages of `{program}` stand above.")]
    Failed {
        /// What it was to do.
        what: &'static str,
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The project's own file does not say what is needed.
    #[error("{}: {problem}", .path.display())]
    Project {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// What was built is no filter, or could not be written.
    #[error(transparent)]
    Component(#[from] ComponentError),
}

/// What a project's file says of the filter, under `consign`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Which world of the contract it is built for.
    pub kind: Kind,
    /// Where it begins: a file in TypeScript, a module's name in Python.
    pub entry: String,
    /// The contract's folder.
    #[serde(default = "wit")]
    pub wit: String,
}

fn wit() -> String {
    "wit".to_owned()
}

impl Settings {
    /// Reads them from the value that a project's file has for `consign`.
    pub fn read<'de, D: serde::Deserializer<'de>>(path: &Path, value: Option<D>, example: &str) -> Result<Self, StepError>
    where
        D::Error: std::fmt::Display,
    {
        let wrong = |problem: String| StepError::Project { path: path.to_owned(), problem };
        let value = value.ok_or_else(|| wrong(format!("it does not say what to build. Write:\n{example}")))?;
        Self::deserialize(value).map_err(|error| wrong(format!("{error}. It has to read:\n{example}")))
    }

    /// The world's name.
    pub fn world(&self) -> &'static str {
        match self.kind {
            Kind::Criteria => "criteria-module",
            Kind::Grouping => "grouping-module",
        }
    }
}

/// Runs a program in the project's folder. What it says goes to standard error, because standard output is for the caller's own answer.
pub fn run(project: &Path, what: &'static str, program: &Path, arguments: &[&OsStr], environment: &[(&str, &OsStr)]) -> Result<(), StepError> {
    let name = || program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(project)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|source| StepError::Run { program: name(), source })?;
    if status.success() { Ok(()) } else { Err(StepError::Failed { what, program: name(), status }) }
}
