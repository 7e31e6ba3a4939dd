//! What comes, and what does not.

use consign_model::{Reason, Timestamp, WantedKind, WantedState};

use super::support::{World, name};
use super::{Files, bytes, fetcher, import, late, message, missing, pass, pass_in, states};

const DAY: i64 = 24 * 60 * 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn files_come_with_their_messages_once() {
    let (world, files) = (World::new().await, Files::start());
    let pdf = files.url("/file/pdf/70000/a/q.pdf");
    // Larger than what waits in memory on its way into the archive.
    let large = files.url("/file/any/9000000/b");
    let png = files.url("/chunked/png/5000/c/whole");
    let lines = [
        message("C1", 1, &[("q.pdf", &pdf), ("large.bin", &large)]),
        message("C1", 2, &[("picture", &png), ("also.pdf", &pdf)]),
        message("C2", 3, &[("q.pdf", &pdf), ("empty.txt", &files.url("/file/any/0/e"))]),
        message("C2", 4, &[("there", "hostedContents/1"), ("nowhere.txt", "")]),
    ];
    import(&world, lines.concat()).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    let waiting = missing(&fetcher, Some(WantedKind::Waiting)).await;
    assert_eq!(waiting.len(), 6, "what has no address of the web is not waited for");
    assert!(waiting.iter().all(|file| file.why.is_none() && file.host.as_deref() == Some("127.0.0.1")));

    let came = pass(&fetcher).await;
    assert_eq!((came.files, came.bytes), (6, 3 * 70_000 + 9_000_000 + 5_000));
    assert!(missing(&fetcher, None).await.is_empty());
    let of_first = late(&world, "C1").await;
    let shown: Vec<_> = of_first.iter().map(|(id, file)| (id.as_str(), file.name.as_str(), file.media_type.as_str(), file.size.unwrap())).collect();
    let wanted = [
        ("m1", "q.pdf", "application/pdf", 70_000),
        ("m1", "large.bin", "application/octet-stream", 9_000_000),
        ("m2", "picture", "image/png", 5_000),
        ("m2", "also.pdf", "application/pdf", 70_000),
    ];
    assert_eq!(shown, wanted);
    for ((_, file), path) in of_first.iter().zip(["pdf/70000/a", "any/9000000/b", "png/5000/c", "pdf/70000/a"]) {
        let digest = file.digest.unwrap();
        assert_eq!(digest.hex(), files.sha(path).await);
        assert_eq!(consign_model::Digest::of(&bytes(&world, &digest).await), digest);
        assert_eq!(file.url, None);
    }
    assert_eq!(late(&world, "C2").await.len(), 2);
    // The late event says again what its message says.
    let events = world.events().await;
    let event = events["C1"].iter().find(|event| event.adds_files()).unwrap();
    assert_eq!((event.text.as_str(), event.user.as_deref(), event.target.as_deref()), ("text 1", Some("U1"), Some("m1")));
    // Each address once, packed by nobody.
    let seen = files.seen().await;
    assert_eq!(seen.len(), 4 + 1, "{seen:?}");
    assert!(seen.iter().all(|one| one["encoding"] == "identity" && one["token"].is_null()));

    // Nothing is left to do, and another import of the same brings nothing.
    import(&world, lines.concat()).await;
    let came = pass_in(&fetcher, 10 * DAY).await;
    assert_eq!((came.files, came.waiting, files.seen().await.len()), (0, 0, 5));
    assert_eq!(world.imports().await.iter().filter(|deed| deed["input"] == "files fetched by their addresses").count(), 1);
    let ended = world.imports().await.into_iter().rfind(|deed| deed["what"] == "import-ended" && deed["figures"]["stored"] == 3);
    assert!(ended.is_some(), "{:?}", world.imports().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_answer_has_its_state() {
    let (world, files) = (World::new().await, Files::start());
    let paths = [
        ("/status/404", "waiting Some(Status(404))"),
        ("/status/410", "gone Some(Status(410))"),
        ("/status/401", "unreadable Some(Status(401))"),
        ("/status/403", "unreadable Some(Status(403))"),
        ("/status/429/120", "waiting Some(Status(429))"),
        ("/status/451", "waiting Some(Status(451))"),
        ("/status/204", "waiting Some(Status(204))"),
        ("/page/text_html", "unreadable Some(SignInPage)"),
        ("/page/application_pdf", "unreadable Some(SignInPage)"),
        ("/huge", "unreadable Some(TooLarge)"),
        ("/promised/2000001", "unreadable Some(TooLarge)"),
        ("/cut/1000", "waiting Some(CutOff)"),
        ("/chunked/any/5000/x/cut", "waiting Some(CutOff)"),
        ("/packed/gzip", "waiting Some(Encoded)"),
        ("/packed/br", "waiting Some(Encoded)"),
        ("/garbage", "waiting Some(NotReached)"),
        ("/headers", "waiting Some(NotReached)"),
        ("/slow", "waiting Some(TooSlow)"),
        ("/silent", "waiting Some(TooSlow)"),
        ("/round/1", "waiting Some(TooManyRedirects)"),
        ("/nowhere", "waiting Some(TooManyRedirects)"),
    ];
    // Each in a pass of its own, so that none is put off for another's sake.
    let fetcher = fetcher(&world, &files.rule("seconds = 3\nmax-size = \"2 MB\"")).await;
    for (place, (path, state)) in paths.iter().enumerate() {
        import(&world, message("C1", place, &[("q.pdf", &files.url(path))])).await;
        let came = pass(&fetcher).await;
        let now = states(&fetcher).await.into_iter().find(|(event, _)| *event == format!("m{place}")).unwrap().1;
        assert_eq!((now.as_str(), came.files), (*state, 0), "{path}");
    }

    let busy = missing(&fetcher, None).await.into_iter().find(|file| file.state.reason() == Some(Reason::Status(429))).unwrap();
    let wait = busy.state.due().unwrap().0 - Timestamp::now().0;
    assert!((100_000..600_000).contains(&wait), "{wait}");
    assert!(late(&world, "C1").await.is_empty());
    // Nothing of what was given up is left behind.
    let archive = world.path().join("archive/default");
    assert!(!archive.join("attachments").exists());
    assert!(!archive.join("staging").exists() || std::fs::read_dir(archive.join("staging")).unwrap().next().is_none());

    // A person asks for all of them again.
    assert_eq!(fetcher.again(&name("s"), Timestamp::now()).await.unwrap(), paths.len() as u64);
    assert!(missing(&fetcher, None).await.iter().all(|file| matches!(file.state, WantedState::Waiting { tries: 0, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_yet_there_comes_later() {
    let (world, files) = (World::new().await, Files::start());
    let cut = files.url("/cut/1000/2");
    import(&world, message("C1", 1, &[("a", &files.url("/flaky/2/any/100/a")), ("b", &cut)]) + &message("C1", 2, &[("b", &cut)])).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    let came = pass(&fetcher).await;
    assert_eq!((came.files, came.waiting), (0, 3));
    assert_eq!(pass(&fetcher).await.waiting, 0, "not due");
    assert_eq!(pass_in(&fetcher, DAY / 24).await.files, 0);
    let came = pass_in(&fetcher, DAY / 2).await;
    assert_eq!((came.files, came.waiting), (3, 0));
    assert_eq!(late(&world, "C1").await.len(), 3);
    assert!(missing(&fetcher, None).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_than_the_platform_said() {
    let (world, files) = (World::new().await, Files::start());
    let line = |id: usize, size: u64| {
        message("C1", id, &[("a", &files.url("/file/any/100/a"))]).replace("\"name\":\"a\"", &format!("\"name\":\"a\",\"size\":{size}"))
    };
    import(&world, [line(1, 99), line(2, 101), line(3, 100), line(4, 0), line(5, 1 << 40)].concat()).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    let came = pass(&fetcher).await;
    assert_eq!((came.files, came.waiting, came.unreadable), (2, 2, 1));
    for day in 1..8 {
        pass_in(&fetcher, day * DAY).await;
    }
    let all = states(&fetcher).await;
    assert_eq!(all[0].1, "unreadable Some(OtherSize)");
    assert_eq!(all.last().unwrap(), &("m5".to_owned(), "unreadable Some(TooLarge)".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_is_not_asked_for_each_file() {
    let (world, files) = (World::new().await, Files::start());
    let (down, up) = (files.url("/status/503"), files.url("/status/410"));
    let lines = (0..40).map(|id| message("C1", id, &[("a", &format!("{down}/{id}"))]));
    import(&world, lines.collect::<String>()).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    assert_eq!(pass(&fetcher).await.waiting, 40);
    let seen = files.seen().await.len();
    assert!((3..=6).contains(&seen), "{seen}");
    // Put off is no try.
    let tried = missing(&fetcher, None).await.into_iter().filter(|file| matches!(file.state, WantedState::Waiting { tries: 1, .. })).count();
    assert_eq!(tried, seen);
    import(&world, message("C1", 100, &[("a", &up)])).await;
    assert_eq!(pass(&fetcher).await.gone, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fuller_export_brings_a_file_that_is_waited_for() {
    let (world, files) = (World::new().await, Files::start());
    std::fs::write(world.path().join("q.txt"), "from the export").unwrap();
    let bare = message("C1", 1, &[("q.txt", &files.url("/status/503")), ("r.txt", &files.url("/status/503"))]);
    import(&world, bare.clone()).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    assert_eq!(missing(&fetcher, None).await.len(), 2);
    let fuller = bare.replace("\"name\":\"q.txt\"", "\"name\":\"q.txt\",\"path\":\"q.txt\"");
    world.importer.import_lines("t", fuller, Some(world.path()), &name("s")).await.unwrap();
    let left = missing(&fetcher, None).await;
    assert_eq!(left.iter().map(|file| file.name.as_deref().unwrap()).collect::<Vec<_>>(), ["r.txt"]);
    assert_eq!(late(&world, "C1").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_before_there_were_lists_is_looked_for() {
    let (world, files) = (World::new().await, Files::start());
    let ok = files.url("/file/any/10/a");
    import(&world, message("C1", 1, &[("a", &ok)]) + &message("C1", 2, &[("b", &ok)])).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    assert_eq!(fetcher.look_for(&name("s")).await.unwrap(), 0, "both are known");
    // As an earlier release left them.
    let all = super::wanted(&world).await;
    let forgotten: Vec<_> = all.into_iter().map(|file| (file.key, None)).collect();
    world.importer.store.settle_wanted(&world.importer.tenant, &forgotten).await.unwrap();
    assert_eq!(pass(&fetcher).await.files, 0);
    assert_eq!(fetcher.look_for(&name("s")).await.unwrap(), 2);
    assert_eq!(pass_in(&fetcher, 1_000).await.files, 2);
    assert_eq!(fetcher.look_for(&name("s")).await.unwrap(), 0, "they came");
    assert_eq!(late(&world, "C1").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_archive_takes_nothing_all_is_as_it_was() {
    let (world, files) = (World::new().await, Files::start());
    import(&world, message("C1", 1, &[("a", &files.url("/file/any/10/a"))]) + &message("C1", 2, &[("b", &files.url("/status/410"))])).await;
    let before = super::wanted(&world).await;
    let place = world.path().join("archive/default/attachments");
    std::fs::write(&place, "in the way").unwrap();
    let fetcher = fetcher(&world, &files.rule("")).await;
    let error = fetcher.pass(None, Timestamp::now(), std::future::pending()).await.unwrap_err().to_string();
    assert!(!error.contains("127.0.0.1"), "{error}");
    let left = super::wanted(&world).await;
    let states: Vec<_> = left.iter().map(|file| file.state.kind()).collect();
    assert!(states.contains(&WantedKind::Gone) && left.iter().any(|file| before.contains(file)), "{states:?}");
    std::fs::remove_file(&place).unwrap();
    assert_eq!(pass(&fetcher).await.files, 1);
    assert_eq!(late(&world, "C1").await.len(), 1);
}

/// Which of them came is told by its settling alone: the commit of one must not take the other off the list.
#[tokio::test(flavor = "multi_thread")]
async fn two_files_of_one_name() {
    let (world, files) = (World::new().await, Files::start());
    import(&world, message("C1", 1, &[("image.png", &files.url("/flaky/1/any/10/a")), ("image.png", &files.url("/file/any/10/b"))])).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    let came = pass(&fetcher).await;
    assert_eq!((came.files, came.waiting), (1, 1));
    let left = fetcher.count(&name("s")).await.unwrap();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), [(WantedKind::Waiting, 1)]);
    assert_eq!(pass_in(&fetcher, DAY / 2).await.files, 1);
    assert!(missing(&fetcher, None).await.is_empty());
    let digests: Vec<String> = late(&world, "C1").await.iter().map(|(_, file)| file.digest.unwrap().hex()).collect();
    assert_eq!(digests, [files.sha("any/10/b").await, files.sha("any/10/a").await]);
    assert_eq!(files.seen().await.len(), 3);
}

/// A file may be named before it can be had.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_found_is_asked_for_once_more() {
    let (world, files) = (World::new().await, Files::start());
    import(&world, message("C1", 1, &[("a", &files.url("/status/404"))])).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    let first = pass(&fetcher).await;
    assert_eq!((first.waiting, first.gone), (1, 0));
    assert_eq!(pass(&fetcher).await.gone, 0, "not at once");
    assert_eq!(pass_in(&fetcher, DAY / 12).await.gone, 1);
    assert_eq!(files.seen().await.len(), 2);
    assert_eq!(states(&fetcher).await, [("m1".to_owned(), "gone Some(Status(404))".to_owned())]);
}

/// However many messages name it, there or not.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_asked_for_once() {
    let (world, files) = (World::new().await, Files::start());
    let (there, gone) = (files.url("/file/any/10/a"), files.url("/status/410"));
    let lines: String = (0..100).map(|id| message(&format!("C{}", id % 3), id, &[("a", &there), ("b", &gone)])).collect();
    import(&world, lines).await;
    let fetcher = fetcher(&world, &files.rule("")).await;
    let came = pass(&fetcher).await;
    assert_eq!((came.files, came.gone, files.seen().await.len()), (100, 100, 2));
}
