//! The chat's own people as addresses, for archives that look for them in From and To, in a journal report or in an index.
//!
//! Names and addresses come from platforms, where anybody may call himself anything. So an address is taken only where it is a bare one that every
//! server takes; else the person has the made-up address that stands everywhere for somebody without one. A name is written as plain words, quoted, or
//! encoded, whichever says it without a character that means something in a header.

use std::collections::HashSet;

use consign_model::Digest;
use consign_model::User;

use super::group::{Group, participant};
use super::words::one_line;
use crate::address::Mailbox;

/// People in a To header at most. With more, archives index slowly and some cut the header; the body lists all.
const ADDRESSED: usize = 500;

/// Bytes of a To header at most; and an eighth of an e-mail. Postfix cuts headers at 100 KiB by itself.
const TO_BYTES: u64 = 48 << 10;

/// Longest name in characters in front of an address.
const LONGEST_NAME: usize = 100;

/// Somebody with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// On one line, not empty; unset where it says no more than the address.
    name: Option<String>,
    /// Bare, and such that every server takes it.
    pub address: String,
}

/// The people of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct People {
    /// Who sends first; unset where nobody does, or nobody here can know.
    pub initiator: Option<Person>,
    /// All who act in the group, then the others who were there; each address once.
    pub all: Vec<Person>,
    /// How many of `all` stand in To.
    pub addressed: usize,
}

impl Person {
    fn new(user: &User, group: &Group<'_>) -> Self {
        let source = &group.input.facts.chat.key.source;
        let bare = |address: &str| Mailbox::parse(address).is_ok_and(|mailbox| mailbox.address == address);
        let own = user.email.as_deref().map(str::trim).filter(|email| bare(email)).map(str::to_owned);
        let address = own.unwrap_or_else(|| {
            let made_up = consign_model::user::synthetic_address(&user.id, source);
            // A source's name may be none of a domain.
            if bare(&made_up) { made_up } else { format!("{}@consign.invalid", Digest::of(user.id.as_bytes()).short()) }
        });
        let mut name = one_line(&user.name).into_owned();
        if let Some((end, _)) = name.char_indices().nth(LONGEST_NAME) {
            name.truncate(end);
            name.push('…');
        }
        Self { name: Some(name).filter(|name| !name.is_empty() && *name != address), address }
    }
}

impl People {
    pub fn of(group: &Group<'_>) -> Self {
        let input = group.input;
        let user = |id: &str| participant(input, id).map_or_else(|| User::unknown(id), |one| one.user.clone());
        let strangers = group.actors().filter(|actor| participant(input, &actor.id).is_none()).map(|actor| User::unknown(&actor.id));
        let known = group.shown.iter().filter_map(|place| input.facts.participants.get(*place)).map(|one| one.user.clone());
        let mut seen = HashSet::new();
        let all: Vec<Person> = strangers.chain(known).map(|user| Person::new(&user, group)).filter(|one| seen.insert(one.address.clone())).collect();
        let initiator = (0..input.events.len()).find_map(|index| group.sender_id(index)).map(|id| Person::new(&user(id), group));
        let room = TO_BYTES.min(input.target.max_size.0 / 8);
        let mut bytes = 0_u64;
        let fits = |one: &&Person| {
            let mut out = Vec::new();
            push_person(&mut out, one);
            bytes = bytes.saturating_add(u64::try_from(out.len() + 4).unwrap_or(u64::MAX));
            bytes <= room
        };
        let addressed = all.iter().take(ADDRESSED).take_while(fits).count();
        Self { initiator, all, addressed }
    }

    /// Those in To.
    pub fn to(&self) -> &[Person] {
        self.all.get(..self.addressed).unwrap_or_default()
    }
}

/// Adds a header of people, one a line; nothing where there is nobody.
pub(super) fn people_header(out: &mut Vec<u8>, name: &str, people: &[Person]) {
    for (index, person) in people.iter().enumerate() {
        if index == 0 {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
        } else {
            out.extend_from_slice(b",\r\n ");
        }
        push_person(out, person);
    }
    if !people.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
}

/// Longest name that stands on the line of its address.
const SHORT: usize = 30;

/// Bytes of a name in one encoded word: its base64 with its marks stays within RFC 2047's 75, and within a line beside the header's name.
const WORD_BYTES: usize = 36;

fn push_person(out: &mut Vec<u8>, person: &Person) {
    let mut long = person.address.len() > SHORT;
    if let Some(name) = &person.name {
        // RFC 5322, 3.2.3; what looks encoded would be decoded.
        let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        let as_it_is = name.len() <= 60 && !name.contains("=?") && !name.contains("  ");
        long |= name.len() > SHORT;
        if as_it_is && name.bytes().all(|byte| atom(byte) || byte == b' ') {
            out.extend_from_slice(name.as_bytes());
        } else if as_it_is && name.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\') {
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.push(b'"');
        } else {
            long = true;
            push_words(out, name);
        }
        out.extend_from_slice(if long { b"\r\n <" } else { b" <" });
    } else {
        out.push(b'<');
    }
    out.extend_from_slice(person.address.as_bytes());
    out.push(b'>');
}

/// RFC 2047 in base64, one word a line; no character is cut in two (section 5, 3).
fn push_words(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(WORD_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (word, more) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if rest.len() < text.len() {
            out.extend_from_slice(b"\r\n ");
        }
        out.extend_from_slice(b"=?utf-8?B?");
        encodify::base64::STANDARD.encode_append(word.as_bytes(), out);
        out.extend_from_slice(b"?=");
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_so_that_they_stay_names() {
        let written = |name: &str| {
            let mut out = Vec::new();
            push_person(&mut out, &Person { name: Some(name.to_owned()), address: "a@b.example".to_owned() });
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(written("Ann Lee"), "Ann Lee <a@b.example>");
        assert_eq!(written("Lee, Ann"), "\"Lee, Ann\" <a@b.example>");
        assert_eq!(written("Eve <c@d.example>"), "\"Eve <c@d.example>\" <a@b.example>");
        assert_eq!(written("A \"B\""), "=?utf-8?B?QSAiQiI=?=\r\n <a@b.example>");
        assert_eq!(written("=?utf-8?Q?a?="), "=?utf-8?B?PT91dGYtOD9RP2E/PQ==?=\r\n <a@b.example>");
        assert!(written(&"é".repeat(100)).split("\r\n").all(|line| line.len() <= 75));
    }
}
