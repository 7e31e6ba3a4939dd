//! Events by HTTP: every status, that what was answered is there, and that no client can do more than its part.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use consign_model::source::Capture;
use consign_model::{ChatKind, EventKind, Timestamp};
use consign_store::Store as _;
use support::{Answer, World, head, name};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATH: &str = "/v1/sources/desk/events";
const TOKEN: (&str, &str) = ("Authorization", "Bearer s3cret");

fn config(world: &World, bounds: &str) -> String {
    let file = world.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    format!("[receive]\n{bounds}\n[[source]]\nname = \"desk\"\nkind = \"events\"\ntoken = {{ file = \"{}\" }}\n", file.display())
}

fn message(chat: &str, id: &str, text: &str) -> String {
    format!(r#"{{"type":"message","chat":"{chat}","id":"{id}","at":"2026-01-05T08:00:00.000Z","user":"U1","text":"{text}"}}"#) + "\n"
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_is_answered_is_there_also_after_a_new_start() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    let lines = [
        r#"{"type":"user","id":"U1","name":"Ann Lee","email":"ann@desk.example"}"#,
        r#"{"type":"chat","id":"C1","kind":"channel","title":"rates-desk"}"#,
        r#"{"type":"join","chat":"C1","user":"U1","at":"2026-01-05T07:00:00.000Z"}"#,
        r#"{"type":"message","chat":"C1","id":"m1","at":"2026-01-05T08:00:00.000Z","user":"U1","text":"hi 日本","attachments":[{"name":"q.pdf","path":"q.pdf"}]}"#,
        r#"{"type":"reaction","chat":"C1","id":"m1","at":"2026-01-05T09:00:00.000Z","user":"U2","name":"eyes"}"#,
    ]
    .join("\n");
    let answer = server.post(PATH, &[TOKEN], lines.as_bytes()).await;
    assert_eq!(answer.body, r#"{"stored":3,"already_there":0,"refused":0,"refusals":[]}"#);
    assert_eq!(answer.headers["content-type"], "application/json");
    // The same again, and with another text: an edit that the platform did not tell.
    assert_eq!(server.post(PATH, &[TOKEN], lines.as_bytes()).await.figures(), (0, 3, 0));
    assert_eq!(server.post(PATH, &[TOKEN], message("C1", "m1", "changed").as_bytes()).await.figures(), (1, 0, 0));
    // What is there is there before anything is stopped in order.
    server.stopping().abort();
    let chat = world.chat("desk", "C1").await.unwrap();
    assert_eq!((chat.events, chat.kind, chat.title.as_deref()), (4, ChatKind::Channel, Some("rates-desk")));
    assert_eq!(world.texts("C1").await, ["", "hi 日本", "eyes", "changed"]);
    assert_eq!(world.user("desk", "U1").await.unwrap().email.as_deref(), Some("ann@desk.example"));
}

#[tokio::test]
async fn the_store_opened_anew_has_it_and_the_log_has_one_import() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    for number in 0..5 {
        let body = message("C1", &format!("m{number}"), "x") + "broken\n";
        assert_eq!(server.post(PATH, &[TOKEN], body.as_bytes()).await.figures(), (1, 0, 1));
    }
    server.stop().await;
    let world = world.again().await;
    assert_eq!(world.events().await["C1"].len(), 5);
    let imports = world.imports().await;
    assert_eq!(imports.len(), 2, "{imports:?}");
    assert_eq!(imports[0]["what"], "import-begun");
    assert_eq!((&imports[0]["input"], &imports[0]["format"]), (&"POST /v1/sources/desk/events".into(), &"jsonl".into()));
    let figures = &imports[1]["figures"];
    assert_eq!((&figures["complete"], &figures["stored"], &figures["refused"]), (&true.into(), &5.into(), &5.into()), "{figures}");
    // What a file has of it is there already, and what it has beyond is not.
    let file = world.path().join("chat.jsonl");
    std::fs::write(&file, message("C1", "m0", "x") + &message("C1", "m9", "y")).unwrap();
    let imported = world.importer.import(consign_source::Format::Jsonl, &file, &name("desk"), |_| {}).await.unwrap();
    assert_eq!((imported.stored[&EventKind::Message], imported.already_there[&EventKind::Message]), (1, 1));
}

#[tokio::test]
async fn copies_say_no_more_than_their_own_times() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    let copy = |id: &str, user: &str| message("C1", id, "x").replace("\"text\"", &format!("\"copy_of\":\"{user}\",\"text\""));
    let captures = async || world.store.captures(&world.importer.tenant, &name("desk")).await.unwrap();
    assert_eq!(server.post(PATH, &[TOKEN], copy("m1", "U1").as_bytes()).await.figures(), (1, 0, 0));
    let at = Some(Timestamp::parse("2026-01-05T08:00:00Z").unwrap());
    let of_one = Capture { user: "U1".into(), from: at, until: at };
    assert_eq!(captures().await, std::slice::from_ref(&of_one));
    // What is told holds, and what the copies show beside adds nothing to it.
    let told = r#"{"type":"capture","user":"U2","from":"2026-01-01T00:00:00.000Z"}"#;
    server.post(PATH, &[TOKEN], told.as_bytes()).await.figures();
    server.post(PATH, &[TOKEN], copy("m1", "U2").as_bytes()).await.figures();
    let of_two = Capture { user: "U2".into(), from: Some(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()), until: None };
    assert_eq!(captures().await, [of_one, of_two]);
    server.stop().await;
}

#[tokio::test]
async fn each_hour_is_an_import_in_the_log() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    for hour in 0..2 {
        assert_eq!(server.post(PATH, &[TOKEN], message("C1", &format!("m{hour}"), "x").as_bytes()).await.figures(), (1, 0, 0));
        assert_eq!(world.imports().await.len(), 2 * hour + 1);
        tokio::time::pause();
        tokio::time::advance(Duration::from_mins(61)).await;
        tokio::time::resume();
        let ended = async {
            while world.imports().await.len() < 2 * hour + 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), ended).await.unwrap();
    }
    server.stop().await;
    let imports = world.imports().await;
    assert_eq!(imports.len(), 4, "an hour without anything has no entry: {imports:?}");
    assert_ne!(imports[1]["figures"]["files"], imports[3]["figures"]["files"]);
    assert_eq!((&imports[1]["figures"]["stored"], &imports[3]["figures"]["stored"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn nothing_is_entered_where_nothing_comes() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    assert_eq!(server.post(PATH, &[TOKEN], b"\n\n").await.figures(), (0, 0, 0));
    server.post(PATH, &[TOKEN], b"no line").await.is_problem(422, "refused");
    server.stop().await;
    assert_eq!(world.imports().await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn lines_are_refused_by_number_and_the_rest_is_stored() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    let mut body = message("C1", "m1", "one").into_bytes();
    body.extend_from_slice(b"{\"type\":\"message\",\"chat\":\"C1\",\"text\":\"hunter2\"}\n\xff\xfe\n");
    body.extend_from_slice(message("C1", "m2", "two").as_bytes());
    let answer = server.post(PATH, &[TOKEN], &body).await;
    assert_eq!(answer.figures(), (2, 0, 2));
    assert_eq!(answer.json()["refusals"][0], serde_json::json!({"line": 2, "reason": "`at` is missing"}));
    assert_eq!(answer.json()["refusals"][1]["line"], 3);
    assert!(!answer.body.contains("hunter2"));
    let answer = server.post(PATH, &[TOKEN], b"{\"type\":\"hunter2\"}\nhunter2\n").await;
    answer.is_problem(422, "refused");
    assert_eq!((&answer.json()["refused"], &answer.json()["refusals"][1]["line"]), (&2.into(), &2.into()));
    assert!(!answer.body.contains("hunter2"), "{answer:?}");
    assert_eq!(world.texts("C1").await, ["one", "two"]);
    server.stop().await;
}

#[tokio::test]
async fn packed_bodies() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "max-body = \"100 KiB\"")).await;
    let zip = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    assert_eq!(server.post(PATH, &[TOKEN, ("Content-Encoding", "gzip")], &gzip(message("C1", "m1", "a").as_bytes())).await.figures(), (1, 0, 0));
    assert_eq!(server.post(PATH, &[TOKEN, ("Content-Encoding", "zstd")], &zip(message("C1", "m2", "b").as_bytes())).await.figures(), (1, 0, 0));
    server.post(PATH, &[TOKEN, ("Content-Encoding", "br")], b"x").await.is_problem(415, "wrong-encoding");
    server.post(PATH, &[TOKEN, ("Content-Encoding", "gzip")], message("C1", "m3", "c").as_bytes()).await.is_problem(400, "unreadable");
    let cut = zip(message("C1", "m3", "c").as_bytes());
    server.post(PATH, &[TOKEN, ("Content-Encoding", "zstd")], &cut[..cut.len() - 3]).await.is_problem(400, "unreadable");
    for (packed, encoding) in [(gzip(&vec![b'\n'; 50 << 20]), "gzip"), (zip(&vec![b'\n'; 50 << 20]), "zstd")] {
        assert!(packed.len() < 100 << 10);
        server.post(PATH, &[TOKEN, ("Content-Encoding", encoding)], &packed).await.is_problem(413, "too-large");
    }
    assert_eq!(world.texts("C1").await, ["a", "b"]);
    server.stop().await;
}

#[tokio::test]
async fn who_may_send_what_where() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    let body = message("C1", "m1", "a");
    for headers in [
        vec![],
        vec![("Authorization", "Bearer s3cre")],
        vec![("Authorization", "Bearer s3cret2")],
        vec![("Authorization", "Basic s3cret")],
        vec![("Authorization", "Bearer ")],
        vec![("Authorization", "B")],
    ] {
        let answer = server.post(PATH, &headers, body.as_bytes()).await;
        assert_eq!(answer.is_problem(401, "not-signed-in").headers["www-authenticate"], "Bearer", "{headers:?}");
        assert!(!answer.body.contains("s3cre"));
    }
    for path in [
        "/v1/sources/other/events",
        "/v1/sources/desk/slack",
        "/v1/sources/desk",
        "/v1/sources/desk/events/x",
        "/",
        "/v1/sources/%20/events",
        "/v1/sources/%ff/events",
    ] {
        server.post(path, &[TOKEN], body.as_bytes()).await.is_problem(404, "unknown-source");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(server.send(method, PATH, &[TOKEN], b"").await.is_problem(405, "wrong-method").headers["allow"], "POST");
    }
    assert!(world.events().await.is_empty());
    assert_eq!(server.post(PATH, &[("authorization", "bearer s3cret")], body.as_bytes()).await.figures(), (1, 0, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_all_there() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "max-body = \"64 KiB\"\nmax-waiting = \"256 KiB\"")).await;
    // Said before: not a byte is waited for.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head("POST", PATH, &[TOKEN], 1 << 40).as_bytes()).await.unwrap();
    Answer::read(&mut stream).await.is_problem(413, "too-large");
    // Not said before, and without an end.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let start = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer s3cret\r\n\r\n");
    stream.write_all(start.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let endless = tokio::spawn(async move {
        let piece = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        while writer.write_all(piece.as_bytes()).await.is_ok() {}
    });
    let mut answer = vec![0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    endless.abort();
    // All of it was given back.
    for number in 0..20 {
        let body = message("C1", &format!("m{number}"), &"x".repeat(60 << 10));
        assert_eq!(server.post(PATH, &[TOKEN], body.as_bytes()).await.figures(), (1, 0, 0));
    }
    server.stop().await;
}

#[tokio::test]
async fn slow_and_broken_bodies() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "body-pause-seconds = 1\nbody-seconds = 2")).await;
    let line = message("C1", "m1", "a");
    // Stands still.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head("POST", PATH, &[TOKEN], line.len()).as_bytes()).await.unwrap();
    stream.write_all(&line.as_bytes()[..10]).await.unwrap();
    Answer::read(&mut stream).await.is_problem(408, "too-slow");
    // Never stands still for long, and comes to no end.
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(head("POST", PATH, &[TOKEN], 1 << 20).as_bytes()).await.unwrap();
    let drops = tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_millis(100));
        while writer.write_all(b"\n").await.is_ok() {
            every.tick().await;
        }
    });
    let mut answer = vec![0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    drops.abort();
    // Ends before its end: nothing is stored of it, though a whole line came.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head("POST", PATH, &[TOKEN], 1 << 20).as_bytes()).await.unwrap();
    stream.write_all(line.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(world.events().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn above_the_bound_one_comes_back_later() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "max-body = \"64 KiB\"\nmax-waiting = \"128 KiB\"")).await;
    let length = 60 << 10;
    // Two that have said how much comes take all the room there is, as long as they send.
    let mut senders = Vec::new();
    for id in ["m1", "m2"] {
        let line = message("C1", id, &"x".repeat(length - message("C1", id, "").len()));
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // That it is being read is known by being told to go on.
        stream.write_all(head("POST", PATH, &[TOKEN, ("Expect", "100-continue")], length).as_bytes()).await.unwrap();
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(&line.as_bytes()[..1000]).await.unwrap();
        senders.push((stream, line));
    }
    let small = message("C1", "m3", &"y".repeat(10 << 10));
    let answer = server.post(PATH, &[TOKEN], small.as_bytes()).await;
    assert_eq!(answer.is_problem(429, "full").headers["retry-after"], "1");
    for (mut stream, line) in senders {
        stream.write_all(&line.as_bytes()[1000..]).await.unwrap();
        assert_eq!(Answer::read(&mut stream).await.figures(), (1, 0, 0));
    }
    assert_eq!(server.post(PATH, &[TOKEN], small.as_bytes()).await.figures(), (1, 0, 0));
    server.stop().await;
}

#[tokio::test]
async fn what_can_not_be_stored_is_not_acknowledged() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    let body = message("C1", "m1", "hunter2");
    let broken = world.broken();
    let answer = server.post(PATH, &[TOKEN], body.as_bytes()).await;
    assert_eq!(answer.is_problem(503, "not-stored").headers["retry-after"], "5");
    assert!(!answer.body.contains("hunter2") && !answer.body.contains("archive/"), "{answer:?}");
    assert!(world.events().await.is_empty());
    // Several at once hear it too, each of them.
    let many = futures::future::join_all((0..10).map(|number| {
        let (server, body) = (&server, message("C1", &format!("n{number}"), "x"));
        async move { server.post(PATH, &[TOKEN], body.as_bytes()).await.status }
    }));
    assert_eq!(many.await, [503; 10]);
    drop(broken);
    assert_eq!(server.post(PATH, &[TOKEN], body.as_bytes()).await.figures(), (1, 0, 0));
    server.stop().await;
    assert_eq!(world.texts("C1").await, ["hunter2"]);
}

#[tokio::test]
async fn one_that_can_not_be_stored_spoils_no_other() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "gather-milliseconds = 200")).await;
    assert_eq!(server.post(PATH, &[TOKEN], message("bad", "m0", "x").as_bytes()).await.figures(), (1, 0, 0));
    // Where this chat's segments lie, nothing can be put.
    let bad = consign_model::ChatKey { source: name("desk"), id: "bad".to_owned() };
    let segment = world.store.segments(&world.importer.tenant, &bad, 0).await.unwrap().remove(0);
    let folder = world.path().join("archive/default").join(segment.path).parent().unwrap().to_owned();
    let aside = world.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "").unwrap();
    // And nothing of several together: each is tried alone.
    let arrivals = world.path().join("archive/default/arrivals");
    std::fs::write(&arrivals, "").unwrap();
    let all = futures::future::join_all((0..9).map(|number| {
        let (server, chat) = (&server, if number % 3 == 0 { "bad".to_owned() } else { format!("good{number}") });
        async move { server.post(PATH, &[TOKEN], message(&chat, &format!("m{number}"), "x").as_bytes()).await.status }
    }));
    let statuses = all.await;
    std::fs::remove_file(&arrivals).unwrap();
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    // Of the first, `m0` is there already.
    assert_eq!(statuses, [200, 200, 200, 503, 200, 200, 503, 200, 200]);
    assert_eq!(server.post(PATH, &[TOKEN], message("bad", "m3", "x").as_bytes()).await.figures(), (1, 0, 0));
    server.stop().await;
    assert_eq!(world.events().await.len(), 7);
    assert_eq!(world.events().await["bad"].len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_clients_at_once() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "")).await;
    let flushes = world.store.flushes();
    let start = std::time::Instant::now();
    let clients = (0..64).map(|client| {
        let server = &server;
        async move {
            for round in 0..20 {
                // One chat of its own, one that all write in, and in that one line that everybody sends.
                let body = message(&format!("own{client}"), &format!("m{round}"), "own")
                    + &message("all", &format!("m{client}-{round}"), "all")
                    + &message("all", &format!("same{round}"), "same");
                let (stored, already_there, refused) = server.post(PATH, &[TOKEN], body.as_bytes()).await.figures();
                assert_eq!((stored + already_there, refused), (3, 0));
                assert!(stored >= 2);
            }
        }
    });
    futures::future::join_all(clients).await;
    let (seconds, flushes) = (start.elapsed().as_secs_f64(), world.store.flushes() - flushes);
    println!("{} requests in {seconds:.2} s, {flushes} flushes", 64 * 20);
    assert!(flushes < 64 * 20, "{flushes} flushes");
    server.stop().await;
    let world = world.again().await;
    let events = world.events().await;
    assert_eq!(events.len(), 65);
    for client in 0..64 {
        let own: Vec<_> = events[&format!("own{client}")].iter().map(|event| event.id.clone()).collect();
        assert_eq!(own, (0..20).map(|round| format!("m{round}")).collect::<Vec<_>>());
    }
    let all: BTreeSet<_> = events["all"].iter().map(|event| event.id.clone()).collect();
    assert_eq!((all.len(), events["all"].len()), (64 * 20 + 20, 64 * 20 + 20), "each line once");
    let figures = world.imports().await.pop().unwrap()["figures"].take();
    assert_eq!((&figures["stored"], &figures["already_there"]), (&(64 * 40 + 20).into(), &(63 * 20).into()));
}

#[tokio::test]
async fn what_was_taken_in_is_answered_before_the_end() {
    let world = World::new().await;
    // So long that without an end in order nobody would wait for it.
    let server = world.receive(&config(&world, "gather-milliseconds = 300")).await;
    let line = message("C1", "m1", "a");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head("POST", PATH, &[TOKEN, ("Expect", "100-continue")], line.len()).as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    // One that has had its answer, and keeps the connection.
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
    let address = server.address;
    let stopping = server.stopping();
    // Who has no request is let go: then it has heard that it is to stop.
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody new is accepted");
    stream.write_all(line.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.figures(), (1, 0, 0));
    stopping.await.unwrap().unwrap();
    assert_eq!(world.texts("C1").await, ["a"]);
    assert_eq!(world.imports().await.len(), 2);
}

#[tokio::test]
async fn whoever_hangs_up_has_sent_it_all_the_same() {
    let world = World::new().await;
    let server = world.receive(&config(&world, "gather-milliseconds = 50")).await;
    let line = message("C1", "m1", "a");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all((head("POST", PATH, &[TOKEN], line.len()) + &line).as_bytes()).await.unwrap();
    // The next one is stored with it, or after it.
    assert_eq!(server.post(PATH, &[TOKEN], message("C1", "m2", "b").as_bytes()).await.figures(), (1, 0, 0));
    drop(stream);
    server.stop().await;
    assert_eq!(world.events().await["C1"].len(), 2);
}

#[tokio::test]
async fn a_secret_that_is_not_there() {
    let world = World::new().await;
    let missing = "[[source]]\nname = \"desk\"\nkind = \"events\"\ntoken = { env = \"CONSIGN_NO_SUCH_VARIABLE\" }\n";
    let error = world.receive(missing).await.refused().await;
    assert_eq!(error, "source 'desk': the environment variable CONSIGN_NO_SUCH_VARIABLE is unset: set it, and start again");
    let empty = config(&world, "");
    std::fs::write(world.path().join("token"), "\n").unwrap();
    let error = world.receive(&empty).await.refused().await;
    assert!(error.contains("is empty"), "{error}");
}

#[tokio::test]
async fn damaged_requests_end_no_receiver() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("CONSIGN_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let world = World::new().await;
    let server = world.receive(&config(&world, "max-body = \"64 KiB\"\nmax-waiting = \"1 MiB\"")).await;
    let lines = message("C1", "m1", "a") + r#"{"type":"chat","id":"C1","kind":"group","labels":{"a":1}}"# + "\n" + &message("C2", "m2", "b");
    let zst = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    for _ in 0..300 {
        let (mut body, encoding) = match dice.u8(0..3) {
            0 => (lines.clone().into_bytes(), "identity"),
            1 => (gzip(lines.as_bytes()), "gzip"),
            _ => (zst.clone(), "zstd"),
        };
        for _ in 0..dice.usize(1..5) {
            let at = dice.usize(0..body.len());
            match dice.u8(0..3) {
                0 => body[at] = dice.u8(..),
                1 => body.truncate(at.max(1)),
                _ => body.splice(at..at, *b"\"{[\xff\0").for_each(drop),
            }
        }
        let answer = server.post(PATH, &[TOKEN, ("Content-Encoding", encoding)], &body).await;
        assert!(matches!(answer.status, 200 | 400 | 413 | 422), "{answer:?}");
    }
    assert_eq!(server.post(PATH, &[TOKEN], message("C9", "m1", "a").as_bytes()).await.figures(), (1, 0, 0));
    server.stop().await;
}
