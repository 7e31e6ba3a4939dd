//! Why a step of a session failed, with a text for the person, and what it means for an e-mail that was not yet handed over.

use std::fmt;
use std::io;
use std::time::Duration;

use consign_model::delivery::{Outcome, Reply};

/// Where in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Body,
    EndOfData,
    Rset,
    Quit,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "signing in (AUTH)",
            Self::Mail => "the sender (MAIL FROM)",
            Self::Rcpt => "the recipients (RCPT TO)",
            Self::Data => "DATA",
            Self::Body => "the e-mail's text",
            Self::EndOfData => "the end of the e-mail",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
        })
    }
}

/// Why a step failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// It answered, but not with what the step needs.
    Reply { step: Step, reply: Reply },
    /// It closed the connection.
    Closed { step: Step },
    /// The connection broke.
    Broken { step: Step, error: io::Error },
    /// It took longer than allowed.
    Stalled { step: Step, limit: Duration },
    /// What it said is no SMTP.
    Garbage { step: Step, what: &'static str },
    /// No session came about; the text says why and what to do.
    Setup(String),
}

impl Fault {
    /// For a person; `place` is the server's host and port.
    pub(super) fn text(&self, place: &str) -> String {
        match self {
            Self::Reply { step, reply } => {
                let answer = format!("{} {}", reply.code, reply.text.replace('\n', " / "));
                match step {
                    Step::Greeting => {
                        format!("{place} turned the connection away: {answer}. Ask whoever runs it whether consign may connect from here")
                    }
                    Step::Auth => format!("{place} refused to let consign sign in: {answer}. Check username, password and auth of the target"),
                    Step::StartTls => format!("{place} refused STARTTLS: {answer}. Nothing is sent in clear; ask whoever runs it"),
                    _ => format!("{place} answered {step} with {answer}"),
                }
            }
            Self::Closed { step } => format!("{place} closed the connection at {step}. Its log may say why"),
            Self::Broken { step, error } => {
                format!("the connection to {place} broke at {step}: {error}. See whether the server or the network went down")
            }
            Self::Stalled { step, limit } => {
                format!("{place} did not answer {step} within {} s. See whether it is overloaded", limit.as_secs_f32())
            }
            Self::Garbage { step, what } => {
                format!("{place} sent {what} at {step}, which is not SMTP. Check host and port, and that the target's tls setting fits the port")
            }
            Self::Setup(text) => format!("{place}: {text}"),
        }
    }

    /// What it means for an e-mail whose final dot was surely not sent. A 4xx is the server's word that it may be tried again. A 5xx to what is
    /// said before the e-mail (greeting, EHLO, AUTH) is about the session and not about the e-mail: that was not sent, not rejected.
    pub(super) fn before_the_dot(&self, place: &str) -> Outcome {
        match self {
            Self::Reply { reply, .. } if (400..500).contains(&reply.code) => Outcome::Deferred { reply: reply.clone() },
            Self::Reply { step: Step::Mail | Step::Rcpt | Step::Data | Step::Body, reply } if reply.code >= 500 => {
                Outcome::Rejected { reply: reply.clone() }
            }
            fault => Outcome::not_sent(fault.text(place)),
        }
    }

    /// What it means once the final dot may be on its way.
    pub(super) fn after_the_dot(&self, place: &str) -> Outcome {
        match self {
            Self::Reply { reply, .. } if (400..500).contains(&reply.code) => Outcome::Deferred { reply: reply.clone() },
            Self::Reply { reply, .. } if reply.code >= 500 => Outcome::Rejected { reply: reply.clone() },
            fault => Outcome::Unknown {
                reason: format!("{}. It may have the e-mail or not; a repeat is the same e-mail, byte for byte", fault.text(place)),
            },
        }
    }
}
