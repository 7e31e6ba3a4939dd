//! `verify`

use std::path::{Path, PathBuf};

use consign_export::verify::{Findings, SignatureCheck, verify as check};

use crate::output::{Ending, Failure, number, say, say_json};
use crate::remote::Server;

/// Checks manifests, and a mailbox against them where one is given. Anything wrong is a failure.
pub fn verify(manifests: &[PathBuf], mail: Option<&Path>, keys: &[String], json: bool) -> Result<Ending, Failure> {
    say_checked(&check(manifests, mail, keys)?, mail.is_some(), json)
}

/// The same of manifests that a server has, each named by its run; and of files beside them. They are checked here: whoever gives a key that they keep themselves need
/// not trust the server.
pub async fn verify_at(server: &Server, manifests: &[PathBuf], mail: Option<&Path>, keys: &[String], json: bool) -> Result<Ending, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("manifests can't be put into a temporary folder: {error}"));
    let folder = tempfile::tempdir().map_err(failed)?;
    let mut paths = Vec::new();
    for (number, named) in manifests.iter().enumerate() {
        if named.exists() {
            paths.push(named.clone());
            continue;
        }
        let run = named
            .to_str()
            .filter(|run| !run.contains('/'))
            .ok_or_else(|| Failure::usage(format!("{} is neither a file here nor the id of a run, as 'consign runs' lists them", named.display())))?;
        let manifest = server.bytes(&server.of_tenant(&["runs", run, "manifest"]).await?).await?;
        // By number: a name of somebody else's is no part of a path.
        let path = folder.path().join(format!("{number:06}.json"));
        std::fs::write(&path, manifest).map_err(failed)?;
        paths.push(path);
    }
    say_checked(&check(&paths, mail, keys)?, mail.is_some(), json)
}

fn say_checked(findings: &Findings, has_mail: bool, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(findings)?;
    } else {
        say_manifests(findings);
        if has_mail {
            say_mailbox(findings);
        }
    }
    if findings.is_good() {
        return Ok(Ending::Done);
    }
    Err(Failure::new(if findings.are_manifests_good() {
        "the mailbox does not hold what the manifests say"
    } else {
        "the manifests are not as they were written"
    }))
}

/// What was found, for a person.
pub fn say_findings(findings: &Findings) {
    say_manifests(findings);
    say_mailbox(findings);
}

fn say_manifests(findings: &Findings) {
    say(match findings.signature {
        SignatureCheck::Trusted => "signature: good, by a key that you gave",
        SignatureCheck::SelfSigned => "signature: good, by the key that stands with it (give --key to check whose it is)",
        SignatureCheck::OtherKey => "signature: by ANOTHER key than you gave",
        SignatureCheck::Broken => "signature: BROKEN, the manifest is not what was signed",
    });
    if findings.manifests > 1 && findings.links.is_empty() && findings.gaps.is_empty() {
        say(format_args!("{} manifests, each follows the one before", number(findings.manifests)));
    }
    for link in &findings.links {
        say(format_args!("BROKEN LINK: {link}"));
    }
    for gap in &findings.gaps {
        say(format_args!("not checked: {gap} among those that you named"));
    }
}

fn say_mailbox(findings: &Findings) {
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
