//! `std/participants`: chats, or events, by who took part.
//!
//! By default it decides for the whole chat when the chat begins, so that a chat that is left out is not even decrypted. `"by": "sender"` looks at the events
//! too, and still leaves out at once a chat in which none of the people is. A participant counts whenever they were in the chat.

mod people;

use consign_filter::{Chat, ChatDecision, ConfigError, Criteria, Failure, Manifest, Need, Participant, Schema, Verdict, View, config_error};
use people::{People, PeopleConfig};
use serde::Deserialize;

consign_filter::rules! {
    /// Why a chat or an event is left out.
    pub enum Why {
        NoSuchParticipant = "no-such-participant": "the chat has no such participant",
        OtherParticipant = "other-participant": "the chat has a participant of another kind",
        NotBetween = "not-between": "the chat is not between the two sides",
        OtherSender = "other-sender": "somebody else did it",
        NoSender = "no-sender": "the event has no sender",
    }
}

/// The configuration; `config.schema.json` says what its fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    who: Option<PeopleConfig>,
    between: Option<Vec<PeopleConfig>>,
    of_chat: Option<OfChat>,
    #[serde(default)]
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OfChat {
    Any,
    All,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    #[default]
    Chat,
    Sender,
}

/// What a chat has to be.
#[derive(Debug)]
enum Condition {
    Has(People),
    HasOnly(People),
    Between(People, People),
}

impl Condition {
    fn why_not(&self, participants: &[Participant]) -> Option<Why> {
        match self {
            Self::Has(people) | Self::HasOnly(people) if !participants.iter().any(|who| people.has(who)) => Some(Why::NoSuchParticipant),
            Self::HasOnly(people) if !participants.iter().all(|who| people.has(who)) => Some(Why::OtherParticipant),
            Self::Between(one, other) if !are_between(one, other, participants) => Some(Why::NotBetween),
            _ => None,
        }
    }

    fn means(&self, participant: &Participant) -> bool {
        match self {
            Self::Has(people) | Self::HasOnly(people) => people.has(participant),
            Self::Between(one, other) => one.has(participant) || other.has(participant),
        }
    }
}

/// Whether each side has somebody, and not both the same one person only.
fn are_between(one: &People, other: &People, participants: &[Participant]) -> bool {
    let (mut only_one, mut only_other, mut both) = (0, 0, 0);
    for participant in participants {
        match (one.has(participant), other.has(participant)) {
            (true, true) => both += 1,
            (true, false) => only_one += 1,
            (false, true) => only_other += 1,
            (false, false) => {}
        }
    }
    only_one + both > 0 && only_other + both > 0 && only_one + only_other + both > 1
}

/// The criterion.
#[derive(Debug)]
pub struct Participants {
    condition: Condition,
    by: By,
    /// For each participant of the chat, by index: whether what they did is kept. Used by sender only.
    kept: Vec<bool>,
}

impl Criteria for Participants {
    type Config = Config;
    type Rule = Why;
    const MANIFEST: Manifest = Manifest {
        name: "std/participants",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Chats, or events, by who took part: ids, addresses, domains, external, recorded, between two sides.",
        needs: &[Need::Participants, Need::Senders],
        config_schema: Schema::Written(include_str!("../config.schema.json")),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let condition = read_condition(config.who, config.between, config.of_chat, &mut errors);
        if config.by == By::Sender && config.of_chat == Some(OfChat::All) {
            let message = "\"all\" is about whole chats: leave it out, or take \"by\": \"chat\"";
            errors.push(config_error("/of-chat", message));
        }
        match condition {
            Some(condition) if errors.is_empty() => Ok(Self { condition, by: config.by, kept: Vec::new() }),
            _ => Err(errors),
        }
    }

    fn begin_chat(&mut self, chat: &dyn Chat) -> Result<ChatDecision<Why>, Failure> {
        let participants = chat.participants();
        if let Some(why) = self.condition.why_not(&participants) {
            return Ok(ChatDecision::OmitAll(why));
        }
        if self.by == By::Chat {
            return Ok(ChatDecision::KeepAll);
        }
        self.kept = participants.iter().map(|who| self.condition.means(who)).collect();
        Ok(ChatDecision::Inspect)
    }

    fn evaluate(&mut self, events: &dyn View) -> Result<Vec<Verdict<Why>>, Failure> {
        if self.by == By::Chat {
            return Err("by chat this module decides by the chat alone, and was asked about events".into());
        }
        let verdict = |sender: Option<usize>| match sender {
            None => Ok(Verdict::LeaveOut(Why::NoSender)),
            Some(sender) => match self.kept.get(sender) {
                Some(kept) => Ok(Verdict::keep_if(*kept, Why::OtherSender)),
                None => Err("an event's sender is not among the chat's participants".into()),
            },
        };
        events.senders().into_iter().map(verdict).collect()
    }
}

fn read_condition(
    who: Option<PeopleConfig>,
    between: Option<Vec<PeopleConfig>>,
    of_chat: Option<OfChat>,
    errors: &mut Vec<ConfigError>,
) -> Option<Condition> {
    match (who, between) {
        (Some(who), None) => {
            let people = who.read("/who", errors)?;
            Some(match of_chat {
                Some(OfChat::All) => Condition::HasOnly(people),
                Some(OfChat::Any) | None => Condition::Has(people),
            })
        }
        (None, Some(sides)) => {
            if of_chat.is_some() {
                let message = "goes with \"who\", not with \"between\"";
                errors.push(config_error("/of-chat", message));
            }
            let sides: Vec<_> = (0..).zip(sides).collect();
            let read = |(index, side): (usize, PeopleConfig), errors: &mut _| side.read(&format!("/between/{index}"), errors);
            let Ok([one, other]) = <[_; 2]>::try_from(sides) else {
                errors.push(config_error("/between", "give two sides"));
                return None;
            };
            let (one, other) = (read(one, errors), read(other, errors));
            Some(Condition::Between(one?, other?))
        }
        _ => {
            let message = "give either \"who\" or \"between\"";
            errors.push(config_error("", message));
            None
        }
    }
}

consign_filter::export_criteria!(Participants);

#[cfg(test)]
mod tests;
