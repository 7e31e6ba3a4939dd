//! What is found out about a group once, before anything is written: who acts in it, who is shown, when it began and ended, which message an
//! event refers to.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use consign_model::event::EventKind;
use consign_model::id::Hasher;
use consign_model::target::Profile;
use consign_model::window::Participant;
use consign_model::{Attachment, Digest, FormerName, Membership, Timestamp, User};

use super::input::{GroupInput, MailEvent, SealedFile};
use super::mime::{Bodies, Costs};
use super::people::People;
use super::words::{Calendar, Stamp, push_number, shown_name};

/// Participants listed in each part after the first. The first has the whole list, as far as half of an e-mail takes it.
const LISTED_LATER: usize = 100;

/// Stays shown of one participant. Of somebody who comes and goes more often within one group the rest is counted.
const STAYS_SHOWN: usize = 20;

/// Somebody who does something in the group.
pub(super) struct Actor {
    /// The platform's id.
    pub id: String,
    /// The name to show; with the id where two actors share a name.
    pub label: String,
    /// The platform knows it as a program.
    bot: bool,
}

/// Who did something, for people. A name that an event gives itself is told apart from who it is: anybody can call a program by a person's name.
pub(super) struct Sender<'g> {
    /// By the platform's word.
    pub actor: &'g str,
    /// By its own word, in quotes; unset where that says nothing more.
    pub posted_as: Option<String>,
}

impl Sender<'_> {
    /// Adds both.
    pub fn push(&self, out: &mut String) {
        out.push_str(self.actor);
        if let Some(name) = &self.posted_as {
            out.push_str(" posted as ");
            out.push_str(name);
        }
    }
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
    /// Events that are in the group's files, encrypted: what they are nobody here knows.
    pub encrypted: u64,
    /// Events by kind, without those of `late_files`.
    pub counts: [u64; EventKind::ALL.len()],
    /// Events that bring files of earlier ones.
    pub late_files: u64,
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
    people: OnceCell<People>,
    calendar: Calendar,
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
    /// Nowhere: no e-mail takes it, and the policy has a placeholder for it.
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
    if input.window.is_supplement() {
        hasher.field(b"supplement").field(&input.window.supplement.to_be_bytes());
    }
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

/// A stay as it is shown.
pub(super) struct Stay {
    pub joined: Option<Timestamp>,
    pub left: Option<Timestamp>,
    /// No list, no join and no leave tells it.
    pub derived: bool,
}

/// The stays of a participant that are shown, and how many more there are.
pub(super) fn shown_stays(person: &Participant, group: &Group<'_>) -> (Vec<Stay>, u64) {
    let mut all = stays(person, group.started, group.ended);
    let derived = person.memberships.first().filter(|_| person.derived);
    let shown = |stay: &Membership| Stay { joined: stay.joined, left: stay.left, derived: derived == Some(stay) };
    let shown = all.by_ref().take(STAYS_SHOWN).map(shown).collect();
    (shown, u64::try_from(all.count()).unwrap_or(u64::MAX))
}

impl<'a> Group<'a> {
    pub fn new(input: &'a GroupInput<'a>) -> Self {
        let chat = &input.facts.chat;
        let title = chat.title.as_deref().map(shown_name).filter(|title| !title.is_empty()).unwrap_or_else(|| shown_name(&chat.key.id)).into_owned();
        let (mut counts, mut late_files) = ([0; EventKind::ALL.len()], 0);
        let (mut started, mut ended): (Option<Timestamp>, Option<Timestamp>) = (None, None);
        let mut refers = false;
        let mut actors: Vec<(&'a str, Cow<'a, str>, bool)> = Vec::new();
        let mut actor_of: HashMap<&'a str, u32> = HashMap::new();
        let mut senders = Vec::with_capacity(input.events.len());
        for MailEvent { event, .. } in &input.events {
            if event.adds_files() {
                late_files += 1;
            } else if let Some(count) = counts.get_mut(event.kind as usize) {
                *count += 1;
            }
            started = Some(started.map_or(event.at, |at| at.min(event.at)));
            ended = Some(ended.map_or(event.at, |at| at.max(event.at)));
            refers |= event.thread.is_some() || event.target.is_some();
            senders.push(event.user.as_deref().map(|user| {
                *actor_of.entry(user).or_insert_with(|| {
                    let person = participant(input, user);
                    let name = person.map(|one| shown_name(&one.user.name)).filter(|name| !name.is_empty());
                    actors.push((user, name.unwrap_or_else(|| shown_name(user)), person.is_some_and(|one| one.user.bot)));
                    u32::try_from(actors.len() - 1).unwrap_or(u32::MAX)
                })
            }));
        }
        for file in input.files {
            started = Some(started.map_or(file.first_at, |at| at.min(file.first_at)));
            ended = Some(ended.map_or(file.last_at, |at| at.max(file.last_at)));
        }
        let mut names: HashMap<&str, u32> = HashMap::new();
        for (_, name, _) in &actors {
            *names.entry(name).or_default() += 1;
        }
        let label = |id: &str, name: &str| match names.get(name) {
            Some(1) if !name.is_empty() => name.to_owned(),
            _ => format!("{name} ({})", shown_name(id)),
        };
        let labelled = actors.iter().map(|(id, name, bot)| Actor { id: (*id).to_owned(), label: label(id, name), bot: *bot }).collect();
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
            encrypted: input.files.iter().map(|file| u64::from(file.events)).sum(),
            counts,
            late_files,
            actors: labelled,
            senders,
            messages,
            shown,
            listed: 0,
            files: input.files.iter().map(sealed).collect(),
            people: OnceCell::new(),
            calendar: Calendar::default(),
        };
        group.listed = group.how_many_listed();
        group
    }

    /// The people as addresses, for the profiles that name them so.
    pub fn people(&self) -> &People {
        self.people.get_or_init(|| People::of(self))
    }

    /// How many of the people stand in To, where that are not all of them.
    pub fn in_to(&self) -> Option<(usize, usize)> {
        let addressed = match self.input.target.profile {
            Profile::GlobalRelay | Profile::ExchangeJournal => self.people(),
            Profile::Plain | Profile::EnterpriseVault => return None,
        };
        Some((addressed.addressed, addressed.all.len())).filter(|(in_to, all)| in_to < all)
    }

    /// Names that a user may have had when this happened, beside today's.
    pub fn names_at_the_time<'p>(&self, user: &'p User) -> impl Iterator<Item = &'p FormerName> + use<'p> {
        user.names_since(self.started.unwrap_or(Timestamp::MIN))
    }

    /// As many as take half an e-mail at most.
    fn how_many_listed(&self) -> usize {
        let half = self.input.target.max_size.0 / 2;
        let people = || self.shown.iter().filter_map(|index| self.input.facts.participants.get(*index));
        // Mostly a generous guess settles it: escaping makes at most six bytes of one, base64 four of three; three bodies.
        let guess = |person: &Participant| {
            let names: usize = self.names_at_the_time(&person.user).map(|former| former.name.len() + 80).sum();
            let texts = names + person.user.id.len() + person.user.name.len() + person.user.email.as_ref().map_or(0, String::len);
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

    /// What is said of the participants that a part does not list: how many there are, and where they stand; none where all are listed.
    pub fn not_listed(&self, part: u32) -> Option<String> {
        let listed = self.listed(part).count();
        let missing = self.shown.len().checked_sub(listed).filter(|missing| *missing > 0)?;
        let number = |count: usize| {
            let mut out = String::new();
            push_number(&mut out, u64::try_from(count).unwrap_or(u64::MAX));
            out
        };
        let in_first = self.listed - listed;
        let where_they_are = match in_first {
            0 => "too many for one e-mail".to_owned(),
            _ if in_first == missing => "see part 1".to_owned(),
            _ => format!("part 1 lists {} of them, the others are too many for one e-mail", number(in_first)),
        };
        Some(format!("and {} more, {where_they_are}", number(missing)))
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

    /// The id of the actor of an event.
    pub fn sender_id(&self, index: usize) -> Option<&str> {
        self.actor(index).map(|actor| actor.id.as_str())
    }

    /// Ids and labels of those who act.
    pub fn actors(&self) -> impl Iterator<Item = &Actor> {
        self.actors.iter()
    }

    fn actor(&self, index: usize) -> Option<&Actor> {
        self.actors.get(usize::try_from(self.sender(index)?).ok()?)
    }

    /// Whether the platform knows the actor of an event as a program.
    pub fn is_bot(&self, index: usize) -> bool {
        self.actor(index).is_some_and(|actor| actor.bot)
    }

    /// Who did it, for people.
    pub fn sender_label(&self, index: usize) -> Sender<'_> {
        let event = self.event(index).map(|one| one.event);
        let actor = self.actor(index).map(|actor| actor.label.as_str());
        // Quotes within it can't end it.
        let own = event.and_then(|event| event.sender_name.as_deref()).map(|name| shown_name(name).replace('"', "'"));
        let posted_as = own.filter(|name| !name.is_empty() && actor != Some(name)).map(|name| format!("\"{name}\""));
        let nobody = || if event.is_some_and(|event| event.kind == EventKind::Other) { "(system)" } else { "(no user)" };
        Sender { actor: actor.unwrap_or_else(nobody), posted_as }
    }

    /// A time as it is written.
    pub fn stamp(&self, at: Timestamp) -> Stamp {
        self.calendar.stamp(at)
    }

    /// Adds whom and when a message id means, where that message is in the group; never its text. Says whether it is.
    pub fn push_reference(&self, out: &mut String, id: &str) -> bool {
        let found = self.messages.get(id).and_then(|index| Some((*index, self.event(*index)?)));
        if let Some((index, one)) = found {
            self.sender_label(index).push(out);
            out.push_str(", ");
            out.push_str(self.stamp(one.event.at).as_str());
        }
        found.is_some()
    }

    /// Whether the chat goes out as it lies in the archive: nobody here knows what its events are.
    pub fn is_sealed(&self) -> bool {
        self.encrypted > 0 && self.input.events.is_empty()
    }

    /// What is known of a carried file that is encrypted.
    pub fn sealed_file(&self, carried: Carried) -> Option<&'a SealedFile> {
        match carried {
            Carried::Attachment(..) => None,
            Carried::File(index) => self.input.files.get(index),
        }
    }

    /// Whether the group has that message, and with this text.
    pub fn says(&self, id: &str, text: &str) -> bool {
        self.messages.get(id).and_then(|index| self.event(*index)).is_some_and(|one| one.event.text == text)
    }

    /// A carried file and the event it belongs to.
    pub fn carried(&self, carried: Carried) -> Option<(&Attachment, Option<usize>)> {
        match carried {
            Carried::Attachment(event, index) => Some((self.event(event)?.event.attachments.get(index)?, Some(event))),
            Carried::File(index) => Some((self.files.get(index)?, None)),
        }
    }
}
