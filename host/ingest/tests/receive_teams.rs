//! Microsoft Graph's notifications over HTTP, with what openssl made (`host/source/tests/vectors/teams/make.sh`).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod support;

use serde_json::Value;
use support::{Server, World};

const PATH: &str = "/v1/sources/teams/teams";
const NOTIFICATION: &str = include_str!("../../source/tests/vectors/teams/notification.json");
const KEYS: &str = include_str!("../../source/tests/vectors/teams/keys.json");
const KEY: &str = include_str!("../../source/tests/vectors/teams/key.pem");
const CHECKED: &str = "app-id = \"app-1\"\ntenant-id = \"tenant-1\"";
const LIFECYCLE: &str =
    r#"{"value":[{"subscriptionId":"s1","lifecycleEvent":"reauthorizationRequired","clientState":"st4te","resource":"chats/getAllMessages"}]}"#;

fn config(world: &World, keys: &str, more: &str) -> String {
    let path = |name: &str, text: &str| {
        let file = world.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (key, state, issuer) = (path("key.pem", KEY), path("state", "st4te\n"), path("keys.json", keys));
    format!(
        "[[source]]\nname = \"teams\"\nkind = \"teams-notifications\"\ncertificate-id = \"cert-1\"\nprivate-key = {{ file = \"{key}\" }}\n\
         client-state = {{ file = \"{state}\" }}\n{}\n",
        more.replace("KEYS", &format!("issuer-keys = \"{issuer}\""))
    )
}

/// That it was believed and decrypted. **With the reader of Teams' messages this becomes 202 and its figures**, and `world.texts` has the message.
async fn is_believed(server: &Server, body: &str) {
    let answer = server.post(PATH, &[], body.as_bytes()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[tokio::test]
async fn only_what_graph_sent_is_taken() {
    let world = World::new().await;
    let server = world.receive(&config(&world, KEYS, &format!("KEYS\n{CHECKED}"))).await;
    is_believed(&server, NOTIFICATION).await;
    for state in ["", "st4t", "st4te2"] {
        let body = NOTIFICATION.replace("\"st4te\"", &format!("\"{state}\""));
        assert!(!server.post(PATH, &[], body.as_bytes()).await.is_problem(401, "not-signed-in").body.contains("st4te"));
    }
    let without = |field: &str| NOTIFICATION.replace(&format!("\"{field}\""), "\"other\"");
    for body in [without("clientState"), without("validationTokens"), NOTIFICATION.replace("eyJ", "eyK"), r#"{"value":[]}"#.to_owned()] {
        server.post(PATH, &[], body.as_bytes()).await.is_problem(401, "not-signed-in");
    }
    // What may be read when it comes again, and what never will be.
    for (body, status, reason) in [
        (NOTIFICATION.replace("\"dataSignature\":\"", "\"dataSignature\":\"AAAA"), 503, "can't be decrypted"),
        (NOTIFICATION.replace("\"dataKey\":\"", "\"dataKey\":\"AAAA"), 503, "can't be decrypted"),
        (NOTIFICATION.replace("\"cert-1\"", "\"cert-2\""), 503, "another certificate"),
        (NOTIFICATION.replace("\"data\":\"", "\"data\":\"hunter2%"), 202, "no base64"),
        (without("encryptedContent"), 202, "includeResourceData"),
    ] {
        let answer = server.post(PATH, &[], body.as_bytes()).await;
        assert_eq!((answer.status, answer.json()["refused"].as_u64()), (status, Some(1)), "{answer:?}");
        assert!(answer.body.contains(reason) && !answer.body.contains("hunter2"), "{answer:?}");
    }
    for body in ["hunter2", "{}", r#"{"value":{}}"#, r#"{"value":[],"validationTokens":["a",1]}"#, r#"{"value":[{"encryptedContent":"hunter2"}]}"#] {
        assert!(!server.post(PATH, &[], body.as_bytes()).await.is_problem(400, "unreadable").body.contains("hunter2"));
    }
    server.send("GET", PATH, &[], b"").await.is_problem(405, "wrong-method");
    server.stop().await;
}

/// The notification beside another one, of which this is put in place of that.
fn beside(replace: &str, by: &str) -> String {
    let mut both: Value = serde_json::from_str(NOTIFICATION).unwrap();
    let other: Value = serde_json::from_str(&NOTIFICATION.replace(replace, by)).unwrap();
    let other = other["value"][0].clone();
    both["value"].as_array_mut().unwrap().insert(0, other);
    both.to_string()
}

#[tokio::test]
async fn what_can_be_read_is_stored_and_the_rest_is_asked_for_again() {
    let world = World::new().await;
    let server = world.receive(&config(&world, KEYS, &format!("KEYS\n{CHECKED}"))).await;
    let sealed = beside("\"dataSignature\":\"", "\"dataSignature\":\"AAAA");
    for _ in 0..2 {
        let answer = server.post(PATH, &[], sealed.as_bytes()).await;
        assert_eq!(answer.is_problem(503, "not-all-read").headers["retry-after"], "5");
        assert_eq!((&answer.json()["refused"], &answer.json()["refusals"][0]["index"]), (&1.into(), &0.into()), "{answer:?}");
        // There before it is answered, and once.
        assert_eq!(world.texts("19:abc@thread.v2").await, ["hi 日本"]);
    }
    // Whole, as it is when the key is mended: nothing is missing and nothing is there twice.
    is_believed(&server, NOTIFICATION).await;
    assert_eq!(world.texts("19:abc@thread.v2").await, ["hi 日本"]);
    // Beside what nobody will ever read it is taken.
    let answer = server.post(PATH, &[], beside("\"encryptedContent\"", "\"other\"").as_bytes()).await;
    let figure = |name: &str| answer.json()[name].as_u64();
    assert_eq!((answer.status, figure("already_there"), figure("refused")), (202, Some(1), Some(1)), "{answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_subscription_is_made_and_renewed() {
    let world = World::new().await;
    let server = world.receive(&config(&world, KEYS, "unchecked-tokens = true")).await;
    let answer = server.post(&format!("{PATH}?validationToken=Validation%3A+%3Cb%3Etesting%2B"), &[], b"").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "Validation: <b>testing+"));
    assert_eq!(
        (answer.headers["content-type"].as_str(), answer.headers["x-content-type-options"].as_str()),
        ("text/plain; charset=utf-8", "nosniff")
    );
    server.send("GET", &format!("{PATH}?validationToken=x"), &[], b"").await.is_problem(405, "wrong-method");
    let answer = server.post(PATH, &[], LIFECYCLE.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"stored":0,"already_there":0,"refused":0,"refusals":[]}"#));
    server.post(PATH, &[], LIFECYCLE.replace("st4te", "other").as_bytes()).await.is_problem(401, "not-signed-in");
    // Nobody looks at tokens here.
    is_believed(&server, &NOTIFICATION.replace("validationTokens", "other")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_file_of_keys_that_was_fetched_anew_is_read_again() {
    let world = World::new().await;
    let server = world.receive(&config(&world, &KEYS.replace("\"k1\"", "\"k9\""), &format!("KEYS\n{CHECKED}"))).await;
    let answer = server.post(PATH, &[], NOTIFICATION.as_bytes()).await;
    assert!(answer.is_problem(401, "not-signed-in").body.contains("fetch that file anew"), "{answer:?}");
    std::fs::write(world.path().join("keys.json"), "half").unwrap();
    server.post(PATH, &[], NOTIFICATION.as_bytes()).await.is_problem(401, "not-signed-in");
    std::fs::write(world.path().join("keys.json"), KEYS).unwrap();
    is_believed(&server, NOTIFICATION).await;
    server.stop().await;
}

#[tokio::test]
async fn it_does_not_start_with_less_than_it_needs() {
    let world = World::new().await;
    for (more, hint) in [
        ("", "unchecked-tokens = true"),
        ("KEYS", "app-id and tenant-id"),
        ("KEYS\napp-id = \"app-1\"\ntenant-id = \"tenant-1\"\nunchecked-tokens = true", "in their place"),
        ("issuer-keys = \"/no/such\"\napp-id = \"app-1\"\ntenant-id = \"tenant-1\"", "/no/such can't be read"),
    ] {
        let error = world.receive(&config(&world, KEYS, more)).await.refused().await;
        assert!(error.starts_with("source 'teams': ") && error.contains(hint), "{error}");
    }
    let error = world.receive(&config(&world, "{}", &format!("KEYS\n{CHECKED}"))).await.refused().await;
    assert!(error.contains("no JSON Web Key Set"), "{error}");
    let good = config(&world, KEYS, "unchecked-tokens = true");
    std::fs::write(world.path().join("key.pem"), "hunter2").unwrap();
    let error = world.receive(&good).await.refused().await;
    assert!(error.contains("openssl pkcs8") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn damaged_notifications_end_no_receiver() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("CONSIGN_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let world = World::new().await;
    let server = world.receive(&config(&world, KEYS, "unchecked-tokens = true")).await;
    for _ in 0..200 {
        let mut body = NOTIFICATION.as_bytes().to_vec();
        for _ in 0..dice.usize(1..4) {
            let at = dice.usize(0..body.len());
            match dice.u8(0..3) {
                0 => body[at] = dice.u8(..),
                1 => drop(body.drain(at..(at + dice.usize(1..20)).min(body.len()))),
                _ => body.splice(at..at, *b"\"{[\xff").for_each(drop),
            }
        }
        let answer = server.post(PATH, &[], &body).await;
        // Damage to what nobody reads leaves the message what it was.
        assert!(matches!(answer.status, 202 | 400 | 401 | 503), "{answer:?}");
    }
    server.stop().await;
}
