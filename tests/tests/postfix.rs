//! A real Postfix that is not as it should be: nothing is sent to it and no password said, the reason is clear, and once it is mended everything goes out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, Corpus, Postfix, Protection, Target, USER, check, count, holds, made_up, seed};
use serde_json::Value;

/// Signs in with what the file `password` holds.
fn signing_in(consign: &Consign, target: Target, user: &str, password: &str) -> Target {
    let file = consign.write("password", password).display().to_string();
    target.with(&format!("username = {user:?}")).with(&format!("password = {{ file = {file:?} }}"))
}

/// Everything is held for one reason, of which this is said.
fn is_held(consign: &Consign, says: &[&str]) -> Value {
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!((&run["events"]["held"], &run["emails"]["accepted"]), (&run["events"]["examined"], &0.into()), "{run}");
    assert_eq!(run["emails"]["not_sent"], run["emails"]["composed"], "surely not sent, and nothing else: {run}");
    let said = consign.run(&["held"]).succeeded().stdout;
    assert!(says.iter().all(|part| said.contains(part)), "{says:?} is not said: {said}");
    run
}

#[test]
fn a_postfix_that_is_not_as_it_should_be_gets_nothing() {
    let cases: [(Protection, &[&str]); 3] = [
        (Protection::WrongName, &["certificate", "name"]),
        (Protection::Expired, &["certificate", "expired"]),
        (Protection::Stripped, &["STARTTLS"]),
    ];
    for (protection, says) in cases {
        let (Some(wrong), Some(right)) = (Postfix::with(protection, true), Postfix::with(Protection::Good, true)) else { return };
        let (corpus, consign) = (made_up("jsonl", seed("workspace")), Consign::new());
        consign.import(corpus.form, &corpus.file, "s");
        consign.policy(&signing_in(&consign, wrong.target(), USER.0, USER.1), "");
        let run = is_held(&consign, says);
        assert!(!wrong.maildir().join("new").exists(), "{protection:?}: something arrived");
        // Neither Postfix nor Consign has written the password down; the one never heard it.
        assert!(!wrong.log().contains("sasl_username") && !holds(&consign.data(), USER.1), "{protection:?}");
        // Mended, it all goes out.
        consign.policy(&signing_in(&consign, right.target(), USER.0, USER.1), "");
        goes_out(&consign, &right, &corpus, &run);
    }
}

#[test]
fn a_wrong_password_is_told_and_a_right_one_takes_everything() {
    let Some(postfix) = Postfix::with(Protection::Good, true) else { return };
    let (corpus, consign) = (made_up("jsonl", seed("workspace")), Consign::new());
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&signing_in(&consign, postfix.target(), USER.0, "wrong password"), "");
    is_held(&consign, &["refused to let consign sign in", "535", "username, password"]);
    // Without signing in Postfix refuses each recipient, which is another thing: it is the e-mail's refusal.
    consign.policy(&postfix.target(), "");
    let refused = consign.run(&["held", "retry", "--json"]).ended(3).json();
    assert_eq!(refused[0]["supplements"]["emails"]["rejected"], refused[0]["supplements"]["emails"]["composed"], "{refused}");
    for auth in ["plain", "login"] {
        let target = signing_in(&consign, postfix.target(), USER.0, USER.1).with(&format!("auth = {auth:?}"));
        consign.apply(&format!("{}\n[[policy]]\nname = {auth:?}\ntarget = \"archive\"\n", target.toml()));
        let before = count(&postfix.maildir());
        let run = consign.json(&["run", auth]);
        postfix.delivered(before + usize::try_from(run["emails"]["accepted"].as_u64().unwrap()).unwrap());
        check("everything", &postfix.maildir(), &corpus, &run, &["--policy", auth]);
    }
}

fn goes_out(consign: &Consign, postfix: &Postfix, corpus: &Corpus, run: &Value) {
    let sent = consign.json(&["run", "all"]);
    let emails = &sent["supplements"]["emails"];
    postfix.delivered(usize::try_from(emails["accepted"].as_u64().unwrap()).unwrap());
    let mut whole = sent["supplements"].clone();
    whole["events"]["examined"] = run["events"]["examined"].clone();
    check("everything", &postfix.maildir(), corpus, &whole, &[]);
}
