//! `std/per-user`: an e-mail for each user, with the events of the times when that user was a member.
//!
//! A user's copy holds what the user could see: nothing from before joining, nothing from after leaving, and both of these events themselves. What nobody's
//! membership covers is left out and says so. A room can have ten thousand members, so a user is placed by spans of events and never by single ones:
//! see [`spans`].

mod spans;

use consign_filter::text::{group_key, one_line};
use consign_filter::{Chat, ConfigError, Failure, Group, Grouping, Manifest, Membership, Need, Participant, Placement, Schema, UserFlags, View};
use serde::Deserialize;
use spans::Times;

consign_filter::rules! {
    /// Why an event is in nobody's copy.
    pub enum Why {
        NoMember = "no-member": "none of the users was a member at that time",
        NoRecordedUser = "no-recorded-user": "the chat has no recorded user",
    }
}

/// The configuration; `config.schema.json` says what its fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    users: Users,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Users {
    #[default]
    Recorded,
    Participants,
}

/// The grouping.
#[derive(Debug)]
pub struct PerUser {
    users: Users,
    copies: Vec<UserCopy>,
    /// Indices into `copies`: the groups in the order in which they were first used. A user without events has none.
    groups: Vec<usize>,
}

/// A user's copy.
#[derive(Debug)]
struct UserCopy {
    subject: u32,
    id: String,
    name: String,
    memberships: Vec<Membership>,
    group: Option<u32>,
}

impl Grouping for PerUser {
    type Config = Config;
    type Rule = Why;
    const MANIFEST: Manifest = Manifest {
        name: "std/per-user",
        version: env!("CARGO_PKG_VERSION"),
        summary: "One e-mail for each user, with the events of the times when that user was a member.",
        needs: &[Need::Participants, Need::Times],
        config_schema: Schema::Written(include_str!("../config.schema.json")),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        Ok(Self { users: config.users, copies: Vec::new(), groups: Vec::new() })
    }

    fn begin_chat(&mut self, chat: &dyn Chat) -> Result<(), Failure> {
        let chosen = |flags: UserFlags| match self.users {
            Users::Recorded => flags.contains(UserFlags::RECORDED),
            Users::Participants => true,
        };
        let participants = (0..).zip(chat.participants());
        self.copies = participants
            .filter(|(_, participant)| chosen(participant.flags))
            .map(|(subject, participant)| UserCopy {
                subject,
                name: readable(&participant),
                id: participant.id,
                memberships: participant.memberships,
                group: None,
            })
            .collect();
        Ok(())
    }

    fn place(&mut self, events: &dyn View) -> Result<Placement<Why>, Failure> {
        let mut placement = Placement::new();
        if self.copies.is_empty() {
            let why = match self.users {
                Users::Recorded => Why::NoRecordedUser,
                Users::Participants => Why::NoMember,
            };
            placement.leave_out(0..events.len(), why);
            return Ok(placement);
        }
        let times = Times::new(events.times());
        let mut covered = times.coverage();
        for (index, copy) in self.copies.iter_mut().enumerate() {
            for span in times.spans(&copy.memberships) {
                let next = self.groups.len();
                let group = match copy.group {
                    Some(group) => group,
                    None => u32::try_from(next).map_err(|_| "the chat has too many users")?,
                };
                if copy.group.replace(group).is_none() {
                    self.groups.push(index);
                }
                covered.add(&span);
                placement.assign(span, group);
            }
        }
        for span in covered.gaps() {
            placement.leave_out(span, Why::NoMember);
        }
        Ok(placement)
    }

    fn finish_chat(&mut self) -> Result<Vec<Group>, Failure> {
        let copies = self.groups.iter().filter_map(|index| self.copies.get(*index));
        let group = |copy: &UserCopy| Group {
            key: group_key(&copy.id),
            title: copy.name.clone(),
            subject: Some(copy.subject),
            labels: vec![("user-id".to_owned(), one_line(&copy.id)), ("user-name".to_owned(), copy.name.clone())],
        };
        Ok(copies.map(group).collect())
    }
}

fn readable(participant: &Participant) -> String {
    let name = one_line(&participant.display_name);
    if name.is_empty() { one_line(&participant.id) } else { name }
}

consign_filter::export_grouping!(PerUser);

#[cfg(test)]
mod tests;
