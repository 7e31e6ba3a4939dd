//! The disk is full, or fails, while `serve` runs a policy that is due: it says so, loses nothing, sends nothing twice that was not in flight, and goes on when
//! there is room: by itself, or, where the store was hit, when it is started again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::path::Path;

use consign_tests::{Arrived, Behaviour, Clock, Consign, Corpus, Fault, IN_FLIGHT, Running, Scripted, Shim, check, few_in_each, say, seed, until};
use serde_json::Value;

const CHATS: u64 = 60;

/// A data folder with a policy that is due each second, and where its e-mails go.
fn place(corpus: &Corpus) -> (Consign, Scripted) {
    let (consign, archive) = (Consign::new(), Scripted::start(Behaviour::Accept));
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&archive.target(), "schedule = { cron = \"* * * * * *\" }");
    (consign, archive)
}

/// Starts `serve`; what it says on standard error goes into this file.
fn serve(consign: &Consign, shim: &Shim, below: &Path, fault: Fault, errors: &Path, clock: Option<&Clock>) -> Running {
    let mut command = shim.switched(consign.command(&["serve"]), below, &consign.beside("switch"), fault);
    command.stderr(File::create(errors).unwrap());
    if let Some(clock) = clock {
        command = clock.before(command);
    }
    let (serving, lines) = Consign::hearing(command);
    let first = lines.recv().unwrap_or_default();
    assert!(first.contains("running policies") || first.is_empty(), "serve says {first:?}");
    serving
}

fn manifests(consign: &Consign) -> usize {
    consign_tests::files_below(&consign.data().join("manifests"), ".json").len()
}

/// The first run, which is to have exported everything, and that all of it arrived.
fn all_arrived(consign: &Consign, archive: &Scripted, corpus: &Corpus) -> usize {
    let mut arrived = Arrived::at(&archive.maildir());
    arrived.look();
    assert!(arrived.repeats() as u64 <= IN_FLIGHT, "{} e-mails came twice", arrived.repeats());
    let runs = consign.json(&["runs"]);
    let whole = runs.as_array().unwrap().iter().find(|run| run["events"]["examined"].as_u64() > Some(0)).unwrap();
    assert_eq!((&whole["events"]["held"], &whole["ended"]), (&0.into(), &Value::Bool(true)), "{whole}");
    check("everything", &archive.maildir(), corpus, whole, &["--repeats", &IN_FLIGHT.to_string()]);
    consign.run(&["audit", "verify"]).succeeded();
    arrived.repeats()
}

#[test]
fn a_store_that_cannot_be_written_ends_serve_and_the_next_start_goes_on() {
    let (shim, corpus) = (Shim::build(), few_in_each(seed("chats") >> 8, CHATS));
    for (fault, words) in [(Fault::FullWhile, "No space left on device"), (Fault::BrokenWhile, "Input/output error")] {
        let (consign, archive) = place(&corpus);
        let (switch, errors) = (consign.beside("switch"), consign.beside("errors"));
        let said = || std::fs::read_to_string(&errors).unwrap();
        let mut serving = serve(&consign, &shim, &consign.data(), fault, &errors, None);
        until("some e-mails to arrive", || consign_tests::count(&archive.maildir()) > 3);
        shim.switch(&switch, true);
        let status = consign_tests::until_some("serve to end", || serving.ended());
        assert_eq!(status.code(), Some(1), "{}", said());
        let last = said().lines().last().unwrap_or_default().to_owned();
        for part in ["error: the store in", &consign.data().display().to_string(), words, "started again, it goes on from there"] {
            assert!(last.contains(part), "{part:?} is not in {}", said());
        }
        assert!(!said().contains("panicked") && shim.hits(&switch) > 0, "{}", said());
        assert_eq!(manifests(&consign), 0, "the run has not ended");

        // Started again on the disk as it is.
        let mut serving = serve(&consign, &shim, &consign.data(), fault, &errors, None);
        let status = consign_tests::until_some("serve to end", || serving.ended());
        assert_eq!(status.code(), Some(1), "{}", said());
        assert!(said().contains(words) && !said().contains("panicked"), "{}", said());

        shim.switch(&switch, false);
        let serving = serve(&consign, &shim, &consign.data(), fault, &errors, None);
        until("runs to end", || manifests(&consign) >= 2);
        assert!(serving.terminate().success(), "{}", said());
        let repeats = all_arrived(&consign, &archive, &corpus);
        say(format_args!("{words}: serve ended, and started again sent all that was left; {repeats} e-mails twice"));
    }
}

/// What is not the store's: manifests, and verdicts in the archive.
#[test]
fn what_is_beside_the_store_is_tried_again_by_itself() {
    let (shim, corpus) = (Shim::build(), few_in_each(seed("chats") >> 8, CHATS));
    for folder in ["manifests", "archive"] {
        let (consign, archive) = place(&corpus);
        let (switch, errors) = (consign.beside("switch"), consign.beside("errors"));
        let said = || std::fs::read_to_string(&errors).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let mut clock = Clock::at(i64::try_from(now).unwrap());
        shim.switch(&switch, true);
        let serving = serve(&consign, &shim, &consign.data().join(folder), Fault::FullWhile, &errors, Some(&clock));
        until("it to say so", || said().contains("its run failed"));
        let text = said();
        assert!(text.contains("No space left on device") && text.contains(folder) && text.contains("Trying again in"), "{text}");
        assert_eq!(manifests(&consign), 0);
        shim.switch(&switch, false);
        // What it waits before it tries again is over; it looks at the clock within half a minute.
        clock.jump(3600);
        until("runs to end", || manifests(&consign) >= 2);
        assert!(serving.terminate().success(), "{}", said());
        let repeats = all_arrived(&consign, &archive, &corpus);
        assert_eq!(repeats, 0, "what became of each was written down");
        say(format_args!("{folder} could not be written: it went on by itself when there was room"));
    }
}
