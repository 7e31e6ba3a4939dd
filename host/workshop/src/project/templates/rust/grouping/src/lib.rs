//! `{{name}}`

use consign_filter::{Participant, UserFlags};

/// What a policy can say. The comments become the texts of its form.
#[consign_filter::config]
#[derive(Default)]
struct Config {
    /// Whether each bot has an e-mail of its own (each), or all of a chat share one (together).
    #[serde(default)]
    bots: Bots,
}

#[consign_filter::config]
#[derive(Default, PartialEq)]
enum Bots {
    #[default]
    Each,
    Together,
}

/// One e-mail for each sender of a chat: its key, and its title.
#[consign_filter::grouping(name = "{{name}}", leave_out = "no-sender: nobody wrote it")]
fn {{function}}(sender: Option<&Participant>, config: &Config) -> Option<(String, String)> {
    let sender = sender?;
    if config.bots == Bots::Together && sender.flags.contains(UserFlags::BOT) {
        return Some(("bots".to_owned(), "Bots".to_owned()));
    }
    Some((sender.id.clone(), sender.display_name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_filter::testing::participant;

    fn key(sender: Option<&Participant>, bots: Bots) -> Option<String> {
        {{function}}(sender, &Config { bots }).map(|(key, _title)| key)
    }

    #[test]
    fn one_for_each_sender() {
        let person = participant("U1");
        let bot = Participant { flags: UserFlags::BOT, ..participant("B1") };
        assert_eq!(key(Some(&person), Bots::Each).as_deref(), Some("U1"));
        assert_eq!(key(Some(&bot), Bots::Each).as_deref(), Some("B1"));
        assert_eq!(key(Some(&bot), Bots::Together).as_deref(), Some("bots"));
        assert_eq!(key(None, Bots::Each), None);
    }
}
