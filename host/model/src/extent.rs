//! Where events of a chat lie in the archive: what the index remembers of a file and who reads it needs to know.

use crate::Digest;

/// A segment's file, or its rows of a file in which other chats' events stand too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent<'a> {
    /// Address in the archive's object store.
    pub path: &'a str,
    /// SHA-256 of the file, encrypted.
    pub digest: &'a Digest,
    /// Of a file of several chats; unset: the file is the segment.
    pub rows: Option<Rows>,
}

impl<'a> Extent<'a> {
    /// A whole file.
    pub fn file(path: &'a str, digest: &'a Digest) -> Self {
        Self { path, digest, rows: None }
    }
}

/// Rows one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// The first, counted from 0.
    pub first: u32,
    /// How many.
    pub count: u32,
}
