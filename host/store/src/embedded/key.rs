//! Keys of the one tree: a class, then parts, so that records that are read together lie together and in the order that the trait promises.
//!
//! A part of variable length ends in a way that no other part can continue: a name by a zero byte, which no name holds; a platform's own text (a chat's or
//! user's id may be anything) by `00 01`, with each zero byte in it written `00 FF`. So no key is the beginning of another's part, and bytes sort as texts do.

use consign_model::{ChatKey, Name, TenantId, WindowKey};

/// What a record is. The letter is the first byte of its key: changing one loses the records under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// Which format the whole has.
    Format = b'0',
    /// How much there is, to tell a whole store from one that lost something.
    Totals = b'1',
    /// A tenant's keys.
    Tenant = b'T',
    /// A tenant's newest arrival.
    Arrivals = b'A',
    /// A source.
    Source = b'S',
    /// A user of a source.
    User = b'U',
    /// A tenant's newest identity map.
    IdentityMap = b'J',
    /// What it says of a user.
    Identity = b'j',
    /// A chat.
    Chat = b'C',
    /// A chat's member.
    Member = b'M',
    /// A chat's segment.
    Segment = b'G',
    /// Identities of some of a chat's events.
    Identities = b'I',
    /// Which of a chat's events a user's own export was seen to hold.
    Copies = b'c',
    /// Whose own exports were read into a source.
    Captures = b's',
    /// How far a source was pulled of something. Earlier releases pass over these, and need no other format for it: they pull nothing.
    PullCursor = b'p',
    /// Which chats got events with which arrival: each chat once, under its newest.
    Arrived = b'N',
    /// A target's version.
    Target = b'V',
    /// A policy's version.
    Policy = b'P',
    /// A module.
    Module = b'D',
    /// Which module has this name and version.
    ModuleName = b'd',
    /// A key for signatures of modules.
    ModuleKey = b'Y',
    /// What came of a probe.
    Probe = b'B',
    /// A module's quarantine under a policy.
    Quarantine = b'E',
    /// A run.
    Run = b'R',
    /// Runs in the order in which they were begun.
    RunOrder = b'r',
    /// How far a policy has come.
    Progress = b'Q',
    /// Facts, by digest.
    Facts = b'K',
    /// A piece of the list of participants of some facts, by digest.
    FactsPiece = b'k',
    /// A window.
    Window = b'W',
    /// Windows by the run that froze them.
    WindowOfRun = b'O',
    /// A supplement to a window.
    Supplement = b'Z',
    /// Windows that are not done.
    Unsettled = b'H',
    /// An e-mail in the ledger.
    Delivery = b'L',
    /// One of a supplement.
    SupplementDelivery = b'l',
    /// Which chats' people became known with which arrival: each chat once, under its newest.
    Learned = b'n',
    /// A file that an event names, and that is not there.
    Wanted = b'w',
    /// Such files by when they are due.
    WantedDue = b'q',
    /// A line of the audit log.
    Audit = b'X',
    /// A token.
    Token = b'a',
    /// Whose token has this hash.
    TokenHash = b'h',
    /// A secret, sealed.
    Secret = b'e',
    /// Somebody's time in the console.
    Session = b'v',
    /// Rules of retention and legal holds.
    Keeping = b'g',
    /// A file that is named no more, and not yet deleted.
    Leftover = b'x',
    /// Whether dangerous changes take two people. Earlier releases pass over it, and over proposals: under them one is enough.
    TwoPeople = b'2',
    /// What waits for the second, or has had one.
    Proposal = b'3',
    /// What a tenant may use. Earlier releases pass over it, and need no other format for it: under them nothing is limited.
    Quotas = b'u',
    /// Where the e-mail of a Message-ID lies in the ledger. Earlier releases pass over these, and need no other format for it; of what was recorded by them there is none.
    MessageId = b'm',
    /// A request that is made once. Earlier releases pass over these and the next, and need no other format for it: what is made once by one is made again by the other.
    Request = b'i',
    /// Where such a request lies, by its age.
    RequestAge = b'o',
    /// That a tenant was removed: what is audited of it is that its keys go. An earlier release would give its name to another.
    Removed = b'4',
    /// What the runs of a day came to. Days before the release that began to count them have none.
    Day = b'y',
}

impl Class {
    const ALL: [Self; 52] = [
        Self::Format,
        Self::Totals,
        Self::Tenant,
        Self::Arrivals,
        Self::Source,
        Self::User,
        Self::IdentityMap,
        Self::Identity,
        Self::Chat,
        Self::Member,
        Self::Segment,
        Self::Identities,
        Self::Copies,
        Self::Captures,
        Self::PullCursor,
        Self::Arrived,
        Self::Target,
        Self::Policy,
        Self::Module,
        Self::ModuleName,
        Self::ModuleKey,
        Self::Probe,
        Self::Quarantine,
        Self::Run,
        Self::RunOrder,
        Self::Progress,
        Self::Facts,
        Self::FactsPiece,
        Self::Window,
        Self::WindowOfRun,
        Self::Supplement,
        Self::Unsettled,
        Self::Delivery,
        Self::SupplementDelivery,
        Self::Learned,
        Self::Wanted,
        Self::WantedDue,
        Self::Audit,
        Self::Token,
        Self::TokenHash,
        Self::Secret,
        Self::Session,
        Self::Keeping,
        Self::Leftover,
        Self::TwoPeople,
        Self::Proposal,
        Self::Quotas,
        Self::MessageId,
        Self::Request,
        Self::RequestAge,
        Self::Removed,
        Self::Day,
    ];

    /// Whether the record of this key is one whose changes are audited. Here a class is forgotten in silence; that the others' writes make their
    /// entries is seen to by the writing thread.
    pub(super) fn is_audited(key: &[u8]) -> bool {
        const AUDITED: [Class; 16] = [
            Class::IdentityMap,
            Class::Tenant,
            Class::Source,
            Class::Target,
            Class::Policy,
            Class::Module,
            Class::ModuleKey,
            Class::Quarantine,
            Class::Run,
            Class::Token,
            Class::Secret,
            Class::Session,
            Class::Keeping,
            Class::TwoPeople,
            Class::Proposal,
            Class::Quotas,
        ];
        AUDITED.iter().any(|class| key.first() == Some(&(*class as u8)))
    }

    /// For a person, of a key: "a chat's record". Never shows the key itself, which holds a platform's ids.
    pub(super) fn describe(key: &[u8]) -> &'static str {
        let class = Self::ALL.into_iter().find(|class| key.first() == Some(&(*class as u8)));
        match class {
            None => "a record of unknown kind",
            Some(Self::Format | Self::Totals) => "the store's own record",
            Some(Self::Tenant | Self::Arrivals | Self::IdentityMap | Self::TwoPeople | Self::Quotas | Self::Removed) => "a tenant's record",
            Some(Self::Source | Self::Captures | Self::PullCursor) => "a source's record",
            Some(Self::User | Self::Identity) => "a user's record",
            Some(Self::Chat | Self::Member | Self::Segment | Self::Identities | Self::Copies | Self::Arrived | Self::Learned) => "a chat's record",
            Some(Self::Wanted | Self::WantedDue) => "a missing file's record",
            Some(Self::Target) => "a target's record",
            Some(Self::Policy | Self::Progress | Self::Quarantine) => "a policy's record",
            Some(Self::Module | Self::ModuleName | Self::ModuleKey | Self::Probe) => "a module's record",
            Some(Self::Run | Self::RunOrder | Self::Day) => "a run's record",
            Some(Self::Facts | Self::FactsPiece | Self::Window | Self::Supplement | Self::WindowOfRun | Self::Unsettled) => "a window's record",
            Some(Self::Delivery | Self::SupplementDelivery | Self::MessageId) => "an e-mail's record in the ledger",
            Some(Self::Token | Self::TokenHash) => "a token's record",
            Some(Self::Secret) => "a secret's record",
            Some(Self::Session) => "a session's record",
            Some(Self::Keeping) => "the record of rules and holds",
            Some(Self::Leftover) => "the record of a file to be deleted",
            Some(Self::Proposal) => "a proposal's record",
            Some(Self::Request | Self::RequestAge) => "a kept request's record",
            Some(Self::Audit) => "an entry of the audit log",
        }
    }
}

/// A key, or the beginning that some keys share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// A key of the store as a whole.
    pub(super) fn global(class: Class) -> Self {
        Self(vec![class as u8])
    }

    /// A tenant's key.
    pub(super) fn of(class: Class, tenant: &TenantId) -> Self {
        Self::global(class).name(tenant)
    }

    /// Adds a name.
    pub(super) fn name(mut self, name: &Name) -> Self {
        self.0.extend_from_slice(name.as_str().as_bytes());
        self.0.push(0);
        self
    }

    /// Adds any text.
    pub(super) fn text(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend_from_slice(&[0, 1]);
        self
    }

    /// Adds a number; larger ones sort later.
    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a smaller number.
    pub(super) fn small(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds bytes of a length that is always the same.
    pub(super) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a chat.
    pub(super) fn chat(self, chat: &ChatKey) -> Self {
        self.name(&chat.source).text(&chat.id)
    }

    /// Adds a window.
    pub(super) fn window(self, window: &WindowKey) -> Self {
        self.name(&window.policy).window_of_chat(window)
    }

    /// Adds a window, without its policy. Of those that begin at one place the supplements come after the window itself.
    pub(super) fn window_of_chat(self, window: &WindowKey) -> Self {
        let key = self.chat(&window.chat).number(window.from);
        if window.is_supplement() { key.small(window.supplement) } else { key }
    }

    /// The key's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The least key that is greater than every key that begins with this one. No class is 255, so there always is one.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            if let Some(next) = last.checked_add(1) {
                end.push(next);
                break;
            }
        }
        end
    }
}

/// The tenant under whose name a record lies; unset where it lies under none's: the store's own, and places of tokens.
pub(super) fn tenant_of(key: &[u8]) -> Option<&[u8]> {
    let (class, rest) = key.split_first()?;
    let of_none = [Class::Format, Class::Totals, Class::TokenHash].map(|class| class as u8);
    if of_none.contains(class) { None } else { rest.split(|byte| *byte == 0).next() }
}

/// Reads a key's parts, from the front. Unset where the bytes are no such part.
pub(super) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// What follows `prefix` in a key.
    pub(super) fn after(prefix: &Key, key: &'a [u8]) -> Self {
        Self(key.strip_prefix(prefix.bytes()).unwrap_or_default())
    }

    /// A name.
    pub(super) fn name(&mut self) -> Option<Name> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let name = std::str::from_utf8(self.0.get(..end)?).ok()?.parse().ok()?;
        self.0 = self.0.get(end + 1..)?;
        Some(name)
    }

    /// Any text.
    pub(super) fn text(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            match self.0 {
                [0, 1, rest @ ..] => {
                    self.0 = rest;
                    return String::from_utf8(text).ok();
                }
                [0, 0xff, rest @ ..] => {
                    text.push(0);
                    self.0 = rest;
                }
                [0, ..] | [] => return None,
                [byte, rest @ ..] => {
                    text.push(*byte);
                    self.0 = rest;
                }
            }
        }
    }

    /// A number.
    pub(super) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    /// A window without its policy: all that is left of the key.
    pub(super) fn window_of_chat(&mut self, policy: &Name) -> Option<WindowKey> {
        let window = WindowKey::new(policy.clone(), self.chat()?, self.number()?);
        match self.0 {
            [] => Some(window),
            rest => Some(WindowKey { supplement: u32::from_be_bytes(rest.try_into().ok()?), ..window }),
        }
    }

    /// So many bytes.
    pub(super) fn fixed<const WIDTH: usize>(&mut self) -> Option<[u8; WIDTH]> {
        let (bytes, rest) = self.0.split_first_chunk::<WIDTH>()?;
        self.0 = rest;
        Some(*bytes)
    }

    /// A chat.
    pub(super) fn chat(&mut self) -> Option<ChatKey> {
        Some(ChatKey { source: self.name()?, id: self.text()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_as_texts_and_come_back() {
        let texts = ["", "\0", "\0\0", "\0\u{1}", "\0a", "\u{1}", "a", "a\0", "a\0b", "a\u{1}", "aa", "ab", "ä", "🎉", "\u{10ffff}"];
        let mut sorted = texts;
        sorted.sort_unstable();
        let keys: Vec<Key> = sorted.iter().map(|text| Key::global(Class::User).text(text).number(u64::MAX)).collect();
        assert!(keys.is_sorted());
        for (text, key) in sorted.iter().zip(&keys) {
            let mut parts = Parts::after(&Key::global(Class::User), key.bytes());
            assert_eq!(parts.text().as_deref(), Some(*text));
            assert_eq!(parts.number(), Some(u64::MAX));
            assert_eq!(parts.number(), None);
        }
        for one in texts {
            for other in texts {
                let (one_key, other_key) = (Key::global(Class::User).text(one), Key::global(Class::User).text(other));
                assert_eq!(other_key.bytes().starts_with(one_key.bytes()), one == other, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn the_end_is_past_every_key() {
        let prefix = Key::global(Class::Chat).fixed(&[7, 0xff, 0xff]);
        assert!(prefix.end().as_slice() > prefix.clone().fixed(&[0xff; 40]).bytes());
        assert!(prefix.end().as_slice() <= Key::global(Class::Chat).fixed(&[8]).bytes());
    }

    #[test]
    fn letters_are_each_used_once() {
        let mut letters: Vec<u8> = Class::ALL.iter().map(|class| *class as u8).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), Class::ALL.len());
    }
}
