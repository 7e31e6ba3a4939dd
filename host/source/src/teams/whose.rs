//! Whose copy a file is. The Export API is asked user by user (`users/{id}/chats/getAllMessages`), and what it answers names the user in its links; a
//! person who keeps the answers names files or folders after the user.
//!
//! Links are certain and come first: `@odata.context`, `@odata.nextLink` and `@odata.deltaLink` with `users('…')` or `users/…/` are that user's copy, with
//! `teams('…')`, `teams/…/` or without either they say nothing of a user. Only where no link of the file says anything does its path: the nearest of its
//! parts, from the file's name up, that is an address, alone or behind `user-`; a GUID behind `user-` or in a folder `users`; or a GUID alone. The last is no proof:
//! chats, teams, runs of a tool and attachments have GUIDs too. So it has to be a user who is known otherwise, as one of a list, a member or a sender, since whoever counts
//! as captured vouches for what is not there. A file with another GUID in its path is nobody's own copy, and the report says so.

use consign_model::Timestamp;

use super::people;
use crate::text;

/// What a page's links say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// Whose copy it is.
    pub user: Option<String>,
    /// It is a team's.
    pub team: bool,
    /// The times that were asked for.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl Links {
    /// Adds what one more link says.
    pub fn add(&mut self, link: &str) {
        let link = decoded(link);
        if self.user.is_none() {
            self.user = named(&link, "users");
        }
        self.team |= named(&link, "teams").is_some();
        let time = |words: [&str; 2]| {
            let after = words.iter().find_map(|word| link.split_once(&format!("DateTime {word} ")).map(|(_, after)| after))?;
            Timestamp::parse(after.split([' ', '&', ')']).next()?).ok()
        };
        self.from = self.from.or(time(["gt", "ge"]));
        self.until = self.until.or(time(["lt", "le"]));
    }

    /// Whether they say anything.
    pub fn say(&self) -> bool {
        self.user.is_some() || self.team
    }
}

/// The id in `users('…')` or `users/…/`.
fn named(link: &str, what: &str) -> Option<String> {
    for (at, _) in link.match_indices(what) {
        if !link.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(['/', '#', '('])) {
            continue;
        }
        let after = link.get(at + what.len()..).unwrap_or_default();
        let id = match (after.strip_prefix("('"), after.strip_prefix('/')) {
            (Some(quoted), _) => quoted.split_once("')").map(|(id, _)| id),
            (None, Some(rest)) => rest.split_once('/').map(|(id, _)| id),
            (None, None) => None,
        };
        if let Some(id) = id.filter(|id| text::is_id(id)) {
            return Some(people::id(id.to_owned()));
        }
    }
    None
}

/// `%27` as `'`, and `+` as a space, as links have them.
fn decoded(link: &str) -> String {
    let mut bytes = Vec::with_capacity(link.len());
    let mut rest = link.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        let mut ahead = rest.clone();
        match byte {
            b'%' if let (Some(high), Some(low)) = (digit(ahead.next()), digit(ahead.next())) => {
                bytes.push(high << 4 | low);
                rest = ahead;
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a part of a path says of whose copy the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// That user's: the layout says so.
    User(String),
    /// It is a GUID: that user's, if it is one of a user.
    Guid(String),
    /// There is a GUID in it, beside something else.
    Stray,
}

/// What the parts of a path say, from the file's name up; those that say nothing are left out.
pub fn of_path(path: &str) -> Vec<Part> {
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or_default();
    let stem = [".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".json.zst", ".jsonl.zst"]
        .iter()
        .find_map(|end| file.strip_suffix(end))
        .unwrap_or(file);
    let parts: Vec<&str> = std::iter::once(stem).chain(parts).collect();
    let above = parts.iter().skip(1).map(|part| Some(*part)).chain([None]);
    parts.iter().zip(above).filter_map(|(part, above)| of_part(part, above)).collect()
}

fn of_part(part: &str, above: Option<&str>) -> Option<Part> {
    let behind = ["user-", "user_", "users-", "users_"].iter().find_map(|start| part.strip_prefix(start));
    let bare = behind.unwrap_or(part);
    if let Some(address) = text::address(bare.split(['_', ' ', '(']).next().unwrap_or_default()) {
        return Some(Part::User(address));
    }
    let is_alone = people::is_guid(bare);
    let is_said = behind.is_some() || is_alone && above.is_some_and(|above| matches!(above, "users" | "user"));
    match guid(bare) {
        Some(id) if is_said => Some(Part::User(id)),
        Some(id) if is_alone => Some(Part::Guid(id)),
        Some(_) => Some(Part::Stray),
        None => has_guid(part).then_some(Part::Stray),
    }
}

/// Whether there is one anywhere.
fn has_guid(part: &str) -> bool {
    part.char_indices().any(|(at, _)| part.get(at..at + 36).is_some_and(people::is_guid))
}

/// A GUID at the beginning, with nothing of a word behind it.
fn guid(part: &str) -> Option<String> {
    let (id, rest) = part.split_at_checked(36)?;
    (people::is_guid(id) && !rest.starts_with(|c: char| c.is_alphanumeric())).then(|| people::id(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";

    #[test]
    fn links_name_users() {
        for (link, user, team) in [
            (format!("https://graph.microsoft.com/v1.0/$metadata#users('{ANN}')/chats/getAllMessages"), Some(ANN), false),
            (format!("https://graph.microsoft.com/v1.0/$metadata#users(%27{ANN}%27)/chats"), Some(ANN), false),
            (format!("https://graph.microsoft.com/v1.0/users/{ANN}/chats/getAllMessages?$skip=2"), Some(ANN), false),
            ("https://graph.microsoft.com/beta/users('ann@desk.example')/chats".into(), Some("ann@desk.example"), false),
            (format!("https://graph.microsoft.com/v1.0/teams/{ANN}/channels/getAllMessages"), None, true),
            (format!("https://graph.microsoft.com/v1.0/$metadata#teams('{ANN}')/channels('19%3a1%40thread.tacv2')/messages"), None, true),
            ("https://graph.microsoft.com/v1.0/$metadata#Collection(chatMessage)".into(), None, false),
            ("https://graph.microsoft.com/v1.0/users/".into(), None, false),
            ("users('".into(), None, false),
            ("https://x/superusers/a/b%2".into(), None, false),
        ] {
            let mut links = Links::default();
            links.add(&link);
            assert_eq!((links.user.as_deref(), links.team), (user, team), "{link}");
        }
    }

    #[test]
    fn links_name_times() {
        let mut links = Links::default();
        links.add("https://graph.microsoft.com/v1.0/users/u/chats/getAllMessages?$filter=lastModifiedDateTime+gt+2026-01-01T00:00:00Z%20and%20lastModifiedDateTime%20lt%202026-02-01T00:00:00Z&$skip=1");
        assert_eq!(
            (links.from.map(|time| time.to_string()).as_deref(), links.until.map(|time| time.to_string()).as_deref()),
            (Some("2026-01-01T00:00:00.000Z"), Some("2026-02-01T00:00:00.000Z"))
        );
    }

    #[test]
    fn paths_name_users() {
        let (user, guid) = (|id: &str| Part::User(id.to_owned()), || Part::Guid(ANN.to_owned()));
        for (path, parts) in [
            (format!("{ANN}.json"), vec![guid()]),
            (format!("dump/{}/page-1.json", ANN.to_uppercase()), vec![guid()]),
            (format!("user-{ANN}-p2.jsonl"), vec![user(ANN)]),
            (format!("users/{ANN}/page-1.json.gz"), vec![user(ANN)]),
            ("ann@desk.example.json".into(), vec![user("ann@desk.example")]),
            ("user-ann@desk.example_2.json".into(), vec![user("ann@desk.example")]),
            ("ann@desk.example/1.json".into(), vec![user("ann@desk.example")]),
            (format!("{ANN}/chat-{ANN}.json"), vec![Part::Stray, guid()]),
            (format!("{ANN}-p2.json"), vec![Part::Stray]),
            (format!("{ANN}abc.json"), vec![Part::Stray]),
            ("page-1.json".into(), vec![]),
            ("日本/ü.json".into(), vec![]),
        ] {
            assert_eq!(of_path(&path), parts, "{path}");
        }
    }
}
