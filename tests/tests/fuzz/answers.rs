//! The checks of answers against `model`: a module returns what the case made up, and both have to take it, or neither.

use std::sync::Arc;
use std::time::Duration;

use consign_model::window::{Facts, Participant};
use consign_model::{Chat, ChatKey, ChatKind, Event, EventBatch, EventKind, Membership, Timestamp, User};
use consign_sandbox::{BatchView, Bound, ChatContext, Decision, Failure, Limits, Module, Sandbox, SandboxConfig};
use consign_tests::Random;

use crate::image::{self, Image};
use crate::model::{self, Most, Placing, Range, Stays, Told, Verdicts};

/// Small, so that cases go over them.
const MOST: Most = Most { rules: 2, groups: 5, ranges: 12, key: 6, title: 9, labels: 2, label: 5 };

fn limits() -> Limits {
    Limits {
        call_time: Duration::from_secs(20),
        chat_time: Duration::from_secs(40),
        groups: MOST.groups,
        placements: MOST.ranges,
        key_bytes: MOST.key,
        title_bytes: MOST.title,
        labels: MOST.labels,
        label_bytes: MOST.label,
        ..Limits::default()
    }
}

struct Echoes {
    criteria: Module,
    grouping: Module,
}

#[test]
fn answers_are_taken_where_the_contract_says_so() {
    let sandbox = Sandbox::new(SandboxConfig { limits: limits(), ..SandboxConfig::default() }).unwrap();
    let echoes = Echoes { criteria: sandbox.load(&image::criteria()).unwrap(), grouping: sandbox.load(&image::grouping()).unwrap() };
    let ends = crate::cases("answers", |_, mut random| match random.below(4) {
        0 => criteria(&echoes, &mut random),
        _ => grouping(&echoes, &mut random),
    });
    if crate::only().is_none() {
        // Of each kind enough that it says something.
        let taken: u64 = ends.iter().filter(|(end, _)| end.ends_with("taken")).map(|(_, count)| count).sum();
        let refused: u64 = ends.iter().filter(|(end, _)| end.contains("refused")).map(|(_, count)| count).sum();
        assert!(taken > 100 && refused > 100, "{ends:?}");
    }
}

fn bound(module: &Module, image: &Image) -> Bound {
    module.bind(&image.config(), &[]).unwrap()
}

fn times(random: &mut Random) -> Vec<Vec<i64>> {
    (0..=random.below(3)).map(|_| (0..=random.below(6)).map(|_| i64::try_from(random.below(12)).unwrap()).collect()).collect()
}

fn person(random: &mut Random) -> Stays {
    let end = |random: &mut Random| (!random.once_in(3)).then(|| i64::try_from(random.below(12)).unwrap());
    (0..random.below(4)).map(|_| (end(random), end(random))).collect()
}

fn chat(people: &[Stays]) -> Arc<ChatContext> {
    let chat = Chat::new(ChatKey { source: "fuzz".parse().unwrap(), id: "C".to_owned() }, ChatKind::Group);
    let stay = |(joined, left): &(Option<i64>, Option<i64>)| Membership { joined: joined.map(Timestamp), left: left.map(Timestamp) };
    let participants =
        people.iter().enumerate().map(|(number, stays)| Participant::new(User::unknown(&format!("u{number}")), stays.iter().map(stay).collect()));
    let facts = Facts { chat, participants: participants.collect() };
    Arc::new(ChatContext::new(Arc::new(facts), 10, None, Timestamp(100)))
}

fn batch(chat: &ChatContext, times: &[i64]) -> Arc<BatchView> {
    let events: Vec<Event> =
        times.iter().enumerate().map(|(number, at)| Event::new(EventKind::Message, format!("m{number}"), Timestamp(*at))).collect();
    let batch = Arc::new(EventBatch::from_events(0, &events));
    let flags = batch.flags.clone();
    Arc::new(chat.view(batch, flags).unwrap())
}

/// Turns some bits: then it says nothing any more what the case was, and what was taken only has to be sound.
fn broken(image: &mut Image, random: &mut Random) -> bool {
    let broken = random.once_in(8);
    if broken {
        for _ in 0..=random.below(4) {
            let at = random.below(image.bytes.len());
            image.bytes[at] ^= 1 << random.below(8);
        }
    }
    broken
}

/// What a refusal may be: never the host's own fault, a trap of a module that has no code to trap, or its running out of anything.
fn refusal(failure: &Failure) {
    assert!(matches!(failure, Failure::Contract { .. } | Failure::Guest { .. } | Failure::OverLimit { .. }), "{failure:?}");
}

fn criteria(echoes: &Echoes, random: &mut Random) -> String {
    let times = times(random);
    let verdicts = |events: &Vec<i64>, random: &mut Random| {
        let length = if random.once_in(6) { random.below(8) } else { events.len() };
        (0..length).map(|_| if random.once_in(40) { 3 } else { u8::try_from(random.below(3)).unwrap() }).collect::<Vec<u8>>()
    };
    let answer = Verdicts {
        decision: if random.once_in(4) { u32::try_from(random.below(5)).unwrap() } else { 0 },
        rule: *random.pick(&[0, 1, 1, 2, 256, u32::MAX]),
        batches: times.iter().map(|events| verdicts(events, random)).collect(),
    };
    let mut image = Image::new(times.len());
    let at = image.words(&[0, answer.decision, answer.rule]);
    image.begin(at);
    for (number, verdicts) in answer.batches.iter().enumerate() {
        let list = image.put(verdicts);
        let at = image.words(&[0, list, u32::try_from(verdicts.len()).unwrap()]);
        image.batch(number, at);
    }
    let broken = broken(&mut image, random);
    let chat = chat(&[]);
    let mut session = bound(&echoes.criteria, &image).criteria(Arc::clone(&chat)).unwrap();
    let expected = match (answer.decision, answer.rule) {
        (0, _) => Some(Decision::Inspect),
        (1, _) => Some(Decision::KeepAll),
        (2, rule) if rule < MOST.rules => Some(Decision::OmitAll(u8::try_from(rule).unwrap())),
        _ => None,
    };
    let decision = session.begin();
    assert!(broken || decision.as_ref().ok() == expected.as_ref(), "{answer:?}: {decision:?}");
    match decision {
        Ok(Decision::Inspect) => {}
        Ok(_) => return "chat taken".to_owned(),
        Err(failure) => {
            refusal(&failure);
            return "chat refused".to_owned();
        }
    }
    for (verdicts, times) in answer.batches.iter().zip(&times) {
        let found = session.evaluate(&batch(&chat, times));
        if let Ok(found) = &found {
            assert!(model::verdicts(found, times.len(), MOST.rules), "{found:?}");
        }
        let expected = model::verdicts(verdicts, times.len(), MOST.rules).then_some(verdicts);
        assert!(broken || found.as_ref().ok() == expected, "{answer:?}: {found:?}");
        if let Err(failure) = found {
            refusal(&failure);
            return "verdicts refused".to_owned();
        }
    }
    if broken { "broken bytes of verdicts taken".to_owned() } else { "verdicts taken".to_owned() }
}

/// Ranges that cover a batch, mostly as they should.
fn placing(events: usize, random: &mut Random) -> Placing {
    let mut placing = Placing::default();
    let number = |random: &mut Random| u32::try_from(random.below(3)).unwrap();
    let mut first = 0;
    while first < events {
        let last = first + random.below(events - first);
        let range = |of| Range { first: u32::try_from(first).unwrap(), last: u32::try_from(last).unwrap(), of };
        if random.once_in(4) {
            placing.left_out.push(range(u32::try_from(random.below(2)).unwrap()));
        } else {
            let group = number(random);
            placing.assigned.push(range(group));
            if random.once_in(3) {
                placing.assigned.push(range((group + 1) % 3));
            }
        }
        first = last + 1;
    }
    // And then something is wrong with one of them.
    while random.once_in(3) {
        let ranges = if random.once_in(2) { &mut placing.assigned } else { &mut placing.left_out };
        let at = random.below(ranges.len());
        let odd = *random.pick(&[0, 1, 2, 3, 4, 5, 6, 255, 0x7fff_ffff, u32::MAX]);
        match (random.below(6), ranges.get(at).copied()) {
            (0, _) => ranges.push(Range { first: number(random), last: number(random), of: number(random) }),
            (1, Some(_)) => drop(ranges.remove(at)),
            (2, Some(range)) => ranges.push(range),
            (3, Some(_)) => ranges[at].first = odd,
            (4, Some(_)) => ranges[at].last = odd,
            (5, Some(_)) => ranges[at].of = odd,
            _ => {}
        }
    }
    placing
}

fn text(most: usize, random: &mut Random) -> String {
    let length = random.below(most);
    (0..length).map(|_| *random.pick(&['a', 'b', 'c', 'a', 'b', 'ä', '日', '🎉', ' ', '\n', '\u{85}'])).collect()
}

fn group(number: usize, random: &mut Random) -> Told {
    let key = if random.once_in(8) { text(5, random) } else { format!("k{number}") };
    let subject = random.once_in(4).then(|| if random.once_in(12) { 7 } else { u32::try_from(random.below(2)).unwrap() });
    let label = |random: &mut Random| {
        let name = if random.once_in(6) { text(4, random) } else { (*random.pick(&["x", "y", "x\n", "x\r"])).to_owned() };
        (name, text(4, random))
    };
    let labels = if random.once_in(3) { (0..random.below(4)).map(|_| label(random)).collect() } else { Vec::new() };
    Told { key, title: text(8, random), subject, labels }
}

fn put_text(image: &mut Image, text: &str) -> [u32; 2] {
    [image.put(text.as_bytes()), u32::try_from(text.len()).unwrap()]
}

fn put_ranges(image: &mut Image, ranges: &[Range]) -> [u32; 2] {
    let words: Vec<u32> = ranges.iter().flat_map(|range| [range.first, range.last, range.of]).collect();
    [image.words(&words), u32::try_from(ranges.len()).unwrap()]
}

fn put_groups(image: &mut Image, groups: &[Told]) -> u32 {
    let mut words = Vec::new();
    for group in groups {
        let labels: Vec<u32> = group.labels.iter().flat_map(|(name, value)| [put_text(image, name), put_text(image, value)].concat()).collect();
        let labels = [image.words(&labels), u32::try_from(group.labels.len()).unwrap()];
        let subject = [u32::from(group.subject.is_some()), group.subject.unwrap_or_default()];
        words.extend([put_text(image, &group.key), put_text(image, &group.title), subject, labels].concat());
    }
    let list = image.words(&words);
    image.words(&[0, list, u32::try_from(groups.len()).unwrap()])
}

fn grouping(echoes: &Echoes, random: &mut Random) -> String {
    let times = times(random);
    let people: Vec<Stays> = (0..=random.below(2)).map(|_| person(random)).collect();
    let placings: Vec<Placing> = times.iter().map(|events| placing(events.len(), random)).collect();
    let told: Vec<Told> = (0..if random.once_in(4) { random.below(7) } else { 3 }).map(|number| group(number, random)).collect();
    let mut image = Image::new(times.len());
    let ok = image.words(&[0, 0, 0]);
    image.begin(ok);
    for (number, placing) in placings.iter().enumerate() {
        let (assigned, left_out) = (put_ranges(&mut image, &placing.assigned), put_ranges(&mut image, &placing.left_out));
        let at = image.words(&[&[0][..], &assigned, &left_out].concat());
        image.batch(number, at);
    }
    let groups = put_groups(&mut image, &told);
    image.finish(groups);
    let broken = broken(&mut image, random);
    let chat = chat(&people);
    let mut session = bound(&echoes.grouping, &image).grouping(Arc::clone(&chat)).unwrap();
    if let Err(failure) = session.begin() {
        assert!(broken, "{failure:?}");
        refusal(&failure);
        return "chat refused".to_owned();
    }
    let (mut found, mut ranges) = (Vec::new(), 0);
    for (placing, times) in placings.iter().zip(&times) {
        let answer = session.place(&batch(&chat, times));
        let expected = model::placing(placing, times.len(), ranges, &MOST);
        match answer {
            Err(failure) => {
                assert!(broken || !expected, "{placing:?} on {} events: {failure}", times.len());
                refusal(&failure);
                return "placement refused".to_owned();
            }
            Ok(placement) => {
                let taken = Placing {
                    assigned: placement.assigned.iter().map(|one| Range { first: one.first, last: one.last, of: one.group }).collect(),
                    left_out: placement.left_out.iter().map(|one| Range { first: one.first, last: one.last, of: u32::from(one.rule) }).collect(),
                };
                assert!(model::placing(&taken, times.len(), ranges, &MOST), "{taken:?} on {} events was taken", times.len());
                let same = taken.assigned == placing.assigned && taken.left_out == placing.left_out;
                assert!(broken || (expected && same), "{placing:?} on {} events became {taken:?}", times.len());
                ranges += taken.assigned.len() + taken.left_out.len();
                found.push(taken);
            }
        }
    }
    let shown = |groups: &[Told]| format!("{groups:?}");
    let expected = model::groups(&told, &found, &times, &people, &MOST);
    match session.finish() {
        Err(failure) => {
            assert!(broken || expected.is_none(), "{told:?}, {found:?}, {times:?}, {people:?}: {failure}");
            refusal(&failure);
            "groups refused".to_owned()
        }
        Ok(groups) => {
            let taken: Vec<Told> =
                groups.into_iter().map(|group| Told { key: group.key, title: group.title, subject: group.subject, labels: group.labels }).collect();
            assert!(model::groups(&taken, &found, &times, &people, &MOST).is_some(), "{taken:?}, {found:?}, {times:?}, {people:?}");
            assert!(broken || expected.as_deref().map(shown) == Some(shown(&taken)), "{told:?} became {taken:?}");
            if broken { "broken bytes of groups taken".to_owned() } else { "groups taken".to_owned() }
        }
    }
}
