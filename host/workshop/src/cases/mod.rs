//! Cases: what a module is expected to say of a developer's own events, in a file beside the project.

mod check;
mod file;
mod refer;
mod run;
mod snapshot;

pub use check::Difference;
pub use file::{Case, CaseFile, CaseFileError, DecisionWord, Expect, ExpectGroup, Properties};
pub use run::{CaseOutcome, CaseReport, Cases, CasesError, Selection};
