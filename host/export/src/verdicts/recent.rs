//! Verdict files that were opened lately.
//!
//! Who asks for one window's verdicts mostly asks for its neighbours' next, and these are bound into the same file.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use consign_model::{Digest, WindowKey};
use serde::Deserialize;

/// Files that are kept open. Each has a quarter of a MiB, or is of one window.
const KEPT: usize = 8;

/// A file with many windows' verdicts, decrypted.
#[derive(Debug)]
pub(super) struct Opened {
    bytes: Vec<u8>,
    lines: HashMap<WindowKey, Range<usize>>,
}

/// As much of a line as says whose it is.
#[derive(Deserialize)]
struct Head {
    window: WindowKey,
}

impl Opened {
    pub fn new(bytes: Vec<u8>) -> Result<Self, serde_json::Error> {
        let (mut lines, mut at) = (HashMap::new(), 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let place = at..at + line.len();
            at = place.end;
            lines.insert(serde_json::from_slice::<Head>(line)?.window, place);
        }
        Ok(Self { bytes, lines })
    }

    /// A window's line.
    pub fn line(&self, window: &WindowKey) -> Option<&[u8]> {
        self.bytes.get(self.lines.get(window)?.clone())
    }
}

/// The last ones.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<(Digest, Arc<Opened>)>>);

impl Recent {
    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<Opened>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == digest)?;
        let found = kept.remove(at)?;
        let opened = Arc::clone(&found.1);
        kept.push_back(found);
        Some(opened)
    }

    pub(super) fn keep(&self, digest: Digest, opened: Arc<Opened>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((digest, opened));
        while kept.len() > KEPT {
            kept.pop_front();
        }
    }
}
