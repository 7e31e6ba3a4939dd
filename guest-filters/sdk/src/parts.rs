//! What the attributes' code calls. Not for authors: nothing here is promised to stay.
//!
//! A column that is shorter than its batch breaks the contract, and the module ends: a trap holds the window, where any other answer could export wrongly.
#![expect(clippy::panic, reason = "the contract is broken: only ending is right")]

use crate::text::{group_key, one_line};
use crate::time::Local;
use crate::{Failure, Group, Participant, TextColumn, View};
use std::collections::HashMap;

fn short() -> ! {
    panic!("the host handed out a column that is shorter than its batch")
}

pub fn value<T: Copy>(column: &[T], row: usize) -> T {
    column.get(row).copied().unwrap_or_else(|| short())
}

pub fn text(column: &TextColumn, row: usize) -> &str {
    column.get(row).unwrap_or_else(|| short())
}

/// An empty text is none.
pub fn some_text(column: &TextColumn, row: usize) -> Option<&str> {
    Some(text(column, row)).filter(|text| !text.is_empty())
}

pub fn sender<'a>(participants: &'a [Participant], column: &[Option<usize>], row: usize) -> Option<&'a Participant> {
    let sender = value(column, row)?;
    Some(participants.get(sender).unwrap_or_else(|| panic!("the host named a sender who is no participant")))
}

/// # Errors
/// There is no such zone.
pub fn locals(events: &dyn View, zone: &str) -> Result<Vec<Local>, Failure> {
    let offsets = events.utc_offsets(zone)?;
    Ok(events.times().into_iter().zip(offsets).map(|(at, offset)| Local::new(at, offset)).collect())
}

/// What a parameter `matches` can be.
#[diagnostic::on_unimplemented(
    message = "`matches` can't be `{Self}`",
    label = "bool for the configuration's only list of keywords, [bool; N] for N of them"
)]
pub trait Matches: Sized {
    type Columns;
    fn columns(events: &dyn View) -> Self::Columns;
    fn at(columns: &Self::Columns, row: usize) -> Self;
}

impl Matches for bool {
    type Columns = Vec<bool>;
    fn columns(events: &dyn View) -> Self::Columns {
        events.matches(0)
    }
    fn at(columns: &Self::Columns, row: usize) -> Self {
        value(columns, row)
    }
}

impl<const N: usize> Matches for [bool; N] {
    type Columns = [Vec<bool>; N];
    fn columns(events: &dyn View) -> Self::Columns {
        std::array::from_fn(|list| events.matches(number(list)))
    }
    fn at(columns: &Self::Columns, row: usize) -> Self {
        columns.each_ref().map(|column| value(column, row))
    }
}

/// What a parameter `match_counts` can be.
#[diagnostic::on_unimplemented(
    message = "`match_counts` can't be `{Self}`",
    label = "u8 for the configuration's only list of keywords, [u8; N] for N of them"
)]
pub trait MatchCounts: Sized {
    type Columns;
    fn columns(events: &dyn View) -> Self::Columns;
    fn at(columns: &Self::Columns, row: usize) -> Self;
}

impl MatchCounts for u8 {
    type Columns = Vec<u8>;
    fn columns(events: &dyn View) -> Self::Columns {
        events.match_counts(0)
    }
    fn at(columns: &Self::Columns, row: usize) -> Self {
        value(columns, row)
    }
}

impl<const N: usize> MatchCounts for [u8; N] {
    type Columns = [Vec<u8>; N];
    fn columns(events: &dyn View) -> Self::Columns {
        std::array::from_fn(|list| events.match_counts(number(list)))
    }
    fn at(columns: &Self::Columns, row: usize) -> Self {
        columns.each_ref().map(|column| value(column, row))
    }
}

fn number(list: usize) -> u32 {
    u32::try_from(list).unwrap_or(u32::MAX)
}

/// What a grouping function can answer with.
#[diagnostic::on_unimplemented(
    message = "an e-mail can't be named by `{Self}`",
    label = "a key (&str or String), a key and a title (two of them), or a Group"
)]
pub trait IntoGroup {
    fn into_group(self) -> Group;
}

impl IntoGroup for &str {
    fn into_group(self) -> Group {
        Group::new(self, self)
    }
}

impl IntoGroup for String {
    fn into_group(self) -> Group {
        Group::new(&self, &self)
    }
}

impl<K: AsRef<str>, T: AsRef<str>> IntoGroup for (K, T) {
    fn into_group(self) -> Group {
        Group::new(self.0.as_ref(), self.1.as_ref())
    }
}

impl IntoGroup for Group {
    fn into_group(self) -> Group {
        self
    }
}

/// The groups of a chat, numbered as they are met. What the first event of a group says of it counts.
#[derive(Debug, Default)]
pub struct Groups {
    numbers: HashMap<String, u32>,
    groups: Vec<Group>,
}

impl Groups {
    /// # Errors
    /// There are more than a number can count.
    pub fn number(&mut self, group: impl IntoGroup) -> Result<u32, Failure> {
        let group = group.into_group();
        if let Some(number) = self.numbers.get(&group.key) {
            return Ok(*number);
        }
        let number = u32::try_from(self.groups.len()).map_err(|_| Failure::new("the chat has too many groups"))?;
        self.numbers.insert(group.key.clone(), number);
        self.groups.push(group);
        Ok(number)
    }

    pub fn take(&mut self) -> Vec<Group> {
        self.numbers.clear();
        std::mem::take(&mut self.groups)
    }
}

impl Group {
    /// A group with this key and title, made fit for the host: see [`group_key`] and [`one_line`].
    pub fn new(key: &str, title: &str) -> Self {
        Self { key: group_key(key), title: one_line(title), subject: None, labels: Vec::new() }
    }
}

/// Says to the compiler that a module is used: natively nobody else does, but for tests.
#[doc(hidden)]
#[macro_export]
macro_rules! used_natively {
    ($module:ty as $kind:ident) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            let _ = <$module as $crate::$kind>::configure;
        };
    };
}
