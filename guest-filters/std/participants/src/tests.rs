#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use consign_filter::testing::{FakeChat, FakeView, message, participant};
use consign_filter::{CriteriaSession, UserFlags, parse_config};
use consign_filter_conformance::{check, refused};

fn person(id: &str, address: Option<&str>, flags: UserFlags) -> Participant {
    Participant { email: address.map(str::to_owned), flags, ..participant(id) }
}

/// Ann is recorded, Bob is external, Cy has no address.
fn ann_bob_cy() -> Vec<Participant> {
    vec![
        person("ann", Some("Ann@UK.Desk.example"), UserFlags::RECORDED),
        person("bob", Some("bob@client.example"), UserFlags::EXTERNAL),
        person("cy", None, UserFlags::RECORDED | UserFlags::BOT),
    ]
}

fn module(config: &str) -> Participants {
    Participants::configure(parse_config(config).unwrap()).unwrap()
}

fn chat(participants: Vec<Participant>) -> FakeChat {
    FakeChat { participants, ..FakeChat::new(&Participants::MANIFEST) }
}

fn decide(config: &str, participants: Vec<Participant>) -> ChatDecision<Why> {
    module(config).begin_chat(&chat(participants)).unwrap()
}

#[track_caller]
fn kept(config: &str) {
    assert_eq!(decide(config, ann_bob_cy()), ChatDecision::KeepAll, "{config}");
}

#[track_caller]
fn omitted(config: &str, why: Why) {
    assert_eq!(decide(config, ann_bob_cy()), ChatDecision::OmitAll(why), "{config}");
}

#[test]
fn who_is_meant() {
    let nobody = Why::NoSuchParticipant;
    kept(r#"{"who":{"ids":["x","cy"]}}"#);
    omitted(r#"{"who":{"ids":["CY"]}}"#, nobody);
    kept(r#"{"who":{"addresses":["ann@uk.desk.EXAMPLE"]}}"#);
    omitted(r#"{"who":{"addresses":["ann@desk.example"]}}"#, nobody);
    kept(r#"{"who":{"domains":["DESK.example"]}}"#);
    kept(r#"{"who":{"domains":["uk.desk.example"]}}"#);
    kept(r#"{"who":{"domains":["example"]}}"#);
    omitted(r#"{"who":{"domains":["k.desk.example"]}}"#, nobody);
    omitted(r#"{"who":{"domains":["esk.example"]}}"#, nobody);
    omitted(r#"{"who":{"domains":["fr.desk.example"]}}"#, nobody);
    kept(r#"{"who":{"external":true}}"#);
    kept(r#"{"who":{"external":false,"recorded":true}}"#);
    omitted(r#"{"who":{"external":true,"recorded":true}}"#, nobody);
}

#[test]
fn the_lists_are_alternatives_and_the_flags_are_conditions() {
    kept(r#"{"who":{"ids":["nobody"],"domains":["client.example"],"external":true}}"#);
    omitted(r#"{"who":{"ids":["ann","cy"],"external":true}}"#, Why::NoSuchParticipant);
}

#[test]
fn an_address_of_two_at_signs_is_of_the_last_ones_domain() {
    let odd = vec![person("odd", Some("\"a@client.example\"@desk.example"), UserFlags::empty())];
    let decision = decide(r#"{"who":{"domains":["client.example"]}}"#, odd);
    assert_eq!(decision, ChatDecision::OmitAll(Why::NoSuchParticipant));
}

#[test]
fn all_of_the_chat() {
    kept(r#"{"who":{"ids":["ann","bob","cy"]},"of-chat":"all"}"#);
    omitted(r#"{"who":{"external":false},"of-chat":"all"}"#, Why::OtherParticipant);
    omitted(r#"{"who":{"ids":["dee"]},"of-chat":"all"}"#, Why::NoSuchParticipant);
    let nobody = decide(r#"{"who":{"external":false},"of-chat":"all"}"#, Vec::new());
    assert_eq!(nobody, ChatDecision::OmitAll(Why::NoSuchParticipant));
}

#[test]
fn between_two_sides() {
    kept(r#"{"between":[{"domains":["desk.example"]},{"addresses":["bob@client.example"]}]}"#);
    omitted(r#"{"between":[{"domains":["desk.example"]},{"domains":["other.example"]}]}"#, Why::NotBetween);
    // Ann alone is on both sides; with Cy there are two people.
    omitted(r#"{"between":[{"ids":["ann"]},{"domains":["desk.example"]}]}"#, Why::NotBetween);
    kept(r#"{"between":[{"recorded":true},{"recorded":true}]}"#);
    kept(r#"{"between":[{"ids":["ann"]},{"recorded":true}]}"#);
}

#[test]
fn by_sender() {
    let mut module = module(r#"{"who":{"recorded":true},"by":"sender"}"#);
    assert_eq!(module.begin_chat(&chat(ann_bob_cy())).unwrap(), ChatDecision::Inspect);
    let events = [message("1", 0).from(0), message("2", 0).from(1), message("3", 0), message("4", 0).from(2)];
    let verdicts = module.evaluate(&FakeView::new(&Participants::MANIFEST, events)).unwrap();
    let expected = [Verdict::Keep, Verdict::LeaveOut(Why::OtherSender), Verdict::LeaveOut(Why::NoSender), Verdict::Keep];
    assert_eq!(verdicts, expected);
}

#[test]
fn by_sender_of_either_side() {
    let mut module = module(r#"{"between":[{"ids":["ann"]},{"ids":["bob"]}],"by":"sender"}"#);
    assert_eq!(module.begin_chat(&chat(ann_bob_cy())).unwrap(), ChatDecision::Inspect);
    let events = [message("1", 0).from(0), message("2", 0).from(1), message("3", 0).from(2)];
    let verdicts = module.evaluate(&FakeView::new(&Participants::MANIFEST, events)).unwrap();
    let expected = [Verdict::Keep, Verdict::Keep, Verdict::LeaveOut(Why::OtherSender)];
    assert_eq!(verdicts, expected);
}

#[test]
fn a_chat_without_such_people_is_left_out_unread() {
    omitted(r#"{"who":{"ids":["dee"]},"by":"sender"}"#, Why::NoSuchParticipant);
}

#[test]
fn a_sender_who_is_no_participant_holds_the_chat() {
    let mut module = module(r#"{"who":{"recorded":true},"by":"sender"}"#);
    module.begin_chat(&chat(ann_bob_cy())).unwrap();
    let events = [message("1", 0).from(3)];
    assert!(module.evaluate(&FakeView::new(&Participants::MANIFEST, events)).is_err());
}

#[test]
fn schema_and_module_agree() {
    check(
        &CriteriaSession::<Participants>::describe(),
        |config| CriteriaSession::<Participants>::new().configure(config),
        &[
            r#"{"who":{"ids":["U1"],"addresses":["a@b"],"domains":["b","c.d"],"external":true,"recorded":false}}"#,
            r#"{"who":{"external":true},"of-chat":"all","by":"chat"}"#,
            r#"{"who":{"external":true},"of-chat":"any","by":"sender"}"#,
            r#"{"between":[{"domains":["a"]},{"addresses":["b@c"]}],"by":"sender"}"#,
        ],
        &[
            refused("{}", ""),
            refused(r#"{"by":"chat"}"#, ""),
            refused(r#"{"who":{}}"#, "/who"),
            refused(r#"{"who":{"ids":[]}}"#, "/who/ids"),
            refused(r#"{"who":{"ids":[""]}}"#, "/who/ids/0"),
            refused(r#"{"who":{"addresses":["desk.example"]}}"#, "/who/addresses/0"),
            refused(r#"{"who":{"domains":["ok.example","@desk.example"]}}"#, "/who/domains/1"),
            refused(r#"{"who":{"domains":[".example"]}}"#, "/who/domains/0"),
            refused(r#"{"who":{"domains":["*.example "]}}"#, "/who/domains/0"),
            refused(r#"{"who":{"names":["Ann"]}}"#, "/who/names"),
            refused(r#"{"who":{"external":"yes"}}"#, "/who/external"),
            refused(r#"{"who":{"external":true},"between":[{"external":true},{"external":false}]}"#, ""),
            refused(r#"{"between":[{"external":true}]}"#, "/between"),
            refused(r#"{"between":[{"external":true},{}]}"#, "/between/1"),
            refused(r#"{"between":[{"external":true},{"ids":[]}]}"#, "/between/1/ids"),
            refused(r#"{"between":[{"external":true},{"external":false}],"of-chat":"any"}"#, "/of-chat"),
            refused(r#"{"who":{"external":true},"of-chat":"all","by":"sender"}"#, "/of-chat"),
            refused(r#"{"who":{"external":true},"by":"receiver"}"#, "/by"),
        ],
    );
}
