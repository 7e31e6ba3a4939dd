//! Exports of each platform, made by Python in the shape of its documents: recognised by what stands in them, imported, exported, and read again by Python from
//! the e-mails, which have the same events. Real ones of Slack and of JSON lines are in `whole_way`.

use consign_tests::{Consign, Corpus, Inbox, check, make, seed};
use serde_json::json;

/// Each with the names of files that its exports come in.
const FORMATS: [(&str, &[&str]); 4] = [
    ("mattermost", &["export.zip", "export.jsonl"]),
    ("discord", &["export.zip", "room.json"]),
    ("teams", &["export.zip", "export"]),
    ("matrix", &["export.zip", "export", "room.json"]),
];

#[test]
fn what_goes_in_comes_out() {
    let first = seed("formats");
    for (format, files) in FORMATS {
        for (number, file) in (0..).zip(files) {
            there_and_back(format, file, first + number);
        }
    }
}

fn there_and_back(format: &'static str, file: &str, seed: u64) {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let path = consign.beside(file);
    make(format, &path, &[seed]);
    let place = path.display().to_string();
    let report = consign.json(&["import", &place, "--source", "s"]);
    assert_eq!((&report["format"], &report["refused"]), (&json!(format), &json!(0)), "{report}");
    let again = consign.json(&["import", &place, "--source", "s", "--format", format]);
    assert_eq!(again["stored"], json!({}), "importing again stores nothing: {again}");
    let corpus = Corpus::of(path, format);
    for (mode, policy, more) in
        [("everything", "all", &[][..]), ("users", "users", &["--who", "recorded"]), ("users", "participants", &["--who", "participants"])]
    {
        let based_on = if mode == "users" { format!("based-on = \"{policy}\"\n") } else { String::new() };
        consign.apply(&inbox.target().toml_with(&[(policy, &based_on)]));
        let run = consign.json(&["run", policy]);
        check(mode, &inbox.maildir(), &corpus, &run, &[&["--policy", policy][..], more].concat());
    }
}
