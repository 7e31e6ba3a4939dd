#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use consign_filter::testing::{FakeChat, FakeView};
use consign_filter::{CriteriaSession, parse_config};
use consign_filter_conformance::{check, refused};

fn desk() -> FakeChat {
    FakeChat {
        title: Some("FX-Desk 💶 [London]".to_owned()),
        labels: vec![("team".to_owned(), "fx".to_owned()), ("site".to_owned(), "LDN".to_owned())],
        source: "slack-emea".to_owned(),
        ..FakeChat::new(&Chats::MANIFEST)
    }
}

fn decide(config: &str, chat: &FakeChat) -> ChatDecision<Why> {
    let mut module = Chats::configure(parse_config(config).unwrap()).unwrap();
    module.begin_chat(chat).unwrap()
}

#[track_caller]
fn kept(config: &str) {
    assert_eq!(decide(config, &desk()), ChatDecision::KeepAll, "{config}");
}

#[track_caller]
fn omitted(config: &str, why: Why) {
    assert_eq!(decide(config, &desk()), ChatDecision::OmitAll(why), "{config}");
}

#[test]
fn each_condition() {
    kept(r#"{"kinds":["direct","channel"]}"#);
    omitted(r#"{"kinds":["direct"]}"#, Why::OtherKind);
    kept(r#"{"sources":["teams","slack-emea"]}"#);
    omitted(r#"{"sources":["slack"]}"#, Why::OtherSource);
    kept(r#"{"labels":{"team":"fx","site":["NYC","LDN"]}}"#);
    omitted(r#"{"labels":{"team":"fx","site":"NYC"}}"#, Why::OtherLabel);
    omitted(r#"{"labels":{"desk":""}}"#, Why::OtherLabel);
    kept(r#"{"title":{"contains":["rates","Desk"]}}"#);
    omitted(r#"{"title":{"contains":["desk"]}}"#, Why::OtherTitle);
    kept(r#"{"title":{"contains":["dESK"],"ignore-case":true}}"#);
    kept(r#"{"title":{"contains":["no"],"glob":["*[London]"]}}"#);
    omitted(r#"{"title":{"glob":["FX-Desk"]}}"#, Why::OtherTitle);
}

#[test]
fn all_conditions_must_be_met_and_the_first_unmet_is_the_reason() {
    kept(r#"{"kinds":["channel"],"sources":["slack-emea"],"title":{"glob":["fx*"],"ignore-case":true},"labels":{"team":"fx"}}"#);
    omitted(r#"{"kinds":["direct"],"sources":["x"],"title":{"glob":["x"]},"labels":{"team":"x"}}"#, Why::OtherKind);
    omitted(r#"{"kinds":["channel"],"sources":["x"],"title":{"glob":["x"]},"labels":{"team":"x"}}"#, Why::OtherSource);
    omitted(r#"{"title":{"glob":["x"]},"labels":{"team":"x"}}"#, Why::OtherTitle);
}

#[test]
fn a_chat_without_a_title_fits_no_title() {
    let untitled = FakeChat { title: None, ..desk() };
    let decision = decide(r#"{"title":{"glob":["*"]}}"#, &untitled);
    assert_eq!(decision, ChatDecision::OmitAll(Why::OtherTitle));
}

#[test]
fn a_label_may_be_there_more_than_once() {
    let mut twice = desk();
    twice.labels.push(("team".to_owned(), "rates".to_owned()));
    assert_eq!(decide(r#"{"labels":{"team":"rates"}}"#, &twice), ChatDecision::KeepAll);
}

#[test]
fn only_what_the_configuration_is_about_is_read() {
    // Nothing is approved here, so a title or a label that was asked for would fail the test.
    let sealed = FakeChat { approved: &[], ..desk() };
    let decision = decide(r#"{"kinds":["channel"],"sources":["slack-emea"]}"#, &sealed);
    assert_eq!(decision, ChatDecision::KeepAll);
}

#[test]
fn events_are_not_its_business() {
    let mut module = Chats::configure(parse_config(r#"{"kinds":["direct"]}"#).unwrap()).unwrap();
    assert!(module.evaluate(&FakeView::new(&Chats::MANIFEST, [])).is_err());
}

#[test]
fn globs() {
    let fits = |pattern: &str, text: &str| Glob::new(pattern).fits(text);
    for (pattern, text) in [
        ("*", ""),
        ("", ""),
        ("**", "x"),
        ("fx-*", "fx-"),
        ("*desk*", "the desk"),
        ("f?", "f💶"),
        ("*ab*ab", "abab"),
        ("a*b*c", "a-b-b-c"),
        (r"\*", "*"),
        (r"what\?", "what?"),
        (r"back\\slash", r"back\slash"),
        ("end\\", "end\\"),
        ("[a]", "[a]"),
    ] {
        assert!(fits(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("", "x"), ("?", ""), ("fx", "fx-desk"), ("*desk", "desks"), ("*ab*ab", "ab"), (r"\*", "x"), ("[ab]", "a")] {
        assert!(!fits(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn a_hostile_pattern_ends() {
    let pattern = "*a".repeat(2_000) + "b";
    assert!(!Glob::new(&pattern).fits(&"a".repeat(10_000)));
}

#[test]
fn schema_and_module_agree() {
    check(
        &CriteriaSession::<Chats>::describe(),
        |config| CriteriaSession::<Chats>::new().configure(config),
        &[
            r#"{"kinds":["direct","group","channel","meeting","other"]}"#,
            r#"{"labels":{"a/b":["1","2"],"c":"3"}}"#,
            r#"{"labels":{"empty":""}}"#,
            r#"{"title":{"contains":["a"],"glob":["b*"],"ignore-case":false}}"#,
        ],
        &[
            refused("{}", ""),
            refused(r#"{"kind":["direct"]}"#, "/kind"),
            refused(r#"{"kinds":[]}"#, "/kinds"),
            refused(r#"{"kinds":["chat"]}"#, "/kinds/0"),
            refused(r#"{"sources":[]}"#, "/sources"),
            refused(r#"{"labels":{}}"#, "/labels"),
            refused(r#"{"labels":{"a/b":[]}}"#, "/labels/a~1b"),
            refused(r#"{"labels":{"a/b":7}}"#, "/labels/a~1b"),
            refused(r#"{"title":{}}"#, "/title"),
            refused(r#"{"title":{"ignore-case":true}}"#, "/title"),
            refused(r#"{"title":{"contains":[""]}}"#, "/title/contains/0"),
            refused(r#"{"title":{"glob":[]}}"#, "/title/glob"),
            refused(r#"{"title":{"regex":["a"]}}"#, "/title/regex"),
            refused(r#"{"title":"desk"}"#, "/title"),
        ],
    );
}
