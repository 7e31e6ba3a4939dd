//! Who may use a connection, and who is next.
//!
//! A connection is either in the hands of one e-mail, or idle, or closed. It becomes idle only when the server and we agree that no e-mail is under way on
//! it: after the 250 for the whole e-mail, or after RSET got 250. It is handed over busy in one case: the envelope of the e-mail that has waited longest went
//! out behind the final dot of the one before, and that one was accepted. Whatever else ends an e-mail (a fault, a time limit, the caller dropping it)
//! drops the connection with it. So no answer is ever taken for another e-mail's.
//!
//! A semaphore would do for the number of connections, but can't tell who waits for it. There is no task for each connection either, since whoever sends
//! lends the e-mail's bytes: they would have to be copied or shared for it, and each e-mail would pay for waking another task twice.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use consign_model::delivery::Outcome;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connection::Connection;
use super::envelope::{Envelope, Opening};
use super::fault::{Fault, Step};
use super::target::Target;

/// The connections to one target.
pub(super) struct Pool {
    pub(super) target: Target,
    /// The target's host and port, for texts.
    pub(super) place: String,
    state: Mutex<State>,
    /// Set for good when a server offers PIPELINING and gets out of step over what is said behind a text. Others do without in silence.
    one_by_one: AtomicBool,
}

struct State {
    /// How many permits nobody holds. While there are any, nobody waits.
    free: usize,
    /// Those who wait for a permit, in the order in which they came.
    waiting: VecDeque<Waiting>,
    /// Newest last: the newest is used first, so that the rest can grow old.
    idle: Vec<(Box<Connection>, Instant)>,
    /// A task waits for the oldest to grow too old.
    watched: bool,
}

struct Waiting {
    /// The e-mail that it waits with; none where it wants a connection for something else.
    envelope: Option<Arc<Envelope>>,
    turn: oneshot::Sender<Turn>,
}

/// What somebody has waited for.
pub(super) struct Turn {
    /// A connection on which the envelope is out, and the one before it was accepted. First, so that it is closed before its permit is another's.
    pub(super) begun: Option<(Box<Connection>, Opening)>,
    pub(super) permit: Permit,
}

/// The right to use a connection. One is opened only by a holder who found none idle, so used and idle ones together never exceed the limit.
pub(super) struct Permit {
    pool: Arc<Pool>,
    next: Option<Next>,
}

/// An e-mail whose envelope went out behind the one of this permit.
struct Next {
    opening: Opening,
    turn: oneshot::Sender<Turn>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(target: Target) -> Self {
        let state = State { free: usize::from(target.connections().max(1)), waiting: VecDeque::new(), idle: Vec::new(), watched: false };
        Self { place: target.place(), state: Mutex::new(state), one_by_one: AtomicBool::new(false), target }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can leave it half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a permit, behind those who wait already. With an envelope it may come with a connection on which that is out.
    pub(super) async fn turn(self: &Arc<Self>, envelope: Option<&Arc<Envelope>>) -> Turn {
        loop {
            let turn = {
                let mut state = self.state();
                if state.free > 0 {
                    state.free -= 1;
                    return Turn { begun: None, permit: Permit::new(self) };
                }
                let (turn, taken) = oneshot::channel();
                state.waiting.push_back(Waiting { envelope: envelope.cloned(), turn });
                taken
            };
            // It can't be given up by the other side; were it, it would be asked for again.
            if let Ok(turn) = turn.await {
                return turn;
            }
        }
    }

    /// The newest idle connection that still stands.
    pub(super) async fn take_idle(&self) -> Option<Box<Connection>> {
        loop {
            let (mut connection, since) = self.state().idle.pop()?;
            if since.elapsed() < self.target.timeouts.idle && connection.quiet(Step::Mail).await.is_ok() {
                return Some(connection);
            }
        }
    }

    /// All that are idle, which are so no more.
    pub(super) fn take_all_idle(&self) -> impl Iterator<Item = Box<Connection>> + use<> {
        std::mem::take(&mut self.state().idle).into_iter().map(|(connection, _)| connection)
    }

    /// What was said ahead came to nothing. A server that went away just did; one that is out of step is not run ahead of again.
    pub(super) fn ahead_failed(&self, fault: &Fault) {
        if matches!(fault, Fault::Stalled { .. } | Fault::Garbage { .. }) && !self.one_by_one.swap(true, Ordering::Relaxed) {
            tracing::info!(place = %self.place, fault = ?fault, "an SMTP server does not keep up with commands sent behind an e-mail's text; they are sent one by one now");
        }
    }

    fn keep(self: &Arc<Self>, connection: Box<Connection>) {
        let mut state = self.state();
        state.idle.push((connection, Instant::now()));
        if !state.watched {
            state.watched = true;
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }
}

impl State {
    /// Who is next, of those who still wait.
    fn next(&mut self) -> Option<&Waiting> {
        while self.waiting.front().is_some_and(|waiting| waiting.turn.is_closed()) {
            self.waiting.pop_front();
        }
        self.waiting.front()
    }
}

impl Permit {
    fn new(pool: &Arc<Pool>) -> Self {
        Self { pool: pool.clone(), next: None }
    }

    /// What is to be said behind the final dot: the first commands of the e-mail that has waited longest, which this connection is then handed over to.
    /// Nothing, if there is none or its commands had to wait for an answer.
    pub(super) fn next(&mut self, connection: &Connection) -> &str {
        let offers = &connection.capabilities;
        if !connection.accepted || !offers.pipelining || self.next.is_some() || self.pool.one_by_one.load(Ordering::Relaxed) {
            return "";
        }
        let Some((envelope, turn)) = ({
            let mut state = self.pool.state();
            match state.next() {
                Some(Waiting { envelope: Some(_), .. }) => state.waiting.pop_front().and_then(|next| Some((next.envelope?, next.turn))),
                _ => None,
            }
        }) else {
            return "";
        };
        let opening = envelope.open(offers, &self.pool.place);
        let group = opening.group(offers);
        // Where there is nothing to say of it, it is handed over all the same, and finds out itself.
        let next = self.next.insert(Next { opening, turn });
        group.map_or("", |group| next.opening.lines(&group))
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The e-mail is over.
    pub(super) fn end(self, (outcomes, connection): (Vec<Outcome>, Option<Box<Connection>>)) -> Vec<Outcome> {
        if let Some(connection) = connection {
            self.give_back(connection);
        }
        outcomes
    }

    /// Gives back a connection on which no e-mail is under way but the next one, if its envelope is out.
    fn give_back(mut self, connection: Box<Connection>) {
        match self.next.take() {
            // Where nobody waits any more the connection is closed with what was said.
            Some(Next { opening, turn }) => drop(turn.send(Turn { begun: Some((connection, opening)), permit: self })),
            None => self.pool.keep(connection),
        }
    }
}

/// The connection is gone, or idle.
impl Drop for Permit {
    fn drop(&mut self) {
        let next = match self.next.take() {
            // Its envelope was said in vain.
            Some(next) if !next.turn.is_closed() => Some(next.turn),
            _ => {
                let mut state = self.pool.state();
                if state.next().is_none() {
                    state.free += 1;
                }
                state.waiting.pop_front().map(|waiting| waiting.turn)
            }
        };
        if let Some(turn) = next {
            // Where it is not taken, what comes back is dropped, and so goes to the one behind.
            drop(turn.send(Turn { begun: None, permit: Self::new(&self.pool) }));
        }
    }
}

/// Closes idle connections that grow too old, with QUIT; ends when none is idle, or the sender is gone.
async fn watch(pool: Weak<Pool>) {
    loop {
        let due = {
            let Some(pool) = pool.upgrade() else { return };
            let mut state = pool.state();
            let Some((_, since)) = state.idle.first() else {
                state.watched = false;
                return;
            };
            *since + pool.target.timeouts.idle
        };
        tokio::time::sleep_until(due).await;
        let Some(pool) = pool.upgrade() else { return };
        // So that one that is being closed counts as one in use.
        let _turn = pool.turn(None).await;
        let old = {
            let mut state = pool.state();
            match state.idle.first() {
                Some((_, since)) if since.elapsed() >= pool.target.timeouts.idle => Some(state.idle.remove(0)),
                _ => None,
            }
        };
        if let Some((connection, _)) = old {
            connection.quit().await;
        }
    }
}
