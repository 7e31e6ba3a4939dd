//! Names of mentioned users in texts, and the form in which they stay what they are.
//!
//! The exporter puts names into texts (`@Ann Lee`), so whoever is renamed would change every text that mentions them, and each would look edited. Beside it
//! lists who is mentioned. From both comes the form that Discord itself has, `<@id>`: by it a message that comes again is compared. An export whose markup was
//! left as it is (`--markdown false`) has that form already, and gets the names for reading.

/// Names that are looked for; Discord allows some dozens. Those beyond stay as they are.
const MOST: usize = 200;
/// Bytes of a text in which they are looked for; Discord allows 4,000 characters.
const LONGEST: usize = 64 << 10;

/// Who is mentioned.
#[derive(Debug, Default)]
pub struct Mentions(Vec<Mention>);

#[derive(Debug)]
struct Mention {
    id: String,
    /// As it stands in the text.
    raw: String,
    /// To be shown.
    name: String,
}

impl Mentions {
    pub fn add(&mut self, id: &str, raw: &str, name: &str) {
        if self.0.len() < MOST && !raw.is_empty() && !self.0.iter().any(|one| one.id == id) {
            self.0.push(Mention { id: id.to_owned(), raw: raw.to_owned(), name: name.to_owned() });
            // `@Ann Lee` is not `@Ann`.
            self.0.sort_by_key(|one| std::cmp::Reverse(one.raw.len()));
        }
    }

    /// Discord's own form: ids in place of users' names, emoji by their names alone.
    pub fn original(&self, text: &str) -> String {
        each(text, &mut |rest| {
            if let Some(after) = rest.strip_prefix('@') {
                let one = self.0.iter().find(|one| after.strip_prefix(&*one.raw).is_some_and(|end| !end.starts_with(char::is_alphanumeric)))?;
                return Some((1 + one.raw.len(), format!("<@{}>", one.id)));
            }
            let inside = tag(rest)?;
            let length = inside.len() + 2;
            if let Some(id) = inside.strip_prefix("@!").filter(|id| is_number(id)) {
                return Some((length, format!("<@{id}>")));
            }
            let emoji = inside.strip_prefix('a').unwrap_or(inside).strip_prefix(':')?;
            let (name, id) = emoji.split_once(':')?;
            is_number(id).then(|| (length, format!(":{name}:")))
        })
    }

    /// With names in place of ids, where they are known.
    pub fn shown(&self, original: &str) -> String {
        each(original, &mut |rest| {
            let inside = tag(rest)?;
            let id = inside.strip_prefix('@')?;
            let one = self.0.iter().find(|one| one.id == id)?;
            Some((inside.len() + 2, format!("@{}", one.name)))
        })
    }
}

/// Replaces what `replace` wants to be replaced: it is asked wherever a name or tag may begin, and answers with a length and what comes there.
fn each(text: &str, replace: &mut dyn FnMut(&str) -> Option<(usize, String)>) -> String {
    if text.len() > LONGEST || !text.contains(['@', '<']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['@', '<']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (length, new) = replace(from).unwrap_or_else(|| (1, from.chars().take(1).collect()));
        out.push_str(&new);
        rest = from.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// What stands between `<` and `>`, if that is near.
fn tag(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('<')?;
    let end = inside.bytes().take(100).position(|byte| byte == b'>')?;
    inside.get(..end)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut mentions = Mentions::default();
        mentions.add("1", "Ann", "Ann");
        mentions.add("2", "Ann Lee", "Ann Lee");
        mentions.add("3", "a\nb", "a b");
        for (text, original, shown) in [
            ("@Ann Lee and @Ann, not @Anna or Ann@Ann.example", "<@2> and <@1>, not @Anna or Ann<@1>.example", None),
            (
                "<@!2> <@1> <@9> <#5> <@&6> <:tada:77> <a:wave:8> <t:1:R>",
                "<@2> <@1> <@9> <#5> <@&6> :tada: :wave: <t:1:R>",
                Some("@Ann Lee @Ann <@9> <#5> <@&6> :tada: :wave: <t:1:R>"),
            ),
            ("@a\nb", "<@3>", Some("@a b")),
            ("<", "<", None),
            ("a < b > c @", "a < b > c @", None),
            ("@日本 <日本>", "@日本 <日本>", None),
        ] {
            assert_eq!(mentions.original(text), original);
            assert_eq!(mentions.shown(original), shown.unwrap_or(text));
        }
    }

    #[test]
    fn whoever_is_renamed_edits_nothing() {
        let by_name = |name: &str| {
            let mut mentions = Mentions::default();
            mentions.add("1", name, name);
            mentions.original(&format!("hi @{name}!"))
        };
        assert_eq!(by_name("Ann"), by_name("Ann-Marie 🎉"));
    }
}
