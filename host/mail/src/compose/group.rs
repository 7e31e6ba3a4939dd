//! What is found out about a group once, before anything is written: who acts in it, who is shown, when it began and ended, which message an
//! event refers to.

use std::collections::HashMap;

use consign_model::event::EventKind;
use consign_model::id::Hasher;
use consign_model::window::Participant;
use consign_model::{Attachment, Digest, Membership, Timestamp};

use super::input::{GroupInput, MailEvent, SealedFile};
use super::mime::{Bodies, Costs};
use super::words::{push_time, shown_name};

/// Participants listed in each part after the first. The first has the whole list, as far as half of an e-mail takes it.
const LISTED_LATER: usize = 100;

/// Stays shown of one participant. Somebody who comes and goes more often within one group is counted.
pub(super) const STAYS_SHOWN: usize = 20;

/// Somebody who does something in the group.
pub(super) struct Actor {
    /// The platform's id.
    pub id: String,
    /// The name to show; with the id where two actors share a name.
    pub label: String,
}

/// A group, looked through.
pub(super) struct Group<'a> {
    pub input: &'a GroupInput<'a>,
    /// Hash of tenant, policy, window and group: where Message-IDs and boundaries come from.
    pub base: Digest,
    /// Of the chat: its title, or its id where it has none.
    pub title: String,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Events by kind.
    pub counts: [u64; EventKind::ALL.len()],
    actors: Vec<Actor>,
    /// For each event its actor.
    senders: Vec<Option<u32>>,
    /// Messages by id, for threads and edits.
    messages: HashMap<&'a str, usize>,
    /// Indices into the facts' participants: those who act, then the others who were there at the time.
    pub shown: Vec<usize>,
    /// How many of `shown` the first part lists.
    listed: usize,
    /// The input's sealed files, as attachments.
    pub files: Vec<Attachment>,
}

/// Where an attachment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Into the e-mail of its event.
    Here,
    /// Into a later part, since the event's own has no room.
    Part(u32),
    /// Nowhere: the archive has no bytes.
    Missing,
    /// Nowhere: the policy leaves it out.
    LeftOut,
    /// Nowhere: no e-mail of the allowed size takes it.
    TooLarge,
}

/// A file in a part that does not hold its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// Attachment of an event: their indices.
    Attachment(usize, usize),
    /// File of the group: its index.
    File(usize),
}

/// Hash of everything that says which group it is; not of the run, since a repeat is the same e-mail.
pub(super) fn base(input: &GroupInput<'_>) -> Digest {
    let mut hasher = Hasher::default();
    hasher.field(b"consign group 1");
    hasher.field(input.tenant.as_str().as_bytes()).field(input.window.policy.as_str().as_bytes());
    hasher.field(input.window.chat.source.as_str().as_bytes()).field(input.window.chat.id.as_bytes());
    hasher.field(&input.window.from.to_be_bytes()).field(&input.window_to.to_be_bytes());
    hasher.field(input.group.key.as_bytes()).field(&input.group_index.to_be_bytes());
    hasher.finish()
}

pub(super) fn sealed(file: &SealedFile) -> Attachment {
    let media_type = "application/octet-stream".to_owned();
    Attachment { name: file.name.clone(), media_type, size: Some(file.size), digest: Some(file.digest), url: None }
}

/// A participant by id. The facts are sorted by it.
pub(super) fn participant<'a>(input: &GroupInput<'a>, user: &str) -> Option<&'a Participant> {
    let people = &input.facts.participants;
    let index = people.binary_search_by(|one| one.user.id.as_str().cmp(user)).ok()?;
    people.get(index)
}

/// The stays that touch the time from `started` to `ended`.
pub(super) fn stays(person: &Participant, started: Option<Timestamp>, ended: Option<Timestamp>) -> impl Iterator<Item = &Membership> {
    person.memberships.iter().filter(move |stay| {
        let begun = stay.joined.is_none_or(|joined| ended.is_none_or(|ended| joined <= ended));
        let lasted = stay.left.is_none_or(|left| started.is_none_or(|started| started <= left));
        begun && lasted
    })
}

impl<'a> Group<'a> {
    pub fn new(input: &'a GroupInput<'a>) -> Self {
        let chat = &input.facts.chat;
        let title = chat.title.as_deref().map(shown_name).filter(|title| !title.is_empty()).unwrap_or_else(|| shown_name(&chat.key.id));
        let mut counts = [0; EventKind::ALL.len()];
        let (mut started, mut ended): (Option<Timestamp>, Option<Timestamp>) = (None, None);
        let mut refers = false;
        let mut actors: Vec<(&'a str, String)> = Vec::new();
        let mut actor_of: HashMap<&'a str, u32> = HashMap::new();
        let mut senders = Vec::with_capacity(input.events.len());
        for MailEvent { event, .. } in &input.events {
            if let Some(count) = counts.get_mut(event.kind as usize) {
                *count += 1;
            }
            started = Some(started.map_or(event.at, |at| at.min(event.at)));
            ended = Some(ended.map_or(event.at, |at| at.max(event.at)));
            refers |= event.thread.is_some() || event.target.is_some();
            senders.push(event.user.as_deref().map(|user| {
                *actor_of.entry(user).or_insert_with(|| {
                    let name = participant(input, user).map(|one| shown_name(&one.user.name)).filter(|name| !name.is_empty());
                    let name = name.unwrap_or_else(|| shown_name(user));
                    actors.push((user, name));
                    u32::try_from(actors.len() - 1).unwrap_or(u32::MAX)
                })
            }));
        }
        let mut names: HashMap<&str, u32> = HashMap::new();
        for (_, name) in &actors {
            *names.entry(name).or_default() += 1;
        }
        let label = |id: &str, name: &str| match names.get(name) {
            Some(1) if !name.is_empty() => name.to_owned(),
            _ => format!("{name} ({})", shown_name(id)),
        };
        let labelled = actors.iter().map(|(id, name)| Actor { id: (*id).to_owned(), label: label(id, name) }).collect();
        let mut messages = HashMap::new();
        if refers {
            for (index, MailEvent { event, .. }) in input.events.iter().enumerate() {
                if event.kind == EventKind::Message {
                    messages.entry(event.id.as_str()).or_insert(index);
                }
            }
        }
        let acts = |person: &Participant| actor_of.contains_key(person.user.id.as_str());
        let people = || input.facts.participants.iter().enumerate();
        let mut shown: Vec<usize> = people().filter(|(_, person)| acts(person)).map(|(index, _)| index).collect();
        let others = people().filter(|(_, person)| !acts(person) && stays(person, started, ended).next().is_some());
        shown.extend(others.map(|(index, _)| index));
        let mut group = Self {
            input,
            base: base(input),
            title,
            started,
            ended,
            counts,
            actors: labelled,
            senders,
            messages,
            shown,
            listed: 0,
            files: input.files.iter().map(sealed).collect(),
        };
        group.listed = group.how_many_listed();
        group
    }

    /// As many as take half an e-mail at most.
    fn how_many_listed(&self) -> usize {
        let half = self.input.target.max_size.0 / 2;
        let people = || self.shown.iter().filter_map(|index| self.input.facts.participants.get(*index));
        // Mostly a generous guess settles it: escaping makes at most six bytes of one, base64 four of three; three bodies.
        let guess = |person: &Participant| {
            let texts = person.user.id.len() + person.user.name.len() + person.user.email.as_ref().map_or(0, String::len);
            let stays = stays(person, self.started, self.ended).take(STAYS_SHOWN).count();
            u64::try_from((texts * 6 * (stays + 2) + stays * 300 + 400) * 3 / 2).unwrap_or(u64::MAX)
        };
        if people().map(guess).fold(0, u64::saturating_add) <= half {
            return self.shown.len();
        }
        let mut bodies = Bodies::default();
        let mut costs = Costs::default();
        let fits = |person: &&Participant| {
            for body in [&mut bodies.plain, &mut bodies.html, &mut bodies.json] {
                body.clear();
            }
            super::plain::participant(&mut bodies.plain, self, person);
            super::html::participant(&mut bodies.html, self, person);
            super::json::participant(&mut bodies.json, self, person);
            costs = costs.plus(Costs::of(&bodies));
            costs.encoded() <= half
        };
        people().take_while(fits).count()
    }

    /// The participants that a part lists.
    pub fn listed(&self, part: u32) -> impl Iterator<Item = &'a Participant> {
        let limit = if part == 1 { self.listed } else { self.listed.min(LISTED_LATER) };
        self.shown.iter().take(limit).filter_map(|index| self.input.facts.participants.get(*index))
    }

    pub fn event(&self, index: usize) -> Option<&'a MailEvent<'a>> {
        self.input.events.get(index)
    }

    /// The index of the actor of an event.
    pub fn sender(&self, index: usize) -> Option<u32> {
        self.senders.get(index).copied().flatten()
    }

    /// Ids and labels of those who act.
    pub fn actors(&self) -> impl Iterator<Item = &Actor> {
        self.actors.iter()
    }

    /// Who did it, for people.
    pub fn sender_label(&self, index: usize) -> String {
        let actor = self.sender(index).and_then(|actor| self.actors.get(usize::try_from(actor).ok()?)).map(|actor| actor.label.as_str());
        let own = self.event(index).and_then(|one| one.event.sender_name.as_deref()).map(shown_name).filter(|name| !name.is_empty());
        match (own, actor) {
            (Some(own), Some(actor)) if own != actor => format!("{own} ({actor})"),
            (Some(own), _) => own,
            (None, Some(actor)) => actor.to_owned(),
            (None, None) => "(system)".to_owned(),
        }
    }

    /// Whom and when a message id means, where that message is in the group; never its text.
    pub fn reference(&self, id: &str) -> Option<String> {
        let index = *self.messages.get(id)?;
        let mut out = self.sender_label(index);
        out.push_str(", ");
        push_time(&mut out, self.event(index)?.event.at);
        Some(out)
    }

    /// A carried file and the event it belongs to.
    pub fn carried(&self, carried: Carried) -> Option<(&Attachment, Option<usize>)> {
        match carried {
            Carried::Attachment(event, index) => Some((self.event(event)?.event.attachments.get(index)?, Some(event))),
            Carried::File(index) => Some((self.files.get(index)?, None)),
        }
    }
}
