//! The host's matching is tested where it is; here it is a plain search for a substring.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use consign_filter::testing::{FakeView, Needles, message};
use consign_filter::{CriteriaSession, parse_config};
use consign_filter_conformance::{check, refused, refused_by_module};

fn verdicts(config: &str, lists: [&[&'static str]; 3], texts: &[&str]) -> Vec<Verdict<Why>> {
    let mut module = Keywords::configure(parse_config(config).unwrap()).unwrap();
    let events = texts.iter().map(|text| message("m", 0).text(text));
    let mut view = FakeView::new(&Keywords::MANIFEST, events);
    view.needles = lists.into_iter().map(Needles::from).collect();
    module.evaluate(&view).unwrap()
}

const KEEP: Verdict<Why> = Verdict::Keep;
const LACKS: Verdict<Why> = Verdict::LeaveOut(Why::NoKeyword);
const EXCLUDED: Verdict<Why> = Verdict::LeaveOut(Why::ExcludedKeyword);

#[test]
fn any_keeps_what_holds_one() {
    let found = verdicts(r#"{"any":["libor","fixing"]}"#, [&["libor", "fixing"], &[], &[]], &["the fixing", "hello", "", "libor fixing"]);
    assert_eq!(found, [KEEP, LACKS, LACKS, KEEP]);
}

#[test]
fn all_counts_different_needles() {
    let found = verdicts(r#"{"all":["a","b"]}"#, [&[], &["a", "b"], &[]], &["a a", "b a", "", "ab"]);
    assert_eq!(found, [LACKS, KEEP, LACKS, KEEP]);
}

#[test]
fn none_alone_keeps_what_has_no_text() {
    let found = verdicts(r#"{"none":["lunch"]}"#, [&[], &[], &["lunch"]], &["", "lunch?", "fixing"]);
    assert_eq!(found, [KEEP, EXCLUDED, KEEP]);
}

#[test]
fn a_lacking_keyword_is_the_reason_before_an_excluded_one() {
    let config = r#"{"any":["x"],"all":["y"],"none":["z"]}"#;
    let found = verdicts(config, [&["x"], &["y"], &["z"]], &["xy", "xyz", "z", "xz", "yz"]);
    assert_eq!(found, [KEEP, EXCLUDED, LACKS, LACKS, LACKS]);
}

#[test]
fn an_empty_list_is_no_condition() {
    let found = verdicts(r#"{"any":[],"none":["z"]}"#, [&[], &[], &["z"]], &["", "z"]);
    assert_eq!(found, [KEEP, EXCLUDED]);
}

#[test]
fn no_events_no_verdicts() {
    assert_eq!(verdicts(r#"{"all":["a"]}"#, [&[], &["a"], &[]], &[]), []);
}

#[test]
fn all_reaches_its_limit() {
    let needles: Vec<String> = (0..254).map(|number| format!("\"<{number}>\"")).collect();
    let config = |needles: &[String]| format!(r#"{{"all":[{}]}}"#, needles.join(","));
    let module = Keywords::configure(parse_config(&config(&needles)).unwrap()).unwrap();
    assert_eq!(module.all, Some(254));
    let more = [needles, vec!["\"more\"".to_owned()]].concat();
    let errors = Keywords::configure(parse_config(&config(&more)).unwrap()).unwrap_err();
    assert_eq!(errors[0].pointer, "/all");
}

#[test]
fn the_lists_are_counted_in_the_schemas_order() {
    // Read as text: a parser may sort the keys.
    let schema = Keywords::MANIFEST.config_schema.text();
    let place = |name: &str| schema.find(&format!("\"{name}\": {{\n")).unwrap();
    let mut places = [(place("any"), ANY), (place("all"), ALL), (place("none"), NONE)];
    places.sort_unstable();
    assert_eq!(places.map(|(_, number)| number), [0, 1, 2]);
    assert_eq!(schema.matches("x-consign-needles").count(), 3);
}

#[test]
fn schema_and_module_agree() {
    check(
        &CriteriaSession::<Keywords>::describe(),
        |config| CriteriaSession::<Keywords>::new().configure(config),
        &[
            r#"{"any":["libor","fixing"],"ignore-case":true,"whole-words":true}"#,
            r#"{"any":[],"all":["日本"],"none":[]}"#,
            r#"{"none":["A","a"],"ignore-case":true}"#,
            r#"{"all":["A","a"]}"#,
            r#"{"all":["ß","ss"],"ignore-case":true}"#,
            r#"{"none":[" "]}"#,
        ],
        &[
            refused("{}", ""),
            refused("[]", ""),
            refused(r#"{"any":[],"all":[],"none":[]}"#, ""),
            refused(r#"{"any":[""]}"#, "/any/0"),
            refused(r#"{"any":["a",1]}"#, "/any/1"),
            refused(r#"{"any":"a"}"#, "/any"),
            refused(r#"{"any":["a"],"ignorecase":true}"#, "/ignorecase"),
            refused(r#"{"any":["a"],"ignore-case":"yes"}"#, "/ignore-case"),
            refused(r#"{"all":["a","b","a"]}"#, "/all/2"),
            refused_by_module(r#"{"all":["LIBOR","libor"],"ignore-case":true}"#, "/all/1"),
            refused_by_module(r#"{"all":["ΟΔΟΣ","οδος","οδοσ"],"ignore-case":true}"#, "/all/2"),
        ],
    );
}
