//! Copies that users turn out to be owed.
//!
//! That somebody was in a chat may become known after its events were exported: a fuller list of members, a join that arrives late, a user who is one to
//! record after all. An export by users owes them copies then. So a window gets a *supplement*: the same events under the same versions and as of the same
//! time, with what is known of people now, of which only what these users have not got is composed and sent. It examines nothing again: what became of
//! the events stays as it was accounted for.
//!
//! A supplement is frozen when its window (or the supplement before it) is done. So what those users have got is known and does not change any more.

use std::collections::{BTreeMap, HashMap, hash_map};
use std::sync::Arc;

use consign_mail::compose::COMPOSER;
use consign_model::module::BoundModule;
use consign_model::policy::PolicyVersion;
use consign_model::run::Trigger;
use consign_model::window::{Facts, Gained};
use consign_model::{ChatKey, Digest, Gone, HeldReason, Name, Run, Timestamp, Window, WindowKey, WindowState};
use consign_store::{SegmentRecord, StoreError, WindowFilter};

use crate::evaluate::Evaluation;
use crate::freeze::{self, AtHand};
use crate::pages::{PAGE, Windows};
use crate::verdicts::{EventVerdict, Range, VerdictEmail, VerdictFile};
use crate::{ExportError, Exporter};

/// Standard groupings whose e-mails are nobody's copies.
const OF_NOBODY: [&str; 3] = ["std/chats", "std/per-chat", "std/period"];
/// The standard grouping that makes them, for recorded users or for all.
const PER_USER: &str = "std/per-user";

/// Whose copies a policy's grouping makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copies {
    Nobodys,
    Recorded,
    Participants,
    /// A tenant's own module: whatever it makes of who is there, and of who is recorded.
    Unknown,
}

impl Copies {
    pub(crate) fn of(grouping: Option<&BoundModule>) -> Self {
        let Some(module) = grouping else { return Self::Nobodys };
        match module.name.split('@').next().unwrap_or_default() {
            name if OF_NOBODY.contains(&name) => Self::Nobodys,
            PER_USER if module.config.get("users").is_none_or(|users| users == "recorded") => Self::Recorded,
            PER_USER => Self::Participants,
            _ => Self::Unknown,
        }
    }

    /// Who may be owed copies by what is known `now`, and of which times.
    fn gained(self, now: &Facts, before: &Facts) -> Gained {
        match self {
            Self::Nobodys => Gained::new(),
            Self::Recorded => now.gained(before, true),
            Self::Participants => now.gained(before, false),
            Self::Unknown => {
                let mut gained = now.gained(before, false);
                for (user, times) in now.gained(before, true) {
                    gained.entry(user).or_default().extend(times);
                }
                gained
            }
        }
    }
}

/// A chat with what is known of it now.
struct Known {
    facts: Arc<Facts>,
    segments: Vec<SegmentRecord>,
    /// By the window that they are supplements to, in order.
    supplements: BTreeMap<u64, Vec<Window>>,
}

impl Known {
    /// From the earliest to the latest event of a window.
    fn times(&self, window: &Window) -> Option<(Timestamp, Timestamp)> {
        let of = self.segments.iter().filter(|one| one.first >= window.key.from && one.end() <= window.to);
        of.map(|one| (one.first_at, one.last_at)).reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
    }

    fn newest<'a>(&'a self, window: &'a Window) -> &'a Window {
        self.supplements.get(&window.key.from).and_then(|all| all.last()).unwrap_or(window)
    }
}

/// What is known now and was not when windows were frozen, by the facts that they name: most windows of a chat name the same. One that was evaluated anew
/// names newer ones than those after it, so each is looked at.
#[derive(Default)]
struct News(HashMap<Digest, Gained>);

impl News {
    /// Whether somebody may be owed something of this window.
    async fn concern(&mut self, exporter: &Exporter, known: &Known, window: &Window) -> Result<bool, ExportError> {
        let (newest, Some(times)) = (known.newest(window), known.times(window)) else { return Ok(false) };
        let gained = match self.0.entry(newest.facts) {
            hash_map::Entry::Occupied(there) => there.into_mut(),
            hash_map::Entry::Vacant(place) => place.insert(Copies::Unknown.gained(&known.facts, &exporter.facts_of(newest).await?)),
        };
        Ok(gained.values().any(|gained| overlaps(gained, times)))
    }
}

fn overlaps(times: &[(Timestamp, Timestamp)], (first, last): (Timestamp, Timestamp)) -> bool {
    times.iter().any(|(from, to)| *from <= last && *to >= first)
}

/// Who gained this time.
fn at_the_time(gained: &Gained, at: Timestamp) -> impl Iterator<Item = &str> {
    gained.iter().filter(move |(_, times)| overlaps(times, (at, at))).map(|(user, _)| user.as_str())
}

fn is_done(window: &Window) -> bool {
    matches!(window.state, WindowState::Done { .. })
}

impl Exporter {
    /// Freezes supplements to windows of earlier runs, for what became known since the policy's last run.
    pub(crate) async fn freeze_owed(&self, run: &Run) -> Result<(), ExportError> {
        // Nothing that has arrived belongs to one that only tries again.
        if run.trigger == Trigger::Retry {
            return Ok(());
        }
        let mut after = self.store.progress(&self.tenant, &run.policy).await?.cursor;
        loop {
            let chats = self.store.chats_learned(&self.tenant, after, PAGE).await?;
            let Some((last, _)) = chats.last() else { return Ok(()) };
            after = *last;
            for (_, chat) in &chats {
                let mut windows = Windows::all(self, WindowFilter::OfChat(run.policy.clone(), chat.clone())).await?;
                windows.retain(|window| window.run != run.id);
                if windows.is_empty() {
                    continue;
                }
                let Some(known) = self.known(&run.policy, chat).await? else { continue };
                let mut news = News::default();
                for window in &windows {
                    if news.concern(self, &known, window).await? {
                        self.freeze_supplement(run, &known, window).await?;
                    }
                }
            }
        }
    }

    /// As [`Self::freeze_owed`], for windows that this run has tried again: one that was held had no supplement yet.
    pub(crate) async fn freeze_owed_after(&self, run: &Run, tried: &[WindowKey]) -> Result<bool, ExportError> {
        let mut any = false;
        for key in tried {
            let Some(window) = self.store.window(&self.tenant, &key.base()).await?.filter(is_done) else { continue };
            let Some(known) = self.known(&run.policy, &key.chat).await? else { continue };
            any |= self.freeze_supplement(run, &known, &window).await?;
        }
        Ok(any)
    }

    async fn known(&self, policy: &Name, chat: &ChatKey) -> Result<Option<Known>, ExportError> {
        let Some(record) = self.store.chat(&self.tenant, chat).await? else { return Ok(None) };
        let facts = Arc::new(freeze::facts(self.store.as_ref(), &self.tenant, record).await?);
        let segments = self.store.segments(&self.tenant, chat, 0).await?;
        let mut supplements: BTreeMap<u64, Vec<Window>> = BTreeMap::new();
        for window in Windows::all(self, WindowFilter::Supplements(policy.clone(), chat.clone())).await? {
            supplements.entry(window.key.from).or_default().push(window);
        }
        Ok(Some(Known { facts, segments, supplements }))
    }

    /// What a window's work reads of the store.
    pub(crate) async fn read_of(&self, window: &Window) -> Result<AtHand, ExportError> {
        let facts = Arc::new(self.facts_of(window).await?);
        let mut segments = self.store.segments(&self.tenant, &window.key.chat, window.key.from).await?;
        segments.retain(|segment| segment.end() <= window.to);
        Ok(AtHand { facts, segments })
    }

    /// How many of a window's events were deleted since.
    pub(crate) async fn gone_in(&self, window: &Window) -> Result<u64, ExportError> {
        let segments = self.store.segments(&self.tenant, &window.key.chat, window.key.from).await?;
        let of = segments.iter().filter(|segment| segment.end() <= window.to);
        Ok(of.filter_map(|segment| segment.gone.as_ref()).map(Gone::count).sum())
    }

    /// What was known of the chat and its people when a window was frozen.
    pub(crate) async fn facts_of(&self, window: &Window) -> Result<Facts, ExportError> {
        let facts = self.store.facts(&self.tenant, &window.facts).await?;
        Ok(facts.ok_or_else(|| StoreError::Damaged {
            what: format!("the facts of window {} are missing", window.key.id()),
            hint: "restore the data folder from a backup".to_owned(),
        })?)
    }

    /// Who is owed copies of a window that no supplement was frozen for, and of which times.
    async fn unfrozen(&self, known: &Known, window: &Window) -> Result<Gained, ExportError> {
        let (newest, Some(times)) = (known.newest(window), known.times(window)) else { return Ok(Gained::new()) };
        if !is_done(newest) {
            return Ok(Gained::new());
        }
        let copies = self.copies(window).await?;
        if copies == Copies::Nobodys {
            return Ok(Gained::new());
        }
        let mut gained = copies.gained(&known.facts, &self.facts_of(newest).await?);
        gained.retain(|_, gained| overlaps(gained, times));
        Ok(gained)
    }

    /// Whose copies a window's e-mails are.
    async fn copies(&self, window: &Window) -> Result<Copies, StoreError> {
        let policy = self.store.policy(&self.tenant, &window.key.policy, Some(window.policy_version)).await?;
        Ok(Copies::of(policy.as_ref().and_then(|policy| policy.grouping.as_ref())))
    }

    async fn freeze_supplement(&self, run: &Run, known: &Known, window: &Window) -> Result<bool, ExportError> {
        let owed_to: Vec<String> = self.unfrozen(known, window).await?.into_keys().collect();
        if owed_to.is_empty() {
            return Ok(false);
        }
        let supplement = Window {
            key: WindowKey { supplement: known.newest(window).key.supplement.saturating_add(1), ..window.key.clone() },
            run: run.id.clone(),
            facts: known.facts.digest(),
            composer: COMPOSER,
            tables: consign_sandbox::tables(),
            owed_to,
            state: WindowState::Open,
            ..window.clone()
        };
        Ok(self.store.freeze(&self.tenant, &[supplement], std::slice::from_ref(&known.facts)).await? == [true])
    }

    /// What each user has got of the window that this is a supplement to.
    pub(crate) async fn got(&self, supplement: &Window) -> Result<Result<Got, HeldReason>, ExportError> {
        let mut got = Got::default();
        for number in 0..supplement.key.supplement {
            let key = WindowKey { supplement: number, ..supplement.key.clone() };
            let window = self.store.window(&self.tenant, &key).await?;
            let Some(verdicts) = window.as_ref().and_then(|window| window.state.settled()?.verdicts.as_ref()) else { continue };
            match self.verdicts(&key, verdicts).await {
                Ok(file) => got.add(&file),
                Err(ExportError::Archive(error)) => return Ok(Err(HeldReason::Archive { text: error.to_string() })),
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(got))
    }

    /// What supplements there are to a chat's windows, and are still owed, for an account of it.
    pub(crate) async fn owing(&self, policy: &PolicyVersion, chat: &ChatKey, windows: &[Window]) -> Result<Owing, ExportError> {
        let mut owing = Owing { windows: HashMap::new() };
        let Some(known) = self.known(&policy.spec.name, chat).await? else { return Ok(owing) };
        let mut news = News::default();
        for window in windows {
            let mut all = Vec::new();
            let mut before = window;
            for supplement in known.supplements.get(&window.key.from).into_iter().flatten() {
                let file = match supplement.state.settled().and_then(|settled| settled.verdicts.as_ref()) {
                    Some(verdicts) => Some(self.verdicts(&supplement.key, verdicts).await?),
                    None => None,
                };
                let mut gained = self.copies(supplement).await?.gained(&self.facts_of(supplement).await?, &self.facts_of(before).await?);
                gained.retain(|user, _| supplement.owed_to.contains(user));
                all.push(Supplement { window: supplement.clone(), file, gained });
                before = supplement;
            }
            let unfrozen = if news.concern(self, &known, window).await? { self.unfrozen(&known, window).await? } else { Gained::new() };
            if !all.is_empty() || !unfrozen.is_empty() {
                let mut got = Got::default();
                if let Some(verdicts) = window.state.settled().and_then(|settled| settled.verdicts.as_ref()) {
                    got.add(&self.verdicts(&window.key, verdicts).await?);
                }
                all.iter().filter(|one| is_done(&one.window)).filter_map(|one| one.file.as_ref()).for_each(|file| got.add(file));
                owing.windows.insert(window.key.from, OfWindow { supplements: all, unfrozen, got });
            }
        }
        Ok(owing)
    }
}

/// Positions of which users have got copies.
#[derive(Debug, Default)]
pub(crate) struct Got(HashMap<String, Vec<Range>>);

impl Got {
    fn add(&mut self, file: &VerdictFile) {
        for email in &file.emails {
            if let Some(user) = &email.subject {
                self.0.entry(user.clone()).or_default().extend_from_slice(&email.events);
            }
        }
    }

    fn has(&self, user: &str, position: u64) -> bool {
        self.0.get(user).is_some_and(|ranges| ranges.iter().any(|(first, last)| (*first..=*last).contains(&position)))
    }

    /// Leaves of an evaluation what a supplement is for: groups that are copies of those who are owed some, without what they have got.
    pub(crate) fn leave_owed(&self, evaluation: &mut Evaluation, supplement: &Window, facts: &Facts) {
        let from = supplement.key.from;
        let mut groups = std::mem::take(&mut evaluation.groups);
        groups.retain_mut(|plan| {
            let user = plan.group.subject.and_then(|subject| facts.participants.get(subject as usize)).map(|one| one.user.id.as_str());
            let Some(user) = user.filter(|user| supplement.owed_to.iter().any(|owed| owed == user)) else { return false };
            let rows = evaluation.rows(plan);
            let owed = rows.into_iter().filter(|row| !self.has(user, from + u64::from(*row)));
            let places = owed.filter_map(|row| evaluation.kept.binary_search(&row).ok()).filter_map(|place| u32::try_from(place).ok());
            plan.spans = places.map(|place| (place, place)).collect();
            !plan.spans.is_empty()
        });
        evaluation.groups = groups;
    }
}

/// A supplement with what came of it.
struct Supplement {
    window: Window,
    file: Option<VerdictFile>,
    /// For whom it is, and of which times.
    gained: Gained,
}

/// What users are owed of a chat.
pub(crate) struct Owing {
    /// By the window's begin.
    windows: HashMap<u64, OfWindow>,
}

/// What users are owed of a window.
struct OfWindow {
    supplements: Vec<Supplement>,
    /// What no supplement was frozen for.
    unfrozen: Gained,
    /// What they have got: somebody may have been known to be there, then not, and now again.
    got: Got,
}

/// What supplements have to say of an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Supplements<'a> {
    /// Copies of it that were accepted, with the run of each.
    pub sent: Vec<(&'a Window, &'a VerdictEmail)>,
    /// The users who are owed a copy of it yet, by id, with the supplement; unset where none is frozen yet.
    pub owed: Vec<(&'a str, Option<&'a Window>)>,
}

impl Owing {
    /// Whether somebody is owed something of this window.
    pub(crate) fn concerns(&self, window: &Window) -> bool {
        self.windows
            .get(&window.key.from)
            .is_some_and(|one| !one.unfrozen.is_empty() || one.supplements.iter().any(|supplement| !is_done(&supplement.window)))
    }

    /// Of an event that is in a window and was not left out by a criterion.
    pub(crate) fn of(&self, window: &Window, position: u64, at: Timestamp) -> Supplements<'_> {
        let mut found = Supplements::default();
        let Some(OfWindow { supplements, unfrozen, got }) = self.windows.get(&window.key.from) else { return found };
        let owed = |gained| at_the_time(gained, at).filter(|user| !got.has(user, position));
        for one in supplements {
            match &one.file {
                Some(file) => {
                    let (EventVerdict::Exported(emails) | EventVerdict::Held(emails)) = file.of(position) else { continue };
                    for email in emails {
                        match &email.subject {
                            Some(user) if !email.accepted => found.owed.push((user, Some(&one.window))),
                            _ => found.sent.push((&one.window, email)),
                        }
                    }
                }
                // Nothing came of it yet.
                None if is_done(&one.window) => {}
                None => found.owed.extend(owed(&one.gained).map(|user| (user, Some(&one.window)))),
            }
        }
        found.owed.extend(owed(unfrozen).map(|user| (user, None)));
        found
    }
}
