//! Media types by the ends of names, for platforms that say none. Policies choose files by them (`types = ["image/*"]`), so an unknown one would keep every
//! file out; a short list of what people send in chats is enough, and what is not in it is `application/octet-stream`.

/// What is not known.
pub const UNKNOWN: &str = "application/octet-stream";

/// The media type that a file's name promises.
pub fn of(name: &str) -> &'static str {
    let Some((_, end)) = name.rsplit_once('.') else { return UNKNOWN };
    match end.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" | "jfif" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "svg" => "image/svg+xml",
        "tif" | "tiff" => "image/tiff",
        "heic" => "image/heic",
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "avi" => "video/x-msvideo",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "pdf" => "application/pdf",
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "htm" | "html" => "text/html",
        "xml" => "application/xml",
        "json" => "application/json",
        "rtf" => "application/rtf",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        "ppt" => "application/vnd.ms-powerpoint",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "odp" => "application/vnd.oasis.opendocument.presentation",
        "msg" => "application/vnd.ms-outlook",
        "eml" => "message/rfc822",
        "ics" => "text/calendar",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "7z" => "application/x-7z-compressed",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_end_of_the_name() {
        for (name, wanted) in
            [("a.PNG", "image/png"), ("q 3.pdf", "application/pdf"), ("x.tar.gz", "application/gzip"), ("pdf", UNKNOWN), ("a.", UNKNOWN)]
        {
            assert_eq!(of(name), wanted, "{name}");
        }
    }
}
