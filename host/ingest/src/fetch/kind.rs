//! What a file is, by its bytes, and whether it is the file at all.
//!
//! Policies choose attachments by media type, so a type that somebody made up must not carry a program past one that keeps programs out: the bytes count,
//! where they say something. Many formats are one container (a document is a ZIP): there the platform's more exact word stands, where it is a word for that
//! container.

use consign_source::media;

/// How many of the first bytes are looked at: a tar's mark is the furthest in, at 257.
pub(super) const LOOKED_AT: usize = 4096;

/// What the first bytes say.
pub(super) fn by_bytes(first: &[u8]) -> Option<&'static str> {
    infer::get(first.get(..LOOKED_AT).unwrap_or(first)).map(|kind| kind.mime_type())
}

/// A media type without its parameters, in lower case.
fn bare(said: &str) -> String {
    said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The media type of a file of which the platform says `said`, and its bytes `found`.
pub(super) fn media_type(found: Option<&str>, said: &str, name: &str) -> String {
    let told = match bare(said).as_str() {
        "" | media::UNKNOWN => media::of(name).to_owned(),
        _ => said.to_owned(),
    };
    match found {
        Some(found) if !is_a(&bare(&told), found) => found.to_owned(),
        _ => told,
    }
}

/// Whether a file of this type has bytes that look like `found`.
fn is_a(said: &str, found: &str) -> bool {
    if said == found {
        return true;
    }
    match found {
        "application/zip" => {
            ["application/vnd.", "application/epub", "application/java", "application/x-zip"].iter().any(|begin| said.starts_with(begin))
                && !said.starts_with("application/vnd.microsoft.portable")
        }
        "application/x-ole-storage" | "application/msword" | "application/vnd.ms-excel" | "application/vnd.ms-powerpoint" => {
            said == "application/msword" || said.starts_with("application/vnd.ms-") || said.starts_with("application/vnd.visio")
        }
        // A type that the library knows only as what it is made of.
        _ if found.starts_with("application/vnd.openxmlformats-officedocument.") => {
            said.starts_with("application/vnd.openxmlformats") || said.starts_with("application/vnd.ms-")
        }
        "text/xml" | "application/xml" => said.ends_with("xml") || said.starts_with("text/"),
        "text/html" => said.starts_with("text/") || said == "application/xhtml+xml",
        "text/x-shellscript" => said.starts_with("text/") || said == "application/x-sh",
        "video/mp4" | "video/quicktime" | "audio/m4a" | "video/x-m4v" => {
            matches!(said, "video/mp4" | "audio/mp4" | "video/quicktime" | "audio/m4a" | "audio/x-m4a" | "video/x-m4v" | "video/3gpp" | "audio/aac")
        }
        "video/webm" | "video/x-matroska" => matches!(said, "video/webm" | "audio/webm" | "video/x-matroska" | "audio/x-matroska"),
        "audio/ogg" | "video/ogg" | "application/ogg" => matches!(said, "audio/ogg" | "video/ogg" | "application/ogg" | "audio/opus"),
        "audio/x-wav" => matches!(said, "audio/wav" | "audio/wave" | "audio/vnd.wave"),
        "audio/x-flac" => said == "audio/flac",
        "image/heif" | "image/heic" => matches!(said, "image/heic" | "image/heif"),
        "application/gzip" => said.ends_with("gzip") || said.contains("x-tgz"),
        _ => false,
    }
}

/// Whether this is a web page in place of the file: what a platform answers, with 200, to who has no right to the file. `header`: the answer's Content-Type.
///
/// Where neither the platform nor the name says what the file is, a page is not believed either: a file of the wrong bytes would never be missed.
pub(super) fn is_page_instead(header: Option<&str>, found: Option<&str>, said: &str, name: &str) -> bool {
    let is_html = |kind: &str| matches!(kind, "text/html" | "application/xhtml+xml");
    let (header, said, by_name) = (header.map(bare), bare(said), media::of(name));
    if is_html(&said) || is_html(by_name) {
        return false;
    }
    // A text may be about HTML, and its server say that it is a text.
    let may_be_text = said.starts_with("text/") || said.ends_with("xml") || (said == media::UNKNOWN && by_name.starts_with("text/"));
    header.as_deref().is_some_and(is_html) || (found.is_some_and(is_html) && !may_be_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_count_and_the_more_exact_word_stands() {
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for (bytes, said, name, wanted) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "image/jpeg", "a.jpg", "image/png"),
            (b"%PDF-1.7\n", media::UNKNOWN, "q", "application/pdf"),
            (b"PK\x03\x04\x14\0\0\0", docx, "q.docx", docx),
            (b"PK\x03\x04\x14\0\0\0", "image/png", "q.png", "application/zip"),
            (b"PK\x03\x04\x14\0\0\0", media::UNKNOWN, "q.docx", docx),
            (b"hello", "text/csv; charset=utf-8", "a", "text/csv; charset=utf-8"),
            (b"hello", media::UNKNOWN, "a.csv", "text/csv"),
            (b"hello", "", "a", media::UNKNOWN),
            (b"MZ\x90\0\x03\0\0\0", "image/png", "a.png", "application/vnd.microsoft.portable-executable"),
        ] {
            assert_eq!(media_type(by_bytes(bytes), said, name), wanted, "{said} {name}");
        }
    }

    #[test]
    fn a_page_in_place_of_a_file() {
        let page = by_bytes(b"<!DOCTYPE html><html><title>Sign in</title>");
        assert_eq!(page, Some("text/html"));
        for (header, found, said, name, wanted) in [
            (Some("text/html; charset=utf-8"), page, "application/pdf", "q.pdf", true),
            (None, page, "image/png", "a.png", true),
            (Some("application/octet-stream"), page, media::UNKNOWN, "file", true),
            (Some("Text/HTML"), None, "text/plain", "a.txt", true),
            (Some("text/plain"), page, "text/plain", "about-html.txt", false),
            (Some("text/html"), page, "text/html", "a", false),
            (Some("text/html"), page, media::UNKNOWN, "a.html", false),
            (Some("application/pdf"), Some("application/pdf"), "application/pdf", "q.pdf", false),
            (None, None, media::UNKNOWN, "a", false),
        ] {
            assert_eq!(is_page_instead(header, found, said, name), wanted, "{header:?} {said} {name}");
        }
    }
}
