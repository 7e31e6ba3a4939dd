//! A test e-mail: that a target takes what it is sent, before anything depends on it.

use consign_model::target::TargetSpec;
use consign_model::{TenantId, Timestamp};
use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;

/// By this header whoever has the archive tells a test from a record.
const MARK: &str = "X-Consign-Test";

/// The e-mail, as it goes over the wire. It has nothing of anybody's messages.
pub fn test_email(tenant: &TenantId, target: &TargetSpec, now: Timestamp) -> std::io::Result<Vec<u8>> {
    let domain = target.from.rsplit_once('@').map_or("consign.invalid", |(_, domain)| domain);
    let text = format!(
        "This is a test e-mail of Consign. It was sent by hand, to see whether the target '{}' of the tenant '{tenant}' takes e-mails. It has no recorded message, and may be deleted.\r\n",
        target.name
    );
    MessageBuilder::new()
        .from(target.from.as_str())
        .to(target.to.iter().map(String::as_str).collect::<Vec<_>>())
        .subject(format!("Test e-mail of Consign for {}", target.name))
        .date(now.0.div_euclid(1_000))
        .message_id(format!("test.{}.{tenant}.{}@{domain}", now.0, target.name))
        .header(MARK, Raw::new("yes"))
        .text_body(text)
        .write_to_vec()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use mailparse::MailHeaderMap as _;

    use super::*;

    #[test]
    fn it_is_an_email() {
        let target: TargetSpec = serde_json::from_value(serde_json::json!({
            "name": "archive", "host": "h", "port": 25, "tls": "starttls", "from": "journal@corp.example", "to": ["a@archive.example", "b@archive.example"],
        }))
        .unwrap();
        let bytes = test_email(&"acme".parse().unwrap(), &target, Timestamp(1_767_600_000_000)).unwrap();
        let parsed = mailparse::parse_mail(&bytes).unwrap();
        let header = |name: &str| parsed.headers.get_first_value(name).unwrap_or_default();
        assert!(header("To").contains("a@archive.example") && header("To").contains("b@archive.example"), "{}", header("To"));
        assert!(header("From").contains("journal@corp.example") && header("Message-ID").ends_with("@corp.example>"), "{}", header("Message-ID"));
        assert_eq!((header("Date").as_str(), header(MARK).as_str()), ("Mon, 5 Jan 2026 08:00:00 +0000", "yes"));
        assert!(parsed.get_body().unwrap().contains("the tenant 'acme'"));
    }
}
