//! A published contract never changes: modules that tenants built against it must run for ever.

use std::path::{Path, PathBuf};

use consign_model::Digest;

/// Each published version with the SHA-256 of its file. A new version adds a line; no line is ever edited.
const PUBLISHED: [(&str, &str); 1] = [("0.1.0", "3e95912e9827b4bb38add8f56cb6fc09474dfa22ae2f6e15ccf3831c4b03449c")];

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

#[test]
fn published_contracts_are_as_they_were() -> std::io::Result<()> {
    for (version, digest) in PUBLISHED {
        let file = wit().join(version).join("filter.wit");
        assert_eq!(Digest::of(&std::fs::read(&file)?).hex(), digest, "{} was changed after it was published", file.display());
    }
    Ok(())
}

#[test]
fn the_newest_contract_is_a_published_one_or_says_a_newer_version() -> std::io::Result<()> {
    let text = std::fs::read_to_string(wit().join("filter.wit"))?;
    let version = text.lines().find_map(|line| line.strip_prefix("package consign:filter@")?.strip_suffix(';')).unwrap_or_default();
    if let Some((_, digest)) = PUBLISHED.iter().find(|(published, _)| *published == version) {
        assert_eq!(Digest::of(text.as_bytes()).hex(), *digest, "wit/filter.wit says {version}, which is published: give it a new version");
    }
    Ok(())
}
