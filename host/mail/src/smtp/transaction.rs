//! One e-mail over one connection: MAIL, RCPT, DATA, the text, the final dot; an outcome for each recipient.
//!
//! MAIL and RCPT go out together where the server offers PIPELINING (RFC 2920). DATA does not go with them: were all recipients refused and DATA
//! accepted all the same, an empty e-mail would have to be sent to nobody. The next e-mail's MAIL does not go with this one's text either: one
//! e-mail for each connection is what can be in flight when a process dies.

use std::fmt::Write as _;

use consign_model::delivery::{Outcome, Reply};

use super::body::{Chunk, Message};
use super::connection::Connection;
use super::fault::{Fault, Step};

/// Commands written before the first of their answers is read. Their answers must fit the buffers on the way, or both sides wait for ever.
const GROUP: usize = 50;

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
    /// The connection turned out to be dead before MAIL was answered: of no meaning for the e-mail if the connection was a used one.
    Stale(Fault),
}

/// Sends one e-mail. `recipients` are checked addresses, at least one.
pub(super) async fn send(connection: &mut Connection, place: &str, from: &str, recipients: &[&str], message: Message<'_>) -> Attempt {
    let mut slots: Vec<Option<Outcome>> = recipients.iter().map(|_| None).collect();
    let after = match offered(connection, from, recipients, message, &mut slots) {
        Err(reason) => {
            settle(&mut slots, &Outcome::not_sendable(format!("{place}: {reason}")));
            After::Clean
        }
        Ok(()) if slots.iter().all(Option::is_some) => After::Clean,
        Ok(()) => match envelope(connection, from, recipients, message, &mut slots, place).await {
            Err(Stale(fault)) => return Attempt::Stale(fault),
            Ok(Next::Data) => data(connection, message, &mut slots, place).await,
            Ok(Next::Stop(after)) => after,
        },
    };
    // Every slot is settled by now; were one not, nothing would be claimed of it.
    let lost = || Outcome::Unknown { reason: format!("{place}: the outcome was not recorded") };
    Attempt::Done(slots.into_iter().map(|slot| slot.unwrap_or_else(lost)).collect(), after)
}

/// Fills the slots that are still open.
fn settle(slots: &mut [Option<Outcome>], outcome: &Outcome) {
    for slot in slots.iter_mut().filter(|slot| slot.is_none()) {
        *slot = Some(outcome.clone());
    }
}

/// What the server's offer rules out before a byte is sent: the error is for all, a settled slot for one recipient.
fn offered(connection: &Connection, from: &str, recipients: &[&str], message: Message<'_>, slots: &mut [Option<Outcome>]) -> Result<(), String> {
    let offers = &connection.capabilities;
    if let Some(limit) = offers.max_size
        && message.size() > limit
    {
        return Err(format!(
            "the e-mail has {} bytes, and the server takes {limit} at most. Set the target's max-size to \"{} B\" or less, apply it, and run \
             'consign held retry ID --current'",
            message.size(),
            limit.saturating_sub(message.signature_size())
        ));
    }
    if !message.is_ascii() && !offers.eight_bit {
        return Err("the e-mail holds 8-bit text, and the server does not offer 8BITMIME".to_owned());
    }
    if !offers.utf8 {
        let what = "is not ASCII, and the server does not offer SMTPUTF8. Give the target another address, or a server that offers it";
        if !from.is_ascii() {
            return Err(format!("the sender {from} {what}"));
        }
        for (recipient, slot) in recipients.iter().zip(slots).filter(|(recipient, _)| !recipient.is_ascii()) {
            *slot = Some(Outcome::not_sendable(format!("the recipient {recipient} {what}")));
        }
    }
    Ok(())
}

/// The connection died before MAIL was answered.
struct Stale(Fault);

/// How it goes on after the envelope.
enum Next {
    Data,
    Stop(After),
}

/// What a reply to MAIL or RCPT says.
fn verdict(step: Step, reply: Reply) -> Result<(), Fault> {
    match reply.code {
        200..300 => Ok(()),
        400.. => Err(Fault::Reply { step, reply }),
        _ => Err(Fault::Garbage { step, what: "an answer that asks for more" }),
    }
}

/// MAIL and RCPT. Settles the slots of the recipients that are refused; of all, where it can't go on.
async fn envelope(
    connection: &mut Connection,
    from: &str,
    recipients: &[&str],
    message: Message<'_>,
    slots: &mut [Option<Outcome>],
    place: &str,
) -> Result<Next, Stale> {
    connection.quiet(Step::Mail).await.map_err(Stale)?;
    // The slot that an answer is for; none for MAIL.
    let mut commands = vec![(None, mail(connection, from, recipients, message))];
    for (index, recipient) in recipients.iter().enumerate() {
        if slots.get(index).is_some_and(Option::is_none) {
            commands.push((Some(index), format!("RCPT TO:<{recipient}>\r\n")));
        }
    }
    let group = if connection.capabilities.pipelining { GROUP } else { 1 };
    let mut sender_refused = false;
    for group in commands.chunks(group) {
        let step = if group.iter().any(|(slot, _)| slot.is_none()) { Step::Mail } else { Step::Rcpt };
        let lines: String = group.iter().map(|(_, line)| line.as_str()).collect();
        if let Err(fault) = connection.write(step, lines.as_bytes(), connection.limit(step)).await {
            return broken(fault, step, slots, place);
        }
        for (slot, _) in group {
            let step = if slot.is_none() { Step::Mail } else { Step::Rcpt };
            let fault = match connection.reply(step, connection.limit(step)).await.map(|reply| verdict(step, reply)) {
                // What is said to a recipient after the sender was refused (503) is of no interest.
                Ok(Err(Fault::Reply { ref reply, .. })) if sender_refused && reply.code != 421 => continue,
                Ok(Ok(())) => continue,
                Ok(Err(fault)) | Err(fault) => fault,
            };
            match (&fault, slot) {
                (Fault::Reply { reply, .. }, _) if reply.code == 421 => return broken(fault, step, slots, place),
                (Fault::Reply { .. }, None) => {
                    sender_refused = true;
                    settle(slots, &fault.before_the_dot(place));
                }
                (Fault::Reply { .. }, Some(index)) => {
                    if let Some(slot) = slots.get_mut(*index) {
                        *slot = Some(fault.before_the_dot(place));
                    }
                }
                _ => return broken(fault, step, slots, place),
            }
        }
        if sender_refused {
            break;
        }
    }
    Ok(if slots.iter().any(Option::is_none) { Next::Data } else { Next::Stop(After::Reset) })
}

/// The session is over; so it is for the recipients that have no answer of their own yet.
fn broken(fault: Fault, step: Step, slots: &mut [Option<Outcome>], place: &str) -> Result<Next, Stale> {
    if step == Step::Mail {
        return Err(Stale(fault));
    }
    settle(slots, &fault.before_the_dot(place));
    Ok(Next::Stop(After::Broken))
}

fn mail(connection: &Connection, from: &str, recipients: &[&str], message: Message<'_>) -> String {
    let offers = &connection.capabilities;
    let mut line = format!("MAIL FROM:<{from}>");
    if offers.size {
        // Writing to a String can't fail.
        let _ = write!(line, " SIZE={}", message.size());
    }
    if !message.is_ascii() {
        line.push_str(" BODY=8BITMIME");
    }
    if offers.utf8 && !(from.is_ascii() && recipients.iter().all(|recipient| recipient.is_ascii())) {
        line.push_str(" SMTPUTF8");
    }
    line.push_str("\r\n");
    line
}

/// DATA, the text and the final dot, for the recipients whose slots are open.
async fn data(connection: &mut Connection, message: Message<'_>, slots: &mut [Option<Outcome>], place: &str) -> After {
    match go_ahead(connection).await {
        Ok(()) => {}
        Err(fault) => {
            settle(slots, &fault.before_the_dot(place));
            return after(&fault);
        }
    }
    let mut chunks = message.chunks();
    let last = loop {
        match chunks.next() {
            Chunk::Middle(chunk) => {
                if let Err(fault) = connection.write(Step::Body, chunk, connection.limit(Step::Body)).await {
                    settle(slots, &fault.before_the_dot(place));
                    return After::Broken;
                }
            }
            Chunk::Last(chunk) => break chunk,
        }
    };
    // While the dot is still here, a server that went away or refuses already is known not to have the e-mail.
    if let Err(fault) = connection.quiet(Step::Body).await {
        settle(slots, &fault.before_the_dot(place));
        return After::Broken;
    }
    let answer = match connection.write(Step::EndOfData, last, connection.limit(Step::Body)).await {
        Ok(()) => connection.reply(Step::EndOfData, connection.limit(Step::EndOfData)).await,
        Err(fault) => Err(fault),
    };
    match answer {
        Ok(reply) if (200..300).contains(&reply.code) => {
            settle(slots, &Outcome::Accepted { reply });
            After::Clean
        }
        Ok(reply) => {
            let fault = Fault::Reply { step: Step::EndOfData, reply };
            settle(slots, &fault.after_the_dot(place));
            after(&fault)
        }
        Err(fault) => {
            settle(slots, &fault.after_the_dot(place));
            After::Broken
        }
    }
}

/// DATA and its 354.
async fn go_ahead(connection: &mut Connection) -> Result<(), Fault> {
    connection.quiet(Step::Data).await?;
    connection.write(Step::Data, b"DATA\r\n", connection.limit(Step::Data)).await?;
    let reply = connection.reply(Step::Data, connection.limit(Step::Data)).await?;
    match reply.code {
        354 => Ok(()),
        400.. => Err(Fault::Reply { step: Step::Data, reply }),
        _ => Err(Fault::Garbage { step: Step::Data, what: "an answer other than 354" }),
    }
}

/// Whether a connection is usable after this.
fn after(fault: &Fault) -> After {
    match fault {
        Fault::Reply { reply, .. } if reply.code >= 400 && reply.code != 421 => After::Reset,
        _ => After::Broken,
    }
}
