//! What is not there, for people; and finding what is missing in events that arrived before such files were listed.

use std::collections::{BTreeMap, HashMap, HashSet};

use consign_model::{ChatKey, Event, Name, Timestamp, WantedFile, WantedKey, WantedKind, WantedState};
use consign_store::{Arrival, StoreError, WantedFilter};
use reqwest::Url;
use serde::Serialize;

use super::look::{LookFault, Looker, attachment_of};
use super::{FetchError, Fetcher, STEP};
use crate::Importer;

/// A file that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingFile {
    /// The platform's id of the chat.
    pub chat: String,
    /// The event that names it; unset where it can't be read.
    pub event: Option<String>,
    /// When that was.
    pub at: Option<Timestamp>,
    /// The file's name.
    pub name: Option<String>,
    /// The host that has it. Never more of its address.
    pub host: Option<String>,
    /// What is known of it.
    #[serde(flatten)]
    pub state: WantedState,
    /// Its reason, in words; unset before the first look.
    pub why: Option<String>,
}

impl Fetcher {
    /// Files of a source that are not there, in one state or any, at most `limit`, after this one; and the last one's key, from where to go on.
    pub async fn missing(
        &self,
        source: &Name,
        kind: Option<WantedKind>,
        after: Option<&WantedKey>,
        limit: usize,
    ) -> Result<(Vec<MissingFile>, Option<WantedKey>), FetchError> {
        let Importer { tenant, store, .. } = &self.importer;
        let mut page = store.wanted(tenant, &WantedFilter { source: source.clone(), kind }, after, limit).await?;
        let last = page.last().map(|file| file.key.clone());
        // As people read a chat; and each segment is opened once.
        page.sort_by(|one, other| (&one.key.chat, one.position, one.place).cmp(&(&other.key.chat, other.position, other.place)));
        let mut looker = Looker::new(tenant, &**store, &self.archive);
        let mut files = Vec::with_capacity(page.len());
        for file in page {
            let event = match looker.event(&file.key.chat, file.position).await {
                Ok(event) => event,
                Err(LookFault::Archive(_)) => None,
                Err(LookFault::Store(error)) => return Err(error.into()),
            };
            let attachment = event.as_ref().and_then(|event| attachment_of(event, &file));
            let url = attachment.and_then(|attachment| Url::parse(attachment.url.as_deref()?).ok());
            files.push(MissingFile {
                chat: file.key.chat.id.clone(),
                name: attachment.map(|attachment| attachment.name.clone()),
                host: url.as_ref().and_then(Url::host_str).map(str::to_owned),
                at: event.as_ref().map(|event| event.at),
                event: event.map(|event| event.id),
                state: file.state,
                why: file.state.reason().map(|reason| reason.to_string()),
            });
        }
        Ok((files, last))
    }

    /// How many files of a source are not there, by state; a state that none is in is left out.
    pub async fn count(&self, source: &Name) -> Result<BTreeMap<WantedKind, u64>, FetchError> {
        let Importer { tenant, store, .. } = &self.importer;
        let filter = WantedFilter { source: source.clone(), kind: None };
        let (mut after, mut counts) = (None, BTreeMap::new());
        loop {
            let page = store.wanted(tenant, &filter, after.as_ref(), STEP).await?;
            let Some(last) = page.last() else { return Ok(counts) };
            after = Some(last.key.clone());
            for file in &page {
                *counts.entry(file.state.kind()).or_default() += 1;
            }
        }
    }

    /// Lists what is missing in all events of a source that arrived before such files were listed. Says how many became known. Reads every event of the source.
    pub async fn look_for(&self, source: &Name) -> Result<u64, FetchError> {
        let _use = self.archive.begin_use();
        let Importer { tenant, store, .. } = &self.importer;
        let (mut after, mut count) = (0, 0);
        loop {
            let chats = store.chats_arrived(tenant, after, STEP).await?;
            let Some((last, _)) = chats.last() else { return Ok(count) };
            after = *last;
            for (_, chat) in chats.iter().filter(|(_, chat)| chat.source == *source) {
                count += self.look_in(chat).await?;
            }
        }
    }

    async fn look_in(&self, key: &ChatKey) -> Result<u64, FetchError> {
        let Importer { tenant, store, .. } = &self.importer;
        loop {
            let Some(chat) = store.chat(tenant, key).await? else { return Ok(0) };
            let mut wanted: Vec<(Event, u64)> = Vec::new();
            // How many files of a name came later, by the event that lacked them.
            let mut late: HashMap<(String, String), usize> = HashMap::new();
            for segment in store.segments(tenant, key, 0).await? {
                let batch = self.archive.segment(key, segment.extent()).await?;
                let rows: HashSet<u32> = batch.attachments.iter().map(|(row, _)| *row).collect();
                for row in rows {
                    let Some(event) = batch.event(row as usize) else { continue };
                    if event.adds_files() {
                        let of = event.lacking().unwrap_or_default().to_owned();
                        for file in &event.attachments {
                            *late.entry((of.clone(), file.name.clone())).or_default() += 1;
                        }
                    } else if event.wanted().next().is_some() {
                        wanted.push((event, segment.first + u64::from(row)));
                    }
                }
            }
            let state = WantedState::new(Timestamp::now());
            let mut files = Vec::new();
            for (event, position) in &wanted {
                for (place, file) in event.wanted() {
                    let name = event.attachments.get(place as usize).map(|file| file.name.clone()).unwrap_or_default();
                    let lacked = event.attachments.iter().filter(|file| file.digest.is_none() && file.name == name).count();
                    // Of several with one name nobody knows which came: what is fetched again brings nothing new.
                    if late.get(&(event.id.clone(), name)).is_none_or(|came| *came < lacked) {
                        files.push(WantedFile { key: WantedKey { chat: key.clone(), file }, position: *position, place, state });
                    }
                }
            }
            if files.is_empty() {
                return Ok(0);
            }
            let before = self.count_of(key).await?;
            let (expected_events, found) = (chat.events, Vec::new());
            let arrival = Arrival {
                chat,
                expected_events,
                segments: Vec::new(),
                members: Vec::new(),
                identities: Vec::new(),
                copies: Vec::new(),
                wanted: files,
                found,
            };
            match store.commit(tenant, &[arrival]).await {
                Ok(_) => return Ok(self.count_of(key).await?.saturating_sub(before)),
                // More has arrived meanwhile: a file that is missing may be in it.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn count_of(&self, chat: &ChatKey) -> Result<u64, FetchError> {
        let Importer { tenant, store, .. } = &self.importer;
        let filter = WantedFilter { source: chat.source.clone(), kind: None };
        let mut after = Some(WantedKey { chat: chat.clone(), file: consign_model::EventHash([0; 16]) });
        let mut count = 0;
        loop {
            let page = store.wanted(tenant, &filter, after.as_ref(), STEP).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.key.clone());
            let of_chat = page.iter().filter(|file| file.key.chat == *chat).count();
            count += of_chat as u64;
            if of_chat < page.len() {
                return Ok(count);
            }
        }
    }
}
