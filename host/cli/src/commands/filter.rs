//! `filter`

mod project;

use crate::args::FilterCommand;
use crate::output::{Ending, Failure};

/// Does what was asked for about a filter.
pub fn filter(command: &FilterCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        FilterCommand::New { name, lang, kind, folder } => project::new(name, *lang, *kind, folder.as_deref(), json),
        FilterCommand::Doctor { lang } => project::doctor(*lang, json),
        FilterCommand::Build { project, out, debug } => project::build(project, out.as_deref(), *debug, json),
    }
}
