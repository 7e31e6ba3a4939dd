//! `alerts`

use consign_model::Alert;
use consign_service::alerts::book;

use crate::data::Place;
use crate::output::{Ending, Failure, say, say_json};

/// Lists what fires, by the record that `serve` keeps. The store is not opened, so `serve` may be running.
pub fn alerts(place: &Place, json: bool) -> Result<Ending, Failure> {
    let firing = book::firing(&place.folder, &place.tenant)?;
    if json {
        say_json(&firing.iter().map(|alert| alert_json(alert, alert.condition.text())).collect::<Vec<_>>())?;
    } else if firing.is_empty() {
        say("No alert fires, as far as 'consign serve' has seen.");
    }
    for alert in firing.iter().filter(|_| !json) {
        say(format_args!("{} since {}: {}", alert.condition.subject().kind, alert.since, alert.condition.text()));
    }
    Ok(Ending::Done)
}

/// An alert with a text for persons.
pub fn alert_json(alert: &Alert, text: String) -> serde_json::Value {
    let mut object = serde_json::to_value(alert).unwrap_or_default();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("text".to_owned(), text.into());
    }
    object
}
