//! What is said of an e-mail before its text: MAIL, RCPT for each recipient, DATA; in groups, and perhaps ahead of its turn.
//!
//! It is rendered for what one server offers, and says nothing of the text but its size and whether it is ASCII. So a connection that is sending the
//! text of another e-mail can say it behind that one's final dot (RFC 2920, section 3.1), for a task that holds the bytes and does nothing yet.

use std::fmt::Write as _;
use std::ops::Range;

use consign_model::delivery::Outcome;

use super::body::Message;
use super::capabilities::Capabilities;
use super::fault::Step;

/// Commands written before the first of their answers is read. Their answers must fit the buffers on the way, or both sides wait for ever.
const GROUP: usize = 50;

/// Whom an e-mail is from and for, and what MAIL says of its text.
#[derive(Debug)]
pub(super) struct Envelope {
    from: String,
    /// Checked addresses, at least one.
    recipients: Vec<String>,
    size: u64,
    /// How much of `size` is the signature.
    signature: u64,
    is_ascii: bool,
}

impl Envelope {
    /// `recipients` are checked addresses, at least one.
    pub(super) fn new(from: &str, recipients: Vec<String>, message: &Message<'_>) -> Self {
        Self { from: from.to_owned(), recipients, size: message.size(), signature: message.signature_size(), is_ascii: message.is_ascii() }
    }

    /// How many recipients.
    pub(super) fn count(&self) -> usize {
        self.recipients.len()
    }

    /// The commands for a server with these offers, and the outcomes that they rule out before a byte is sent. `place` is the server, for texts.
    pub(super) fn open(&self, offers: &Capabilities, place: &str) -> Opening {
        let mut slots: Vec<Option<Outcome>> = self.recipients.iter().map(|_| None).collect();
        if let Err(reason) = self.offered(offers, &mut slots) {
            settle(&mut slots, &Outcome::not_sendable(format!("{place}: {reason}")));
        }
        let mut opening = Opening { lines: String::new(), commands: Vec::with_capacity(self.recipients.len() + 2), done: 0, slots };
        if opening.is_open() {
            opening.lines.reserve(128 + 64 * self.recipients.len());
            self.mail(offers, &mut opening.lines);
            opening.ends(Command::Mail);
            for (index, recipient) in self.recipients.iter().enumerate() {
                if opening.slots.get(index).is_some_and(Option::is_none) {
                    opening.lines.extend(["RCPT TO:<", recipient.as_str(), ">\r\n"]);
                    opening.ends(Command::Rcpt(index));
                }
            }
            opening.lines.push_str("DATA\r\n");
            opening.ends(Command::Data);
        }
        opening
    }

    /// What the server's offer rules out: the error is for all, a settled slot for one recipient.
    fn offered(&self, offers: &Capabilities, slots: &mut [Option<Outcome>]) -> Result<(), String> {
        if let Some(limit) = offers.max_size
            && self.size > limit
        {
            return Err(format!(
                "the e-mail has {} bytes, and the server takes {limit} at most. Set the target's max-size to \"{} B\" or less, apply it, and run \
                 'consign held retry ID --current'",
                self.size,
                limit.saturating_sub(self.signature)
            ));
        }
        if !self.is_ascii && !offers.eight_bit {
            return Err("the e-mail holds 8-bit text, and the server does not offer 8BITMIME".to_owned());
        }
        if !offers.utf8 {
            let what = "is not ASCII, and the server does not offer SMTPUTF8. Give the target another address, or a server that offers it";
            if !self.from.is_ascii() {
                return Err(format!("the sender {} {what}", self.from));
            }
            for (recipient, slot) in self.recipients.iter().zip(slots).filter(|(recipient, _)| !recipient.is_ascii()) {
                *slot = Some(Outcome::not_sendable(format!("the recipient {recipient} {what}")));
            }
        }
        Ok(())
    }

    fn mail(&self, offers: &Capabilities, lines: &mut String) {
        lines.extend(["MAIL FROM:<", self.from.as_str(), ">"]);
        if offers.size {
            // Writing to a String can't fail.
            let _ = write!(lines, " SIZE={}", self.size);
        }
        if !self.is_ascii {
            lines.push_str(" BODY=8BITMIME");
        }
        if offers.utf8 && !(self.from.is_ascii() && self.recipients.iter().all(|recipient| recipient.is_ascii())) {
            lines.push_str(" SMTPUTF8");
        }
        lines.push_str("\r\n");
    }
}

/// Which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Mail,
    /// For the recipient of this slot.
    Rcpt(usize),
    Data,
}

impl Command {
    pub(super) fn step(self) -> Step {
        match self {
            Self::Mail => Step::Mail,
            Self::Rcpt(_) => Step::Rcpt,
            Self::Data => Step::Data,
        }
    }
}

/// An envelope as it is said to one server, and what became of its recipients so far.
#[derive(Debug)]
pub(super) struct Opening {
    lines: String,
    /// MAIL, RCPT for each recipient that is asked for, DATA, with the ends of their lines; none where nobody is left to ask for.
    commands: Vec<(Command, usize)>,
    /// How many of the commands make up the groups before the next one.
    done: usize,
    /// An outcome, or none yet, for each recipient in their order.
    slots: Vec<Option<Outcome>>,
}

/// What is said together.
#[derive(Debug)]
pub(super) struct Group {
    /// Which of the commands.
    commands: Range<usize>,
    /// Of the first of them.
    pub(super) step: Step,
    lines: Range<usize>,
}

impl Opening {
    /// The last line is this command.
    fn ends(&mut self, command: Command) {
        self.commands.push((command, self.lines.len()));
    }

    /// Somebody's outcome is open.
    pub(super) fn is_open(&self) -> bool {
        self.slots.iter().any(Option::is_none)
    }

    /// Settles those that are open.
    pub(super) fn settle(&mut self, outcome: &Outcome) {
        settle(&mut self.slots, outcome);
    }

    /// Settles one, if it is open.
    pub(super) fn settle_one(&mut self, index: usize, outcome: &Outcome) {
        settle(self.slots.get_mut(index).map(std::slice::from_mut).unwrap_or_default(), outcome);
    }

    /// What became of all; `lost` for what is still open.
    pub(super) fn outcomes(self, lost: impl Fn() -> Outcome) -> Vec<Outcome> {
        self.slots.into_iter().map(|slot| slot.unwrap_or_else(&lost)).collect()
    }

    /// What is said next, all of it before an answer is read: without PIPELINING a command alone. `None` when all was said.
    pub(super) fn group(&self, offers: &Capabilities) -> Option<Group> {
        let size = if offers.pipelining { GROUP } else { 1 };
        let end = self.commands.len().min(self.done + size);
        let before = self.done.checked_sub(1).and_then(|last| self.commands.get(last)).map_or(0, |(_, end)| *end);
        let (first, _) = self.commands.get(self.done)?;
        let (_, after) = self.commands.get(end.checked_sub(1)?)?;
        Some(Group { commands: self.done..end, step: first.step(), lines: before..*after })
    }

    /// The lines of a group.
    pub(super) fn lines(&self, group: &Group) -> &str {
        self.lines.get(group.lines.clone()).unwrap_or_default()
    }

    /// The places of the group's commands, whose answers come in this order; the next group is the one behind it.
    pub(super) fn take(&mut self, group: &Group) -> Range<usize> {
        self.done = group.commands.end;
        group.commands.clone()
    }

    /// The command at this place.
    pub(super) fn command(&self, at: usize) -> Option<Command> {
        self.commands.get(at).map(|(command, _)| *command)
    }
}

fn settle(slots: &mut [Option<Outcome>], outcome: &Outcome) {
    for slot in slots.iter_mut().filter(|slot| slot.is_none()) {
        *slot = Some(outcome.clone());
    }
}
