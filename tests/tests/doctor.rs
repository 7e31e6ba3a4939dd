//! `consign doctor`: what it says of an installation that is well, and of one that is not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, Inbox, Target, files_below};
use serde_json::Value;

/// What is not good: about what, how it is, and the text.
fn found(consign: &Consign, args: &[&str], code: i32) -> Vec<(String, String, String)> {
    let ran = consign.run(&[&["--json", "doctor"], args].concat()).ended(code);
    let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    let all = ran.json();
    let not_good = all.as_array().unwrap().iter().filter(|one| one["state"] != "good");
    not_good.map(|one| (text(one, "about"), text(one, "state"), text(one, "text"))).collect()
}

#[test]
fn a_sick_installation_says_where_it_hurts() {
    let (inbox, consign) = (Inbox::start(), Consign::new());
    let events = consign.alone("s", 3);
    assert!(events.exists());
    consign.policy(&inbox.target(), "");
    consign.run(&["run", "all"]).succeeded();
    assert_eq!(found(&consign, &[], 0), []);
    let text = consign.run(&["doctor"]).succeeded().stdout;
    assert!(text.contains("ok     default: target archive: it answers (220), in clear") && text.contains("Nothing is wrong."), "{text}");

    // A target that is away, and what it holds.
    let away = Target::plain(1);
    consign.policy(&away, "");
    consign.alone("t", 4);
    consign.run(&["run", "all"]).ended(3);
    let [held, target] = found(&consign, &[], 3).try_into().unwrap();
    assert!(held.0 == "policy all" && held.1 == "wrong" && held.2.contains("held"), "{held:?}");
    assert!(target.0 == "target archive" && target.2.contains("no connection"), "{target:?}");
    assert_eq!(found(&consign, &["--offline"], 3).len(), 1, "asks no target");

    // A manifest that somebody has changed.
    let manifest = files_below(&consign.data().join("manifests"), "000001.json").pop().unwrap();
    let whole = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, whole.replacen("\"examined\":3", "\"examined\":2", 1)).unwrap();
    assert_ne!(whole, std::fs::read_to_string(&manifest).unwrap());
    let broken = found(&consign, &["--offline"], 3);
    assert!(broken.iter().any(|(about, state, text)| about == "manifests of all" && state == "wrong" && text.contains("Keep a copy")), "{broken:?}");
    std::fs::write(&manifest, whole).unwrap();

    // A master key of another installation.
    let key = consign.data().join("master.key");
    let own = std::fs::read_to_string(&key).unwrap();
    let other = Consign::new();
    other.policy(&away, "");
    std::fs::copy(other.data().join("master.key"), &key).unwrap();
    let [(about, state, _)] = found(&consign, &["--offline"], 3).try_into().unwrap();
    assert_eq!((about.as_str(), state.as_str()), ("keys", "wrong"));
    std::fs::write(&key, own).unwrap();
    assert_eq!(found(&consign, &["--offline"], 3).len(), 1);
}
