//! `logs`

use consign_export::said::{Said, WindowSaid};
use consign_model::{ChatKey, Name, RunId};
use serde::Deserialize;

use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json};
use crate::remote::Server;

/// Shows what a run's modules said. It was sealed until now: whoever asks may read events.
pub async fn logs(data: &Data, run: &str, json: bool) -> Result<Ending, Failure> {
    say_said(&data.exporter.said(&RunId::from_text(run)).await?, json)
}

/// The same of a server.
pub async fn logs_at(server: &Server, run: &str, json: bool) -> Result<Ending, Failure> {
    let found: Vec<LogAnswer> = server.get(&server.of_tenant(&["runs", run, "logs"]).await?).await?;
    let said = found.into_iter().map(|one| WindowSaid { window: one.window, chat: ChatKey { source: one.source, id: one.chat }, said: one.lines });
    say_said(&said.collect::<Vec<_>>(), json)
}

/// What a server says of one chat.
#[derive(Deserialize)]
struct LogAnswer {
    window: String,
    source: Name,
    chat: String,
    lines: Vec<Said>,
}

fn say_said(found: &[WindowSaid], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&found)?;
    } else if found.is_empty() {
        say("No module said anything in this run.");
    } else {
        for window in found {
            say(format_args!("{}  chat {} of {}:", window.window, window.chat.id, window.chat.source));
            for line in &window.said {
                say(format_args!("  {} {}: {}", line.module, line.level, line.text));
            }
        }
    }
    Ok(Ending::Done)
}
