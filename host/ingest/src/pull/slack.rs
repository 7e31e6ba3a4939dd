//! Slack's Discovery API: every conversation of an organisation, each with what was edited and deleted in it.
//!
//! Of each conversation two lists are asked for, newest first: records of edits and deletions, then messages. Both from somewhat before the last time on, and the
//! edits first: an edited message comes with its newest text, which is no news where it was told as an edit, and else is an edit that nobody told. The page
//! of messages that comes next is kept, so a pull that is interrupted asks again for a page of messages, and for the edits since the last time.
//!
//! What an answer looks like, and what of it is not known for sure: [`consign_source::live::pull::slack`].

use std::collections::HashSet;

use consign_model::Timestamp;
use consign_model::source::Edits;
use consign_source::Limits;
use consign_source::live::pull::slack::{self as pages, Conversation, Directory, Messages, Page, Told};
use consign_source::live::{Arrived, Live};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::Fault;
use super::client::Client;
use super::keeping::Keeper;
use super::settings::SlackDiscovery;
use crate::receive::limits;

/// Conversations asked for at once.
const AT_ONCE: usize = 4;
/// How much a page has at most.
const PAGE: &str = "200";
/// How much earlier than the last time is asked for. What is read twice so is stored once.
const OVERLAP: i64 = 60 * 60 * 1000;
/// Bytes of what Slack gives to go on from.
const LONGEST_OFFSET: usize = 8 << 10;
/// Words for what may be better in a moment.
const PASSING: [&str; 5] = ["ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"];
/// Words for what concerns all of the source.
const OF_ALL: [&str; 12] = [
    "not_authed",
    "invalid_auth",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "org_login_required",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "accesslimited",
];

/// A source of Slack.
pub(super) struct Slack {
    settings: SlackDiscovery,
    token: Zeroizing<String>,
    client: Client,
    limits: Limits,
}

/// How far a conversation was read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Cursor {
    since: Option<Timestamp>,
    /// When the last round that was read to its end began.
    done: Option<Timestamp>,
    /// The round that is under way.
    round: Option<Round>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Round {
    began: Timestamp,
    /// Where the next page of messages begins; unset at the first one.
    next: Option<String>,
}

/// As Slack writes times.
fn ts(at: Timestamp) -> String {
    format!("{}.{:03}000", at.0.div_euclid(1_000), at.0.rem_euclid(1_000))
}

impl Slack {
    pub fn new(settings: SlackDiscovery, token: Zeroizing<String>, stop: watch::Receiver<bool>) -> Result<Self, String> {
        let client = Client::new(&[&settings.address], stop)?;
        Ok(Self { settings, token, client, limits: limits() })
    }

    /// For the audit log.
    pub fn input(&self) -> String {
        format!("Slack Discovery at {}", self.settings.address.host())
    }

    pub async fn pull(&self, keeper: &Keeper) -> Result<(), Fault> {
        let mut directory = Directory::default();
        let mut list = List::new("discovery.users.list", "users", "offset", vec![("include_deleted", "true")]);
        while let Some(page) = self.next_page(&mut list).await? {
            keeper.store(directory.users(page, &self.limits)?).await?;
        }
        let conversations = self.conversations(keeper, &mut directory).await?;
        let mut rest = conversations.iter();
        self.client.side_by_side(AT_ONCE, || rest.next().map(|(team, of)| self.one(keeper, &directory, team.as_deref(), of))).await
    }

    /// Reads one conversation, and tells where it can't be read.
    async fn one(&self, keeper: &Keeper, directory: &Directory, team: Option<&str>, of: &Conversation) -> Result<(), Fault> {
        match self.conversation(keeper, directory, team, of).await {
            Err(Fault::Passed(why) | Fault::Unknown(why)) => keeper.passed(format!("conversation {}", of.id()), why),
            outcome => outcome?,
        }
        Ok(())
    }

    /// All conversations, each once, with the team that has to be named for it. Those of one workspace are listed for that one alone, all others for none.
    async fn conversations(&self, keeper: &Keeper, directory: &mut Directory) -> Result<Vec<(Option<String>, Conversation)>, Fault> {
        let mut teams = vec![None];
        let mut list = List::new("discovery.enterprise.info", "enterprise.teams", "cursor", Vec::new());
        while let Some(page) = self.next_page(&mut list).await? {
            let ids = page.ids();
            if ids.len() < page.len() {
                // Whatever is in a workspace that is passed over would be missing without a word.
                return Err(Fault::Source("Slack lists a workspace without an id: its conversations could not be asked for".to_owned()));
            }
            teams.extend(ids.into_iter().map(Some));
        }
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        for team in teams {
            match (self.listed(keeper, directory, team.as_deref(), &mut all, &mut seen).await, &team) {
                (Err(Fault::Passed(why)), Some(team)) => keeper.passed(format!("conversations of workspace {team}"), why),
                (outcome, _) => outcome?,
            }
        }
        Ok(all)
    }

    async fn listed(
        &self,
        keeper: &Keeper,
        directory: &mut Directory,
        team: Option<&str>,
        all: &mut Vec<(Option<String>, Conversation)>,
        seen: &mut HashSet<String>,
    ) -> Result<(), Fault> {
        let mut list = List::new("discovery.conversations.list", "channels", "offset", team.map(|team| ("team", team)).into_iter().collect());
        while let Some(page) = self.next_page(&mut list).await? {
            let (of_page, arrived) = directory.conversations(page, &self.limits)?;
            for one in of_page {
                if seen.insert(one.id().to_owned()) {
                    all.push((team.map(str::to_owned), one));
                }
            }
            keeper.store(arrived).await?;
        }
        Ok(())
    }

    /// Reads what came in a conversation since the last time.
    async fn conversation(&self, keeper: &Keeper, directory: &Directory, team: Option<&str>, of: &Conversation) -> Result<(), Fault> {
        let key = format!("conversation:{}", of.id());
        let wanted = self.settings.since;
        let kept = keeper.cursor::<Cursor>(&key);
        let is_early = |kept: &Cursor| kept.since.is_none_or(|since| wanted.is_some_and(|wanted| since <= wanted));
        let mut cursor = kept.filter(is_early).unwrap_or_else(|| Cursor { since: wanted, ..Cursor::default() });
        let from = cursor.done.map(|done| Timestamp(done.0.saturating_sub(OVERLAP).max(0))).or(cursor.since).map(ts);
        let mut query = vec![("channel", of.id())];
        query.extend(team.map(|team| ("team", team)));
        query.extend(from.as_deref().map(|from| ("oldest", from)));

        let edits = Live::SlackDiscovery { keeps_edits: self.settings.keeps_edits }.capabilities().edits;
        let (mut told, mut latest, mut edits_began, mut is_described) = (Told::default(), None, None, false);
        loop {
            let (page, at) = self.page("discovery.conversations.edits", "edits", &query, latest.as_deref().map(|latest| ("latest", latest))).await?;
            edits_began.get_or_insert(at);
            let offset = page.offset.clone();
            if !page.is_empty() {
                let mut parts = Vec::new();
                if !std::mem::replace(&mut is_described, true) {
                    parts.push((edits, self.described(keeper, directory, &query, of).await?));
                }
                parts.push((edits, directory.edits(of, page, &mut told, &self.limits)?));
                keeper.store_all(parts).await?;
            }
            let Some(offset) = offset else { break };
            latest = Some(onwards(latest.as_deref(), offset)?);
        }
        let edits_began = edits_began.unwrap_or_else(Timestamp::now);
        // Without records of edits no later text is told otherwise than by its message.
        let told_later = self.settings.keeps_edits.then(|| ts(edits_began));
        query.push(("reactions", "true"));
        loop {
            let next = cursor.round.as_ref().and_then(|round| round.next.clone());
            let (page, at) = self.page("discovery.conversations.history", "messages", &query, next.as_deref().map(|next| ("latest", next))).await?;
            keeper.page();
            let offset = page.offset.clone();
            if !page.is_empty() || cursor.done.is_none() {
                let mut parts = Vec::new();
                if !std::mem::replace(&mut is_described, true) {
                    parts.push((edits, self.described(keeper, directory, &query, of).await?));
                }
                let Messages { arrived, told } = directory.messages(of, page, &told, told_later.as_deref(), &self.limits)?;
                // Whatever the retention keeps: an edited message with a text that came as no edit is one.
                parts.push((Edits::All, arrived));
                parts.push((Edits::Newest, Arrived { gathered: told, ..Arrived::default() }));
                keeper.store_all(parts).await?;
            }
            // What was edited or deleted from then on is in neither list: the next round has to go back so far.
            let began = cursor.round.as_ref().map_or(edits_began.min(at), |round| round.began);
            let is_read = offset.is_none();
            if let Some(offset) = offset {
                cursor.round = Some(Round { began, next: Some(onwards(next.as_deref(), offset)?) });
            } else {
                (cursor.round, cursor.done) = (None, Some(began));
            }
            keeper.keep(&key, &cursor).await?;
            if is_read {
                keeper.read();
                return Ok(());
            }
        }
    }

    /// What a conversation is, and who is in it now. Where Slack doesn't say who, its messages are read without.
    async fn described(&self, keeper: &Keeper, directory: &Directory, query: &[(&str, &str)], of: &Conversation) -> Result<Arrived, Fault> {
        let mut members = Vec::new();
        let which = query.iter().filter(|(name, _)| matches!(*name, "channel" | "team")).copied().collect();
        match self.members(which, &mut members).await {
            Err(Fault::Passed(why)) => keeper.passed(format!("members of conversation {}", of.id()), why),
            outcome => outcome?,
        }
        Ok(directory.chat(of, members, &self.limits)?)
    }

    async fn members(&self, which: Vec<(&str, &str)>, members: &mut Vec<String>) -> Result<(), Fault> {
        let mut list = List::new("discovery.conversations.members", "members", "offset", which);
        while let Some(page) = self.next_page(&mut list).await? {
            members.extend(page.ids());
        }
        Ok(())
    }

    /// The next page of a list; unset at its end.
    async fn next_page(&self, list: &mut List<'_>) -> Result<Option<Page>, Fault> {
        if list.is_read {
            return Ok(None);
        }
        let (page, _) = self.page(list.method, list.name, &list.query, list.next.as_deref().map(|next| (list.by, next))).await?;
        match page.offset.clone() {
            Some(offset) => list.next = Some(onwards(list.next.as_deref(), offset)?),
            None => list.is_read = true,
        }
        Ok(Some(page))
    }

    /// Asks for one page, and says when it was asked for.
    async fn page(&self, method: &str, list: &str, query: &[(&str, &str)], next: Option<(&str, &str)>) -> Result<(Page, Timestamp), Fault> {
        let host = self.settings.address.host();
        let query: Vec<(&str, &str)> = query.iter().copied().chain([("limit", PAGE)]).chain(next).collect();
        let url = self.settings.address.at([method], &query);
        let mut patience = self.client.patience();
        loop {
            let answer = self.client.ask(host, || self.client.http.get(url.clone()).bearer_auth(self.token.as_str()), &mut patience).await?;
            if !answer.status.is_success() {
                return Err(Fault::Passed(format!("Slack answers {} to {method}", answer.status.as_u16())));
            }
            let read = pages::Answer::read(&answer.body, list);
            match read.map_err(|what| Fault::Passed(format!("what Slack answers to {method} can't be read: {what}")))? {
                pages::Answer::Page(page) => return Ok((page, answer.at)),
                pages::Answer::Refused(word) if PASSING.contains(&word.as_str()) => {
                    self.client.wait(host, &mut patience, None, &format!("it answers {word}")).await?;
                }
                pages::Answer::Refused(word) if OF_ALL.contains(&word.as_str()) => {
                    let hint =
                        "look at the source's token, and whether its app is still installed for the organisation with the scope discovery:read";
                    return Err(Fault::Source(format!("Slack refuses {method} ({word}): {hint}")));
                }
                pages::Answer::Refused(word) => return Err(Fault::Passed(format!("Slack refuses {method} ({word})"))),
            }
        }
    }
}

/// A list that is read page by page.
struct List<'a> {
    method: &'static str,
    name: &'static str,
    /// The argument that says where the next page begins.
    by: &'static str,
    query: Vec<(&'a str, &'a str)>,
    next: Option<String>,
    is_read: bool,
}

impl<'a> List<'a> {
    fn new(method: &'static str, name: &'static str, by: &'static str, query: Vec<(&'a str, &'a str)>) -> Self {
        Self { method, name, by, query, next: None, is_read: false }
    }
}

/// Where the next page begins, which has to be elsewhere than this one.
fn onwards(before: Option<&str>, offset: String) -> Result<String, Fault> {
    if before == Some(offset.as_str()) || offset.len() > LONGEST_OFFSET {
        return Err(Fault::Passed("Slack's page leads to itself, or by more text than any does".to_owned()));
    }
    Ok(offset)
}
