//! Microsoft Graph: the export of each user's messages, and the channels of the users' teams.
//!
//! Of each user, once: `users/{id}/chats/getAllMessages`, all pages of it; then, and ever after, `…/getAllMessages/delta`, which goes back eight months and no
//! further. The delta begins somewhat before the first page of the former was asked for, so nothing falls between them. Its last page has a link to what changes
//! from then on; where Graph has forgotten that (410), the user is read anew from the beginning, which stores nothing twice.
//!
//! Channels have no delta: `teams/{id}/channels/getAllMessages` is asked for what changed since somewhat before the last time.
//!
//! What Graph lists of a chat's members is asked for where something came of the user, and not otherwise: who wrote nothing costs one request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_model::Timestamp;
use consign_source::Limits;
use consign_source::live::pull::teams::{self as pages, Beside, Page};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use zeroize::Zeroizing;

use super::Fault;
use super::client::{Answer, Client};
use super::keeping::Keeper;
use super::settings::{Model, TeamsExport};
use crate::receive::limits;

/// Users, or teams, asked for at once.
const AT_ONCE: usize = 8;
/// Messages of a page: the most that Graph gives.
const PAGE: &str = "50";
/// How much earlier than the last time a round begins that has no link to go on from. What is read twice so is stored once.
const OVERLAP: i64 = 60 * 60 * 1000;
/// What was sent so shortly before a round began may not have been in the export yet: nobody promises more.
const SETTLES: i64 = 5 * 60 * 1000;
/// A token is replaced so long before its end.
const BEFORE_ITS_END: Duration = Duration::from_mins(1);
/// How long a token is taken to hold, whatever is said of it: one that does not is refused, and replaced then.
const SHORTEST_TOKEN: Duration = Duration::from_mins(3);
const LONGEST_TOKEN: Duration = Duration::from_hours(24);
/// New tokens that one question may take: others may have used one up meanwhile.
const NEW_TOKENS: u32 = 3;
/// Bytes of a link that is kept.
const LONGEST_LINK: usize = 8 << 10;
/// What is asked of each user.
const FIELDS: &str = "id,displayName,mail,userPrincipalName,userType,department,jobTitle,officeLocation,companyName";

/// A source of Teams.
pub(super) struct Teams {
    settings: TeamsExport,
    secret: Zeroizing<String>,
    client: Client,
    token: Mutex<Option<Token>>,
    limits: Limits,
}

struct Token {
    value: Arc<Zeroizing<String>>,
    until: Instant,
    /// Which one it is, so that of several who are refused with it one alone asks for another.
    number: u64,
}

/// Teams that were seen, by id, with their names.
type Joined = Mutex<BTreeMap<String, Option<String>>>;

/// Where a user is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// All that there is.
    All,
    /// What changed since.
    Changes,
}

/// How far a user's own export was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OfUser {
    since: Option<Timestamp>,
    /// Links hold the model that they were asked by.
    #[serde(default)]
    model: Option<Model>,
    /// Something that came can't be read: then nobody can claim that all of it is there.
    #[serde(default)]
    lacks_some: bool,
    stage: Stage,
    /// The next page; unset at the beginning of a stage.
    link: Option<String>,
    /// When this round began; unset before its first page.
    round: Option<Timestamp>,
    /// When the last round that was read to its end began.
    done: Option<Timestamp>,
}

/// How far a team's channels were read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OfTeam {
    since: Option<Timestamp>,
    #[serde(default)]
    model: Option<Model>,
    link: Option<String>,
    round: Option<Timestamp>,
    done: Option<Timestamp>,
}

impl OfUser {
    fn new(since: Option<Timestamp>, model: Option<Model>) -> Self {
        Self { since, model, lacks_some: false, stage: Stage::All, link: None, round: None, done: None }
    }
}

/// Whether what was kept begins early enough for what is wanted now.
fn begins_by(kept: Option<Timestamp>, wanted: Option<Timestamp>) -> bool {
    kept.is_none_or(|kept| wanted.is_some_and(|wanted| kept <= wanted))
}

fn since(at: Timestamp) -> String {
    format!("lastModifiedDateTime gt {at}")
}

fn earlier(at: Timestamp, by: i64) -> Timestamp {
    Timestamp(at.0.saturating_sub(by).max(Timestamp::MIN.0))
}

impl Teams {
    pub fn new(settings: TeamsExport, secret: Zeroizing<String>, stop: watch::Receiver<bool>) -> Result<Self, String> {
        let client = Client::new(&[&settings.login_address, &settings.graph_address], stop)?;
        Ok(Self { settings, secret, client, token: Mutex::new(None), limits: limits() })
    }

    /// For the audit log.
    pub fn input(&self) -> String {
        format!("Microsoft Graph at {}, tenant {}", self.settings.graph_address.host(), self.settings.tenant)
    }

    pub async fn pull(&self, keeper: &Keeper) -> Result<(), Fault> {
        let ids = self.users(keeper).await?;
        let joined = Joined::default();
        let mut rest = ids.iter();
        self.client.side_by_side(AT_ONCE, || rest.next().map(|id| self.one_user(keeper, id, &joined))).await?;
        let teams = joined.into_inner();
        let mut rest = teams.iter();
        self.client.side_by_side(AT_ONCE, || rest.next().map(|(id, title)| self.one_team(keeper, id, title.as_deref()))).await
    }

    /// Whose exports are taken, by id. What Graph says of them is stored.
    async fn users(&self, keeper: &Keeper) -> Result<Vec<String>, Fault> {
        let mut ids = Vec::new();
        let Some(named) = &self.settings.users else {
            let mut list = Some(self.settings.graph_address.at(["users"], &[("$select", FIELDS), ("$top", "999")]));
            while let Some(page) = self.next_page(&mut list).await? {
                let (arrived, of_page) = pages::users("users", &page, &self.limits)?;
                // What guests write here others have, and their own export is their organisation's.
                ids.extend(of_page.into_iter().filter(|user| !user.is_guest).map(|user| user.id));
                keeper.store(arrived).await?;
            }
            return Ok(ids);
        };
        for user in named {
            match self.look_up(keeper, user).await {
                Ok(found) => ids.extend(found),
                Err(fault) => passing(keeper, || format!("user {user}"), Err(fault))?,
            }
        }
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// A user who is named by an id or a sign-in name.
    async fn look_up(&self, keeper: &Keeper, user: &str) -> Result<Vec<String>, Fault> {
        let answer = self.get(self.settings.graph_address.at(["users", user], &[("$select", FIELDS)])).await?;
        let page = Page::one(&answer.body).map_err(|what| Fault::Passed(format!("what Graph says of this user can't be read: {what}")))?;
        let (arrived, found) = pages::users("users", &page, &self.limits)?;
        keeper.store(arrived).await?;
        Ok(found.into_iter().map(|user| user.id).collect())
    }

    /// Reads what is of one user, and tells what can't be read.
    async fn one_user(&self, keeper: &Keeper, id: &str, joined: &Joined) -> Result<(), Fault> {
        passing(keeper, || format!("user {id}"), self.user(keeper, id).await)?;
        if self.settings.channels { passing(keeper, || format!("joined teams of user {id}"), self.joined(id, joined).await) } else { Ok(()) }
    }

    async fn one_team(&self, keeper: &Keeper, id: &str, title: Option<&str>) -> Result<(), Fault> {
        passing(keeper, || format!("team {id}"), self.team(keeper, id, title).await)
    }

    /// The teams that a user has joined, with their names.
    async fn joined(&self, id: &str, joined: &Joined) -> Result<(), Fault> {
        let mut list = Some(self.settings.graph_address.at(["users", id, "joinedTeams"], &[("$select", "id,displayName")]));
        while let Some(page) = self.next_page(&mut list).await? {
            let teams = pages::teams(&page).map_err(|what| Fault::Passed(format!("Graph's list can't be read: {what}")))?;
            joined.lock().await.extend(teams);
        }
        Ok(())
    }

    /// Reads a user's own export to its end.
    async fn user(&self, keeper: &Keeper, id: &str) -> Result<(), Fault> {
        let of = format!("user:{id}");
        let (wanted, model) = (self.settings.since, self.settings.model);
        let kept = keeper.cursor::<OfUser>(&of).filter(|cursor| begins_by(cursor.since, wanted) && cursor.model == model);
        let mut cursor = kept.unwrap_or_else(|| OfUser::new(wanted, model));
        let mut beside = Beside::new(&self.settings.tenant);
        let (mut is_described, mut is_anew) = (false, false);
        let name = format!("users/{id}/chats/getAllMessages");
        loop {
            let kept = cursor.link.as_deref().map(|link| self.settings.graph_address.link(link).ok_or(Fault::Gone)).transpose();
            let answer = match kept {
                Ok(link) => self.get(link.unwrap_or_else(|| self.first_page(id, &cursor))).await,
                Err(fault) => Err(fault),
            };
            let answer = match answer {
                Err(fault) if !is_anew && is_lost(&fault, cursor.link.as_ref()) => {
                    tracing::warn!(user = id, "Microsoft Graph no longer knows where user {id} was read, who is read anew");
                    is_anew = true;
                    cursor = OfUser::new(cursor.since, model);
                    continue;
                }
                Err(Fault::Gone) => return Err(Fault::Passed("Graph forgot twice where it was read: the next pull begins anew".to_owned())),
                answer => answer?,
            };
            let page = read(&answer.body)?;
            let round = *cursor.round.get_or_insert(answer.at);
            if !page.is_empty() && !is_described {
                self.describe(keeper, id, &mut beside).await?;
                is_described = true;
            }
            if page.next.is_some() && page.next == cursor.link {
                return Err(Fault::Passed("Graph's page leads to itself".to_owned()));
            }
            let arrived = beside.messages(&name, &page, Some(id), &self.limits)?;
            cursor.lacks_some |= arrived.report.refused > 0;
            keeper.page();
            let next = match (cursor.stage, page.next, page.delta) {
                (_, Some(next), _) => OfUser { link: Some(self.link(next)?), ..cursor.clone() },
                (Stage::All, None, _) => OfUser { stage: Stage::Changes, link: None, round: None, done: Some(round), ..cursor.clone() },
                (Stage::Changes, None, Some(delta)) => OfUser { link: Some(self.link(delta)?), round: None, done: Some(round), ..cursor.clone() },
                (Stage::Changes, None, None) => {
                    return Err(Fault::Passed("Graph's page has a link neither to the next one nor to what changes".to_owned()));
                }
            };
            let edits = consign_source::live::Live::TeamsExport.capabilities().edits;
            let mut parts = vec![(edits, arrived)];
            let is_read = next.round.is_none();
            if is_read {
                let until = earlier(round, SETTLES);
                if !cursor.lacks_some && cursor.since.is_none_or(|since| since <= until) {
                    parts.push((edits, pages::captured(id, cursor.since, until, &self.limits)?));
                }
            }
            keeper.store_all(parts).await?;
            let was_changes = cursor.stage == Stage::Changes;
            cursor = next;
            keeper.keep(&of, &cursor).await?;
            if is_read && was_changes {
                keeper.read();
                return Ok(());
            }
        }
    }

    fn first_page(&self, id: &str, cursor: &OfUser) -> Url {
        let mut query = vec![("$top", PAGE)];
        query.extend(self.settings.model.map(|model| ("model", model.word())));
        let (path, from) = match cursor.stage {
            Stage::All => (vec!["users", id, "chats", "getAllMessages"], cursor.since),
            Stage::Changes => (vec!["users", id, "chats", "getAllMessages", "delta"], cursor.done.map(|done| earlier(done, OVERLAP))),
        };
        let filter = from.map(since);
        query.extend(filter.as_deref().map(|filter| ("$filter", filter)));
        self.settings.graph_address.at(path, &query)
    }

    /// What chats the user is in, and with whom. Where Graph doesn't say, the messages are read without: names and members follow with another pull.
    async fn describe(&self, keeper: &Keeper, id: &str, beside: &mut Beside) -> Result<(), Fault> {
        let mut cut = Vec::new();
        passing(keeper, || format!("chats of user {id}"), self.chats(keeper, id, beside, &mut cut).await)?;
        for chat in cut {
            passing(keeper, || format!("members of chat {chat}"), self.members(keeper, &["chats", &chat, "members"], &chat, None, beside).await)?;
        }
        Ok(())
    }

    /// `cut` gets those with more members than are listed.
    async fn chats(&self, keeper: &Keeper, id: &str, beside: &mut Beside, cut: &mut Vec<String>) -> Result<(), Fault> {
        let mut list = Some(self.settings.graph_address.at(["users", id, "chats"], &[("$expand", "members"), ("$top", PAGE)]));
        while let Some(page) = self.next_page(&mut list).await? {
            let (arrived, of_page) = beside.chats(&format!("users/{id}/chats"), &page, &self.limits)?;
            cut.extend(of_page);
            keeper.store(arrived).await?;
        }
        Ok(())
    }

    async fn members(&self, keeper: &Keeper, path: &[&str], chat: &str, team: Option<&str>, beside: &mut Beside) -> Result<(), Fault> {
        let mut list = Some(self.settings.graph_address.at(path.iter().copied(), &[]));
        while let Some(page) = self.next_page(&mut list).await? {
            keeper.store(beside.members(chat, team, &page, &self.limits)?).await?;
        }
        Ok(())
    }

    /// Reads the channels of a team to their end.
    async fn team(&self, keeper: &Keeper, id: &str, title: Option<&str>) -> Result<(), Fault> {
        let of = format!("team:{id}");
        let (wanted, model) = (self.settings.since, self.settings.model);
        let kept = keeper.cursor::<OfTeam>(&of).filter(|cursor| begins_by(cursor.since, wanted) && cursor.model == model);
        let mut cursor = kept.unwrap_or(OfTeam { since: wanted, model, link: None, round: None, done: None });
        let mut beside = Beside::new(&self.settings.tenant);
        let (mut is_described, mut is_anew) = (false, false);
        let name = format!("teams/{id}/channels/getAllMessages");
        loop {
            let from = cursor.done.map(|done| earlier(done, OVERLAP)).or(cursor.since).map(since);
            let mut query = vec![("$top", PAGE)];
            query.extend(self.settings.model.map(|model| ("model", model.word())));
            query.extend(from.as_deref().map(|filter| ("$filter", filter)));
            let first = self.settings.graph_address.at(["teams", id, "channels", "getAllMessages"], &query);
            let link = cursor.link.as_deref().and_then(|link| self.settings.graph_address.link(link));
            let answer = match self.get(link.unwrap_or(first)).await {
                Err(fault) if !is_anew && is_lost(&fault, cursor.link.as_ref()) => {
                    is_anew = true;
                    (cursor.link, cursor.round) = (None, None);
                    continue;
                }
                Err(Fault::Gone) => return Err(Fault::Passed("Graph forgot twice where it was read: the next pull begins anew".to_owned())),
                answer => answer?,
            };
            let page = read(&answer.body)?;
            let round = *cursor.round.get_or_insert(answer.at);
            if !page.is_empty() && !is_described {
                self.describe_team(keeper, id, title, &mut beside).await?;
                is_described = true;
            }
            if page.next.is_some() && page.next == cursor.link {
                return Err(Fault::Passed("Graph's page leads to itself".to_owned()));
            }
            let arrived = beside.messages(&name, &page, None, &self.limits)?;
            keeper.page();
            keeper.store(arrived).await?;
            cursor = match page.next {
                Some(next) => OfTeam { link: Some(self.link(next)?), ..cursor },
                None => OfTeam { link: None, round: None, done: Some(round), ..cursor },
            };
            keeper.keep(&of, &cursor).await?;
            if cursor.round.is_none() {
                keeper.read();
                return Ok(());
            }
        }
    }

    async fn describe_team(&self, keeper: &Keeper, id: &str, title: Option<&str>, beside: &mut Beside) -> Result<(), Fault> {
        let mut channels = Vec::new();
        passing(keeper, || format!("channels of team {id}"), self.channels(keeper, id, title, beside, &mut channels).await)?;
        for channel in channels {
            let path = ["teams", id, "channels", &channel, "members"];
            passing(keeper, || format!("members of channel {channel}"), self.members(keeper, &path, &channel, Some(id), beside).await)?;
        }
        Ok(())
    }

    async fn channels(&self, keeper: &Keeper, id: &str, title: Option<&str>, beside: &mut Beside, channels: &mut Vec<String>) -> Result<(), Fault> {
        let mut list = Some(self.settings.graph_address.at(["teams", id, "channels"], &[]));
        while let Some(page) = self.next_page(&mut list).await? {
            let (arrived, of_page) = beside.channels(id, title, &page, &self.limits)?;
            channels.extend(of_page);
            keeper.store(arrived).await?;
        }
        Ok(())
    }

    /// The next page of a list, of which `list` says where it goes on; unset at its end.
    async fn next_page(&self, list: &mut Option<Url>) -> Result<Option<Page>, Fault> {
        let Some(url) = list.take() else { return Ok(None) };
        let page = read(&self.get(url).await?.body)?;
        *list = page.next.as_deref().map(|next| self.settings.graph_address.link(next).ok_or_else(elsewhere)).transpose()?;
        Ok(Some(page))
    }

    /// A link that is kept.
    fn link(&self, link: String) -> Result<String, Fault> {
        match self.settings.graph_address.link(&link) {
            None => Err(elsewhere()),
            Some(_) if link.len() > LONGEST_LINK => Err(Fault::Passed(format!("Graph's link has more than {LONGEST_LINK} bytes"))),
            Some(_) => Ok(link),
        }
    }

    /// Asks Graph. A token that is refused is replaced.
    async fn get(&self, url: Url) -> Result<Answer, Fault> {
        let host = self.settings.graph_address.host();
        let mut patience = self.client.patience();
        let (mut refused, mut replaced) = (None, 0);
        loop {
            let (token, number) = self.token(refused).await?;
            let answer = self.client.ask(host, || self.client.http.get(url.clone()).bearer_auth(token.as_str()), &mut patience).await?;
            let code = if answer.status.is_success() { None } else { pages::error_code(&answer.body) };
            let said = code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
            let says_lost = code
                .as_deref()
                .is_some_and(|code| ["syncStateNotFound", "syncStateInvalid", "resyncRequired"].iter().any(|known| code.eq_ignore_ascii_case(known)));
            return match answer.status {
                status if status.is_success() => Ok(answer),
                StatusCode::UNAUTHORIZED if replaced < NEW_TOKENS => {
                    (refused, replaced) = (Some(number), replaced + 1);
                    continue;
                }
                StatusCode::UNAUTHORIZED => Err(Fault::Source(format!(
                    "{host} refuses a token that was just made{said}: look whether the application is still allowed to ask"
                ))),
                StatusCode::GONE => Err(Fault::Gone),
                _ if says_lost => Err(Fault::Gone),
                StatusCode::FORBIDDEN => Err(Fault::Passed(format!(
                    "Graph refuses it{said}: give the application the permissions Chat.Read.All, User.Read.All and, for channels, ChannelMessage.Read.All, \
                     Team.ReadBasic.All, Channel.ReadBasic.All and ChannelMember.Read.All, with an administrator's consent"
                ))),
                StatusCode::PAYMENT_REQUIRED => Err(Fault::Passed(format!(
                    "Graph wants to be paid{said}: it takes a licence of this user, or an account that is charged, and the model"
                ))),
                StatusCode::NOT_FOUND => Err(Fault::Unknown(format!("Graph knows nothing of it{said}"))),
                StatusCode::BAD_REQUEST => Err(Fault::Unknown(format!("Graph answers 400{said}"))),
                status => Err(Fault::Passed(format!("Graph answers {}{said}", status.as_u16()))),
            };
        }
    }

    fn request_for_token(&self) -> Zeroizing<String> {
        let TeamsExport { graph_address, client_id, .. } = &self.settings;
        let scope = format!("{}/.default", graph_address.at([], &[]).origin().ascii_serialization());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", client_id).append_pair("client_secret", &self.secret).append_pair("scope", &scope);
        Zeroizing::new(form.append_pair("grant_type", "client_credentials").finish())
    }

    /// A token that holds, and which one it is. `refused`: the number of one that does not.
    async fn token(&self, refused: Option<u64>) -> Result<(Arc<Zeroizing<String>>, u64), Fault> {
        let mut kept = self.token.lock().await;
        let number = match &*kept {
            Some(token) if token.until > Instant::now() && refused != Some(token.number) => return Ok((Arc::clone(&token.value), token.number)),
            Some(token) => token.number + 1,
            None => 0,
        };
        let TeamsExport { login_address, tenant, .. } = &self.settings;
        let url = login_address.at([tenant.as_str(), "oauth2", "v2.0", "token"], &[]);
        let body = self.request_for_token();
        let make = || self.client.http.post(url.clone()).header("content-type", "application/x-www-form-urlencoded").body(body.as_bytes().to_vec());
        let host = login_address.host();
        let answer = match self.client.ask(host, make, &mut self.client.patience()).await {
            // Without one nobody is read.
            Err(Fault::Passed(why)) => return Err(Fault::Source(why)),
            answer => answer?,
        };
        if !answer.status.is_success() {
            let status = answer.status.as_u16();
            return Err(Fault::Source(format!("{host} gives no token ({status}): look at tenant, client-id and client-secret")));
        }
        let answered = Zeroizing::new(answer.body);
        let (value, seconds) = pages::token(&answered).map_err(|what| Fault::Source(format!("what {host} answers is no token: {what}")))?;
        let until = Instant::now() + Duration::from_secs(seconds).clamp(SHORTEST_TOKEN, LONGEST_TOKEN).saturating_sub(BEFORE_ITS_END);
        let value = Arc::new(Zeroizing::new(value));
        *kept = Some(Token { value: Arc::clone(&value), until, number });
        Ok((value, number))
    }
}

fn read(body: &[u8]) -> Result<Page, Fault> {
    Page::read(body).map_err(|what| Fault::Passed(format!("Graph's page can't be read: {what}")))
}

/// Whether the platform no longer knows where this went on. A link that it gave itself and can't make sense of is such, by whatever number it says so.
fn is_lost(fault: &Fault, link: Option<&String>) -> bool {
    matches!(fault, Fault::Gone) || (link.is_some() && matches!(fault, Fault::Unknown(_)))
}

fn elsewhere() -> Fault {
    Fault::Passed("Graph's link leads to another host, which gets no token of ours".to_owned())
}

/// What can't be read alone is told, and the others go on.
fn passing(keeper: &Keeper, of: impl FnOnce() -> String, outcome: Result<(), Fault>) -> Result<(), Fault> {
    match outcome {
        Err(Fault::Passed(why) | Fault::Unknown(why)) => keeper.passed(of(), why),
        Err(Fault::Gone) => keeper.passed(of(), "Graph says that it is gone".to_owned()),
        outcome => return outcome,
    }
    Ok(())
}
