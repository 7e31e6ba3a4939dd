//! The three bodies of a part, written beside each other: what an event says is found out once, and each body says it in its own way.

use super::PartView;
use super::group::{Carried, Fate, Group};
use super::line::{self, Listed};
use super::{html, json, plain};

/// The three bodies.
#[derive(Debug, Clone, Default)]
pub(super) struct Bodies {
    pub plain: String,
    pub html: String,
    pub json: String,
}

impl Bodies {
    /// Empties them; their room stays.
    pub fn clear(&mut self) {
        for body in [&mut self.plain, &mut self.html, &mut self.json] {
            body.clear();
        }
    }

    /// Gives back memory that large bodies asked for and did not need.
    pub fn give_back(&mut self) {
        const WORTH_IT: usize = 256 << 10;
        for body in [&mut self.plain, &mut self.html, &mut self.json] {
            if body.capacity() - body.len() > WORTH_IT {
                body.shrink_to_fit();
            }
        }
    }
}

/// Empty bodies with about the room that a part takes, within an e-mail's size: so they are seldom moved while they are written.
pub(super) fn room(group: &Group<'_>, view: &PartView) -> Bodies {
    // What stands beside the texts in each, as long as names are of usual lengths.
    const PERSON: [usize; 3] = [100, 140, 190];
    const EVENT: [usize; 3] = [80, 190, 170];
    const FILE: [usize; 3] = [150, 180, 250];
    const FRAME: usize = 1500;
    let mut sizes = [FRAME; 3];
    let people = group.listed(view.part).count();
    for ((size, person), event) in sizes.iter_mut().zip(PERSON).zip(EVENT) {
        *size += person * people + event * view.events.len();
    }
    let [plain, html, json] = &mut sizes;
    for one in group.input.events.get(view.events.clone()).unwrap_or_default() {
        let event = one.event;
        let shown = event.text.len() + one.previous.map_or(0, str::len);
        *plain += shown;
        *html += shown;
        *json += shown + event.id.len() + [&event.original, &event.thread, &event.target].into_iter().flatten().map(String::len).sum::<usize>();
        for (size, file) in [&mut *plain, &mut *html, &mut *json].into_iter().zip(FILE) {
            *size += file * event.attachments.len();
        }
    }
    let most = usize::try_from(group.input.target.max_size.0).unwrap_or(usize::MAX);
    // What is more than an e-mail is broken off.
    let shares = sizes.iter().fold(0, |sum: usize, size| sum.saturating_add(*size)) / most.max(1) + 1;
    let [plain, html, json] = sizes.map(|size| String::with_capacity((size.saturating_add(size / 8) / shares).min(most)));
    Bodies { plain, html, json }
}

/// The bodies before the files.
pub(super) fn open(out: &mut Bodies, group: &Group<'_>, view: &PartView) {
    // Found out once for all of them.
    let heading = line::heading(group, view);
    let people: Vec<Listed<'_>> = group.listed(view.part).map(|person| Listed::new(group, person)).collect();
    plain::open(&mut out.plain, group, view, &heading, &people);
    html::open(&mut out.html, group, view, &heading, &people);
    json::open(&mut out.json, group, view, &people);
}

/// The files that a part carries.
pub(super) fn write_files(out: &mut Bodies, group: &Group<'_>, carried: &[Carried]) {
    if carried.is_empty() {
        return;
    }
    plain::files_open(&mut out.plain);
    html::files_open(&mut out.html);
    json::files_open(&mut out.json);
    for one in carried {
        write_file(out, group, *one);
    }
    json::files_close(&mut out.json);
}

/// One of them.
pub(super) fn write_file(out: &mut Bodies, group: &Group<'_>, one: Carried) {
    plain::file(&mut out.plain, group, one);
    html::file(&mut out.html, group, one);
    json::file(&mut out.json, group, one);
}

/// Between files and events.
pub(super) fn events_open(out: &mut Bodies, group: &Group<'_>) {
    plain::events_open(&mut out.plain, group);
    html::events_open(&mut out.html, group);
    json::events_open(&mut out.json);
}

/// One event.
pub(super) fn write_event(out: &mut Bodies, group: &Group<'_>, index: usize, fates: &dyn Fn(usize) -> Fate) {
    let (Some(one), Some(described)) = (group.event(index), line::describe(group, index)) else { return };
    let at = group.stamp(one.event.at);
    let at = at.as_str();
    plain::event(&mut out.plain, at, &described, one, fates);
    html::event(&mut out.html, at, &described, one, fates);
    json::event(&mut out.json, at, described.sender.json, one, fates);
}

/// After the events.
pub(super) fn close(out: &mut Bodies) {
    html::close(&mut out.html);
    json::close(&mut out.json);
}
