//! Reading a body, as far as it may go: so large, so slowly, and as long as there is room.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::answer::Problem;
use super::config::Bounds;
use super::room::{Full, Place, Room};

/// How long what comes of a body that is not wanted is still read. A connection that is closed on bytes nobody read takes the answer with it, so that the
/// client sees a broken connection and not why.
const LINGER: Duration = Duration::from_secs(2);

/// A body that was read, and its place among what waits.
pub(super) struct Read {
    pub bytes: Vec<u8>,
    pub place: Place,
}

/// Who sends a body, as far as that is known before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A header has shown that they may.
    Known,
    /// What shows it stands in the body, or is a signature over it.
    Stranger,
}

/// Reads all of it.
pub(super) async fn read(sender: Sender, headers: &HeaderMap, body: Body, bounds: &Bounds, room: &Arc<Room>) -> Result<Read, Problem> {
    let mut stream = body.into_data_stream();
    let outcome = pull(sender, headers, &mut stream, bounds, room).await;
    if outcome.is_err() {
        linger(stream);
    }
    outcome
}

/// Lets go of a body that nobody wants.
pub(super) fn discard(body: Body) {
    linger(body.into_data_stream());
}

fn linger(mut stream: BodyDataStream) {
    tokio::spawn(async move {
        let until = Instant::now() + LINGER;
        while let Ok(Some(Ok(_))) = timeout_at(until, stream.next()).await {}
    });
}

async fn pull(sender: Sender, headers: &HeaderMap, stream: &mut BodyDataStream, bounds: &Bounds, room: &Arc<Room>) -> Result<Read, Problem> {
    let most = bounds.body();
    let said: Option<usize> = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let said = said.unwrap_or_default();
    if said > most {
        return Err(Problem::too_large(most));
    }
    let (place, mut given) = match sender {
        Sender::Known => (room.place(said), said),
        // Who announces much and sends nothing has nothing.
        Sender::Stranger => (room.place_of_stranger().await, 0),
    };
    let mut place = place.map_err(|Full| Problem::full())?;
    let mut bytes = Vec::new();
    let end = Instant::now() + bounds.body_time();
    loop {
        let until = end.min(Instant::now() + bounds.body_pause());
        let next = tokio::select! {
            next = timeout_at(until, stream.next()) => next,
            () = place.is_sent_away() => return Err(Problem::full()),
        };
        match next {
            Err(_) => return Err(Problem::too_slow()),
            Ok(None) => return Ok(Read { bytes, place }),
            Ok(Some(Err(_))) => return Err(Problem::cut_off()),
            Ok(Some(Ok(piece))) => {
                let length = bytes.len() + piece.len();
                if length > most {
                    return Err(Problem::too_large(most));
                }
                // Of what was said before there is a place already.
                place.grow_in_place_of_others(length.saturating_sub(given)).await.map_err(|Full| Problem::full())?;
                given = given.max(length);
                bytes.extend_from_slice(&piece);
            }
        }
    }
}
