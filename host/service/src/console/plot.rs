//! A plot of days, as a picture without a script: bars of what was exported, omitted and held. The same figures stand in a table below it, for who can't see it.

use consign_model::Timestamp;
use consign_model::run::DayFigures;
use maud::{Markup, html};

use super::page::{number, table};

const DAY: i64 = 86_400_000;
const WIDTH: usize = 720;
const HEIGHT: u64 = 160;

/// The days until now, each of them, also those on which nothing ended.
pub fn whole_days(found: &[(Timestamp, DayFigures)], now: Timestamp, days: i64) -> Vec<(Timestamp, DayFigures)> {
    let today = now.0 - now.0.rem_euclid(DAY);
    let each = (0..days).rev().map(|back| Timestamp(today - back * DAY));
    each.map(|day| (day, found.iter().find(|(one, _)| *one == day).map(|(_, figures)| figures.clone()).unwrap_or_default())).collect()
}

/// The plot.
pub fn plot(days: &[(Timestamp, DayFigures)]) -> Markup {
    let sum = |figures: &DayFigures| figures.events.exported + figures.events.omitted + figures.events.held;
    let most = days.iter().map(|(_, figures)| sum(figures)).max().unwrap_or_default().max(1);
    let step = WIDTH / days.len().max(1);
    // What there is of it shows, however little it is beside the rest.
    let height = |events: u64| if events == 0 { 0 } else { (u128::from(events) * u128::from(HEIGHT) / u128::from(most)).max(2) };
    let day_of = |at: Timestamp| at.to_string().chars().take(10).collect::<String>();
    let whole: u64 = days.iter().map(|(_, figures)| sum(figures)).sum();
    html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT + 8) } role="img" aria-label={ "Events by day: " (whole) " in " (days.len()) " days; the table below has the figures" } {
                @for (place, (day, figures)) in days.iter().enumerate() {
                    @let parts = [("exported", figures.events.exported), ("omitted", figures.events.omitted), ("held", figures.events.held)];
                    g {
                        title { (day_of(*day)) @for (word, events) in parts { ", " (events) " " (word) } }
                        @for (above, (word, events)) in parts.iter().enumerate() {
                            @let below: u128 = parts.iter().take(above).map(|(_, events)| height(*events)).sum();
                            @let top = (u128::from(HEIGHT) + 8).saturating_sub(below + height(*events));
                            @if *events > 0 { rect class=(word) x=(place * step + 2) width=(step.saturating_sub(4).max(1)) y=(top) height=(height(*events)) {} }
                        }
                    }
                }
            }
            figcaption { span.key.exported { "exported" } " " span.key.omitted { "omitted" } " " span.key.held { "held" } }
            details {
                summary { "As a table" }
                (table("Events by day, UTC", &["Day", "Runs", "Exported", "Omitted", "Held", "E-mails"], &[1, 2, 3, 4, 5], days.iter().rev().map(|(day, figures)| {
                    let DayFigures { runs, events, emails, .. } = figures;
                    let figures = [*runs, events.exported, events.omitted, events.held, emails.accepted];
                    std::iter::once(html! { (day_of(*day)) }).chain(figures.map(number)).collect()
                })))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole() {
        let figures = DayFigures { runs: 2, ..DayFigures::default() };
        let days = whole_days(&[(Timestamp(2 * DAY), figures)], Timestamp(4 * DAY + 5), 4);
        let found: Vec<_> = days.iter().map(|(day, figures)| (day.0 / DAY, figures.runs)).collect();
        assert_eq!(found, [(1, 0), (2, 2), (3, 0), (4, 0)]);
    }
}
