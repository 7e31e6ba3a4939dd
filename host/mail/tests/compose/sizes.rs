//! A target's `max-size` is of bytes as they are sent: what fits to the byte goes out, and a byte less is another e-mail, a held window or a placeholder.

use consign_mail::compose::{ComposeError, Plan, plan};
use consign_model::Digest;
use consign_model::event::EventKind;
use consign_model::policy::{AttachmentFilter, AttachmentsSpec, TooLarge};
use consign_model::target::{ByteSize, Profile};
use serde_json::{Value, json};

use super::support::{Random, Sample, python};

/// A text, a small file and a large one.
fn sample(profile: Profile, too_large: TooLarge) -> Sample {
    let mut sample = Sample::new();
    sample.person("U1", "Ann Lee", Some("ann@desk.example"));
    sample.target.profile = profile;
    sample.target.feed = Some("Consign".to_owned());
    sample.attachments = AttachmentsSpec::Some(AttachmentFilter { too_large, ..AttachmentFilter::default() });
    sample.event(EventKind::Message, "U1", "two files");
    sample.attach("small.bin", "application/octet-stream", vec![1; 500]);
    sample.attach("large.bin", "application/octet-stream", Random::new("sizes").bytes(60_000));
    sample
}

fn planned(sample: &mut Sample, max: u64) -> Result<Plan, ComposeError> {
    sample.target.max_size = ByteSize(max);
    sample.with_input(plan)
}

/// The attachments of all events, as the e-mails tell of them.
fn told(parsed: &[Value]) -> Vec<&Value> {
    let events = parsed.iter().flat_map(|one| one["json"]["events"].as_array().unwrap());
    events.flat_map(|event| event["attachments"].as_array().unwrap()).collect()
}

#[test]
fn what_fits_to_the_byte_goes_into_one() {
    for profile in Profile::ALL {
        let mut sample = sample(profile, TooLarge::Hold);
        let whole = sample.compose();
        let size = whole[0].bytes.len() as u64;
        assert_eq!(whole.len(), 1);
        for (max, parts) in [(size - 1, 2), (size, 1), (size + 1, 1)] {
            assert_eq!(planned(&mut sample, max).unwrap().parts().len(), parts, "{profile} {max}");
            // Which checks each e-mail's bytes against the limit.
            assert_eq!(sample.compose().len(), parts);
        }
    }
}

#[test]
fn what_no_e_mail_takes_is_held_or_has_a_placeholder() {
    for profile in Profile::ALL {
        let mut held = sample(profile, TooLarge::Hold);
        // The smallest limit at which the large file goes out.
        let (mut below, mut limit) = (66_000, 200_000);
        assert!(planned(&mut held, below).is_err() && planned(&mut held, limit).is_ok());
        while limit - below > 1 {
            let middle = below + (limit - below) / 2;
            if planned(&mut held, middle).is_ok() { limit = middle } else { below = middle }
        }
        let mut placeholder = sample(profile, TooLarge::Placeholder);
        let digests = ["small.bin", "large.bin"].map(|name| {
            let of = placeholder.events[0].0.attachments.iter().find(|one| one.name == name).unwrap();
            of.digest.as_ref().map(Digest::hex).unwrap()
        });
        for max in [limit - 1, limit, limit + 1] {
            let result = planned(&mut held, max);
            planned(&mut placeholder, max).unwrap();
            let emails = placeholder.compose();
            let parsed = python(&emails);
            let (told, files) = (told(&parsed), parsed.iter().flat_map(|one| one["attachments"].as_array().unwrap()));
            let files: Vec<&str> = files.map(|one| one["sha256"].as_str().unwrap()).collect();
            assert_eq!(told[0]["attached"], true);
            assert_eq!([&told[0]["sha256"], &told[1]["sha256"]], [&json!(digests[0]), &json!(digests[1])]);
            if max < limit {
                assert!(matches!(result, Err(ComposeError::AttachmentsTooLarge { count: 1, largest: 60_000, .. })), "{profile} {result:?}");
                assert_eq!((files, emails.len()), (vec![digests[0].as_str()], 1), "{profile}");
                assert_eq!((&told[1]["attached"], &told[1]["reason"]), (&json!(false), &json!("too large for one e-mail")));
                let said = format!("not attached: large.bin (application/octet-stream, 60,000 bytes, SHA-256 {}): too large", digests[1]);
                assert!(parsed[0]["plain"].as_str().unwrap().contains(&said) && parsed[0]["html"].as_str().unwrap().contains(&said), "{said}");
            } else {
                assert!(result.is_ok(), "{profile} {result:?}");
                assert_eq!((files, &told[1]["attached"]), (vec![digests[0].as_str(), digests[1].as_str()], &json!(true)), "{profile}");
                // It is the encoded size that decides: the largest e-mail is as near the limit as the room that is kept for numbers lets it.
                let largest = emails.iter().map(|email| email.bytes.len() as u64).max().unwrap();
                assert!(largest <= max && max - largest < 1_000, "{profile} {largest} {max}");
            }
        }
    }
}
