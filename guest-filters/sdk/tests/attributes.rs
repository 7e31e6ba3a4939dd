//! Modules written as one function: what they say they need, and what they do.
#![cfg(feature = "attributes")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_filter::testing::{FakeChat, FakeEvent, FakeView, message, participant};
use consign_filter::time::Local;
use consign_filter::{
    Attachment, Chat, ChatDecision, ChatKind, ConfigError, Criteria, CriteriaSession, EventFlags, EventKind, Failure, Group, Grouping,
    GroupingSession, Need, Participant, Verdict, View, config_error,
};
use serde_json::{Value, json};

/// A batch of one event, for a module with this manifest.
fn one<M: Criteria>(event: FakeEvent) -> FakeView {
    FakeView::new(&M::MANIFEST, [event])
}

fn manifest<M: Criteria>() -> Value {
    serde_json::from_str(&CriteriaSession::<M>::describe()).unwrap()
}

mod one_rule {
    use super::*;

    /// What the policy says.
    #[consign_filter::config]
    #[derive(Default)]
    pub struct Config {
        /// Keep what arrived late all the same.
        #[serde(default)]
        pub keep_late: bool,
    }

    /// Leaves out
    /// what bots wrote.
    ///
    /// More of it.
    #[consign_filter::criteria(name = "acme/no-bots", leave_out = "bot: a bot wrote it")]
    pub fn no_bots(flags: EventFlags, config: &Config) -> bool {
        !flags.contains(EventFlags::FROM_BOT) || config.keep_late && flags.contains(EventFlags::LATE)
    }

    #[test]
    fn it_says_what_it_is() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Config",
            "description": "What the policy says.",
            "type": "object",
            "additionalProperties": false,
            "properties": { "keep-late": { "type": "boolean", "description": "Keep what arrived late all the same.", "default": false } },
        });
        let expected = json!({
            "name": "acme/no-bots", "version": env!("CARGO_PKG_VERSION"), "summary": "Leaves out what bots wrote.", "kind": "criteria",
            "needs": [], "rules": [{"code": "bot", "summary": "a bot wrote it"}], "config-schema": schema,
        });
        assert_eq!(manifest::<NoBots>(), expected);
    }

    #[test]
    fn it_is_a_function_and_a_module() {
        assert!(no_bots(EventFlags::FROM_BOT | EventFlags::LATE, &Config { keep_late: true }));
        let mut bot = message("m1", 0);
        bot.event.flags = EventFlags::FROM_BOT;
        let mut module = NoBots::configure(Config::default()).unwrap();
        let chat = FakeChat::new(&NoBots::MANIFEST);
        assert_eq!(module.begin_chat(&chat), Ok(ChatDecision::Inspect));
        let view = FakeView::new(&NoBots::MANIFEST, [bot, message("m2", 0)]);
        assert_eq!(module.evaluate(&view), Ok(vec![Verdict::LeaveOut(NoBotsRule::LeftOut), Verdict::Keep]));
    }

    #[test]
    fn a_mistyped_key_is_an_error() {
        let errors = CriteriaSession::<NoBots>::new().configure(r#"{"keep-lates": true}"#).unwrap_err();
        assert_eq!(errors[0].pointer, "/keep-lates");
    }
}

mod every_parameter {
    use super::*;

    /// Looks at all that there is.
    #[consign_filter::criteria(name = "acme/all", version = "2.0.0-rc.1", leave_out = "never: it never is", time_zone = "Europe/Berlin")]
    #[expect(clippy::too_many_arguments, reason = "this is about all of them")]
    fn all(
        text: &str,
        kind: EventKind,
        flags: EventFlags,
        at: i64,
        local: Local,
        sender: Option<&Participant>,
        id: &str,
        thread: Option<&str>,
        target: Option<&str>,
        attachments: &[Attachment],
        matches: [bool; 2],
        match_counts: [u8; 2],
        title: Option<&str>,
        labels: &[(String, String)],
        participants: &[Participant],
        chat_id: &str,
        chat_kind: ChatKind,
        source: &str,
        event_count: u64,
        window_start: Option<i64>,
        window_end: i64,
    ) -> bool {
        assert_eq!((text, kind, flags, at), ("one two", EventKind::Edit, EventFlags::LATE, 5));
        assert_eq!(local.to_string(), "1970-01-01 01:00");
        assert_eq!(sender.map(|sender| sender.id.as_str()), Some("U2"));
        assert_eq!((id, thread, target), ("m1", Some("m0"), None));
        assert_eq!(attachments.len(), 1);
        assert_eq!((matches, match_counts), ([true, false], [2, 0]));
        assert_eq!((title, labels, participants.len()), (Some("desk"), &[("team".to_owned(), "fx".to_owned())][..], 2));
        assert_eq!((chat_id, chat_kind, source), ("C1", ChatKind::Channel, "test"));
        assert_eq!((event_count, window_start, window_end), (1, Some(1), 9));
        true
    }

    #[test]
    fn each_is_what_its_name_says() {
        let needs = All::MANIFEST.needs;
        let all = [
            Need::Titles,
            Need::Labels,
            Need::Participants,
            Need::Times,
            Need::Senders,
            Need::Kinds,
            Need::Ids,
            Need::References,
            Need::Matching,
            Need::Text,
            Need::Attachments,
        ];
        assert_eq!(needs, all);
        assert_eq!((All::MANIFEST.name, All::MANIFEST.version), ("acme/all", "2.0.0-rc.1"));
        let mut chat = FakeChat::new(&All::MANIFEST);
        chat.title = Some("desk".to_owned());
        chat.labels = vec![("team".to_owned(), "fx".to_owned())];
        chat.participants = vec![participant("U1"), participant("U2")];
        chat.event_count = 1;
        chat.window_start = Some(1);
        chat.window_end = 9;
        let mut event = message("m1", 5).kind(EventKind::Edit).text("one two").from(1).thread("m0");
        event.event.flags = EventFlags::LATE;
        event.attachments = vec![Attachment { name: "a".to_owned(), media_type: "b/c".to_owned(), size: None, present: true }];
        let mut view = one::<All>(event);
        view.needles = vec![vec!["one", "two"], vec!["three"]];
        view.zones.insert("Europe/Berlin", |_| 3600);
        let mut module = All::configure(consign_filter::NoConfig {}).unwrap();
        module.begin_chat(&chat).unwrap();
        assert_eq!(module.evaluate(&view), Ok(vec![Verdict::Keep]));
    }
}

mod rules {
    use super::*;

    consign_filter::rules! {
        /// Why.
        pub enum Why { NoSender = "no-sender": "nobody did it", Inside = "inside": "one of ours did it" }
    }

    /// Who is one of ours.
    #[consign_filter::config(example = { "ours": ["desk.example"] })]
    pub struct Config {
        /// Domains of our addresses.
        ours: Vec<String>,
    }

    fn check(config: &Config) -> Result<(), Vec<ConfigError>> {
        let wrong = config.ours.iter().enumerate().filter(|(_, domain)| domain.contains('@'));
        let errors: Vec<_> = wrong.map(|(index, domain)| config_error(format!("/ours/{index}"), format!("{domain:?} is an address"))).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Keeps what people outside wrote.
    #[consign_filter::criteria(name = "acme/outside", check = check)]
    fn outside(sender: Option<&Participant>, config: &Config) -> Result<Verdict<Why>, Failure> {
        let Some(sender) = sender else { return Ok(Verdict::LeaveOut(Why::NoSender)) };
        let address = sender.email.as_deref().ok_or("a participant has no address")?;
        let domain = address.split('@').next_back().unwrap_or_default();
        Ok(Verdict::keep_if(!config.ours.iter().any(|ours| ours == domain), Why::Inside))
    }

    #[test]
    fn several_rules_a_check_and_a_failure() {
        let mut session = CriteriaSession::<Outside>::new();
        let errors = session.configure(r#"{"ours": ["a.example", "b@c"]}"#).unwrap_err();
        assert_eq!((errors.len(), errors[0].pointer.as_str()), (1, "/ours/1"));
        session.configure(r#"{"ours": ["desk.example"]}"#).unwrap();
        let mut chat = FakeChat::new(&Outside::MANIFEST);
        chat.participants = vec![participant("U1"), participant("U2")];
        chat.participants[1].email = Some("x@else.example".to_owned());
        session.begin_chat(&chat).unwrap();
        let view = FakeView::new(&Outside::MANIFEST, [message("m1", 0), message("m2", 0).from(0), message("m3", 0).from(1)]);
        assert_eq!(session.evaluate(&view), Ok(vec![1, 2, 0]));
        chat.participants[0].email = None;
        session.begin_chat(&chat).unwrap();
        assert_eq!(session.evaluate(&view), Err("a participant has no address".to_owned()));
    }

    #[test]
    fn the_example_is_a_configuration() {
        let manifest = manifest::<Outside>();
        assert_eq!(manifest["needs"], json!(["participants", "senders"]));
        let schema = &manifest["config-schema"];
        let validator = jsonschema::draft202012::new(schema).unwrap();
        let example = &schema["examples"][0];
        assert!(validator.is_valid(example) && !validator.is_valid(&json!({})), "{schema}");
        CriteriaSession::<Outside>::new().configure(&example.to_string()).unwrap();
    }
}

mod chats {
    use super::*;

    /// Channels, and nothing else.
    #[consign_filter::criteria(name = "acme/channels", leave_out = "no-channel: the chat is no channel")]
    fn channels(chat_kind: ChatKind) -> bool {
        chat_kind == ChatKind::Channel
    }

    #[test]
    fn what_no_event_can_change_is_said_of_the_chat() {
        let mut module = Channels::configure(consign_filter::NoConfig {}).unwrap();
        let mut chat = FakeChat::new(&Channels::MANIFEST);
        assert_eq!(module.begin_chat(&chat), Ok(ChatDecision::KeepAll));
        chat.kind = ChatKind::Direct;
        assert_eq!(module.begin_chat(&chat), Ok(ChatDecision::OmitAll(ChannelsRule::LeftOut)));
        assert_eq!(module.evaluate(&one::<Channels>(message("m", 0))), Ok(vec![Verdict::LeaveOut(ChannelsRule::LeftOut)]));
    }
}

mod keywords {
    use super::*;

    /// Where people are.
    #[consign_filter::config]
    #[serde(rename_all = "snake_case")]
    enum Place {
        /// At a desk.
        OnDesk,
        Elsewhere,
    }

    #[consign_filter::config]
    struct Config {
        /// Words that matter. They come second by the alphabet.
        #[keywords(ignore_case)]
        #[serde(default)]
        words: Vec<String>,
        /// Nested, with a list of its own.
        #[serde(default)]
        but: But,
        #[serde(default)]
        ignore_case: bool,
        #[time_zone]
        zone: Option<String>,
        place: Option<Place>,
    }

    #[consign_filter::config]
    #[derive(Default)]
    struct But {
        #[keywords]
        #[serde(default)]
        none: Vec<String>,
    }

    /// By words.
    #[consign_filter::criteria(name = "acme/words", leave_out = "no-word: it holds none of the words", time_zone = zone_of(config))]
    fn words(matches: [bool; 2], local: Local, config: &Config) -> bool {
        let early = matches!(config.place, Some(Place::OnDesk)) && local.minute_of_day() < 60;
        let _ = (config.ignore_case, &config.words, &config.but.none, matches!(config.place, Some(Place::Elsewhere)));
        matches[0] && !matches[1] && !early
    }

    fn zone_of(config: &Config) -> &str {
        config.zone.as_deref().unwrap_or("UTC")
    }

    #[test]
    fn the_schema_marks_lists_and_zones_in_the_order_of_the_fields() {
        let schema = &manifest::<Words>()["config-schema"];
        let keys = |value: &Value| value["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        // A value of this workspace's serde_json keeps the order where schemars asked for that.
        assert_eq!(keys(schema), ["words", "but", "ignore-case", "zone", "place"]);
        assert_eq!(schema["properties"]["words"]["x-consign-needles"], json!({"ignore-case": "/ignore-case"}));
        assert_eq!(schema["properties"]["but"]["properties"]["none"]["x-consign-needles"], json!({}));
        assert_eq!(schema["properties"]["zone"]["x-consign-time-zone"], json!(true));
        let place = jsonschema::draft202012::new(&schema["properties"]["place"]).unwrap();
        assert!(place.is_valid(&json!("on_desk")) && place.is_valid(&json!(null)) && !place.is_valid(&json!("on-desk")));
        assert_eq!(schema["properties"]["but"]["additionalProperties"], json!(false));
        assert_eq!(schema.get("$defs"), None);
    }

    #[test]
    fn lists_by_number() {
        let mut session = CriteriaSession::<Words>::new();
        session.configure(r#"{"words": ["fix"], "but": {"none": ["lunch"]}, "place": "on_desk", "zone": "Far"}"#).unwrap();
        session.begin_chat(&FakeChat::new(&Words::MANIFEST)).unwrap();
        let texts = ["fix it", "lunch, then fix it", "hello"];
        let mut view = FakeView::new(&Words::MANIFEST, texts.map(|text| message("m", 0).text(text)));
        view.needles = vec![vec!["fix"], vec!["lunch"]];
        view.zones.insert("Far", |_| 7200);
        assert_eq!(session.evaluate(&view), Ok(vec![0, 1, 1]));
        view.zones.clear();
        assert!(session.evaluate(&view).unwrap_err().contains("Far"));
    }
}

mod groups {
    use super::*;

    /// One e-mail for each thread.
    #[consign_filter::grouping(name = "acme/by-thread")]
    fn by_thread(thread: Option<&str>, id: &str, title: Option<&str>) -> (String, String) {
        let root = thread.unwrap_or(id);
        (root.to_owned(), format!("{} {root}", title.unwrap_or("chat")))
    }

    /// One e-mail for each sender.
    #[consign_filter::grouping(name = "acme/by-sender", leave_out = "no-sender: nobody did it")]
    fn by_sender(sender: Option<&Participant>) -> Result<Option<Group>, Failure> {
        let Some(sender) = sender else { return Ok(None) };
        if sender.id.is_empty() {
            return Err("a sender without an id".into());
        }
        let labels = vec![("sender".to_owned(), sender.display_name.clone())];
        Ok(Some(Group { labels, ..Group::new(&sender.id, &sender.display_name) }))
    }

    fn titles(groups: Vec<Group>) -> Vec<(String, String)> {
        groups.into_iter().map(|group| (group.key, group.title)).collect()
    }

    #[test]
    fn groups_are_numbered_as_they_are_met() {
        let events = [message("m1", 0), message("m2", 0).thread("m1"), message("m3", 0), message("m4", 0).thread("m1")];
        let whole = FakeView::new(&ByThread::MANIFEST, events.clone());
        let mut chat = FakeChat::new(&ByThread::MANIFEST);
        chat.title = Some("desk\nrates".to_owned());
        let mut session = GroupingSession::<ByThread>::new();
        session.configure("{}").unwrap();
        session.begin_chat(&chat).unwrap();
        let placed = session.place(&whole).unwrap();
        let placed: Vec<_> = placed.assigned.iter().map(|span| (span.first, span.last, span.group)).collect();
        assert_eq!(placed, [(0, 1, 0), (2, 2, 1), (3, 3, 0)]);
        let groups = titles(session.finish_chat().unwrap());
        assert_eq!(groups, [("m1".to_owned(), "desk rates m1".to_owned()), ("m3".to_owned(), "desk rates m3".to_owned())]);

        // Batch by batch it is the same.
        session.begin_chat(&chat).unwrap();
        for event in events {
            session.place(&FakeView::new(&ByThread::MANIFEST, [event])).unwrap();
        }
        assert_eq!(titles(session.finish_chat().unwrap()), groups);
    }

    #[test]
    fn what_is_in_no_group_has_its_rule() {
        let mut module = BySender::configure(consign_filter::NoConfig {}).unwrap();
        let mut chat = FakeChat::new(&BySender::MANIFEST);
        chat.participants = vec![participant("U1"), participant("")];
        module.begin_chat(&chat).unwrap();
        let view = |events: Vec<FakeEvent>| FakeView::new(&BySender::MANIFEST, events);
        let placed = module.place(&view(vec![message("m1", 0), message("m2", 0).from(0)])).unwrap();
        assert_eq!((placed.left_out(), placed.assigned()), (&[(0..1, BySenderRule::LeftOut)][..], &[(1..2, 0)][..]));
        assert_eq!(module.finish_chat().unwrap()[0].labels, [("sender".to_owned(), "U1".to_owned())]);
        assert_eq!(module.place(&view(vec![message("m1", 0).from(1)])), Err("a sender without an id".into()));
    }
}

mod traits {
    use super::*;
    use consign_filter::{Manifest, NoRules, Schema};

    #[consign_filter::config]
    struct Config {
        /// Seconds.
        pause: Option<u32>,
    }

    struct Module;

    impl Criteria for Module {
        type Config = Config;
        type Rule = NoRules;
        const MANIFEST: Manifest = Manifest { name: "acme/by-hand", version: "1", summary: "s", needs: &[], config_schema: Schema::of::<Config>() };
        fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
            if config.pause == Some(0) { Err(vec![config_error("/pause", "has to be one at least")]) } else { Ok(Self) }
        }
        fn begin_chat(&mut self, _: &dyn Chat) -> Result<ChatDecision<NoRules>, Failure> {
            Ok(ChatDecision::KeepAll)
        }
        fn evaluate(&mut self, events: &dyn View) -> Result<Vec<Verdict<NoRules>>, Failure> {
            Ok(vec![Verdict::Keep; events.len()])
        }
    }

    #[test]
    fn a_trait_takes_its_schema_from_the_type_too() {
        let schema = &manifest::<Module>()["config-schema"];
        assert_eq!(schema["properties"]["pause"]["description"], json!("Seconds."));
        assert!(CriteriaSession::<Module>::new().configure(r#"{"pause": 0}"#).is_err());
        let _: Result<_, _> = <Module as Criteria>::configure(Config { pause: None });
    }
}

/// What the compiler says of a function that can't be a filter. `TRYBUILD=overwrite cargo test` writes the texts anew.
#[test]
fn what_is_wrong_is_said_at_its_place() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
