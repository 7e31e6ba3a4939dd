//! One e-mail over one connection: MAIL, RCPT, DATA, the text, the final dot; an outcome for each recipient.
//!
//! Where the server offers PIPELINING (RFC 2920), MAIL, RCPT and DATA go out together, and the next e-mail's with this one's final dot: a round trip for
//! each e-mail, where one command after another takes four. What makes that safe:
//! - **No empty text.** Were all recipients refused and DATA accepted all the same, the RFC has the client send an empty text to nobody, which some server
//!   might keep. Here that connection is closed instead, and then the server must take none (RFC 5321, section 4.1.1.10).
//! - **One e-mail in flight.** Of the next e-mail only the envelope is out; its text waits until this e-mail's answer came. What is lost with the connection
//!   meanwhile is of no meaning for it: it goes over another one as if nothing had been said ([`Attempt::Stale`]).
//! - **Only behind what was taken.** When this e-mail is refused, the connection is not used for the next: nothing rests on a server's having forgotten the
//!   recipients of what it has just refused. And nothing is said ahead on a connection until an e-mail was accepted on it, since its last refusal, so
//!   that a server which refuses all of them is not connected to anew for each.
//! - **Answers in step.** An answer too many would be taken for the next e-mail's MAIL, and each after it for the wrong command. A 354 to DATA shows that they
//!   are in step, for no other command has one; without it no answer to what was said ahead counts before RSET got its 250 and nothing is left over.

use std::io::IoSlice;
use std::pin::Pin;

use consign_model::delivery::{Outcome, Reply};

use super::body::{Chunk, Message};
use super::connection::Connection;
use super::envelope::{Command, Opening};
use super::fault::{Fault, Step};

/// In what state an e-mail left its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// As before it.
    Clean,
    /// Usable after RSET.
    Reset,
    /// Not usable.
    Broken,
}

/// What became of an e-mail.
#[derive(Debug)]
pub(super) enum Attempt {
    /// An outcome for each recipient, in their order.
    Done(Vec<Outcome>, After),
    /// The connection turned out to be dead before MAIL was answered: of no meaning for the e-mail if the connection was a used one. Or it is of no use
    /// after what was said ahead.
    Stale(Fault),
}

/// Whether the first group of an e-mail's commands is out already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    /// Behind the final dot of the e-mail before, which was accepted.
    Ahead,
}

/// Leave to send the text, which is asked for when all else is done. Until then nothing of the e-mail can have arrived.
pub(super) struct Leave<'l, F: Future> {
    asked: Pin<&'l mut F>,
    given: Option<F::Output>,
}

impl<'l, F: Future> Leave<'l, F> {
    pub(super) fn new(asked: Pin<&'l mut F>) -> Self {
        Self { asked, given: None }
    }

    async fn wait(&mut self) {
        if self.given.is_none() {
            self.given = Some(self.asked.as_mut().await);
        }
    }

    /// What was given, if the text was come to.
    pub(super) fn given(self) -> Option<F::Output> {
        self.given
    }
}

/// Sends one e-mail, whose envelope was opened for this server. `next` is asked, when the final dot goes out, for what is said behind it.
pub(super) async fn send<'n, F: Future>(
    connection: &mut Connection,
    place: &str,
    mut opening: Opening,
    said: Said,
    message: &Message<'_>,
    leave: &mut Leave<'_, F>,
    next: impl FnOnce(&Connection) -> &'n str,
) -> Attempt {
    // Every slot is settled in the end; were one not, nothing would be claimed of it.
    let lost = || Outcome::Unknown { reason: format!("{place}: the outcome was not recorded") };
    if !opening.is_open() {
        // The server's offer has ruled it out.
        return Attempt::Done(opening.outcomes(lost), After::Clean);
    }
    let after = match envelope(connection, &mut opening, said, place).await {
        Err(Stale(fault)) => return Attempt::Stale(fault),
        Ok(Next::Text) => {
            leave.wait().await;
            text(connection, message, &mut opening, place, next).await
        }
        Ok(Next::Stop(after)) => after,
    };
    Attempt::Done(opening.outcomes(lost), after)
}

/// The connection died before MAIL was answered, or what was said ahead came to nothing.
struct Stale(Fault);

/// How it goes on after the envelope.
enum Next {
    Text,
    Stop(After),
}

/// What a reply to one of these commands says.
fn verdict(command: Command, reply: Reply) -> Result<(), Fault> {
    let step = command.step();
    match (command, reply.code) {
        (Command::Mail | Command::Rcpt(_), 200..300) | (Command::Data, 354) => Ok(()),
        (_, 400..) => Err(Fault::Reply { step, reply }),
        (Command::Data, _) => Err(Fault::Garbage { step, what: "an answer other than 354" }),
        _ => Err(Fault::Garbage { step, what: "an answer that asks for more" }),
    }
}

/// MAIL, RCPT and DATA. Settles the slots of the recipients that are refused; of all, where it can't go on.
async fn envelope(connection: &mut Connection, opening: &mut Opening, said: Said, place: &str) -> Result<Next, Stale> {
    let mut is_out = said == Said::Ahead;
    let mut invited = false;
    while opening.is_open()
        && let Some(group) = opening.group(&connection.capabilities)
    {
        if !std::mem::take(&mut is_out) {
            let (step, lines) = (group.step, opening.lines(&group));
            let written = match connection.quiet(step).await {
                Ok(()) => connection.write(step, &mut [IoSlice::new(lines.as_bytes())], connection.limit(step)).await,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = written {
                return broken(fault, step, opening, said, place);
            }
        }
        for at in opening.take(&group) {
            let Some(command) = opening.command(at) else { continue };
            let step = command.step();
            let fault = match connection.reply(step, connection.limit(step)).await.map(|reply| verdict(command, reply)) {
                Ok(Ok(())) => {
                    invited |= command == Command::Data;
                    continue;
                }
                Ok(Err(fault)) | Err(fault) => fault,
            };
            match (&fault, command) {
                (Fault::Reply { reply, .. }, _) if reply.code == 421 => return broken(fault, step, opening, said, place),
                // Of those that are settled, such as all once the sender was refused, no further answer (503) is of interest.
                (Fault::Reply { .. }, Command::Rcpt(index)) => opening.settle_one(index, &fault.before_the_dot(place)),
                (Fault::Reply { .. }, Command::Mail | Command::Data) => opening.settle(&fault.before_the_dot(place)),
                _ => return broken(fault, step, opening, said, place),
            }
        }
    }
    match (opening.is_open(), invited, said) {
        (true, true, _) => Ok(Next::Text),
        // It waits for a text, and there is nobody to send one to.
        (false, true, Said::Nothing) => Ok(Next::Stop(After::Broken)),
        (false, true, Said::Ahead) => Err(Stale(Fault::Garbage { step: Step::Data, what: "a 354 after it had refused everybody" })),
        (_, false, Said::Nothing) => Ok(Next::Stop(After::Reset)),
        // Only now is it certain that each answer was for the command that it was taken for.
        (_, false, Said::Ahead) => connection.reset().await.map(|()| Next::Stop(After::Clean)).map_err(Stale),
    }
}

/// The session is over; so it is for the recipients that have no answer of their own yet.
fn broken(fault: Fault, step: Step, opening: &mut Opening, said: Said, place: &str) -> Result<Next, Stale> {
    if step == Step::Mail || said == Said::Ahead {
        return Err(Stale(fault));
    }
    opening.settle(&fault.before_the_dot(place));
    Ok(Next::Stop(After::Broken))
}

/// The text and the final dot, for the recipients whose slots are open.
async fn text<'n>(
    connection: &mut Connection,
    message: &Message<'_>,
    opening: &mut Opening,
    place: &str,
    next: impl FnOnce(&Connection) -> &'n str,
) -> After {
    let mut chunks = message.chunks();
    let mut last = loop {
        match chunks.next() {
            Chunk::Middle(mut stretches) => {
                if let Err(fault) = connection.write(Step::Body, &mut stretches, connection.limit(Step::Body)).await {
                    opening.settle(&fault.before_the_dot(place));
                    return After::Broken;
                }
            }
            Chunk::Last(stretches) => break stretches,
        }
    };
    // While the dot is still here, a server that went away or refuses already is known not to have the e-mail.
    if let Err(fault) = connection.quiet(Step::Body).await {
        opening.settle(&fault.before_the_dot(place));
        return After::Broken;
    }
    let next = next(connection);
    last.push(IoSlice::new(next.as_bytes()));
    let written = connection.write(Step::EndOfData, &mut last, connection.limit(Step::Body)).await;
    let answer = match written {
        Ok(()) => connection.reply(Step::EndOfData, connection.limit(Step::EndOfData)).await,
        Err(fault) => Err(fault),
    };
    let (outcome, after) = match answer {
        Ok(reply) if (200..300).contains(&reply.code) => (Outcome::Accepted { reply }, After::Clean),
        Ok(reply) => {
            // Whatever else came may be about the next e-mail.
            let after = if reply.code >= 400 && reply.code != 421 { After::Reset } else { After::Broken };
            (Fault::Reply { step: Step::EndOfData, reply }.after_the_dot(place), after)
        }
        Err(fault) => (fault.after_the_dot(place), After::Broken),
    };
    connection.accepted = after == After::Clean;
    opening.settle(&outcome);
    // What was said behind a text that was not taken is not gone on with.
    if after == After::Reset && !next.is_empty() { After::Broken } else { after }
}
