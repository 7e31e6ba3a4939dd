//! `verify`

use std::path::Path;

use consign_export::verify::{Findings, SignatureCheck, verify as check};

use crate::output::{Ending, Failure, number, say, say_json};

/// Checks a manifest against a mailbox. Anything wrong is a failure.
pub fn verify(manifest: &Path, mail: &Path, key: Option<&str>, json: bool) -> Result<Ending, Failure> {
    let findings = check(manifest, mail, key)?;
    if json {
        say_json(&findings)?;
    } else {
        say_findings(&findings);
    }
    if findings.is_good() { Ok(Ending::Done) } else { Err(Failure::new("the mailbox does not hold what the manifest says")) }
}

/// What was found, for a person.
pub fn say_findings(findings: &Findings) {
    say(match findings.signature {
        SignatureCheck::Trusted => "signature: good, by the key that you gave",
        SignatureCheck::SelfSigned => "signature: good, by the key that stands in the manifest (give --key to check whose it is)",
        SignatureCheck::OtherKey => "signature: by ANOTHER key than the one that you gave",
        SignatureCheck::Broken => "signature: BROKEN, the manifest is not what was signed",
    });
    say(format_args!("{} e-mails are there, unchanged", number(findings.intact)));
    let lists = [
        ("MISSING", &findings.missing),
        ("CHANGED", &findings.changed),
        ("UNEXPECTED: of this run, and not in its manifest", &findings.unexpected),
        ("there more than once, all alike", &findings.repeated),
        ("there, though the server did not say so", &findings.arrived_anyway),
    ];
    for (what, ids) in lists.into_iter().filter(|(_, ids)| !ids.is_empty()) {
        say(format_args!("{} e-mails {what}:", number(ids.len() as u64)));
        for id in ids {
            say(format_args!("  <{id}>"));
        }
    }
    if findings.not_accepted > 0 {
        say(format_args!("{} e-mails were not accepted, as the manifest says", number(findings.not_accepted)));
    }
    if findings.others > 0 {
        say(format_args!("{} other e-mails are none of this manifest's concern", number(findings.others)));
    }
}
