//! What stands in a chat and must not come out: its words, its ids, its domains.

use std::collections::HashSet;

use consign_model::EventBatch;
use consign_model::window::Facts;

/// Letters from which on a word says something. Two letters come out by chance in every text.
pub const WORD: usize = 3;

/// What must not come out.
#[derive(Debug, Default)]
pub struct Known {
    /// Words of [`WORD`] letters and more, in small letters.
    pub words: HashSet<String>,
    /// Ids of people, of the chat and of events.
    pub ids: HashSet<String>,
}

impl Known {
    /// Of the chat and its people.
    pub fn of(facts: &Facts) -> Self {
        let mut known = Self::default();
        known.id(&facts.chat.key.id);
        facts.chat.title.iter().for_each(|title| known.text(title));
        facts.chat.labels.values().for_each(|value| known.text(value));
        for participant in &facts.participants {
            let user = &participant.user;
            known.id(&user.id);
            known.text(&user.name);
            user.former_names.iter().for_each(|former| known.text(&former.name));
            user.email.iter().for_each(|email| known.text(email));
            user.attributes.values().for_each(|value| known.text(value));
        }
        known
    }

    /// Of some events.
    pub fn batch(&mut self, batch: &EventBatch) {
        for column in [&batch.texts, &batch.sender_names, &batch.previous] {
            column.iter().for_each(|text| self.text(text));
        }
        for column in [&batch.ids, &batch.threads, &batch.targets] {
            column.iter().filter(|id| !id.is_empty()).for_each(|id| self.id(id));
        }
        batch.users.iter().for_each(|user| self.id(user));
        batch.attachments.iter().for_each(|(_, file)| self.text(&file.name));
    }

    fn id(&mut self, id: &str) {
        self.ids.insert(id.to_owned());
        self.text(id);
    }

    fn text(&mut self, text: &str) {
        for word in text.split(|character: char| !character.is_alphabetic()).filter(|word| word.chars().nth(WORD - 1).is_some()) {
            self.words.insert(word.to_lowercase());
        }
    }
}
