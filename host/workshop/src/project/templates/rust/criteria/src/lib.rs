//! `{{name}}`

use consign_filter::{ConfigError, Participant, UserFlags, config_error};

/// What a policy can say. The comments become the texts of its form.
#[consign_filter::config]
#[derive(Default)]
struct Config {
    /// Bots that are kept all the same, by the platform's ids.
    #[serde(default)]
    but: Vec<String>,
}

/// What a type can't say.
fn check(config: &Config) -> Result<(), Vec<ConfigError>> {
    match config.but.iter().position(String::is_empty) {
        Some(index) => Err(vec![config_error(format!("/but/{index}"), "an id can't be empty")]),
        None => Ok(()),
    }
}

/// Leaves out what bots wrote, but for those that the policy names.
#[consign_filter::criteria(name = "{{name}}", leave_out = "bot: a bot wrote it", check = check)]
fn {{function}}(sender: Option<&Participant>, config: &Config) -> bool {
    sender.is_none_or(|sender| !sender.flags.contains(UserFlags::BOT) || config.but.contains(&sender.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_filter::testing::participant;

    #[test]
    fn bots_are_left_out() {
        let person = participant("U1");
        let bot = Participant { flags: UserFlags::BOT, ..participant("B1") };
        assert!({{function}}(Some(&person), &Config::default()));
        assert!(!{{function}}(Some(&bot), &Config::default()));
        assert!({{function}}(Some(&bot), &Config { but: vec!["B1".to_owned()] }));
        assert!({{function}}(None, &Config::default()));
    }

    #[test]
    fn an_id_has_a_letter() {
        assert!(check(&Config { but: vec![String::new()] }).is_err());
    }
}
