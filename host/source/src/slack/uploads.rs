//! Where an export's file bytes lie. Slack's own export has none; slackdump and its relatives add them in one of two layouts:
//! `__uploads/<file id>/<name>` or `<chat folder>/attachments/<file id>-<name>`.

use super::folders::is_day;

/// The file id in a path of one of the two layouts.
pub fn file_id(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["__uploads", id, _name] => Some(*id),
        [_chat, "attachments", name] if !is_day(name) => name.split_once('-').map(|(id, _)| id),
        _ => None,
    }
    .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_layouts() {
        assert_eq!(file_id("__uploads/F1/q-3.pdf"), Some("F1"));
        assert_eq!(file_id("rates-desk/attachments/F1-q-3.pdf"), Some("F1"));
        assert_eq!(file_id("rates-desk/2026-01-05.json"), None);
        assert_eq!(file_id("teams/attachments/2026-01-05.json"), None);
        assert_eq!(file_id("__uploads/F1"), None);
        assert_eq!(file_id("a/attachments/noid"), None);
        assert_eq!(file_id("a/attachments/-x"), None);
    }
}
