//! What each archive's conventions ask of a target, so that `apply` refuses what the archive would not take, or would take and not find again.
//!
//! What was left out on purpose: Enterprise Vault's other `X-Kvs-` headers, and a feed of our own choice for Global Relay. An archive that is told what
//! nobody meant files an e-mail where nobody looks.

use consign_model::TargetSpec;
use consign_model::target::Profile;

/// Headers of its own kind that Global Relay takes with an e-mail, beside `X-GlobalRelay-MsgType`.
const CUSTOM_HEADERS: usize = 10;

/// Those of them that composing writes: `X-Consign-Policy`, `-Run`, `-Window`, `-Source`, `-Chat`, and `-Part` where there are several.
const OWN_HEADERS: usize = 6;

/// Longest value of `feed` and `archive-id`: with its name on one line, which an archive compares as it is.
const LONGEST: usize = 200;

/// Whether a value can stand in a header as it is.
fn as_it_is(value: &str) -> bool {
    let ascii = value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    ascii && !value.is_empty() && value.len() <= LONGEST && value.trim() == value && !value.contains("=?")
}

/// Checks what a target's profile asks of it; each fault with its key.
pub(crate) fn check(target: &TargetSpec, fault: &mut impl FnMut(&str, String)) {
    let plain_words = "printable ASCII, 1 to 200 characters without spaces at its ends and without \"=?\"";
    match (&target.feed, target.profile) {
        (None, Profile::GlobalRelay) => {
            fault("feed", "Global Relay files e-mails by the feed that it has named for you: write feed = \"…\"".to_owned());
        }
        (Some(feed), Profile::GlobalRelay) if !as_it_is(feed) => fault("feed", format!("write it in {plain_words}")),
        (Some(_), Profile::GlobalRelay) | (None, _) => {}
        (Some(_), other) => fault("feed", format!("the profile {other} has no feed: write profile = \"global-relay\", or leave feed out")),
    }
    match (&target.archive_id, target.profile) {
        (Some(id), Profile::EnterpriseVault) if !as_it_is(id) || id.contains(' ') => {
            fault("archive-id", format!("write it as the vault shows it: {plain_words}, nor any within"));
        }
        (Some(_), Profile::EnterpriseVault) | (None, _) => {}
        (Some(_), other) => {
            fault("archive-id", format!("the profile {other} has no archive-id: write profile = \"enterprise-vault\", or leave archive-id out"));
        }
    }
    let most = CUSTOM_HEADERS - OWN_HEADERS;
    if target.profile == Profile::GlobalRelay && target.headers.len() > most {
        let there = target.headers.len();
        fault(
            "headers",
            format!("there are {there}, and Global Relay takes {CUSTOM_HEADERS} with an e-mail, {OWN_HEADERS} of which are Consign's: keep {most}"),
        );
    }
    for name in target.headers.keys() {
        if let Some(reason) = header_of_the_profile(name, target.profile) {
            fault(&format!("headers.{name}"), reason);
        }
    }
}

/// Why a header can't be among a target's own, by its profile.
fn header_of_the_profile(name: &str, profile: Profile) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let reason = match (lower.as_str(), profile) {
        ("x-globalrelay-msgtype", Profile::GlobalRelay) => "Consign writes it: write its value as feed = \"…\"",
        ("precedence", Profile::GlobalRelay) => "Consign writes it, as \"bulk\": leave it out",
        ("x-kvs-archiveid", Profile::EnterpriseVault) => "Consign writes it: write its value as archive-id = \"…\"",
        ("x-kvs-indexdata", Profile::EnterpriseVault) => "Consign writes it, with the participants' addresses: leave it out",
        ("x-ms-journal-report", Profile::ExchangeJournal) => "Consign writes it: leave it out",
        (other, Profile::EnterpriseVault) if other.starts_with("x-kvs-") && !name.starts_with("X-Kvs-") => {
            "Enterprise Vault passes over it in these capitals: begin it with \"X-Kvs-\""
        }
        (other, Profile::ExchangeJournal) if other.starts_with("x-ms-exchange-") => {
            "Exchange takes such headers out of e-mails from elsewhere: choose another name"
        }
        _ => return None,
    };
    Some(reason.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn faults(change: &serde_json::Value) -> Vec<String> {
        let mut base = serde_json::json!({"name": "a", "host": "h", "port": 25, "tls": "starttls", "from": "a@b.example", "to": ["c@d.example"]});
        base.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let mut faults = Vec::new();
        check(&serde_json::from_value(base).unwrap(), &mut |key: &str, reason: String| faults.push(format!("{key}: {reason}")));
        faults
    }

    fn headers(names: &[&str]) -> serde_json::Value {
        names.iter().map(|name| ((*name).to_owned(), serde_json::json!("x"))).collect::<serde_json::Map<_, _>>().into()
    }

    #[test]
    fn what_a_profile_can_do_passes() {
        let four = headers(&["X-A", "X-B", "X-C", "X-D"]);
        for good in [
            serde_json::json!({}),
            serde_json::json!({"profile": "global-relay", "feed": "Consign chats", "headers": four}),
            serde_json::json!({"profile": "enterprise-vault"}),
            serde_json::json!({"profile": "enterprise-vault", "archive-id": "160EEB78D4253BE40AA8EBEBA09C7DFEE1210000evserver1", "headers": headers(&["X-Kvs-Other"])}),
            serde_json::json!({"profile": "exchange-journal", "headers": headers(&["X-1", "X-2", "X-3", "X-4", "X-5", "X-6", "X-7", "X-8", "X-9", "X-10", "X-11"])}),
        ] {
            assert_eq!(faults(&good), [""; 0], "{good}");
        }
    }

    #[test]
    fn what_it_cannot_is_refused_with_its_key() {
        let five = headers(&["X-A", "X-B", "X-C", "X-D", "X-E"]);
        for (bad, key, says) in [
            (serde_json::json!({"profile": "global-relay"}), "feed", "write feed ="),
            (serde_json::json!({"profile": "global-relay", "feed": ""}), "feed", "1 to 200"),
            (serde_json::json!({"profile": "global-relay", "feed": "a\r\nBcc: b@c.example"}), "feed", "printable ASCII"),
            (serde_json::json!({"profile": "global-relay", "feed": "Börse"}), "feed", "ASCII"),
            (serde_json::json!({"profile": "global-relay", "feed": "=?utf-8?Q?a?="}), "feed", "=?"),
            (serde_json::json!({"feed": "a"}), "feed", "profile plain has no feed"),
            (serde_json::json!({"profile": "global-relay", "feed": "a", "headers": five}), "headers", "there are 5"),
            (
                serde_json::json!({"profile": "global-relay", "feed": "a", "headers": headers(&["x-globalrelay-MsgType"])}),
                "headers.x-globalrelay-MsgType",
                "feed =",
            ),
            (serde_json::json!({"profile": "global-relay", "feed": "a", "headers": headers(&["Precedence"])}), "headers.Precedence", "leave it out"),
            (serde_json::json!({"profile": "enterprise-vault", "archive-id": "a b"}), "archive-id", "as the vault shows it"),
            (serde_json::json!({"profile": "exchange-journal", "archive-id": "a"}), "archive-id", "no archive-id"),
            (serde_json::json!({"profile": "enterprise-vault", "headers": headers(&["X-Kvs-ArchiveID"])}), "headers.X-Kvs-ArchiveID", "archive-id ="),
            (serde_json::json!({"profile": "enterprise-vault", "headers": headers(&["X-Kvs-IndexData"])}), "headers.X-Kvs-IndexData", "leave it out"),
            (serde_json::json!({"profile": "enterprise-vault", "headers": headers(&["X-KVS-Other"])}), "headers.X-KVS-Other", "capitals"),
            (
                serde_json::json!({"profile": "exchange-journal", "headers": headers(&["X-MS-Journal-Report"])}),
                "headers.X-MS-Journal-Report",
                "leave it out",
            ),
            (
                serde_json::json!({"profile": "exchange-journal", "headers": headers(&["X-MS-Exchange-Organization-SCL"])}),
                "headers.X-MS-Exchange-Organization-SCL",
                "another name",
            ),
        ] {
            let faults = faults(&bad);
            assert!(matches!(&faults[..], [one] if one.starts_with(&format!("{key}: ")) && one.contains(says)), "{bad}: {faults:?}");
        }
    }
}
