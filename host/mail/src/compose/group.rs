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

use super::bodies::Bodies;
use super::input::{GroupInput, MailEvent, SealedFile};
use super::mime::Costs;
use super::people::People;
use super::times::{Calendar, Stamp};
use super::words::{push_number, shown_name};

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
    /// The name as it stands in HTML.
    html: String,
    /// The id as it stands in JSON.
    json: String,
    /// The platform knows it as a program.
    bot: bool,
}

/// Who did something, for people. A name that an event gives itself is told apart from who it is: anybody can call a program by a person's name.
pub(super) struct Sender<'g> {
    /// By the platform's word.
    pub actor: &'g str,
    /// The same, as it stands in HTML.
    pub html: &'g str,
    /// The user's id as it stands in JSON, `null` where there is none.
    pub json: &'g str,
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
    /// Messages by id, for threads and edits; sorted.
    messages: Vec<(&'a str, usize)>,
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

/// The place of a participant among the facts', which are sorted by id.
fn place(input: &GroupInput<'_>, user: &str) -> Option<usize> {
    input.facts.participants.binary_search_by(|one| one.user.id.as_str().cmp(user)).ok()
}

/// A participant by id.
pub(super) fn participant<'a>(input: &GroupInput<'a>, user: &str) -> Option<&'a Participant> {
    input.facts.participants.get(place(input, user)?)
}

/// Those who act, while they are found.
struct Actors<'a> {
    input: &'a GroupInput<'a>,
    found: Vec<(&'a str, Option<&'a Participant>)>,
    /// For each of the facts' participants its number among those found.
    at_place: Vec<Option<u32>>,
    /// Who acts and is in no list.
    strangers: HashMap<&'a str, u32>,
}

impl<'a> Actors<'a> {
    fn new(input: &'a GroupInput<'a>) -> Self {
        Self { input, found: Vec::new(), at_place: vec![None; input.facts.participants.len()], strangers: HashMap::new() }
    }

    /// The number of a user.
    fn number(&mut self, user: &'a str) -> u32 {
        let Self { input, found, at_place, strangers } = self;
        let next = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let place = place(input, user);
        let number = match place.and_then(|place| at_place.get_mut(place)) {
            Some(known) => *known.get_or_insert(next),
            None => *strangers.entry(user).or_insert(next),
        };
        if number == next {
            found.push((user, place.and_then(|place| input.facts.participants.get(place))));
        }
        number
    }

    /// With the names to show.
    fn labelled(&self) -> Vec<Actor> {
        let name = |(id, person): &(&'a str, Option<&'a Participant>)| {
            let name = person.map(|one| shown_name(&one.user.name)).filter(|name| !name.is_empty());
            name.unwrap_or_else(|| shown_name(id))
        };
        let names: Vec<Cow<'a, str>> = self.found.iter().map(name).collect();
        let mut bearers: HashMap<&str, u32> = HashMap::new();
        for name in &names {
            *bearers.entry(name).or_default() += 1;
        }
        let label = |id: &str, name: &str| match bearers.get(name) {
            Some(1) if !name.is_empty() => name.to_owned(),
            _ => format!("{name} ({})", shown_name(id)),
        };
        let actor = |((id, person), name): (&(&'a str, Option<&'a Participant>), &Cow<'a, str>)| {
            let label = label(id, name);
            let (mut html, mut json) = (String::with_capacity(label.len() + 16), String::with_capacity(id.len() + 2));
            super::html::push_name(&mut html, &label);
            super::json::push_string(&mut json, id);
            Actor { id: (*id).to_owned(), label, html, json, bot: person.is_some_and(|one| one.user.bot) }
        };
        self.found.iter().zip(&names).map(actor).collect()
    }
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
        let mut actors = Actors::new(input);
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
            senders.push(event.user.as_deref().map(|user| actors.number(user)));
        }
        for file in input.files {
            started = Some(started.map_or(file.first_at, |at| at.min(file.first_at)));
            ended = Some(ended.map_or(file.last_at, |at| at.max(file.last_at)));
        }
        let mut messages = Vec::new();
        if refers {
            let all = input.events.iter().enumerate().filter(|(_, one)| one.event.kind == EventKind::Message);
            messages.extend(all.map(|(index, one)| (one.event.id.as_str(), index)));
            // Of two with one id the first counts.
            messages.sort_by_key(|(id, _)| *id);
        }
        let people = || input.facts.participants.iter().zip(&actors.at_place).enumerate();
        let mut shown: Vec<usize> = people().filter(|(_, (_, actor))| actor.is_some()).map(|(index, _)| index).collect();
        let others = people().filter(|(_, (person, actor))| actor.is_none() && stays(person, started, ended).next().is_some());
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
            actors: actors.labelled(),
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
            bodies.clear();
            let listed = super::line::Listed::new(self, person);
            super::plain::participant(&mut bodies.plain, self, &listed);
            super::html::participant(&mut bodies.html, self, &listed);
            super::json::participant(&mut bodies.json, self, &listed);
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
        let (actor, html, json) = match self.actor(index) {
            Some(actor) => (actor.label.as_str(), actor.html.as_str(), actor.json.as_str()),
            None if event.is_some_and(|event| event.kind == EventKind::Other) => ("(system)", "<bdi>(system)</bdi>", "null"),
            None => ("(no user)", "<bdi>(no user)</bdi>", "null"),
        };
        // Quotes within it can't end it.
        let own = event.and_then(|event| event.sender_name.as_deref()).map(|name| shown_name(name).replace('"', "'"));
        let says_more = |name: &String| !name.is_empty() && (self.sender(index).is_none() || actor != name);
        let posted_as = own.filter(says_more).map(|name| format!("\"{name}\""));
        Sender { actor, html, json, posted_as }
    }

    /// A time as it is written.
    pub fn stamp(&self, at: Timestamp) -> Stamp {
        self.calendar.stamp(at)
    }

    /// The message of that id, and its place.
    fn message(&self, id: &str) -> Option<(usize, &'a MailEvent<'a>)> {
        let (known, index) = *self.messages.get(self.messages.partition_point(|(known, _)| *known < id))?;
        Some((index, self.event(index)?)).filter(|_| known == id)
    }

    /// Adds whom and when a message id means, where that message is in the group; never its text. Says whether it is.
    pub fn push_reference(&self, out: &mut String, id: &str) -> bool {
        let found = self.message(id);
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
        self.message(id).is_some_and(|(_, one)| one.event.text == text)
    }

    /// A carried file and the event it belongs to.
    pub fn carried(&self, carried: Carried) -> Option<(&Attachment, Option<usize>)> {
        match carried {
            Carried::Attachment(event, index) => Some((self.event(event)?.event.attachments.get(index)?, Some(event))),
            Carried::File(index) => Some((self.files.get(index)?, None)),
        }
    }
}
