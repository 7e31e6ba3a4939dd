//! The bench's filter as a plug-in of Extism: columns of events as JSON in, one verdict for each as JSON out. It is configured by a call, and looks for needles as the component
//! does.

#[path = "../../needles.rs"]
mod needles;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;

use extism_pdk::{FnResult, plugin_fn};
use serde::Deserialize;

/// As the component's.
#[derive(Deserialize)]
struct Config {
    any: Vec<String>,
    who: HashSet<String>,
    from: i64,
    to: i64,
}

/// A chat's events. Who wrote them, by index into `users`.
#[derive(Deserialize)]
struct Events<'a> {
    #[serde(borrow)]
    users: Vec<Text<'a>>,
    senders: Vec<usize>,
    times: Vec<i64>,
    #[serde(borrow)]
    texts: Vec<Text<'a>>,
}

/// Borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

thread_local! {
    static FILTER: RefCell<Option<(Config, needles::Needles)>> = const { RefCell::new(None) };
}

#[plugin_fn]
pub fn configure(config: Vec<u8>) -> FnResult<()> {
    let config: Config = serde_json::from_slice(&config)?;
    let needles = needles::Needles::new(&config.any).map_err(extism_pdk::Error::msg)?;
    FILTER.set(Some((config, needles)));
    Ok(())
}

#[plugin_fn]
pub fn verdicts(events: Vec<u8>) -> FnResult<Vec<u8>> {
    let events: Events = serde_json::from_slice(&events)?;
    FILTER.with_borrow(|filter| {
        let (config, needles) = filter.as_ref().ok_or_else(|| extism_pdk::Error::msg("it was not configured"))?;
        let listed: Vec<bool> = events.users.iter().map(|user| config.who.contains(user.0.as_ref())).collect();
        let verdict = |((sender, at), text): ((&usize, &i64), &Text)| {
            if !listed.get(*sender).is_some_and(|listed| *listed) {
                1
            } else if *at < config.from || *at >= config.to {
                2
            } else {
                u8::from(!needles.any_in(&text.0)) * 3
            }
        };
        let verdicts: Vec<u8> = events.senders.iter().zip(&events.times).zip(&events.texts).map(verdict).collect();
        Ok(serde_json::to_vec(&verdicts)?)
    })
}
