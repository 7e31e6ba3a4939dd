//! `example/accounts-rust`: messages from outside that hold an account number.
//!
//! The same filter stands beside this one in TypeScript and in Python, and gives the same verdicts. It is written against the trait, because it decides by
//! the chat alone where nobody of it is outside.

mod accounts;

use consign_filter::{
    Chat, ChatDecision, ConfigError, Criteria, Failure, Manifest, Need, Participant, Schema, UserFlags, Verdict, View, config_error,
};

consign_filter::rules! {
    /// Why an event is left out.
    pub enum Why {
        Inside = "inside": "one of ours did it, or nobody",
        NoAccount = "no-account": "its text holds no account number (IBAN) of these countries",
    }
}

/// Messages from outside that hold an account number.
#[consign_filter::config(example = { "ours": ["desk.example"] })]
pub struct Config {
    /// Domains of our own addresses: whoever has one of these is not outside. desk.example means uk.desk.example too.
    #[schemars(length(min = 1))]
    ours: Vec<String>,
    /// Countries whose accounts count, by their two letters; all of them where none is given.
    #[serde(default)]
    countries: Vec<String>,
}

/// The filter.
pub struct Accounts {
    config: Config,
    /// Of each participant.
    outside: Vec<bool>,
}

impl Criteria for Accounts {
    type Config = Config;
    type Rule = Why;
    const MANIFEST: Manifest = Manifest {
        name: "example/accounts-rust",
        version: "1.0.0",
        summary: "Messages from outside that hold an account number.",
        needs: &[Need::Participants, Need::Senders, Need::Text],
        config_schema: Schema::of::<Config>(),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        for (index, domain) in config.ours.iter().enumerate() {
            if domain.is_empty() || domain.contains(['@', ' ']) {
                errors.push(config_error(format!("/ours/{index}"), format!("\"{domain}\" is no domain, such as desk.example")));
            }
        }
        for (index, country) in config.countries.iter().enumerate() {
            if accounts::length(country).is_none() {
                errors.push(config_error(
                    format!("/countries/{index}"),
                    format!("\"{country}\" is no country with account numbers (IBAN), such as DE"),
                ));
            }
        }
        if errors.is_empty() { Ok(Self { config, outside: Vec::new() }) } else { Err(errors) }
    }

    fn begin_chat(&mut self, chat: &dyn Chat) -> Result<ChatDecision<Why>, Failure> {
        self.outside = chat.participants().iter().map(|participant| self.is_outside(participant)).collect();
        Ok(if self.outside.contains(&true) { ChatDecision::Inspect } else { ChatDecision::OmitAll(Why::Inside) })
    }

    fn evaluate(&mut self, events: &dyn View) -> Result<Vec<Verdict<Why>>, Failure> {
        let texts = events.texts();
        let verdict = |(sender, text): (Option<usize>, &str)| {
            let outside = sender.and_then(|sender| self.outside.get(sender)).is_some_and(|outside| *outside);
            if outside { Verdict::keep_if(self.has_account(text), Why::NoAccount) } else { Verdict::LeaveOut(Why::Inside) }
        };
        Ok(events.senders().into_iter().zip(texts.iter()).map(verdict).collect())
    }
}

impl Accounts {
    fn is_outside(&self, participant: &Participant) -> bool {
        let domain = participant.email.as_deref().and_then(|address| address.rsplit('@').next()).map(str::to_ascii_lowercase);
        let is_ours = |domain: &str| {
            let mut ours = self.config.ours.iter().map(|ours| ours.to_ascii_lowercase());
            ours.any(|ours| domain == ours || domain.ends_with(&format!(".{ours}")))
        };
        participant.flags.contains(UserFlags::EXTERNAL) || domain.is_some_and(|domain| !is_ours(&domain))
    }

    fn has_account(&self, text: &str) -> bool {
        let countries = &self.config.countries;
        accounts::holds_account(text, |country| countries.is_empty() || countries.iter().any(|counts| counts == country))
    }
}

consign_filter::export_criteria!(Accounts);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use consign_filter::CriteriaSession;
    use consign_filter::testing::{FakeChat, FakeView, message, participant};
    use consign_filter_conformance::{check, refused, refused_by_module};

    #[test]
    fn schema_and_module_agree() {
        let configure = |config: &str| CriteriaSession::<Accounts>::new().configure(config);
        let accepted = [r#"{"ours": ["desk.example"]}"#, r#"{"ours": ["a.example", "b.example"], "countries": ["DE", "XK"]}"#];
        let refused = [
            refused("{}", ""),
            refused(r#"{"ours": "desk.example"}"#, "/ours"),
            refused(r#"{"ours": ["a.example"], "country": []}"#, "/country"),
            refused_by_module(r#"{"ours": ["a.example", "ann@desk.example"]}"#, "/ours/1"),
            refused_by_module(r#"{"ours": ["a.example"], "countries": ["DE", "US"]}"#, "/countries/1"),
        ];
        check(&CriteriaSession::<Accounts>::describe(), configure, &accepted, &refused);
    }

    #[test]
    fn what_people_outside_wrote_about_accounts() {
        let mut module = Accounts::configure(Config { ours: vec!["Desk.example".to_owned()], countries: vec!["DE".to_owned()] }).unwrap();
        let mut chat = FakeChat::new(&Accounts::MANIFEST);
        chat.participants = vec![participant("ann"), participant("bob")];
        chat.participants[0].email = Some("ann@uk.desk.example".to_owned());
        assert_eq!(module.begin_chat(&chat), Ok(ChatDecision::OmitAll(Why::Inside)));
        chat.participants[1].flags = UserFlags::EXTERNAL;
        assert_eq!(module.begin_chat(&chat), Ok(ChatDecision::Inspect));
        let german = "to DE89 3704 0044 0532 0130 00";
        let events = [
            message("m1", 0).from(1).text(german),
            message("m2", 0).from(1).text("hello"),
            message("m3", 0).from(0).text(german),
            message("m4", 0).text(german),
            message("m5", 0).from(1).text("to NO9386011117947"),
        ];
        let (inside, no_account) = (Verdict::LeaveOut(Why::Inside), Verdict::LeaveOut(Why::NoAccount));
        let verdicts = module.evaluate(&FakeView::new(&Accounts::MANIFEST, events));
        assert_eq!(verdicts, Ok(vec![Verdict::Keep, no_account, inside, inside, no_account]));
    }
}
