//! `consign reconcile`: what became of everything that the archive has of a period, for whoever asks whether all of March is there.
//!
//! It begins with the archive and not with runs: every event of every file is read and has to be found in one place of the account, so what no run ever
//! came to is found as surely as what one held. What was decided is read from the verdict files of then; nothing is evaluated again.
//!
//! What the archive never got it can't know. It tells what may be a sign of it: files of which the index has a hole, and a source that was silent for longer
//! than it usually is.

use std::collections::{BTreeMap, BTreeSet};

use consign_model::manifest::RuleRef;
use consign_model::policy::PolicyVersion;
use consign_model::{ChatKey, HeldReason, Name, RunId, Timestamp, Window};
use consign_store::{SegmentRecord, WindowFilter};
use serde::Serialize;

use crate::owed::Owing;
use crate::pages::{PAGE, Windows};
use crate::verdicts::{EventVerdict, VerdictFile};
use crate::{ExportError, Exporter};

pub(crate) const HOUR: i64 = 3_600_000;
/// Hours of a week.
const WEEK: i64 = 7 * 24;
/// Shorter silences are never told.
const SHORTEST_SILENCE: i64 = 24;

/// From and up to, by the events' own times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Period {
    /// The first instant.
    pub from: Timestamp,
    /// The first one that does not belong to it.
    pub to: Timestamp,
}

impl Period {
    fn holds(&self, at: Timestamp) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// What became of an event: one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
pub enum Account {
    /// In e-mails that were accepted, every one for every recipient.
    Exported {
        /// The run.
        run: RunId,
        /// Message-IDs, without angle brackets.
        emails: Vec<String>,
    },
    /// Left out by these rules.
    Omitted {
        /// The run; unset where the policy begins after the event.
        run: Option<RunId>,
        /// The rules.
        by: Vec<RuleRef>,
    },
    /// Neither, though a run came to it.
    Held {
        /// The run.
        run: RunId,
        /// By which `held retry` names it.
        window: String,
        /// Why.
        reason: String,
    },
    /// Exported or left out for those who were known to be in the chat, and owed to users of whom that became known since.
    Owed {
        /// The run.
        run: RunId,
        /// Message-IDs of the e-mails that were accepted, without angle brackets.
        emails: Vec<String>,
        /// The users, by the platform's id.
        to: Vec<String>,
        /// By which `held retry` names the supplement that is held; unset where none is frozen yet, which the policy's next run does.
        window: Option<String>,
    },
    /// No run has come to it yet.
    NotYetDue,
}

/// An event with what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct EventAccount {
    /// The source.
    pub source: Name,
    /// The platform's id of its chat.
    pub chat: String,
    /// The platform's own id.
    pub event: String,
    /// `message`, `edit`, …
    pub kind: &'static str,
    /// When.
    pub at: Timestamp,
    /// Its position in the chat.
    pub position: u64,
    /// Whether it was deleted since.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// What became of it.
    #[serde(flatten)]
    pub account: Account,
}

/// Events by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All that the archive has.
    pub events: u64,
    /// See [`Account::Exported`].
    pub exported: u64,
    /// See [`Account::Omitted`].
    pub omitted: u64,
    /// See [`Account::Held`].
    pub held: u64,
    /// See [`Account::Owed`].
    pub owed: u64,
    /// See [`Account::NotYetDue`].
    pub not_yet_due: u64,
    /// Of all these, so many were deleted since.
    #[serde(skip_serializing_if = "is_none")]
    pub deleted: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Counts {
    fn count(&mut self, account: &Account, deleted: bool) {
        self.events += 1;
        self.deleted += u64::from(deleted);
        *match account {
            Account::Exported { .. } => &mut self.exported,
            Account::Omitted { .. } => &mut self.omitted,
            Account::Held { .. } => &mut self.held,
            Account::Owed { .. } => &mut self.owed,
            Account::NotYetDue => &mut self.not_yet_due,
        } += 1;
    }

    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.exported += other.exported;
        self.omitted += other.omitted;
        self.held += other.held;
        self.owed += other.owed;
        self.not_yet_due += other.not_yet_due;
        self.deleted += other.deleted;
    }
}

/// A chat with events in the period.
#[derive(Debug, Clone, Serialize)]
pub struct ChatAccount {
    /// The source.
    pub source: Name,
    /// The platform's id.
    pub chat: String,
    /// Its events.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A sign that something is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "gap", rename_all = "kebab-case")]
pub enum Gap {
    /// The index knows no file for positions of a chat.
    Hole {
        /// The chat.
        chat: ChatKey,
        /// The first position.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A file of the archive can't be read, so it is not known what became of its events.
    Unreadable {
        /// The chat.
        chat: ChatKey,
        /// How many events it has.
        events: u32,
        /// Why.
        cause: String,
    },
    /// Nothing came from a source for longer than is usual in this period.
    Silence {
        /// The source.
        source: Name,
        /// The end of the last hour with an event.
        from: Timestamp,
        /// The beginning of the next one.
        to: Timestamp,
        /// The longest silence that comes each week, in hours.
        usual_hours: i64,
    },
}

impl Gap {
    /// Whether something is surely missing.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Hole { .. } | Self::Unreadable { .. } => true,
            Self::Silence { .. } => false,
        }
    }
}

/// The account of a period.
#[derive(Debug, Clone, Serialize)]
pub struct Reconciled {
    /// The policy.
    pub policy: Name,
    /// The period.
    pub period: Period,
    /// All chats together.
    pub total: Counts,
    /// Each chat with events in it, in the order in which chats arrived.
    pub chats: Vec<ChatAccount>,
    /// Signs that something is missing.
    pub gaps: Vec<Gap>,
}

/// Takes each event's account. An error ends the whole.
pub type EachEvent<'a> = &'a mut (dyn FnMut(&EventAccount) -> std::io::Result<()> + Send);

impl Reconciled {
    /// Whether everything is exported or left out, and nothing is surely missing.
    pub fn is_complete(&self) -> bool {
        self.total.held == 0 && self.total.owed == 0 && self.total.not_yet_due == 0 && !self.gaps.iter().any(Gap::is_certain)
    }
}

impl Exporter {
    /// Accounts for every event of a period under a policy, chat by chat and in the order of arrival.
    pub async fn reconcile(&self, policy: &Name, period: Period, each: EachEvent<'_>) -> Result<Reconciled, ExportError> {
        let _use = self.archive.begin_use();
        let policy = self.store.policy(&self.tenant, policy, None).await?.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?;
        let mut found = Reconciled { policy: policy.spec.name.clone(), period, total: Counts::default(), chats: Vec::new(), gaps: Vec::new() };
        let mut hours: BTreeMap<Name, BTreeSet<i64>> = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = self.store.chats_arrived(&self.tenant, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (_, chat) in page {
                let hours = hours.entry(chat.source.clone()).or_default();
                let counts = self.reconcile_chat(&policy, &chat, &mut found, hours, each).await?;
                if counts.events > 0 {
                    found.total.add(&counts);
                    found.chats.push(ChatAccount { source: chat.source, chat: chat.id, counts });
                }
            }
        }
        for (source, hours) in hours {
            let silences = silences(&hours, period, Timestamp::now()).into_iter();
            found.gaps.extend(silences.map(|(from, to, usual_hours)| Gap::Silence { source: source.clone(), from, to, usual_hours }));
        }
        Ok(found)
    }

    async fn reconcile_chat(
        &self,
        policy: &PolicyVersion,
        chat: &ChatKey,
        found: &mut Reconciled,
        hours: &mut BTreeSet<i64>,
        each: EachEvent<'_>,
    ) -> Result<Counts, ExportError> {
        let mut counts = Counts::default();
        let mut decided: Option<Decided> = None;
        let windows = Windows::all(self, WindowFilter::OfChat(policy.spec.name.clone(), chat.clone())).await?;
        let owing = self.owing(policy, chat, &windows).await?;
        let mut next = 0;
        for segment in self.store.segments(&self.tenant, chat, 0).await? {
            if segment.first > next {
                found.gaps.push(Gap::Hole { chat: chat.clone(), first: next, last: segment.first - 1 });
            }
            next = segment.end();
            if segment.last_at < found.period.from || segment.first_at >= found.period.to {
                // What is nearest to the period says how long it was silent at its edges.
                hours.extend([segment.first_at, segment.last_at].map(|at| at.0.div_euclid(HOUR)));
                continue;
            }
            let batch = match self.archive.segment(chat, segment.extent()).await {
                Ok(batch) => batch,
                Err(error) => {
                    found.gaps.push(Gap::Unreadable { chat: chat.clone(), events: segment.events, cause: error.to_string() });
                    continue;
                }
            };
            for (row, id) in batch.ids.iter().enumerate() {
                let at = Timestamp(batch.times.get(row).copied().unwrap_or_default());
                hours.insert(at.0.div_euclid(HOUR));
                if !found.period.holds(at) {
                    continue;
                }
                let position = segment.first + row as u64;
                let account = match window_at(&windows, position) {
                    None => without_window(policy, &windows, position, &segment),
                    Some(window) => {
                        let known = match decided.take() {
                            Some(known) if known.from == window.key.from => known,
                            _ => self.decided(window).await?,
                        };
                        let account = known.account(window, position);
                        let account = with_supplements(account, known.grouping.as_deref(), &owing, window, position, at);
                        decided = Some(known);
                        account
                    }
                };
                let deleted = segment.has_lost(row);
                counts.count(&account, deleted);
                let (source, chat) = (chat.source.clone(), chat.id.clone());
                let event = EventAccount { source, chat, event: id.to_owned(), kind: batch.kind(row).word(), at, position, deleted, account };
                each(&event).map_err(|error| ExportError::File { doing: "write", path: "the account".into(), cause: error.to_string() })?;
            }
        }
        Ok(counts)
    }

    /// What was decided about a window.
    async fn decided(&self, window: &Window) -> Result<Decided, ExportError> {
        let verdicts = match window.state.settled().and_then(|settled| settled.verdicts.as_ref()) {
            Some(sealed) => Some(self.verdicts(&window.key, sealed).await?),
            None => None,
        };
        let policy = self.store.policy(&self.tenant, &window.key.policy, Some(window.policy_version)).await?;
        let grouping = policy.and_then(|policy| policy.grouping).map(|module| module.name);
        Ok(Decided { from: window.key.from, verdicts, grouping })
    }
}

/// A window's verdict file, where it has one.
struct Decided {
    from: u64,
    verdicts: Option<VerdictFile>,
    /// `name@version` of the grouping module.
    grouping: Option<String>,
}

/// An event's account with what supplements to its window have to say. What a criterion left out nobody is owed.
fn with_supplements(account: Account, grouping: Option<&str>, owing: &Owing, window: &Window, position: u64, at: Timestamp) -> Account {
    let by_grouping = |by: &[RuleRef]| by.iter().all(|rule| Some(rule.module.as_str()) == grouping);
    let mut emails = match &account {
        Account::Exported { emails, .. } => emails.clone(),
        Account::Omitted { by, .. } if by_grouping(by) => Vec::new(),
        Account::Omitted { .. } | Account::Held { .. } | Account::Owed { .. } | Account::NotYetDue => return account,
    };
    let supplements = owing.of(window, position, at);
    emails.extend(supplements.sent.iter().map(|(_, email)| email.message_id.clone()));
    if !supplements.owed.is_empty() {
        let to = supplements.owed.iter().map(|(user, _)| (*user).to_owned()).collect();
        let window_id = supplements.owed.iter().find_map(|(_, window)| window.map(|window| window.key.id()));
        return Account::Owed { run: window.run.clone(), emails, to, window: window_id };
    }
    match (account, supplements.sent.first()) {
        (Account::Exported { run, .. }, _) => Account::Exported { run, emails },
        (_, Some((supplement, _))) => Account::Exported { run: supplement.run.clone(), emails },
        (account, None) => account,
    }
}

impl Decided {
    fn account(&self, window: &Window, position: u64) -> Account {
        let run = window.run.clone();
        match self.verdicts.as_ref().map(|file| file.of(position)) {
            Some(EventVerdict::Exported(emails)) => {
                Account::Exported { run, emails: emails.into_iter().map(|email| email.message_id.clone()).collect() }
            }
            Some(EventVerdict::Omitted(by)) => Account::Omitted { run: Some(run), by: by.to_vec() },
            Some(EventVerdict::Held(_)) | None => {
                let reason = window.state.held().map(HeldReason::text);
                let reason = reason.unwrap_or_else(|| format!("the run {run} is at work on it, or was interrupted: run the policy again"));
                Account::Held { run, window: window.key.id(), reason }
            }
        }
    }
}

/// The window that a position is in; they are sorted and don't overlap.
fn window_at(windows: &[Window], position: u64) -> Option<&Window> {
    let after = windows.partition_point(|window| window.key.from <= position);
    after.checked_sub(1).and_then(|at| windows.get(at)).filter(|window| position < window.to)
}

/// An event that no window has: before the policy's first one, since it begins with what arrived after it was applied, or after its last.
fn without_window(policy: &PolicyVersion, windows: &[Window], position: u64, segment: &SegmentRecord) -> Account {
    let is_before = windows.first().map_or(segment.arrival <= policy.starts_after, |first| position < first.key.from);
    if is_before {
        Account::Omitted { run: None, by: vec![RuleRef { module: "policy".to_owned(), rule: "before-since".to_owned() }] }
    } else {
        Account::NotYetDue
    }
}

/// Silences of a source in a period that are longer than usual, by the hours in which something came: from, to, and what is usual, in hours.
///
/// Usual is what comes once a week: nights and weekends. So of as many weeks as are known, half as many of the longest silences are taken for usual, and what is half
/// as long again is told. Of less than two weeks nobody can say what is usual, and nothing is told of what lies between; but a source from which nothing comes any more to a
/// period's end, for longer than it ever was silent before, is.
pub(crate) fn silences(hours: &BTreeSet<i64>, period: Period, now: Timestamp) -> Vec<(Timestamp, Timestamp, i64)> {
    let (Some(first), Some(last)) = (hours.first(), hours.last()) else { return Vec::new() };
    let spans: Vec<(i64, i64)> = hours.iter().zip(hours.iter().skip(1)).map(|(one, next)| (one + 1, *next)).collect();
    let mut lengths: Vec<i64> = spans.iter().map(|(from, to)| to - from).collect();
    lengths.sort_unstable_by(|one, other| other.cmp(one));
    let weeks = (last - first) / WEEK;
    let is_known = weeks >= 2;
    let usual = lengths.get(if is_known { usize::try_from(weeks / 2).unwrap_or(usize::MAX) } else { 0 }).copied().unwrap_or_default();
    let most = (usual + usual / 2).max(SHORTEST_SILENCE);
    // Where no end is asked for, an export that was imported once is silent ever since, and that is no news.
    let end = (period.to < Timestamp::MAX).then(|| period.to.min(now).0.div_euclid(HOUR)).filter(|end| *end > *last);
    let all = spans.into_iter().filter(|_| is_known).chain(end.map(|end| (last + 1, end)));
    let told = all.map(|(from, to)| (Timestamp(from * HOUR), Timestamp(to * HOUR))).filter(|(from, to)| (to.0 - from.0) / HOUR > most);
    told.filter(|(from, to)| *from < period.to && *to > period.from).map(|(from, to)| (from, to, usual)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS: Period = Period { from: Timestamp::MIN, to: Timestamp::MAX };

    fn always(hours: &BTreeSet<i64>) -> Vec<(Timestamp, Timestamp, i64)> {
        silences(hours, ALWAYS, Timestamp(1_000 * WEEK * HOUR))
    }

    /// Hours of so many weeks with something from 8 to 18 on working days.
    fn office(weeks: i64) -> BTreeSet<i64> {
        (0..weeks * WEEK).filter(|hour| (hour / 24) % 7 < 5 && (8..18).contains(&(hour % 24))).collect()
    }

    #[test]
    fn nights_and_weekends_are_usual() {
        assert_eq!(always(&office(8)), []);
        assert_eq!(always(&office(3)), []);
        assert_eq!(always(&BTreeSet::new()), []);
    }

    #[test]
    fn days_without_anything_are_told() {
        let mut hours = office(8);
        // Monday to Wednesday of the fourth week.
        let (from, to) = (3 * WEEK, 3 * WEEK + 72);
        hours.retain(|hour| !(from..to).contains(hour));
        // Since Friday evening.
        let told = always(&hours);
        assert_eq!(told, [(Timestamp((2 * WEEK + 4 * 24 + 18) * HOUR), Timestamp((to + 8) * HOUR), 62)]);
    }

    #[test]
    fn of_a_few_days_nothing_is_known() {
        assert_eq!(always(&[0, 100, 300].into_iter().collect()), []);
    }

    #[test]
    fn a_source_that_stopped_is_told_where_an_end_is_asked_for() {
        let at = |hour: i64| Timestamp(hour * HOUR);
        let (hours, now) = (office(4), at(100 * WEEK));
        let stopped = 3 * WEEK + 4 * 24 + 18;
        for (from, to) in [(0, 8 * WEEK), (6 * WEEK, 8 * WEEK)] {
            let told = silences(&hours, Period { from: at(from), to: at(to) }, now);
            assert_eq!(told, [(at(stopped), at(8 * WEEK), 62)]);
        }
        // The weekend is not over, or the period was before.
        for (from, to) in [(0, 4 * WEEK), (0, 2 * WEEK)] {
            assert_eq!(silences(&hours, Period { from: at(from), to: at(to) }, now), []);
        }
        assert_eq!(silences(&hours, Period { from: at(0), to: at(8 * WEEK) }, at(4 * WEEK)), [], "the future is not silent");
        // Of a few days: since the second one.
        let days: BTreeSet<i64> = (8..18).chain(32..42).collect();
        assert_eq!(silences(&days, Period { from: at(0), to: at(4 * WEEK) }, now), [(at(42), at(4 * WEEK), 14)]);
    }
}
