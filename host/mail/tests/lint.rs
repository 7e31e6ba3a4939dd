//! The linter: what composing makes is clean, and for each rule an e-mail that breaks it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;

use consign_mail::lint::{Finding, lint};
use consign_model::target::Profile;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

fn of(profile: Profile) -> Vec<u8> {
    golden(match profile {
        Profile::Plain => "day.eml",
        Profile::GlobalRelay => "global-relay.eml",
        Profile::EnterpriseVault => "enterprise-vault.eml",
        Profile::ExchangeJournal => "exchange-journal.eml",
    })
}

#[test]
fn the_golden_files_are_clean() {
    for profile in Profile::ALL {
        assert_eq!(lint(&of(profile), profile, Some(25 << 20)), [], "{profile}");
        // Whatever an archive asks more, it is an e-mail.
        assert_eq!(lint(&of(profile), Profile::Plain, None), [], "{profile}");
    }
    for name in ["sealed.eml", "two-1.eml", "two-2.eml"] {
        assert_eq!(lint(&golden(name), Profile::Plain, None), [], "{name}");
    }
}

/// An e-mail with the first of `old` replaced, and the line in which it began.
fn broken(profile: Profile, old: &[u8], new: &[u8]) -> (Vec<u8>, u64) {
    let mut bytes = of(profile);
    let at = bytes.windows(old.len()).position(|window| window == old);
    let at = at.unwrap_or_else(|| panic!("{profile} has no {}", String::from_utf8_lossy(old)));
    let line = 1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count() as u64;
    bytes.splice(at..at + old.len(), new.iter().copied());
    (bytes, line)
}

/// Which line a finding names.
#[derive(Debug, Clone, Copy)]
enum Named {
    /// So many lines after the first one that was replaced.
    At(u64),
    /// None: something is missing.
    None,
    /// The line where the part begins, or its header.
    OfThePart,
}

/// What is replaced by what, the rule that it breaks, and the line that is named.
type Case<'c> = (&'c [u8], &'c [u8], &'static str, Named);

fn each_is_found(profile: Profile, cases: &[Case<'_>]) {
    for (old, new, rule, named) in cases {
        let (bytes, line) = broken(profile, old, new);
        let found = lint(&bytes, profile, None);
        let there = |one: &Finding| match named {
            Named::At(after) => one.line == Some(line + after),
            Named::None => one.line.is_none() && one.header.is_some(),
            Named::OfThePart => one.line.is_some_and(|found| found < line),
        };
        let is_it = |one: &Finding| one.rule == *rule && there(one) && !one.what.is_empty() && !one.then.is_empty();
        let shown = String::from_utf8_lossy(new);
        assert!(found.iter().any(is_it), "{rule} {named:?} of line {line} for {shown}: {found:#?}");
    }
}

#[test]
fn rules_of_every_e_mail() {
    let long = format!("X-Desk: {}", "a ".repeat(500));
    let word = format!("X-Desk: =?utf-8?Q?{}?=", "a".repeat(64));
    each_is_found(
        Profile::Plain,
        &[
            (b"X-Desk: fx\r\n", b"X-Desk: fx\n", "line-end", Named::At(0)),
            (b"X-Desk: fx", b"X-Desk: f\rx", "line-end", Named::At(0)),
            (b"X-Desk: fx", long.as_bytes(), "line-length", Named::At(0)),
            (b"Morning.", b"Mor\0ing.", "nul", Named::At(0)),
            (b"X-Desk: fx", "X-Desk: fü".as_bytes(), "header-ascii", Named::At(0)),
            (b"X-Desk: fx", b"X-Desk: \x1bfx", "header-control", Named::At(0)),
            (b"X-Desk: fx", b"X-Desk: fx\r\n  ", "fold", Named::At(1)),
            (b"X-Desk: fx", b"X-Desk fx", "header-syntax", Named::At(0)),
            (b"X-Desk: fx", b"X-Desk : fx", "header-syntax", Named::At(0)),
            (b"X-Consign-Policy: fx-desk\r\n", b" fx-desk\r\n", "header-syntax", Named::At(0)),
            (b"X-Desk: fx", b"To: <other@archive.example>", "once", Named::At(0)),
            (b"X-Desk: fx", b"message-id: <a@b.example>", "once", Named::At(0)),
            (b"Date: ", b"X-Date: ", "required", Named::None),
            (b"From: ", b"X-From: ", "required", Named::None),
            (b"To: ", b"X-To: ", "required", Named::None),
            (b"Message-ID: ", b"X-Message-ID: ", "required", Named::None),
            (b"Message-ID: <", b"Message-ID: ", "message-id", Named::At(0)),
            (b"References: <", b"References: earlier <", "message-id", Named::At(0)),
            (b"Date: Mon, 5 Jan 2026", b"Date: yesterday", "date", Named::At(0)),
            (b"To: <ingest@archive.example>", b"To: ingest", "address", Named::At(0)),
            (b"To: <ingest@archive.example>", b"To: undisclosed-recipients:;", "address", Named::At(0)),
            (b"From: <journal@corp.example>", b"From: <a@b.example>, <c@d.example>", "address", Named::At(0)),
            (b"X-Desk: fx", word.as_bytes(), "encoded-word", Named::At(0)),
            (b"X-Desk: fx", b"X-Desk: =?utf-8?B?YQ=?=", "encoded-word", Named::At(0)),
            (b"X-Desk: fx", b"X-Desk: =?utf-8?Q?a b?=", "encoded-word", Named::At(0)),
            (b"X-Desk: fx", b"X-Desk: =?utf-8?Q?a", "encoded-word", Named::At(0)),
            (b"MIME-Version: 1.0", b"MIME-Version: 2.0", "mime-version", Named::None),
            (
                b"Content-Type: multipart/mixed;\r\n boundary=\"=_m_31f3",
                b"Content-Type: multipart/mixed;\r\n boundary=\"=_m_[1f3",
                "boundary",
                Named::At(0),
            ),
            (b"--=_m_31f3ae95c4c78ff05a1e555aaf5e241f--\r\n", b"", "boundary", Named::OfThePart),
            (b"--=_m_31f3ae95c4c78ff05a1e555aaf5e241f--", b"--=_m_31f3ae95c4c78ff05a1e555aaf5e241fx", "boundary", Named::At(0)),
            (b"241f--\r\n\r\n--=_m_", b"241f--\r\n\r\n--=_a_", "boundary", Named::At(2)),
            (
                b"Content-Type: multipart/alternative",
                b"Content-Transfer-Encoding: base64\r\nContent-Type: multipart/alternative",
                "encoding",
                Named::At(0),
            ),
            (b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: base65", "encoding", Named::At(0)),
            (b"YSxiCjEsMgo=", b"YSxiCjEsMgo", "encoding", Named::OfThePart),
            (b"YSxiCjEsMgo=", b"YSx-CjEsMgo=", "encoding", Named::At(0)),
            (b"Morning.<br>", b"Morn=ing.<br>", "encoding", Named::At(0)),
            (b"Morning.", "Mörning.".as_bytes(), "encoding", Named::At(0)),
            (b"Content-Transfer-Encoding: base64\r\n\r\nYSx", "X-Other: x\r\n\r\nYSü".as_bytes(), "encoding", Named::At(2)),
        ],
    );
}

#[test]
fn too_large_is_by_bytes() {
    let bytes = of(Profile::Plain);
    let size = bytes.len() as u64;
    assert_eq!(lint(&bytes, Profile::Plain, Some(size)), []);
    let found = lint(&bytes, Profile::Plain, Some(size - 1));
    assert!(matches!(&found[..], [one] if one.rule == "size" && one.what.contains(&size.to_string())), "{found:?}");
}

#[test]
fn parts_without_end() {
    let mut bytes = of(Profile::Plain);
    for _ in 0..60 {
        bytes.splice(0..0, b"Date: Mon, 5 Jan 2026 08:00:09 +0000\r\nContent-Type: message/rfc822\r\n\r\n".iter().copied());
    }
    let found = lint(&bytes, Profile::Plain, None);
    assert_eq!(found.iter().filter(|one| one.rule == "nesting").count(), 1, "{found:#?}");
}

#[test]
fn rules_of_global_relay() {
    let eleven = "X-Desk: fx".to_owned() + &(0..5).map(|n| format!("\r\nX-{n}: x")).collect::<Vec<_>>().concat();
    each_is_found(
        Profile::GlobalRelay,
        &[
            (b"X-GlobalRelay-MsgType: ", b"X-GlobalRelay-Type: ", "feed", Named::None),
            (b"X-GlobalRelay-MsgType: Consign-Slack", b"X-GlobalRelay-MsgType: ", "feed", Named::At(0)),
            (b"X-GlobalRelay-MsgType: ", b"X-Globalrelay-Msgtype: ", "feed", Named::At(0)),
            (b"X-GlobalRelay-MsgType: Consign", b"X-GlobalRelay-MsgType: =?utf-8?Q?a?=", "feed", Named::At(0)),
            (b"X-Desk: fx", b"X-GlobalRelay-MsgType: Other", "feed", Named::At(0)),
            (b"X-Desk: fx", eleven.as_bytes(), "custom-headers", Named::At(5)),
            (b"Precedence: bulk\r\n", b"", "automatic", Named::None),
            (b"Precedence: bulk", b"Precedence: list", "automatic", Named::At(0)),
            (b"Auto-Submitted: auto-generated\r\n", b"", "automatic", Named::None),
            (b"Auto-Submitted: auto-generated", b"Auto-Submitted: no", "automatic", Named::At(0)),
            (b"Subject: ", b"X-Subject: ", "subject", Named::None),
        ],
    );
}

#[test]
fn rules_of_enterprise_vault() {
    each_is_found(
        Profile::EnterpriseVault,
        &[
            (b"X-Desk: fx", b"X-Desk: fx\r\nX-Desk: rates", "first-only", Named::At(1)),
            (b"X-Desk: fx", b"X-Desk: fx\r\nX-DESK: rates", "first-only", Named::At(1)),
            (b"X-Kvs-ArchiveId: ", b"X-Kvs-ArchiveID: ", "capitals", Named::At(0)),
            (b"X-Kvs-Other: ", b"X-KVS-Other: ", "capitals", Named::At(0)),
            (b"X-Kvs-ArchiveId: 16", b"X-Kvs-ArchiveId: 16 ", "archive-id", Named::At(0)),
            (b"X-Kvs-ArchiveId: 16", b"X-Kvs-ArchiveId:\r\n 16", "archive-id", Named::At(0)),
            (b"X-Kvs-ArchiveId: 16", b"X-Kvs-ArchiveId: =?utf-8?Q?a?=", "archive-id", Named::At(0)),
            (b"X-Kvs-IndexData: <ARCHIVED_ITEM", b"X-Kvs-IndexData: <Archived_Item", "index-data", Named::At(0)),
            (b"X-Kvs-IndexData: <ARCHIVED_ITEM version=\"1.0\">", b"X-Kvs-IndexData: <ARCHIVED_ITEM>", "index-data", Named::At(0)),
            (b"X-Kvs-IndexData: ", b"X-Kvs-IndexData: x", "index-data", Named::At(0)),
            (b"X-Kvs-IndexData: ", b"X-Kvs-IndexData: =?utf-8?Q?a?=", "index-data", Named::At(0)),
            (b" </ARCHIVED_ITEM>", b" ", "index-data", Named::OfThePart),
            (b" </PROPSET>", b" </PROP>", "index-data", Named::OfThePart),
            (b"o&#39;neil&amp;co", b"o'neil&co", "index-data", Named::OfThePart),
            (b"<VALUE>U9@slack.invalid</VALUE>", b"<VALUE>U9@slack.invalid", "index-data", Named::OfThePart),
            (b"<PROP NAME=", b"<PROP name=", "index-data", Named::OfThePart),
        ],
    );
}

#[test]
fn rules_of_exchange_journal() {
    each_is_found(
        Profile::ExchangeJournal,
        &[
            (b"X-MS-Journal-Report:\r\n", b"", "journal-mark", Named::None),
            (b"X-MS-Journal-Report:", b"X-MS-Journal-Report: yes", "journal-mark", Named::At(0)),
            (b"Content-Type: multipart/mixed", b"Content-Type: multipart/related", "journal-shape", Named::None),
            (b"Content-Type: message/rfc822", b"Content-Type: application/octet-stream", "journal-shape", Named::None),
            (b"Content-Type: text/plain", b"Content-Type: text/html", "journal-shape", Named::None),
            (b"Sender: ", b"From: ", "journal-report", Named::OfThePart),
            (b"Sender: U3@slack.invalid", b"Sender: <U3@slack.invalid>", "journal-report", Named::OfThePart),
            (b"Sender: U3@slack.invalid", b"Sender: U4@slack.invalid", "journal-report", Named::OfThePart),
            (b"Subject: Zins-Ecke =C2", b"Subject: Zins-Ecken =C2", "journal-report", Named::OfThePart),
            (b"Message-ID: <original.", b"Message-ID: <other.", "journal-report", Named::OfThePart),
            (b"To: ann@desk.example\r\n", b"An: ann@desk.example\r\n", "journal-report", Named::OfThePart),
            (b"To: ann@desk.example\r\n", b"To: Ann Lee\r\n", "journal-report", Named::OfThePart),
            // What is wrong with the original is found too, in its line of the file.
            (b"From: =?utf-8", b"From: =?utf-8?B?YQ=?= =?utf-8", "encoded-word", Named::At(0)),
            (b"\r\nX-Desk: fx", b"\r\nMessage-ID: <a@b.example>", "once", Named::At(1)),
        ],
    );
    let (bytes, _) = broken(
        Profile::ExchangeJournal,
        b"To: ann@desk.example\r\nTo: juergen@desk.example\r\n",
        b"Cc: ann@desk.example, Expanded: all@desk.example\r\nBcc: juergen@desk.example, Forwarded: j@desk.example\r\n",
    );
    assert_eq!(lint(&bytes, Profile::ExchangeJournal, None), []);
}

/// Any bytes are read to their end, and findings never quote what stands in the file.
#[test]
fn nothing_stops_it_and_nothing_is_quoted() {
    let mut state = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()));
    println!("lint: CONSIGN_SEED={state}");
    let mut next = move |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % end.max(1)
    };
    let pieces: [&[u8]; 12] = [b"\r\n", b"\n", b"=?utf-8?Q?", b"?=", b"--=_m_", b"<", b">", b"&", b"\0", b"\xff", b"boundary=\"", b"\r\n\r\n"];
    let rounds = if std::env::var_os("CONSIGN_FULL").is_some() { 20_000 } else { 400 };
    for _ in 0..rounds {
        let profile = Profile::ALL[next(4)];
        let mut bytes = of(profile);
        for _ in 0..=next(8) {
            let within = if next(2) == 0 { 2_000 } else { bytes.len() };
            let at = next(within);
            let (end, piece) = (bytes.len().min(at + next(40)), pieces[next(pieces.len())]);
            bytes.splice(at..end, piece.iter().copied());
        }
        for one in lint(&bytes, profile, None) {
            assert!(one.what.is_ascii() && !one.what.contains("desk.example") && !one.what.contains("Morning"), "{one:?}");
        }
    }
}
