//! Chats, and who was in them when.
//!
//! Moves (joins and leaves) are kept as they were seen, and stays are computed from all of them each time. So a join that arrives late, or twice,
//! or after its leave, gives the same stays as one that arrived in order; and a re-join stays a second stay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Name, Timestamp};

/// What kind of conversation it is. Numbered as in the module contract (`chat-kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ChatKind {
    /// Two people.
    Direct = 0,
    /// Some people, by invitation.
    Group = 1,
    /// A named room.
    Channel = 2,
    /// The chat of a meeting.
    Meeting = 3,
    /// What the platform has beside these.
    Other = 4,
}

/// Which chat: a source's name and the platform's id of the chat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChatKey {
    /// The connected platform.
    pub source: Name,
    /// The platform's own id.
    pub id: String,
}

/// A chat as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// Source and id.
    pub key: ChatKey,
    /// Direct, group, channel, …
    pub kind: ChatKind,
    /// The newest title, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Labels of the source.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How many events have arrived; the next one gets this position.
    pub events: u64,
    /// Time of the earliest event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at: Option<Timestamp>,
    /// Time of the latest event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
}

impl Chat {
    /// A chat of which nothing has arrived yet.
    pub fn new(key: ChatKey, kind: ChatKind) -> Self {
        Self { key, kind, title: None, labels: BTreeMap::new(), events: 0, first_at: None, last_at: None }
    }
}

/// Into the chat or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveKind {
    /// The user came.
    Join,
    /// The user went.
    Leave,
}

/// One join or leave. Ordered by time, then by the platform's own order within a millisecond.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Move {
    /// When.
    pub at: Timestamp,
    /// [`crate::Event::move_order`]: for platforms whose ids sort by time it orders moves within one millisecond.
    pub order: String,
    /// Join or leave.
    pub kind: MoveKind,
}

/// What is known of one user's place in one chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The platform's id of the user.
    pub user: String,
    /// The platform lists the user as a member, without times.
    pub listed: bool,
    /// The user wrote, edited, deleted or reacted here.
    pub active: bool,
    /// When the user wrote or reacted here first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted_at: Option<Timestamp>,
    /// Joins and leaves, sorted, each once.
    pub moves: Vec<Move>,
    /// From the first to the last event of the chat that the user's own export was seen to hold, where there is one for each user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<(Timestamp, Timestamp)>,
}

/// One stay. Both ends belong to it: a membership includes its joining and its leaving event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// Unset: since before the first known event.
    pub joined: Option<Timestamp>,
    /// Unset: still there.
    pub left: Option<Timestamp>,
}

impl Membership {
    /// Whether this stay covers the instant.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.joined.is_none_or(|joined| joined <= at) && self.left.is_none_or(|left| at <= left)
    }
}

impl Move {
    /// Whether the platform gave this move no id, so that its id, derived from what it is, says nothing of its order.
    fn has_no_order(&self) -> bool {
        self.order.starts_with(match self.kind {
            MoveKind::Join => "join:",
            MoveKind::Leave => "leave:",
        })
    }

    /// Whether these are a join and a leave of one millisecond of which nobody can say which came first.
    fn is_either_way(&self, next: &Self) -> bool {
        self.at == next.at && self.kind != next.kind && self.has_no_order() && next.has_no_order()
    }
}

impl Member {
    /// A user of whom nothing is known here yet.
    pub fn new(user: &str) -> Self {
        Self { user: user.to_owned(), listed: false, active: false, acted_at: None, moves: Vec::new(), seen: None }
    }

    /// Adds what another record knows of the same user. Says whether that was anything new.
    pub fn merge(&mut self, other: &Self) -> bool {
        let sums = |one: &Self| (one.listed, one.active, one.acted_at, one.moves.len(), one.seen);
        let (before, moves_before) = (sums(self), self.moves.clone());
        self.seen = match (self.seen, other.seen) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (one, other) => one.or(other),
        };
        self.listed |= other.listed;
        self.active |= other.active;
        self.acted_at = self.acted_at.into_iter().chain(other.acted_at).min();
        for one in &other.moves {
            // Of one and the same move, as an earlier release or a list knows it, what has an order says more.
            let is_same = |known: &Move| known.at == one.at && known.kind == one.kind;
            if one.has_no_order() && self.moves.iter().any(|known| is_same(known) && !known.has_no_order()) {
                continue;
            }
            if !one.has_no_order() {
                self.moves.retain(|known| !is_same(known) || !known.has_no_order());
            }
            if let Err(place) = self.moves.binary_search(one) {
                self.moves.insert(place, one.clone());
            }
        }
        before != sums(self) || self.moves != moves_before
    }

    /// Whether the first stay follows from nothing but what the user did, or what his own export holds: no list, no join and no leave tells it. All others
    /// are told.
    pub fn is_derived(&self) -> bool {
        (self.moves.is_empty() && !self.listed) || self.acted_before_joining().is_some()
    }

    /// The stay of somebody who wrote or reacted before the first join that is known: he was there then, until nobody knows when, so until he joined again.
    fn acted_before_joining(&self) -> Option<Membership> {
        let (first, acted) = (self.moves.first()?, self.acted_at?);
        let is_joining = first.kind == MoveKind::Join && !self.moves.get(1).is_some_and(|next| first.is_either_way(next));
        (is_joining && acted < first.at).then_some(Membership { joined: Some(acted), left: Some(first.at) })
    }

    /// The stays, in order of time, never overlapping (two may touch at one millisecond).
    ///
    /// A leave without a join before it proves a stay that began before the first known event. A listed user without any move was there all the
    /// time. One who is not listed and was only seen acting was too, where the platform lists nobody (`chat_lists_members` is false); where it lists
    /// the chat's members, it is believed. Whose own export was read, and is not listed, was there from its first to its last event of the chat, and nobody
    /// knows of more. Who wrote or reacted before the first join was there from then on. A join while inside and a leave while outside change nothing.
    ///
    /// Where a join and a leave share a millisecond and their order is not known, it is the one that makes sense: who was inside left and came back, who
    /// was outside came and left. Where nothing came before, the user is taken to have been inside before and after.
    pub fn memberships(&self, chat_lists_members: bool) -> Vec<Membership> {
        if let (Some((first, last)), true) = (self.seen, self.moves.is_empty() && !self.listed) {
            return vec![Membership { joined: Some(first), left: Some(last) }];
        }
        let mut stays: Vec<Membership> = self.acted_before_joining().into_iter().collect();
        // Outer `Some`: inside, since then.
        let mut inside: Option<Option<Timestamp>> = match self.moves.first() {
            Some(first) if self.moves.get(1).is_some_and(|next| first.is_either_way(next)) => Some(None),
            None if self.listed || (self.active && !chat_lists_members) => Some(None),
            Some(Move { kind: MoveKind::Leave, .. }) => Some(None),
            None | Some(_) => None,
        };
        let mut moves = self.moves.iter().peekable();
        while let Some(one) = moves.next() {
            if moves.next_if(|next| one.is_either_way(next)).is_some() {
                let joined = inside.unwrap_or(Some(one.at));
                stays.push(Membership { joined, left: Some(one.at) });
                inside = inside.map(|_| Some(one.at));
                continue;
            }
            match (one.kind, inside) {
                (MoveKind::Join, None) => inside = Some(Some(one.at)),
                (MoveKind::Leave, Some(joined)) => {
                    stays.push(Membership { joined, left: Some(one.at) });
                    inside = None;
                }
                (MoveKind::Join, Some(_)) | (MoveKind::Leave, None) => {}
            }
        }
        if let Some(joined) = inside {
            stays.push(Membership { joined, left: None });
        }
        stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, EventKind};

    fn member(listed: bool, moves: &[(i64, MoveKind)]) -> Member {
        let moves = moves.iter().enumerate().map(|(i, (at, kind))| Move { at: Timestamp(*at), order: format!("{i:03}"), kind: *kind });
        Member { listed, moves: moves.collect(), ..Member::new("u") }
    }

    #[test]
    fn of_one_millisecond_by_the_messages_that_told_it() {
        let told = |kind: EventKind, message: &str| {
            let mut event = Event::new(kind, Event::derived_id(kind, &["U:1", message], Timestamp(9)), Timestamp(9));
            event.user = Some("U:1".to_owned());
            event
        };
        let (left, came) = (told(EventKind::Leave, "118"), told(EventKind::Join, "119"));
        assert_eq!((left.move_order(), came.move_order()), ("118", "119"));
        let bare = Event { id: Event::derived_id(EventKind::Join, &["U:1"], Timestamp(9)), ..came.clone() };
        let own = Event { id: "1767.001".to_owned(), ..came.clone() };
        assert_eq!((bare.move_order(), own.move_order()), (bare.id.as_str(), "1767.001"));

        // Who was outside comes with the second, and one that is known without its order is no other.
        let moved = |kind, at, order: &str| Member { moves: vec![Move { at: Timestamp(at), order: order.to_owned(), kind }], ..Member::new("u") };
        let unordered = [moved(MoveKind::Join, 9, &bare.id), moved(MoveKind::Leave, 9, &bare.id.replace("join", "leave"))];
        let mut all = [moved(MoveKind::Leave, 4, "3"), moved(MoveKind::Leave, 9, "118"), moved(MoveKind::Join, 9, "119")].to_vec();
        all.extend(unordered);
        for turn in 0..all.len() {
            all.rotate_left(turn);
            let mut member = Member::new("u");
            assert!(all.iter().filter(|one| member.merge(one)).count() >= 3);
            assert_eq!(member.moves.len(), 3, "{member:?}");
            let expected = [Membership { joined: None, left: Some(Timestamp(4)) }, Membership { joined: Some(Timestamp(9)), left: None }];
            assert_eq!(member.memberships(true), expected);
        }
    }

    fn stays(listed: bool, moves: &[(i64, MoveKind)]) -> Vec<(Option<i64>, Option<i64>)> {
        let stays = member(listed, moves).memberships(true);
        stays.iter().map(|stay| (stay.joined.map(|t| t.0), stay.left.map(|t| t.0))).collect()
    }

    #[test]
    fn stays_from_moves() {
        use MoveKind::{Join, Leave};
        assert_eq!(stays(false, &[]), []);
        assert_eq!(stays(true, &[]), [(None, None)]);
        assert_eq!(stays(true, &[(5, Join)]), [(Some(5), None)]);
        assert_eq!(stays(false, &[(5, Leave)]), [(None, Some(5))]);
        assert_eq!(stays(true, &[(5, Leave), (7, Join)]), [(None, Some(5)), (Some(7), None)]);
        assert_eq!(stays(false, &[(1, Join), (2, Join), (3, Leave), (4, Leave)]), [(Some(1), Some(3))]);
        assert_eq!(stays(false, &[(1, Join), (1, Leave), (1, Join)]), [(Some(1), Some(1)), (Some(1), None)]);
    }

    #[test]
    fn a_join_and_a_leave_of_one_millisecond() {
        use MoveKind::{Join, Leave};
        let derived = |moves: &[(i64, MoveKind)]| {
            let order = |at: i64, kind: MoveKind| format!("{}:u:{at}", if kind == Join { "join" } else { "leave" });
            let mut moves: Vec<_> = moves.iter().map(|(at, kind)| Move { at: Timestamp(*at), order: order(*at, *kind), kind: *kind }).collect();
            moves.sort();
            let stays = Member { moves, ..member(false, &[]) }.memberships(false);
            stays.iter().map(|stay| (stay.joined.map(|t| t.0), stay.left.map(|t| t.0))).collect::<Vec<_>>()
        };
        assert_eq!(derived(&[(1, Join), (5, Leave), (5, Join)]), [(Some(1), Some(5)), (Some(5), None)]);
        assert_eq!(derived(&[(1, Join), (5, Leave), (5, Join), (9, Leave)]), [(Some(1), Some(5)), (Some(5), Some(9))]);
        assert_eq!(derived(&[(1, Join), (3, Leave), (5, Join), (5, Leave)]), [(Some(1), Some(3)), (Some(5), Some(5))]);
        assert_eq!(derived(&[(5, Leave), (5, Join)]), [(None, Some(5)), (Some(5), None)]);
        // A platform's own ids tell the order.
        assert_eq!(stays(false, &[(1, Join), (5, Join), (5, Leave)]), [(Some(1), Some(5))]);
    }

    #[test]
    fn who_only_acts_was_there_unless_the_platform_lists_members() {
        let active = Member { active: true, ..member(false, &[]) };
        assert_eq!(active.memberships(true), []);
        assert_eq!(active.memberships(false), [Membership { joined: None, left: None }]);
    }

    #[test]
    fn who_wrote_before_joining_was_there() {
        use MoveKind::{Join, Leave};
        let acted = |at: i64, moves: &[(i64, MoveKind)]| Member { active: true, acted_at: Some(Timestamp(at)), ..member(false, moves) };
        let of = |one: &Member| one.memberships(true).iter().map(|stay| (stay.joined.map(|t| t.0), stay.left.map(|t| t.0))).collect::<Vec<_>>();
        let before = acted(3, &[(5, Join), (7, Leave)]);
        assert_eq!((of(&before), before.is_derived()), (vec![(Some(3), Some(5)), (Some(5), Some(7))], true));
        for (at, moves) in [(5, [(5, Join), (7, Leave)]), (3, [(5, Leave), (7, Join)])] {
            let one = acted(at, &moves);
            assert_eq!((of(&one), one.is_derived()), (stays(false, &moves), false), "what the platform says is enough");
        }
        let mut late = acted(9, &[(5, Join), (7, Leave)]);
        assert!(late.merge(&acted(3, &[])) && !late.merge(&acted(4, &[])));
        assert_eq!(late, before);
    }

    #[test]
    fn whose_own_export_was_read_was_there_as_long_as_it_shows() {
        let seen = |first, last| Member { active: true, seen: Some((Timestamp(first), Timestamp(last))), ..member(false, &[]) };
        let mut both = seen(5, 9);
        assert!(both.merge(&seen(3, 7)) && !both.merge(&seen(4, 8)));
        let stay = Membership { joined: Some(Timestamp(3)), left: Some(Timestamp(9)) };
        assert_eq!((both.memberships(false), both.memberships(true)), (vec![stay], vec![stay]));
        let moved = Member { seen: both.seen, ..member(false, &[(4, MoveKind::Join)]) };
        assert_eq!(moved.memberships(false), [Membership { joined: Some(Timestamp(4)), left: None }], "what the platform says of moves is believed");
        let listed = Member { seen: both.seen, ..member(true, &[]) };
        assert_eq!(listed.memberships(true), [Membership { joined: None, left: None }]);
    }

    #[test]
    fn merging_is_the_same_in_any_order_and_twice() {
        use MoveKind::{Join, Leave};
        let whole = member(false, &[(1, Join), (3, Leave), (5, Join)]);
        let mut late = member(false, &[]);
        for one in whole.moves.iter().rev() {
            let piece = Member { moves: vec![one.clone()], ..member(false, &[]) };
            assert!(late.merge(&piece));
            assert!(!late.merge(&piece));
        }
        assert_eq!(late, whole);
    }
}
