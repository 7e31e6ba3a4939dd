//! Bodies of requests, made and damaged as exports are, and read as they are received: by each way in that a platform has, and JSON lines. What is in a notification of
//! Teams is damaged before it is sealed, with the key that openssl made (`tests/vectors/teams`), so that it is opened like a real one.
//!
//! What holds of a reader of files holds of these: what comes out is judged by the same judge. Beside that, what is gathered can be handed over again, and of a
//! request that is one thing and is refused nothing is handed over.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consign_source::Limits;
use consign_source::live::mattermost::{Encoding, Post};
use consign_source::live::slack::Call;
use consign_source::live::teams::{Notifications, Opened, Subscription};
use consign_source::live::{self, Arrived, Token};
use ring::hmac::{HMAC_SHA256, Key, sign};
use rsa::PrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use serde_json::{Value, json};
use sha1::Sha1;

use crate::dice::Dice;
use crate::judge::{self, Judge};
use crate::pack::{Doc, File};
use crate::{Ends, LEAST_MEMORY, LEAST_TIME, MEMORY_A_BYTE, TIME_A_BYTE, Written, jsonl, limits, memory, run, slack, spoil, teams, written};

/// A request is a small thing: a quarter of the time that a format has tries as many.
const PART: u32 = 4;

/// How often opening a sealed key may be needed for a request here: it takes most of a case's time, without optimisation.
const SEALED: usize = 2;
const NOTIFICATION: &str = include_str!("../vectors/teams/notification.json");
const KEY: &str = include_str!("../vectors/teams/key.pem");

/// Bytes that a list or an object takes at least, once something is in it.
const MEMORY_A_LIST: usize = 320;

/// A way in.
struct Way {
    name: &'static str,
    /// What a request says, still without damage. Each file of it is damaged.
    says: fn(&mut Dice) -> Vec<File>,
    /// Of that the body.
    body: fn(Vec<Vec<u8>>, &mut Dice) -> Vec<u8>,
    /// Unset for what is acknowledged and has no events.
    read: fn(&[u8], &Limits) -> Result<Option<Arrived>, String>,
    /// Whether it is taken or refused as a whole.
    is_one: bool,
}

#[test]
fn slack_events() {
    let way = Way { name: "slack_events", says: callback, body: only, read: read_slack, is_one: true };
    let ends = requests(&way);
    assert!(ends.is_none_or(|ends| ends.whole_file_errors > 0), "too few bodies can't be read");
}

#[test]
fn teams_notifications() {
    let way = Way { name: "teams_notifications", says: messages, body: notifications, read: read_teams, is_one: false };
    requests(&way);
}

#[test]
fn mattermost_webhook() {
    let way = Way { name: "mattermost_webhook", says: post, body: only, read: read_mattermost, is_one: true };
    let ends = requests(&way);
    assert!(ends.is_none_or(|ends| ends.whole_file_errors > 0), "too few bodies can't be read");
}

#[test]
fn jsonl_requests() {
    let lines = |dice: &mut Dice| jsonl::export(dice).into_iter().take(1).collect();
    let way = Way { name: "jsonl_requests", says: lines, body: only, read: read_lines, is_one: false };
    requests(&way);
}

fn requests(way: &Way) -> Option<Ends> {
    let ends = run(way.name, PART, &mut |number, _: &Path, ends: &mut Ends| request(way, number, ends))?;
    // A request is one value: what would spoil a line of a file spoils all of it.
    assert!(ends.fruitful * 10 >= ends.cases * 3, "{}: too many cases are rubbish: {ends:?}", way.name);
    assert!(ends.refusals + ends.whole_file_errors > 0, "{}: too few cases are rubbish: {ends:?}", way.name);
    Some(ends)
}

/// One case: makes a request, and reads it.
fn request(way: &Way, number: u64, ends: &mut Ends) {
    let mut dice = Dice::new(number);
    let limits = limits(&mut dice);
    let Written { files, mut is_sound, mut may_quote } = written((way.says)(&mut dice), &mut dice);
    let mut body = (way.body)(files.into_iter().map(|(_, bytes)| bytes).collect(), &mut dice);
    if !is_sound && dice.once_in(6) {
        spoil::bytes(&mut body, &mut dice);
        (is_sound, may_quote) = (false, true);
    }
    let (read, memory, took) = {
        let before = memory::processor_time();
        let (read, memory) = memory::most(|| (way.read)(&body, &limits));
        (read, memory, memory::processor_time().saturating_sub(before))
    };
    // A body may be nothing but lists in lists, and one that holds something has room for four values.
    let opened = body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    let most = LEAST_MEMORY + MEMORY_A_BYTE * body.len() + MEMORY_A_LIST * opened;
    assert!(memory <= most, "{memory} bytes of memory for a body of {}, at most {most}", body.len());
    let most = LEAST_TIME + TIME_A_BYTE * u32::try_from(body.len()).unwrap();
    assert!(took <= most, "{took:?} for a body of {} bytes, at most {most:?}", body.len());
    (ends.most_memory, ends.most_time) = (ends.most_memory.max(memory), ends.most_time.max(took));
    ends.sound += u64::from(is_sound);
    let again = (way.read)(&body, &limits);
    let arrived = match (read, again) {
        (Ok(None), Ok(None)) => return,
        (Ok(Some(one)), Ok(Some(two))) => {
            assert_eq!(one.report, two.report, "the same twice is not the same");
            assert_eq!(handed(&one, &limits).trace(), handed(&two, &limits).trace(), "the same twice is not the same");
            one
        }
        (Err(error), Err(other)) => {
            assert_eq!(error, other, "the error is another one");
            assert!(!is_sound, "a sound request is not read: {error}");
            assert!(error.chars().count() < 3000 && !error.contains(['\0', '\u{1b}', '\n', '\r']), "no line for a person: {error:?}");
            if !may_quote {
                judge::keeps_secrets(&error);
            }
            ends.whole_file_errors += 1;
            return;
        }
        _ => panic!("the same twice is not the same"),
    };
    let report = &arrived.report;
    let judge = handed(&arrived, &limits);
    assert_eq!((arrived.gathered.events() as u64, arrived.gathered.is_empty()), (judge.total(), judge.calls == 0), "what is gathered");
    assert!(arrived.gathered.bytes() >= 256 * arrived.gathered.events(), "{} bytes", arrived.gathered.bytes());
    if way.is_one && report.refused_anything() {
        assert_eq!((judge.calls, report.refused), (0, 1), "a part of what is refused as a whole");
    } else {
        judge.confirms(report);
    }
    if !may_quote {
        report.refusals.iter().for_each(|refusal| judge::keeps_secrets(&refusal.to_string()));
        report.notes.keys().for_each(|note| judge::keeps_secrets(note));
    }
    if judge.calls > 0 {
        let mut fails = Judge::new(&limits);
        fails.fail_at = Some(dice.below(judge.calls));
        assert!(arrived.gathered.hand_over(&mut fails).is_err(), "the sink failed, and nobody says so");
    }
    ends.events += judge.total();
    ends.fruitful += u64::from(judge.calls > 0);
    ends.refusals += report.refused;
}

/// Hands over all that came.
fn handed<'a>(arrived: &Arrived, limits: &'a Limits) -> Judge<'a> {
    let mut judge = Judge::new(limits);
    arrived.gathered.hand_over(&mut judge).unwrap();
    judge
}

fn only(mut files: Vec<Vec<u8>>, _: &mut Dice) -> Vec<u8> {
    files.pop().unwrap_or_default()
}

/// An event of Slack's, with what is around it.
fn callback(dice: &mut Dice) -> Vec<File> {
    let kind = dice.pick(&[
        "message",
        "message",
        "message",
        "app_mention",
        "reaction_added",
        "reaction_removed",
        "member_joined_channel",
        "member_left_channel",
        "file_shared",
        "channel_rename",
        "channel_archive",
        "user_change",
        "channel_history_changed",
    ]);
    let mut event = if matches!(kind, "message" | "app_mention") { slack::entry(dice) } else { json!({}) };
    let (chat, user, ts) = (dice.id("C", 4), dice.id("U", 6), slack::ts(dice));
    let more = match kind {
        "reaction_added" | "reaction_removed" => {
            json!({"user": user, "reaction": if dice.odd() { dice.name() } else { "tada".into() }, "item_user": dice.id("U", 6),
                "item": {"type": dice.pick(&["message", "message", "file"]), "channel": chat, "ts": slack::ts(dice)}})
        }
        "member_joined_channel" | "member_left_channel" => json!({"user": user, "channel": chat, "inviter": dice.maybe(2, |dice| dice.id("U", 6))}),
        "file_shared" => json!({"channel_id": chat, "file_id": dice.id("F", 3), "user_id": user}),
        "channel_rename" => {
            json!({"channel": {"id": chat, "name": dice.name(), "is_mpim": dice.maybe(3, |_| true), "is_private": dice.maybe(3, |_| true)}})
        }
        "channel_archive" => json!({"channel": chat, "user": user}),
        "user_change" => slack_user(dice),
        _ => json!({"channel": chat}),
    };
    let around =
        json!({"type": kind, "channel_type": dice.pick(&["channel", "group", "mpim", "im", "C"]), "event_ts": dice.maybe(2, |_| ts.clone())});
    for value in [more, around] {
        event.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    }
    let home = dice.maybe(2, |dice| json!([{"enterprise_id": null, "team_id": dice.id("T", 2), "is_enterprise_install": false}]));
    let body = json!({"token": "x", "team_id": "T1", "type": "event_callback", "event_id": "Ev1", "event_time": 1_767_600_099, "authorizations": home,
        "event": event});
    vec![File::new("event.json", Doc::Json(body))]
}

fn slack_user(dice: &mut Dice) -> Value {
    json!({"user": {"id": dice.id("U", 6), "name": dice.name(), "real_name": dice.maybe(2, Dice::name), "is_bot": dice.maybe(4, |_| true),
        "profile": {"email": dice.maybe(2, Dice::address), "real_name": dice.maybe(2, Dice::name)}}})
}

fn read_slack(body: &[u8], limits: &Limits) -> Result<Option<Arrived>, String> {
    let Call::Event(callback) = Call::read(body)? else { return Ok(None) };
    // Every other one is known.
    let names: HashMap<String, String> = callback.people().step_by(2).map(|id| (id.to_owned(), "Ann <&> Lee".to_owned())).collect();
    let _ = callback.warning();
    callback.read(names, limits).map(Some).map_err(|error| error.to_string())
}

/// Messages that are to be sealed.
fn messages(dice: &mut Dice) -> Vec<File> {
    (0..=dice.below(SEALED)).map(|number| File::new(format!("{number}.json"), Doc::Json(teams::message(dice)))).collect()
}

/// The key of the data of openssl's notification, opened, and as it stands there.
fn data_key() -> &'static (Vec<u8>, String) {
    static OPENED: OnceLock<(Vec<u8>, String)> = OnceLock::new();
    OPENED.get_or_init(|| {
        let notification: Value = serde_json::from_str(NOTIFICATION).unwrap();
        let sealed = notification["value"][0]["encryptedContent"]["dataKey"].as_str().unwrap().to_owned();
        let opened = PrivateKey::from_pkcs8_pem(KEY.trim()).unwrap().oaep_decrypt::<Sha1>(&BASE64_STANDARD.decode(&sealed).unwrap()).unwrap();
        (opened, sealed)
    })
}

/// Seals messages as Graph does.
fn notifications(messages: Vec<Vec<u8>>, dice: &mut Dice) -> Vec<u8> {
    let (key, sealed) = data_key();
    let items = messages.into_iter().map(|message| {
        let cipher = cbc::Encryptor::<Aes256>::new_from_slices(key, &key[..16]).unwrap();
        let data = cipher.encrypt_padded_vec_mut::<Pkcs7>(&message);
        let signature = sign(&Key::new(HMAC_SHA256, key), &data);
        let signature = if dice.odd() { BASE64_STANDARD.encode(b"x") } else { BASE64_STANDARD.encode(signature) };
        let certificate = if dice.odd() { "cert-2" } else { "cert-1" };
        json!({"subscriptionId": "s1", "changeType": "created", "clientState": "st4te", "resource": dice.url(),
            "lifecycleEvent": if dice.odd() { Some("missed") } else { None },
            "encryptedContent": {"data": BASE64_STANDARD.encode(data), "dataSignature": signature, "dataKey": sealed,
                "encryptionCertificateId": certificate}})
    });
    json!({"value": items.collect::<Vec<_>>()}).to_string().into_bytes()
}

fn read_teams(body: &[u8], limits: &Limits) -> Result<Option<Arrived>, String> {
    static SUBSCRIPTION: OnceLock<Subscription> = OnceLock::new();
    let subscription = SUBSCRIPTION.get_or_init(|| Subscription::new(Token::of("st4te").unwrap(), "cert-1", KEY).unwrap());
    let notifications = Notifications::read(body)?;
    if !notifications.are_of(subscription) {
        return Ok(None);
    }
    assert!(notifications.lifecycle().all(|event| !event.contains(char::is_control)));
    let Opened { arrived, sealed } = notifications.take(subscription, limits).map_err(|error| error.to_string())?;
    assert!(sealed <= arrived.report.refused, "{sealed} of {}", arrived.report.refused);
    Ok(Some(arrived))
}

/// A message of Mattermost's, as JSON or as a form.
fn post(dice: &mut Dice) -> Vec<File> {
    let millis = dice.millis();
    let files = dice.maybe(3, |dice| dice.list(2, |dice| dice.id("f", 5)).join(","));
    let fields = json!({"token": "tok3n", "team_id": dice.id("t", 2), "team_domain": dice.name(), "channel_id": dice.id("c", 3), "channel_name": dice.name(),
        "timestamp": if dice.once_in(2) { millis } else { millis / 1000 }, "user_id": dice.id("u", 5), "user_name": dice.name(), "post_id": dice.id("p", 30),
        "text": dice.text(&["@ann", "**b**", "%", "&", "+"]), "trigger_word": "", "file_ids": files});
    let doc = if dice.once_in(2) {
        Doc::Json(fields)
    } else {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields.as_object().unwrap() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            form.append_pair(name, if value.is_null() { "" } else { &text });
        }
        Doc::Bytes(form.finish().into_bytes())
    };
    vec![File::new("post", doc)]
}

fn read_mattermost(body: &[u8], limits: &Limits) -> Result<Option<Arrived>, String> {
    // A form has no brace before its first field.
    let encoding = if body.trim_ascii_start().first() == Some(&b'{') { Encoding::Json } else { Encoding::Form };
    let post = Post::read(body, encoding)?;
    post.take(limits).map(Some).map_err(|error| error.to_string())
}

fn read_lines(body: &[u8], limits: &Limits) -> Result<Option<Arrived>, String> {
    live::lines(body, limits).map(Some).map_err(|error| error.to_string())
}
