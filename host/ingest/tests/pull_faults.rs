//! What goes wrong where a source is asked: who may not be read, who is to wait for too long, tokens and links that are none; and sources that are asked at times.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod standin;
#[expect(dead_code, reason = "each test program uses its own part")]
mod support;

use std::time::Duration;

use consign_ingest::pull::{Begin, PullError, pull_now};
use consign_ingest::receive::Config;
use consign_model::Timestamp;
use consign_model::source::Capture;
use consign_source::Format;
use consign_store::Store as _;
use serde_json::json;
use standin::{Standin, config, pull, pull_from};
use support::{World, name};

async fn captures(world: &World) -> Vec<Capture> {
    world.store.captures(&world.importer.tenant, &name("pulled")).await.unwrap()
}

async fn ids(standin: &Standin) -> Vec<String> {
    let dump = standin.control("/_dump", json!({})).await;
    dump["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_user_who_may_not_be_read_keeps_nobody_from_being_read() {
    let (world, standin) = (World::new().await, Standin::start("graph", 7));
    let config = config(&world, "graph", standin.port, "");
    let ids = ids(&standin).await;
    standin.set(json!({ "forbidden": [ids[0]] })).await;
    let pulled = pull(&world, &config).await.unwrap();
    assert!(!pulled.is_complete() && pulled.ended.is_none(), "{pulled:?}");
    assert_eq!(pulled.passed.iter().map(|one| one.of.clone()).collect::<Vec<_>>(), [format!("user {}", ids[0])]);
    assert!(!pulled.passed[0].why.contains("User 0"), "what a platform says may hold names: {pulled:?}");
    assert_eq!(captures(&world).await.len(), ids.len() - 1);
    assert_eq!(world.imports().await.last().unwrap()["figures"]["complete"], false);

    standin.set(json!({ "forbidden": [] })).await;
    let pulled = pull(&world, &config).await.unwrap();
    assert!(pulled.is_complete(), "{pulled:?}");
    assert_eq!(captures(&world).await.len(), ids.len());
    let (imports, asked) = (world.imports().await, standin.asked().await);
    let again = pull(&world, &config).await.unwrap();
    assert_eq!((again.stored.len(), world.imports().await), (0, imports), "a pull that finds nothing leaves no entry");
    assert!(standin.asked().await - asked <= 6 * ids.len() as u64, "and asks little");
}

#[tokio::test]
async fn a_user_on_whom_the_platform_fails_keeps_nobody_from_being_read() {
    let (world, standin) = (World::new().await, Standin::start("graph", 14));
    let failing = ids(&standin).await.remove(0);
    standin.set(json!({ "failing": [failing], "retry_after": "3600" })).await;
    let pulled = pull(&world, &config(&world, "graph", standin.port, "")).await.unwrap();
    assert_eq!(pulled.ended, None, "{pulled:?}");
    assert!(pulled.passed.iter().any(|one| one.of == format!("user {failing}") && one.why.contains("504")), "{pulled:?}");
    assert!(pulled.read > 0 && captures(&world).await.iter().all(|capture| capture.user != failing));
}

#[tokio::test]
async fn who_pays_otherwise_or_asks_for_it_reads_anew() {
    let (world, standin) = (World::new().await, Standin::start("graph", 15));
    let config = |more: &str| config(&world, "graph", standin.port, more);
    let all: u64 = pull(&world, &config("")).await.unwrap().stored.values().sum();
    let again = async |config: &str, from| pull_from(&world, config, from).await.unwrap().already_there.values().sum::<u64>();
    // Nothing but what overlaps comes twice by itself; links that were made by another model would be asked for by that one.
    let usual = again(&config(""), Begin::LastTime).await;
    assert!(usual < all, "{usual} of {all}");
    assert!(again(&config("model = \"A\""), Begin::LastTime).await >= all);
    assert!(again(&config("model = \"A\""), Begin::LastTime).await < all);
    assert!(again(&config("model = \"A\""), Begin::Beginning).await >= all);
}

#[tokio::test]
async fn who_is_told_to_wait_for_an_hour_does_not() {
    for kind in ["graph", "slack"] {
        let (world, standin) = (World::new().await, Standin::start(kind, 8));
        let config = config(&world, kind, standin.port, "");
        standin.set(json!({ "always": 429, "retry_after": "3600" })).await;
        let ended = pull(&world, &config).await.unwrap().ended.unwrap();
        assert!(ended.contains("asked again in 60 min"), "{ended}");
        standin.set(json!({ "always": null })).await;
        let pulled = pull(&world, &config).await.unwrap();
        assert!(pulled.is_complete() && !pulled.stored.is_empty(), "{pulled:?}");
    }
}

#[tokio::test]
async fn what_is_refused_is_told_without_secrets() {
    let (world, standin) = (World::new().await, Standin::start("graph", 9));
    let config = config(&world, "graph", standin.port, "");
    std::fs::write(world.path().join("secret"), "wr0ng").unwrap();
    let ended = pull(&world, &config).await.unwrap().ended.unwrap();
    assert!(ended.contains("gives no token (401)") && !ended.contains("wr0ng"), "{ended}");
    std::fs::remove_file(world.path().join("secret")).unwrap();
    let error = pull(&world, &config).await.unwrap_err().to_string();
    assert!(error.contains("source 'pulled': the file") && error.contains("can't be read"), "{error}");
}

#[tokio::test]
async fn slack_refuses_all_or_one() {
    let (world, standin) = (World::new().await, Standin::start("slack", 10));
    let config = config(&world, "slack", standin.port, "");
    standin.set(json!({ "refuse": "token_revoked" })).await;
    let ended = pull(&world, &config).await.unwrap().ended.unwrap();
    assert!(ended.contains("(token_revoked)") && ended.contains("discovery:read") && !ended.contains("s3cret"), "{ended}");
    standin.set(json!({ "refuse": null, "forbidden": ["C00000"] })).await;
    let pulled = pull(&world, &config).await.unwrap();
    assert_eq!(pulled.passed.iter().map(|one| one.of.as_str()).collect::<Vec<_>>(), ["conversation C00000"]);
    assert!(pulled.passed[0].why.contains("channel_not_found") && pulled.read > 0);
    assert!(!world.events().await.contains_key("C00000"));
}

#[tokio::test]
async fn nothing_is_claimed_before_the_last_page() {
    let (world, standin) = (World::new().await, Standin::start("graph", 11));
    let user = ids(&standin).await.remove(0);
    let config = config(&world, "graph", standin.port, &format!("users = [\"{user}\", \"nobody@desk.example\"]\nsince = \"2026-01-05\""));
    standin.set(json!({ "page": 1, "hold_after": 9 })).await;
    let parsed = Config::parse(&config).unwrap();
    tokio::select! {
        _ = pull_now(&parsed, &world.importer, None, Begin::LastTime, drop) => assert!(captures(&world).await.is_empty(), "it was held before its end"),
        _ = standin.control("/_held", json!({})) => {}
    }
    assert!(!world.events().await.is_empty(), "some pages are stored");
    assert_eq!(captures(&world).await, []);
    let cursors = world.store.pull_cursors(&world.importer.tenant, &name("pulled")).await.unwrap();
    assert!(cursors[0].of == format!("user:{user}") && cursors[0].text.contains("skiptoken"), "{cursors:?}");

    standin.set(json!({ "hold_after": null })).await;
    let before = Timestamp::now();
    let pulled = pull(&world, &config).await.unwrap();
    assert_eq!(pulled.passed.iter().map(|one| one.of.as_str()).collect::<Vec<_>>(), ["user nobody@desk.example"]);
    let found = captures(&world).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].user.as_str(), found[0].from), (user.as_str(), Some(Timestamp::parse("2026-01-05T00:00:00Z").unwrap())));
    assert!(found[0].until.is_some_and(|until| until < before), "{found:?}");
    // Who wants more than was read before is read anew, from then on.
    let earlier = config.replace("2026-01-05", "2025-12-31T12:00:00Z");
    pull(&world, &earlier).await.unwrap();
    assert_eq!(captures(&world).await.len(), 2);
}

#[tokio::test]
async fn a_token_goes_where_it_is_meant_to_alone() {
    let (world, standin) = (World::new().await, Standin::start("graph", 12));
    let config = config(&world, "graph", standin.port, "");
    let other = Standin::start("graph", 12);
    standin.set(json!({ "page": 50, "links": format!("http://127.0.0.1:{}", other.port) })).await;
    assert!(pull(&world, &config).await.unwrap().is_complete(), "no list has a second page");
    standin.set(json!({ "page": 1 })).await;
    let pulled = pull(&world, &config).await.unwrap();
    assert!(pulled.ended.is_some_and(|why| why.contains("another host")), "users are listed on several pages");
    assert_eq!(other.asked().await, 0);
}

#[tokio::test]
async fn sources_are_asked_at_their_times_beside_what_is_received() {
    let (world, standin) = (World::new().await, Standin::start("slack", 13));
    let config = config(&world, "slack", standin.port, "schedule = { cron = \"* * * * * *\", time-zone = \"Europe/Berlin\" }");
    let server = world.receive(&config).await;
    let done = async {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        standin.control("/_settle", json!({})).await;
        let dump = standin.control("/_dump", json!({})).await;
        let expected: usize = dump["chats"].as_object().unwrap().values().map(|chat| chat["events"].as_array().map_or(0, Vec::len)).sum();
        while world.events().await.values().map(Vec::len).sum::<usize>() < expected {
            every.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), done).await.unwrap();
    server.stop().await;
    let imports = world.imports().await;
    let ends = imports.iter().filter(|deed| deed["what"] == "import-ended").count();
    assert_eq!(imports.len(), 2 * ends, "each that began has ended: {imports:?}");
    assert!(imports.iter().any(|deed| deed["input"] == "Slack Discovery at 127.0.0.1"), "{imports:?}");
}

#[tokio::test]
async fn what_is_pulled_and_what_is_imported_from_files_is_the_same() {
    let (world, standin) = (World::new().await, Standin::start("graph", 15));
    let config = config(&world, "graph", standin.port, "");
    let folder = world.path().join("export");
    std::fs::create_dir(&folder).unwrap();
    for (file, page) in standin.control("/_export", json!({})).await.as_object().unwrap() {
        std::fs::write(folder.join(format!("{file}.json")), page.to_string()).unwrap();
    }
    assert!(pull(&world, &config).await.unwrap().is_complete());
    let imported = world.importer.import(Format::Teams, &folder, &name("pulled"), |_| {}).await.unwrap();
    assert!(imported.stored.is_empty() && imported.already_there.values().sum::<u64>() > 0, "{imported:?}");

    // And the other way round.
    let other = World::new().await;
    other.importer.import(Format::Teams, &folder, &name("pulled"), |_| {}).await.unwrap();
    let pulled = pull(&other, &config).await.unwrap();
    assert!(pulled.is_complete() && pulled.stored.is_empty() && pulled.already_there.values().sum::<u64>() > 0, "{pulled:?}");
}

#[tokio::test]
async fn a_pull_that_is_stopped_ends_soon_and_goes_on_the_next_time() {
    for kind in ["graph", "slack"] {
        let (world, standin) = (World::new().await, Standin::start(kind, 14));
        let config = config(&world, kind, standin.port, "schedule = { cron = \"* * * * * *\" }");
        standin.set(json!({ "page": 1, "hold_after": 20 })).await;
        let server = world.receive(&config).await;
        standin.control("/_held", json!({})).await;
        // Nobody answers it any more.
        tokio::time::timeout(Duration::from_secs(30), server.stop()).await.unwrap();
        let imports = world.imports().await;
        let ends: Vec<_> = imports.iter().filter(|deed| deed["what"] == "import-ended").collect();
        assert_eq!(imports.len(), 2 * ends.len(), "each that began has ended: {imports:?}");
        assert_eq!(ends.last().unwrap()["figures"]["complete"], false);

        standin.set(json!({ "hold_after": null })).await;
        let pulled = pull(&world, &config).await.unwrap();
        assert!(pulled.is_complete(), "{pulled:?}");
        let again = pull(&world, &config).await.unwrap();
        assert!(again.is_complete() && again.stored.is_empty(), "{again:?}");
    }
}

#[test]
fn the_example_of_the_readme_is_one() {
    let section = include_str!("../../README.md").split("## Asking").nth(1).unwrap();
    let example = section.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(Config::parse(example).unwrap().sources.len(), 2);
}

#[tokio::test]
async fn what_can_not_be_asked_is_said_at_the_start() {
    let world = World::new().await;
    let good = config(&world, "graph", 9, "");
    Config::parse(&good).unwrap();
    for (config, says) in [
        (good.replace("channels = true\n", ""), "missing field `channels`"),
        (good.replace("channels = true", "channels = true\nchanels = true"), "unknown field"),
        (good.replace("http://127.0.0.1:9/v1.0", "http://graph.example/sesame"), "begin with https"),
        (good.replace("channels = true", "channels = true\nsince = \"sesame\""), "neither a day"),
        (good.replace("channels = true", "channels = true\nmodel = \"sesame\""), "unknown variant"),
        (format!("{good}{good}"), "is there twice"),
    ] {
        let error = Config::parse(&config).unwrap_err().to_string();
        assert!(error.contains(says), "{config}: {error}");
    }
    let scheduled = good.replace("channels = true", "channels = true\nschedule = { cron = \"61 * * * *\" }");
    let refused = world.receive(&scheduled).await.refused().await;
    assert!(refused.contains("source 'pulled': the cron '61 * * * *', field minute"), "{refused}");
    let received = Config::parse("[[source]]\nname = \"desk\"\nkind = \"events\"\ntoken = { env = \"NONE\" }").unwrap();
    assert!(matches!(pull_now(&received, &world.importer, None, Begin::LastTime, drop).await, Err(PullError::None)));
    assert!(matches!(pull_now(&received, &world.importer, Some(&name("desk")), Begin::LastTime, drop).await, Err(PullError::NotAsked(_))));
}
