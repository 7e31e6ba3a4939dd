//! `replay`

use std::path::Path;

use consign_export::replay::{Difference, Replayed, Wanted};
use consign_model::RunId;

use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};

/// Makes a run again and compares.
pub async fn replay(data: &Data, run: &str, wanted: Wanted<'_>, json: bool) -> Result<Ending, Failure> {
    let found = data.exporter.replay(&RunId::from_text(run), wanted).await?;
    if json {
        say_json(&found)?;
    } else {
        say_replayed(&found, wanted.write);
    }
    if !found.differences.is_empty() {
        return Err(Failure::new(format!("{} of what the run {run} did came out otherwise", number(found.differences.len() as u64))));
    }
    let all_accepted = found.sent.as_ref().is_none_or(|sent| sent.accepted == sent.emails);
    Ok(Ending::complete_if(found.not_replayed.is_empty() && all_accepted))
}

fn say_replayed(found: &Replayed, write: Option<&Path>) {
    let sent = match &found.sent {
        None => "nothing was sent".to_owned(),
        Some(sent) => format!("{} were sent once more, {} of them accepted", number(sent.emails), number(sent.accepted)),
    };
    say(format_args!(
        "run {}, made again from its record: {} chats with {} events, {} e-mails; {sent}",
        found.run,
        number(found.windows),
        number(found.events),
        number(found.emails)
    ));
    for one in &found.differences {
        say(match one {
            Difference::Email { chat, message_id, then, now } => {
                format!("  chat {}: the e-mail <{message_id}> was sha256:{then} and is sha256:{now}", chat.id)
            }
            Difference::EmailGone { chat, message_id } => format!("  chat {}: the e-mail <{message_id}> is not composed any more", chat.id),
            Difference::Events { chat, message_id } => format!("  chat {}: the e-mail <{message_id}> has other events", chat.id),
            Difference::Verdicts { chat, omitted: (then, now) } => {
                format!("  chat {}: other events are left out ({then} then, {now} now), or by other rules", chat.id)
            }
        });
    }
    for other in found.sent.iter().flat_map(|sent| &sent.others) {
        say(format_args!("  {other}"));
    }
    for one in &found.not_replayed {
        say(format_args!("  chat {} could not be made again: {}", one.chat.id, one.reason));
    }
    if found.differences.is_empty() && found.not_replayed.is_empty() {
        say("Every verdict and every byte is the same.");
    }
    if found.never_tried > 0 {
        say(format_args!("{} of the e-mails were never handed to the target, so there is nothing to compare them with", number(found.never_tried)));
    }
    if let Some(folder) = write {
        say(format_args!("The e-mails lie in {}, in clear.", folder.display()));
    }
}
