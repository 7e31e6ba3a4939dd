//! An export as files, and these as a file or folder that can be imported: a ZIP, a folder, one file, packed or not; sound or with what broken and
//! hostile ones have.

use std::io::{Cursor, Write};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::dice::Dice;
use crate::spoil::{self, Style};

/// Stands in files outside of the export, to which its links and paths lead.
pub const OUTSIDE: &str = "zq7outside";

/// What a file holds.
#[derive(Debug, Clone)]
pub enum Doc {
    Json(Value),
    /// An object a line.
    Lines(Vec<Value>),
    Bytes(Vec<u8>),
}

/// A file of an export.
#[derive(Debug, Clone)]
pub struct File {
    pub path: String,
    pub doc: Doc,
}

impl File {
    pub fn new(path: impl Into<String>, doc: Doc) -> Self {
        Self { path: path.into(), doc }
    }

    /// Its bytes, as one of many exporters would write them.
    pub fn bytes(&self, dice: &mut Dice) -> Vec<u8> {
        let style =
            if dice.is_clean() { Style::Plain } else { dice.pick(&[Style::Plain, Style::Plain, Style::Spread, Style::Escaped, Style::Twice]) };
        let mut out = Vec::new();
        match &self.doc {
            Doc::Json(value) => spoil::write(value, style, &mut out),
            Doc::Lines(lines) => {
                let style = if style == Style::Spread { Style::Plain } else { style };
                for line in lines {
                    spoil::write(line, style, &mut out);
                    out.extend_from_slice(if dice.odd() { dice.pick(&[&b"\r\n"[..], b"\n\n", b" \t\n", b""]) } else { b"\n" });
                }
            }
            Doc::Bytes(bytes) => out.clone_from(bytes),
        }
        out
    }
}

/// What a format's exports may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Zip,
    Folder,
    /// The first of its files alone.
    One,
}

/// An export that lies on the disk.
#[derive(Debug)]
pub struct Packed {
    pub path: PathBuf,
    /// Bytes on the disk.
    pub size: u64,
    /// Bytes unpacked, as far as anybody may unpack them.
    pub unpacked: u64,
}

/// Writes an export into `room`, where nothing else is.
pub fn pack(files: &[(String, Vec<u8>)], form: Form, is_sound: bool, room: &Path, dice: &mut Dice) -> Packed {
    let all: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    std::fs::write(room.join("outside.json"), OUTSIDE).unwrap();
    let inside = room.join("in");
    std::fs::create_dir(&inside).unwrap();
    let path = match form {
        Form::Zip => {
            let mut bytes = zip(files, is_sound, dice);
            if !is_sound && dice.once_in(3) {
                spoil::bytes(&mut bytes, dice);
            }
            let path = inside.join("export.zip");
            std::fs::write(&path, bytes).unwrap();
            path
        }
        Form::Folder => {
            folder(files, is_sound, &inside, dice);
            inside
        }
        Form::One => {
            let empty = (String::new(), Vec::new());
            let (name, bytes) = files.first().unwrap_or(&empty);
            // Its files lie beside it.
            folder(files.get(1..).unwrap_or_default(), is_sound, &inside, dice);
            let (bytes, end) = one(bytes, is_sound, dice);
            let name = name.rsplit('/').next().filter(|name| !name.is_empty() && name.len() < 100 && !name.contains('\0')).unwrap_or("export");
            let path = inside.join(format!("{name}{end}"));
            let _ = std::fs::remove_dir_all(&path);
            if std::fs::write(&path, &bytes).is_err() {
                std::fs::write(inside.join("export"), bytes).unwrap();
                inside.join("export")
            } else {
                path
            }
        }
    };
    let size = std::fs::metadata(&path).unwrap().len();
    Packed { path, size, unpacked: all }
}

/// Packed or not; answers with the end of the name, too.
fn one(bytes: &[u8], is_sound: bool, dice: &mut Dice) -> (Vec<u8>, &'static str) {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let (mut out, end) = match dice.below(6) {
        0 => (gzip(bytes), ".gz"),
        1 => {
            let (one, two) = bytes.split_at(dice.below(bytes.len() + 1));
            ([gzip(one), gzip(two), vec![0; dice.below(600)]].concat(), ".gz")
        }
        2 => (zstd::encode_all(bytes, 1).unwrap(), ".zst"),
        _ => (bytes.to_vec(), ""),
    };
    if !is_sound {
        match dice.below(6) {
            0 => out.truncate(dice.below(out.len())),
            1 => spoil::bytes(&mut out, dice),
            // More comes out of it than went in.
            2 => out = gzip(&vec![dice.pick(b" \n{[\"0"); dice.pick(&[1 << 16, 4 << 20])]),
            3 => out.extend_from_slice(&gzip(b"\n")),
            _ => {}
        }
    }
    (out, end)
}

fn zip(files: &[(String, Vec<u8>)], is_sound: bool, dice: &mut Dice) -> Vec<u8> {
    let top = if dice.once_in(4) { "Export 5 Jan/" } else { "" };
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        let method = dice.pick(&[CompressionMethod::Deflated, CompressionMethod::Stored]);
        let options = SimpleFileOptions::default().compression_method(method).compression_level(None);
        // The writer knows its own limits for names.
        if path.len() < 60_000 && writer.start_file(format!("{top}{path}"), options).is_ok() {
            writer.write_all(bytes).unwrap();
        }
    }
    if is_sound {
        return writer.finish().unwrap().into_inner();
    }
    let options = SimpleFileOptions::default();
    let names: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    for _ in 0..dice.below(4) {
        let known = if names.is_empty() { "users.json" } else { dice.pick(&names) };
        let name = match dice.below(8) {
            0 => format!("../{known}"),
            1 => format!("/{known}"),
            2 => known.replace('/', "\\"),
            3 => format!("{known}/"),
            4 => "a/".repeat(dice.pick(&[3, 40, 2_000])) + "x.json",
            5 => format!("x\u{1}\n{known}"),
            6 => ".DS_Store".into(),
            _ => format!("C:/{known}"),
        };
        match dice.below(3) {
            0 => drop(writer.add_symlink(name, "../outside.json", options)),
            1 => drop(writer.add_directory(name, options)),
            _ => {
                if writer.start_file(name, options).is_ok() {
                    writer.write_all(if dice.once_in(2) { b"[]" } else { b"{\"type\":\"version\",\"version\":1}" }).unwrap();
                }
            }
        }
    }
    if dice.once_in(10) {
        // Unpacks to a thousand times its size.
        let name = if names.is_empty() { "channels.json" } else { dice.pick(&names) };
        if writer.start_file(format!("{name}.json"), options).is_ok() {
            writer.write_all(&vec![b' '; 3 << 20]).unwrap();
        }
    }
    let mut bytes = writer.finish().unwrap().into_inner();
    for _ in 0..dice.below(3) {
        patch(&mut bytes, dice);
    }
    match dice.below(8) {
        0 => bytes.truncate(dice.below(bytes.len())),
        1 => bytes = [b"#!/bin/sh\n".as_slice(), &bytes].concat(),
        2 => bytes.extend_from_slice(&[0; 100]),
        _ => {}
    }
    bytes
}

/// Lets an entry of the central directory (APPNOTE 4.3.12) or its own header say something else: flags, method, checksum, sizes, lengths, place, name.
fn patch(bytes: &mut [u8], dice: &mut Dice) {
    let (mark, fields): (&[u8], &[(usize, usize)]) = if dice.once_in(3) {
        (b"PK\x03\x04", &[(6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 1)])
    } else {
        (b"PK\x01\x02", &[(8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (38, 4), (42, 4), (46, 1)])
    };
    let places: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, four)| *four == mark).map(|(at, _)| at).collect();
    if places.is_empty() {
        return;
    }
    let (field, length) = dice.pick(fields);
    let from = dice.pick(&places) + field;
    let value = dice.pick(&[[0, 0, 0, 0], [1, 0, 0, 0], [8, 0, 0, 0], [255, 255, 255, 255], [254, 255, 255, 255], [0, 0, 1, 0], [14, 0, 0, 0]]);
    if let Some(place) = bytes.get_mut(from..from + length) {
        place.copy_from_slice(&value[..length]);
    }
}

fn folder(files: &[(String, Vec<u8>)], is_sound: bool, root: &Path, dice: &mut Dice) {
    for (path, bytes) in files {
        let stays = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if !stays || path.contains('\0') {
            continue;
        }
        let place = root.join(path);
        // Too long a name, or a file where a folder should be: then it is not there.
        if place.parent().is_some_and(|parent| std::fs::create_dir_all(parent).is_ok()) {
            let _ = std::fs::write(place, bytes);
        }
    }
    #[cfg(unix)]
    if !is_sound {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        let names: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).filter(|path| !path.contains("..") && !path.contains('\0')).collect();
        for _ in 0..dice.below(4) {
            let known = if names.is_empty() { "users.json" } else { dice.pick(&names) };
            let place = root.join(known.trim_start_matches('/'));
            let _ = match dice.below(8) {
                // A file becomes a link to one outside, to itself, to the whole.
                0 => std::fs::remove_file(&place).and_then(|()| symlink(root.join("../outside.json"), &place)),
                1 => std::fs::remove_file(&place).and_then(|()| symlink(&place, &place)),
                2 => symlink(root, root.join("loop")),
                3 => std::fs::write(root.join(OsStr::from_bytes(b"\xff\xfe.json")), b"[]"),
                4 => std::fs::write(root.join("a\nb\u{1}.json"), b"[]"),
                5 => std::fs::create_dir_all(root.join("deep/".repeat(dice.pick(&[3, 20, 100])))),
                6 => std::os::unix::net::UnixListener::bind(root.join("socket.json")).map(drop),
                _ => std::fs::write(root.join(".DS_Store"), b"x"),
            };
        }
    }
}
