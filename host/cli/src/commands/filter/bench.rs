//! `filter bench`

use consign_workshop::bench::{Cost, Figure, Report, bench as measure};
use consign_workshop::component::{bind, config, example, label, load};
use consign_workshop::ground::Events;

use super::{at_work, ground, sandbox};
use crate::args::BenchArgs;
use crate::output::{Ending, Failure, bar, bytes, number, say, say_json, table};

/// Measures a module.
pub async fn bench(args: &BenchArgs, json: bool) -> Result<Ending, Failure> {
    let ground = ground()?;
    let (path, given, rounds) = (args.module.clone(), args.config.clone(), usize::from(args.rounds));
    let events = args.events.as_ref().map(|path| Events::file(path, args.format));
    let (chat, used) = (args.chat.clone(), ground.clone());
    let work = move || {
        let sandbox = sandbox()?;
        let module = load(&sandbox, &path)?;
        let config = match &given {
            Some(given) => config(Some(given))?,
            None => example(&module.manifest().config_schema),
        };
        let bound = bind(&module, &config, None)?;
        let bar = bar("measuring", "rounds");
        bar.set_length(rounds as u64);
        let events = events.as_ref().map(|events| (events, chat.as_deref()));
        let report = measure(&bound, &sandbox, &used, events, rounds, |round| bar.set_position(round as u64));
        bar.finish_and_clear();
        let report = report?;
        if json {
            say_json(&serde_json::json!({"module": label(&module), "digest": module.digest(), "config": config, "report": report}))?;
        } else {
            tell(&label(&module), &report);
        }
        Ok(Ending::Done)
    };
    at_work(&ground, work).await
}

fn tell(module: &str, report: &Report) {
    let Report { chats, events, batches, rounds, shares, limits, .. } = report;
    say(format_args!(
        "{module}: {} events of {} chats in {} batches, {rounds} rounds after one to warm up",
        number(*events),
        number(*chats as u64),
        number(*batches as u64)
    ));
    if report.decided > 0 {
        say(format_args!("of {} chats it decides without looking at events", number(report.decided as u64)));
    }
    let figure = |figure: Figure, digits: usize| format!("{:.digits$}  ({:.digits$})", figure.min, figure.median);
    let row = |name: &str, unit: &str, of: &dyn Fn(&Cost) -> Figure, digits: usize| {
        let own = Figure { min: of(&report.module).min - of(&report.baseline).min, median: of(&report.module).median - of(&report.baseline).median };
        vec![
            format!("  {name}"),
            unit.to_owned(),
            figure(of(&report.module), digits),
            figure(of(&report.baseline), digits),
            format!("{:.digits$}", own.min),
        ]
    };
    let rows = [
        row("an event", "ns", &|cost| cost.ns_per_event, 0),
        row("a million events", "s of a processor", &|cost| cost.cpu_s_per_million, 3),
        row("a chat: instance", "µs", &|cost| cost.instantiate_us, 1),
        row("a chat: configure", "µs", &|cost| cost.configure_us, 1),
        row("a chat: begin-chat", "µs", &|cost| cost.begin_us, 1),
        vec![
            "  memory".to_owned(),
            String::new(),
            bytes(report.module.memory_bytes as u64),
            bytes(report.baseline.memory_bytes as u64),
            bytes(report.module.memory_bytes.saturating_sub(report.baseline.memory_bytes) as u64),
        ],
    ];
    say(table(&["least (median)", "", "this module", "one that keeps all", "its own part"], &[2, 3, 4], rows));
    say("of what a module may use, at most:");
    // Two digits, however small.
    let percent = |share: f64| {
        let of_hundred = share * 100.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of digits")]
        let digits = if of_hundred > 0.0 { (1.0 - of_hundred.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 };
        format!("{of_hundred:.digits$} %")
    };
    let rows = [
        vec!["  a call".to_owned(), percent(shares.call), format!("of {} s", limits.call_s)],
        vec!["  a chat".to_owned(), percent(shares.chat), format!("of {} s", limits.chat_s)],
        vec!["  memory".to_owned(), percent(shares.memory), format!("of {}", bytes(limits.memory_bytes as u64))],
    ];
    say(table(&[], &[1], rows));
}
