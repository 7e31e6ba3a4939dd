//! Enterprise Vault's own headers. It indexes one value of a header, and takes names and values by their exact capitals; so the participants, of whom
//! there are many, go into its one header for several values, `X-Kvs-IndexData`, which is XML.

use super::people::People;

/// The property that the participants' addresses are found by.
pub(super) const PARTICIPANT: &str = "X-Consign-Participant";

/// Bytes of the header at most; and an eighth of an e-mail. Postfix cuts headers at 100 KiB by itself.
const MOST_BYTES: u64 = 48 << 10;

/// Adds `X-Kvs-ArchiveId`, on one line and as it is, since the vault compares it so.
pub(super) fn archive_id(out: &mut Vec<u8>, id: &str) {
    for text in ["X-Kvs-ArchiveId: ", id, "\r\n"] {
        out.extend_from_slice(text.as_bytes());
    }
}

/// The header `X-Kvs-IndexData` with the participants' addresses, folded only between elements, where white space says nothing. Empty without anybody.
pub(super) fn index_data(people: &People, max_size: u64) -> Vec<u8> {
    if people.all.is_empty() {
        return Vec::new();
    }
    let room = usize::try_from(MOST_BYTES.min(max_size / 8)).unwrap_or(usize::MAX);
    let mut out =
        format!("X-Kvs-IndexData: <ARCHIVED_ITEM version=\"1.0\">\r\n <PROPSET NAME=\"EVXHDR\">\r\n <PROP NAME=\"{PARTICIPANT}\">").into_bytes();
    for person in &people.all {
        // An address is ASCII without quotes and angle brackets; what is left of XML's own characters is this.
        let value = person.address.replace('&', "&amp;").replace('\'', "&#39;");
        let element = format!("\r\n <VALUE>{value}</VALUE>");
        if out.len() + element.len() > room {
            break;
        }
        out.extend_from_slice(element.as_bytes());
    }
    out.extend_from_slice(b"\r\n </PROP>\r\n </PROPSET>\r\n </ARCHIVED_ITEM>\r\n");
    out
}
