//! Compiled code, kept from one process to the next.
//!
//! Compiled code is trusted code: whoever can put a file here and have it loaded runs what he likes. So each file carries an HMAC under a key of the
//! host's, over the module's digest, the compiler's settings and the code; whatever does not agree is compiled again and written over. The component's
//! own bytes stay the authority: losing this folder costs time and nothing else, and so no failure to read or write it is more than a line in the log.

use std::hash::Hash;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use consign_model::Digest;
use consign_model::id::Hasher;
use ring::hmac;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::examine::Examined;
use crate::{CodeCache, Limits, SetupError};

const TAG_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;

/// The folder with its key.
pub struct Cache {
    dir: PathBuf,
    most_bytes: u64,
    key: hmac::Key,
    /// What a component was held against before it was compiled.
    checks: Digest,
    written: AtomicU64,
}

/// Raised with every change of what [`examine`](crate::examine) refuses: what passed before is looked at again.
const CHECKS: u32 = 2;

impl Cache {
    /// Makes the folder where it is missing.
    pub fn open(config: &CodeCache, limits: &Limits) -> Result<Self, SetupError> {
        let failed = |source| SetupError::Cache { path: config.dir.display().to_string(), source };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&config.dir).map_err(failed)?;
        let mut checks = Hasher::default();
        checks.field(&CHECKS.to_le_bytes()).field(format!("{:?} {:?}", limits.module_bytes, limits.instance_bytes).as_bytes());
        let cache = Self {
            dir: config.dir.clone(),
            most_bytes: config.most_bytes,
            key: hmac::Key::new(hmac::HMAC_SHA256, &config.key.0),
            checks: checks.finish(),
            written: AtomicU64::new(0),
        };
        cache.tidy();
        Ok(cache)
    }

    /// The compiled module with what is known of it, where it is here and authentic.
    pub fn get(&self, engine: &Engine, digest: Digest) -> Option<(Examined, Component)> {
        let compatibility = compatibility(engine);
        let path = self.path(digest, compatibility);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(module = %digest, %error, "compiled code of a module can't be read; it is compiled again");
                return None;
            }
        };
        let authentic = bytes.split_at_checked(TAG_BYTES).filter(|(tag, rest)| {
            let message = self.message(digest, compatibility, rest);
            hmac::verify(&self.key, &message, tag).is_ok()
        });
        let Some((examined, code)) = authentic.and_then(|(_, rest)| parts(rest)) else {
            tracing::warn!(module = %digest, "compiled code of a module is not what was written; it is compiled again");
            return None;
        };
        // SAFETY: `deserialize` asks for bytes that came unchanged from `Component::serialize` of this very wasmtime. The HMAC has just been checked
        // over them under a key that only the host has, and it is made in one place, `put`, over what `serialize` returned. Its message binds
        // wasmtime's compatibility hash (version, target, settings), so bytes of another build don't verify, and the module's digest, so bytes of
        // another module don't either. The bytes are in memory of our own: nobody changes them between check and use.
        #[expect(unsafe_code, reason = "loading what was compiled before has no safe form; see the comment above")]
        let component = unsafe { Component::deserialize(engine, code) };
        let component =
            component.inspect_err(|error| tracing::warn!(module = %digest, %error, "compiled code of a module was refused; it is compiled again"));
        Some((examined, component.ok()?))
    }

    /// Keeps a compiled module.
    pub fn put(&self, engine: &Engine, digest: Digest, examined: &Examined, component: &Component) {
        let written = component.serialize().map_err(|error| error.to_string()).and_then(|code| {
            let compatibility = compatibility(engine);
            let rest = joined(examined, &code).ok_or("what is known of it is too long")?;
            let tag = hmac::sign(&self.key, &self.message(digest, compatibility, &rest));
            self.write(&self.path(digest, compatibility), tag.as_ref(), &rest).map_err(|error| error.to_string())
        });
        self.tidy();
        if let Err(error) = written {
            tracing::warn!(module = %digest, error, "compiled code of a module could not be kept; the next process compiles it again");
        }
    }

    /// Beside first, then in its place, so that a reader never sees half a file. No flush: a file that a crash left incomplete does not verify.
    fn write(&self, path: &PathBuf, tag: &[u8], rest: &[u8]) -> std::io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let beside = self.dir.join(format!(".{}-{number}.tmp", std::process::id()));
        let write = || {
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(tag)?;
            file.write_all(rest)?;
            drop(file);
            std::fs::rename(&beside, path)
        };
        write().inspect_err(|_| {
            // What is left of it is in nobody's way.
            let _ = std::fs::remove_file(&beside);
        })
    }

    /// Removes the oldest files beyond what the folder may have: of engines and modules that nobody uses any more, and what a process left half-written.
    fn tidy(&self) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        let file = |entry: std::fs::DirEntry| {
            let about = entry.metadata().ok()?;
            Some((about.modified().ok()?, about.len(), entry.path()))
        };
        let mut files: Vec<_> = entries.filter_map(|entry| file(entry.ok()?)).collect();
        files.sort_unstable_by(|one, other| other.cmp(one));
        let mut bytes = 0_u64;
        for (_, length, path) in files {
            bytes = bytes.saturating_add(length);
            if bytes > self.most_bytes {
                // What can't be removed takes room and nothing else.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn message(&self, digest: Digest, compatibility: Digest, rest: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::default();
        hasher.field(b"consign compiled module 3").field(&self.checks.0).field(&digest.0).field(&compatibility.0).field(rest);
        hasher.finish().0.to_vec()
    }

    fn path(&self, digest: Digest, compatibility: Digest) -> PathBuf {
        self.dir.join(format!("{}-{}.cwasm", digest.hex(), compatibility.short()))
    }
}

/// What is known of the module, with its length before it, and the code.
fn joined(examined: &Examined, code: &[u8]) -> Option<Vec<u8>> {
    let known = serde_json::to_vec(examined).ok()?;
    let length = u32::try_from(known.len()).ok()?;
    let mut rest = Vec::with_capacity(LENGTH_BYTES + known.len() + code.len());
    rest.extend_from_slice(&length.to_le_bytes());
    rest.extend_from_slice(&known);
    rest.extend_from_slice(code);
    Some(rest)
}

fn parts(rest: &[u8]) -> Option<(Examined, &[u8])> {
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let (known, code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((serde_json::from_slice(known).ok()?, code))
}

/// wasmtime's hash of all that compiled code depends on, as SHA-256: the standard hasher differs from one Rust release to the next.
pub fn compatibility(engine: &Engine) -> Digest {
    struct Feed(Hasher);
    impl std::hash::Hasher for Feed {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut feed = Feed(Hasher::default());
    engine.precompile_compatibility_hash().hash(&mut feed);
    feed.0.finish()
}
