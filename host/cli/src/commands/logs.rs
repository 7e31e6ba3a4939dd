//! `logs`

use consign_model::RunId;

use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json};

/// Shows what a run's modules said. It was sealed until now: whoever asks may read events.
pub async fn logs(data: &Data, run: &str, json: bool) -> Result<Ending, Failure> {
    let found = data.exporter.said(&RunId::from_text(run)).await?;
    if json {
        say_json(&found)?;
    } else if found.is_empty() {
        say("No module said anything in this run.");
    } else {
        for window in &found {
            say(format_args!("{}  chat {} of {}:", window.window, window.chat.id, window.chat.source));
            for line in &window.said {
                say(format_args!("  {} {}: {}", line.module, line.level, line.text));
            }
        }
    }
    Ok(Ending::Done)
}
