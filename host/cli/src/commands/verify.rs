//! `verify`

use std::path::{Path, PathBuf};

use consign_export::verify::{Findings, SignatureCheck, verify as check};

use crate::output::{Ending, Failure, number, say, say_json};

/// Checks manifests against a mailbox. Anything wrong is a failure.
pub fn verify(manifests: &[PathBuf], mail: &Path, key: Option<&str>, json: bool) -> Result<Ending, Failure> {
    let findings = check(manifests, mail, key)?;
    if json {
        say_json(&findings)?;
    } else {
        say_findings(&findings);
    }
    if findings.is_good() { Ok(Ending::Done) } else { Err(Failure::new("the mailbox does not hold what the manifests say")) }
}

/// What was found, for a person.
pub fn say_findings(findings: &Findings) {
    say(match findings.signature {
        SignatureCheck::Trusted => "signature: good, by the key that you gave",
        SignatureCheck::SelfSigned => "signature: good, by the key that stands with it (give --key to check whose it is)",
        SignatureCheck::OtherKey => "signature: by ANOTHER key than the one that you gave",
        SignatureCheck::Broken => "signature: BROKEN, the manifest is not what was signed",
    });
    say(format_args!("{} e-mails are there, unchanged", number(findings.intact)));
    let lists = [
        ("MISSING", &findings.missing),
        ("CHANGED", &findings.changed),
        ("UNEXPECTED: of such a run, and in no manifest", &findings.unexpected),
        ("there more than once, which a lost answer can bring about", &findings.repeated),
        ("there, though the server did not say so", &findings.arrived_anyway),
        ("of what was held then: give the manifests of later runs too", &findings.later),
    ];
    for (what, ids) in lists.into_iter().filter(|(_, ids)| !ids.is_empty()) {
        say(format_args!("{} e-mails {what}:", number(ids.len() as u64)));
        for id in ids {
            say(format_args!("  <{id}>"));
        }
    }
    if findings.not_accepted > 0 {
        say(format_args!("{} e-mails were not accepted, and are not there", number(findings.not_accepted)));
    }
    if findings.others > 0 {
        say(format_args!("{} other e-mails are none of this check's concern", number(findings.others)));
    }
}
