//! Where files lie in the object store:
//!
//! ```text
//! <tenant>/segments/<source>/<chat, hashed>/<first position>-<ciphertext's digest>.arrow.age
//! <tenant>/arrivals/<first two digits>/<ciphertext's digest>.arrow.age
//! <tenant>/attachments/<first two digits>/<SHA-256 of the plaintext>.age
//! <tenant>/staging/<random>                  an attachment on its way in, encrypted
//! <tenant>/<anything else>                   sealed files of other rooms
//! ```
//! A chat's id is hashed because it can be anything: any length, any character, and on some platforms the names of two people.

use consign_model::id::Hasher;
use consign_model::{ChatKey, Digest, TenantId};
use object_store::path::Path;

use crate::ArchiveError;

/// File systems take names of up to 255 bytes, and the store puts some of its own behind it while writing.
const MAX_PART: usize = 200;

/// A tenant's folder.
#[derive(Debug, Clone)]
pub(crate) struct Place(TenantId);

impl Place {
    pub fn new(tenant: TenantId) -> Self {
        Self(tenant)
    }

    /// A path of this tenant. Refuses what could leave the folder, or what some store writes otherwise: parts are ASCII letters, digits and `. _ - @ + =`.
    pub fn path(&self, path: &str) -> Result<Path, ArchiveError> {
        let good = |part: &str| {
            !part.is_empty()
                && part.len() <= MAX_PART
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@' | b'+' | b'='))
        };
        let bad = || ArchiveError::BadPath { shown: path.chars().take(120).flat_map(char::escape_debug).collect() };
        if !path.split('/').all(good) {
            return Err(bad());
        }
        Path::parse(format!("{}/{path}", self.0)).map_err(|_| bad())
    }

    /// The folder of a chat's segments.
    pub fn chat(chat: &ChatKey) -> String {
        let mut hasher = Hasher::default();
        hasher.field(chat.source.as_str().as_bytes()).field(chat.id.as_bytes());
        let chat_hash: String = hasher.finish().hex().chars().take(32).collect();
        format!("segments/{}/{chat_hash}", chat.source)
    }

    /// The path in this tenant's folder of a segment. Positions have leading zeros, so that a listing is in order.
    pub fn segment(chat: &ChatKey, first: u64, ciphertext: &Digest) -> String {
        format!("{}/{first:012}-{}.arrow.age", Self::chat(chat), ciphertext.short())
    }

    /// The path in this tenant's folder of a file of several chats.
    pub fn arrivals(ciphertext: &Digest) -> String {
        let hex = ciphertext.hex();
        let (folder, name): (String, String) = (hex.chars().take(2).collect(), hex.chars().take(32).collect());
        format!("arrivals/{folder}/{name}.arrow.age")
    }

    /// The path in this tenant's folder of an attachment.
    pub fn attachment(plaintext: &Digest) -> String {
        let hex = plaintext.hex();
        let folder: String = hex.chars().take(2).collect();
        format!("attachments/{folder}/{hex}.age")
    }

    /// The SHA-256 of the plaintext of the attachment at a path; unset where it is none's.
    pub fn attachment_at(path: &str) -> Option<Digest> {
        let hex = path.rsplit('/').next()?.strip_suffix(".age")?;
        let digest = Digest::try_from(hex.to_owned()).ok()?;
        (Self::attachment(&digest) == path).then_some(digest)
    }

    /// The tenant's folder itself.
    pub fn folder(&self) -> Path {
        Path::from(self.0.as_str())
    }

    /// Whether it is the path of a segment or an arrival file.
    pub fn is_of_events(path: &str) -> bool {
        matches!(path.split('/').next(), Some("segments" | "arrivals"))
    }

    /// Whether other rooms may write there: conversation files are written by their own functions only, and never again.
    pub fn is_free_for_sealed(path: &str) -> bool {
        !matches!(path.split('/').next(), Some("segments" | "arrivals" | "attachments" | "staging"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn no_path_leaves_the_tenants_folder() {
        let place = Place::new("acme".parse().unwrap());
        assert_eq!(place.path("verdicts/fx-desk/0001.age").unwrap().to_string(), "acme/verdicts/fx-desk/0001.age");
        let long = "x".repeat(MAX_PART + 1);
        for bad in
            ["", "/", "/etc", "a/", "a//b", ".", "..", "../other/x", "a/../../b", "a/.hidden", "a b", "a%2e", "a\\b", "a\nb", "a#1", "ü", &long]
        {
            assert!(matches!(place.path(bad), Err(ArchiveError::BadPath { .. })), "{bad:?}");
        }
    }

    #[test]
    fn chats_lie_apart_whatever_they_are_called() {
        let key = |source: &str, id: &str| ChatKey { source: source.parse().unwrap(), id: id.to_owned() };
        let place = Place::new("acme".parse().unwrap());
        let keys = [key("a", "bc"), key("ab", "c"), key("a", "../../x"), key("a", ""), key("a", "\0"), key("a", &"long".repeat(1000))];
        let mut paths: Vec<String> = keys.iter().map(|key| place.path(&Place::segment(key, 7, &Digest([1; 32]))).unwrap().to_string()).collect();
        assert!(paths.iter().all(|path| path.ends_with("/000000000007-010101010101.arrow.age")));
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), keys.len());
    }
}
