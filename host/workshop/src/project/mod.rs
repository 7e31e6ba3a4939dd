//! A filter's project on a laptop: making one, what of the toolchain is missing, building it.

pub mod build;
pub mod doctor;
pub mod new;

use std::path::Path;

use serde::{Deserialize, Serialize};

/// What a filter is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// Rust.
    Rust,
    /// TypeScript.
    #[serde(rename = "typescript")]
    TypeScript,
    /// Python.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rust, Self::TypeScript, Self::Python];

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::TypeScript => "TypeScript",
            Self::Python => "Python",
        }
    }

    /// The folder of its templates.
    const fn template(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::TypeScript => "typescript",
            Self::Python => "python",
        }
    }

    /// The file by which a project of the language is known.
    const fn file(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::TypeScript => "package.json",
            Self::Python => "pyproject.toml",
        }
    }

    /// What the project in this folder is written in; the first of them where a folder has several of the files.
    pub fn of(project: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|language| project.join(language.file()).is_file())
    }
}

/// What a filter decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Which events are exported.
    Criteria,
    /// Which e-mails they go into.
    Grouping,
}

impl Kind {
    /// The contract's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Criteria => "criteria",
            Self::Grouping => "grouping",
        }
    }
}
