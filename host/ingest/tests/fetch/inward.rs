//! Where fetching may not lead, and who may see a token.

use consign_ingest::fetch::{FetchError, Fetcher};
use consign_ingest::receive::Config;

use super::support::World;
use super::{Files, fetcher, import, late, message, pass, pass_in, states};

const DAY: i64 = 24 * 60 * 60_000;

/// A path at which one is sent on to this address.
fn to(address: &str) -> String {
    address.bytes().fold("/to/".to_owned(), |path, byte| path + &format!("{byte:02x}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_is_not_asked_for() {
    let (world, files) = (World::new().await, Files::start());
    let two = format!("http://127.0.0.2:{}/file/any/9/x", files.two);
    let user = files.url("/file/any/9/x").replace("http://", "http://user:pass@");
    let addresses = [
        ("https://files.example/x", "waiting Some(HostNotAllowed)"),
        (two.as_str(), "waiting Some(HostNotAllowed)"),
        ("https://10.0.0.1/x", "waiting Some(AddressNotAllowed)"),
        ("https://[::ffff:10.0.0.1]/x", "waiting Some(AddressNotAllowed)"),
        ("https://0x0a000001/x", "waiting Some(AddressNotAllowed)"),
        ("https://localhost/x", "waiting Some(AddressNotAllowed)"),
        ("http://desk.example/x", "waiting Some(NotHttps)"),
        (user.as_str(), "unreadable Some(BadAddress)"),
        ("https://[::1", "unreadable Some(BadAddress)"),
    ];
    let lines = addresses.iter().enumerate().map(|(id, (url, _))| message("C1", id, &[("a", url)]));
    import(&world, lines.collect::<String>()).await;
    let rule = "[[fetch]]\nsource = \"s\"\nhosts = [\"10.0.0.1\", \"[::ffff:10.0.0.1]\", \"localhost\", \"desk.example\", \"desk.example:80\"]\n";
    let strict = fetcher(&world, &(files.rule("").replace("127.0.0.0/8", "127.0.0.1/32") + rule)).await;
    let came = pass(&strict).await;
    assert_eq!((came.waiting, came.unreadable), (7, 2));
    let wanted: Vec<_> = addresses.iter().enumerate().map(|(id, (_, state))| (format!("m{id}"), (*state).to_owned())).collect();
    assert_eq!(states(&strict).await, wanted);
    assert_eq!(files.seen().await.len(), 0);
    // It is looked at again a day later, or by who has other rules.
    assert_eq!(pass_in(&strict, DAY / 2).await.waiting, 0);
    assert_eq!(pass_in(&strict, DAY + 1_000).await.waiting, 7);
    let two = files.rule("").replace(&format!("127.0.0.1:{}", files.one), &format!("127.0.0.2:{}", files.two));
    let wider = fetcher(&world, &two).await;
    assert_eq!(pass(&wider).await.files, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_judged_like_addresses() {
    let (world, files) = (World::new().await, Files::start());
    let two = format!("http://127.0.0.2:{}/file/any/9/x", files.two);
    let here = files.url("/file/any/9/x");
    let refused = [
        two.as_str(),
        "http://127.0.0.1/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://inward.example/",
        "https://evil.example/",
        "http://plain.example/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//evil.example/x",
        "http://user:pass@127.0.0.1/x",
    ];
    // Allowed by name, so that their addresses are what is judged.
    let hosts = "[[fetch]]\nsource = \"s\"\nhosts = [\"169.254.169.254\", \"[::ffff:10.0.0.1]\", \"127.0.0.1\", \"plain.example:80\", \"169.254.169.254:80\"]\n";
    let rules = files.rule("") + hosts;
    let fetcher = fetcher(&world, &rules).await;
    for (id, address) in refused.iter().enumerate() {
        import(&world, message("C1", id, &[("a", &files.url(&to(address)))])).await;
    }
    let came = pass(&fetcher).await;
    assert_eq!(came.waiting, refused.len() as u64);
    let all = states(&fetcher).await;
    assert!(all.iter().all(|(_, state)| state == "waiting Some(RedirectNotAllowed)"), "{all:?}");
    assert!(files.seen().await.iter().all(|one| one["host"] == "127.0.0.1" && one["path"].as_str().unwrap().starts_with("/to/")));
    // As far as five, and relative ones too.
    import(&world, message("C2", 1, &[("a", &files.url("/hops/5/any/9/x"))]) + &message("C2", 2, &[("a", &files.url(&to(&here)))])).await;
    import(&world, message("C2", 3, &[("a", &files.url("/hops/6/any/9/x"))])).await;
    assert_eq!(pass(&fetcher).await.files, 2);
    assert_eq!(states(&fetcher).await.last().unwrap().1, "waiting Some(TooManyRedirects)");
}

/// A name of ours that leads inward is told from one that leads nowhere, and neither is connected to.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_inward_or_nowhere() {
    let (world, files) = (World::new().await, Files::start());
    let inward = format!("https://localhost:{}/file/any/9/x", files.one);
    let nowhere = "nowhere.invalid";
    import(&world, message("C1", 1, &[("a", &inward)]) + &message("C1", 2, &[("a", &format!("https://{nowhere}/x"))])).await;
    let rule = format!("[[fetch]]\nsource = \"s\"\nhosts = [\"localhost:{}\", \"{nowhere}\"]\n", files.one);
    let fetcher = fetcher(&world, &rule).await;
    pass(&fetcher).await;
    let wanted = [("m1", "waiting Some(AddressNotAllowed)"), ("m2", "waiting Some(NameNotFound)")];
    assert_eq!(states(&fetcher).await, wanted.map(|(event, state)| (event.to_owned(), state.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_stays_with_its_host() {
    let (world, files) = (World::new().await, Files::start());
    let secret = world.path().join("token");
    std::fs::write(&secret, "t0ken\n").unwrap();
    let two = format!("http://127.0.0.2:{}", files.two);
    let private = files.url("/private/t0ken/pdf/900/x");
    let lines = [
        message("C1", 1, &[("a.pdf", &private)]),
        // To another host that is allowed, even one with a token of its own, and through it back.
        message("C1", 2, &[("b.pdf", &files.url(&to(&format!("{two}/file/pdf/50/y"))))]),
        message("C1", 3, &[("c.pdf", &format!("{two}/file/pdf/50/z"))]),
        message("C1", 4, &[("d.pdf", &format!("{two}{}", to(&private)))]),
        message("C1", 5, &[("e.pdf", &files.url(&to(&private)))]),
    ];
    import(&world, lines.concat()).await;
    let token = |file: &std::path::Path| format!("token = {{ file = \"{}\" }}", file.display());
    let other = world.path().join("other");
    std::fs::write(&other, "0ther").unwrap();
    let second = files.rule(&token(&other)).replace(&format!("127.0.0.1:{}", files.one), &format!("127.0.0.2:{}", files.two));
    let rules = files.rule(&token(&secret)) + &second;
    let with_token = fetcher(&world, &rules).await;
    let came = pass(&with_token).await;
    assert_eq!((came.files, came.unreadable), (4, 1));
    assert_eq!(states(&with_token).await, [("m4".to_owned(), "unreadable Some(SignInPage)".to_owned())]);
    for one in files.seen().await {
        let (host, path, token) = (one["host"].as_str().unwrap(), one["path"].as_str().unwrap(), one["token"].as_str());
        let wanted = match (host, path) {
            // Sent on from elsewhere: there are two of them with, and one without.
            ("127.0.0.1", path) if path.starts_with("/private") => [Some("Bearer t0ken"), None],
            ("127.0.0.1", _) => [Some("Bearer t0ken"); 2],
            (_, "/file/pdf/50/y") => [None; 2],
            _ => [Some("Bearer 0ther"); 2],
        };
        assert!(wanted.contains(&token), "{one}");
        assert!(host == "127.0.0.1" || token != Some("Bearer t0ken"), "{one}");
    }
    // Mended, it comes without anybody's asking.
    assert_eq!(pass_in(&with_token, DAY / 2).await.unreadable, 0);
    let mended = second.replace(&other.display().to_string(), &secret.display().to_string()) + &files.rule("");
    let mended = fetcher(&world, &mended).await;
    assert_eq!(pass_in(&mended, DAY + 1_000).await.unreadable, 1, "the token of the first address is for its own host");
    assert_eq!(late(&world, "C1").await.len(), 4);
    for (config, hint) in [("token = { env = \"CONSIGN_NO_SUCH_VARIABLE\" }", "is unset"), ("authorities = \"/no/such/file\"", "can't be read")] {
        let config = Config::parse(&files.rule(config)).unwrap();
        let error = Fetcher::open(&config.fetch, world.importer.clone(), std::sync::Arc::clone(&world.archive)).await.err().unwrap();
        assert!(matches!(&error, FetchError::Rule { .. }) && error.to_string().contains(hint), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_ended_is_read_again() {
    let (world, files) = (World::new().await, Files::start());
    let secret = world.path().join("token");
    std::fs::write(&secret, "0ld").unwrap();
    let lines = (0..6).map(|id| message("C1", id, &[("q.pdf", &files.url(&format!("/private/t0ken/pdf/100/{id}")))]));
    import(&world, lines.collect::<String>()).await;
    let fetcher = fetcher(&world, &files.rule(&format!("token = {{ file = \"{}\" }}", secret.display()))).await;
    std::fs::write(&secret, "t0ken\n").unwrap();
    let came = pass(&fetcher).await;
    assert_eq!((came.files, came.unreadable), (6, 0));
    let seen = files.seen().await;
    let by = |token: &str| seen.iter().filter(|one| one["token"] == format!("Bearer {token}")).count();
    assert_eq!(by("t0ken"), 6);
    assert!(by("0ld") <= 4, "only those that were under way were asked for by the old one");
}

/// Teams' files lie in `SharePoint`, whose addresses open with no token of Graph's: Graph is asked, and sends on.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_sharepoint_by_graph() {
    let (world, files) = (World::new().await, Files::start());
    let secret = world.path().join("token");
    std::fs::write(&secret, "t0ken").unwrap();
    let share = format!("http://127.0.0.2:{}/file/pdf/900/x/Q3%20report%20(ä).pdf", files.two);
    import(&world, message("C1", 1, &[("q.pdf", &share)])).await;
    let rule = |graph: &str| {
        format!(
            "[[fetch]]\nsource = \"s\"\nhosts = [\"127.0.0.2:{}\"]\nallow-addresses = [\"127.0.0.0/8\"]\ntoken = {{ file = \"{}\" }}\ngraph = \"{graph}\"\n",
            files.two,
            secret.display()
        )
    };
    let fetcher = fetcher(&world, &rule(&files.url("/v1"))).await;
    assert_eq!(pass(&fetcher).await.files, 1);
    assert_eq!(late(&world, "C1").await[0].1.digest.unwrap().hex(), files.sha("pdf/900/x").await);
    let seen: Vec<_> = files.seen().await.into_iter().map(|one| (one["host"].clone(), one["token"].clone())).collect();
    assert_eq!(seen, [("127.0.0.1".into(), "Bearer t0ken".into()), ("127.0.0.2".into(), serde_json::Value::Null)]);
    for (graph, hint) in [("http://graph.example/v1.0", "begin with https"), ("https://me:hunter2@graph.example", "no address")] {
        let error = Config::parse(&rule(graph)).unwrap_err().to_string();
        assert!(error.contains(hint) && !error.contains("hunter2"), "{error}");
    }
}

/// The proxy that a rule names is used, and none of the environment; addresses that stand for themselves are judged all the same.
#[tokio::test(flavor = "multi_thread")]
async fn by_a_proxy_that_is_named() {
    let world = World::new().await;
    let made = rcgen::generate_simple_self_signed(["files.example".to_owned()]).unwrap();
    let (certificate, key) = (world.path().join("cert.pem"), world.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = Files::with(&[certificate.to_str().unwrap(), key.to_str().unwrap()]);
    let lines = [
        message("C1", 1, &[("a.pdf", &format!("https://files.example:{}/file/pdf/900/x", files.tls))]),
        message("C1", 2, &[("b.pdf", "https://10.0.0.1/x")]),
        message("C1", 3, &[("c.pdf", "https://other.example/x")]),
    ];
    import(&world, lines.concat()).await;
    let rule = format!(
        "[[fetch]]\nsource = \"s\"\nhosts = [\"files.example:{}\", \"10.0.0.1\"]\nproxy = \"http://127.0.0.1:{}\"\nauthorities = \"{}\"\n",
        files.tls,
        files.one,
        certificate.display()
    );
    let fetcher = fetcher(&world, &rule).await;
    assert_eq!(pass(&fetcher).await.files, 1);
    let wanted = [("m2", "waiting Some(AddressNotAllowed)"), ("m3", "waiting Some(HostNotAllowed)")];
    assert_eq!(states(&fetcher).await, wanted.map(|(event, state)| (event.to_owned(), state.to_owned())));
    let seen = files.seen().await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(seen[0]["path"], format!("files.example:{}", files.tls));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_tls_whose_certificate_is_checked() {
    let world = World::new().await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (world.path().join("cert.pem"), world.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = Files::with(&[certificate.to_str().unwrap(), key.to_str().unwrap()]);
    let by_name = format!("https://localhost:{}/file/pdf/900/x", files.tls);
    let by_address = format!("https://127.0.0.1:{}/file/pdf/900/x", files.tls);
    import(&world, message("C1", 1, &[("a.pdf", &by_name)]) + &message("C1", 2, &[("b.pdf", &by_address)])).await;
    let rule = |more: &str| {
        format!("[[fetch]]\nsource = \"s\"\nhosts = [\"localhost:{0}\", \"127.0.0.1:{0}\"]\nallow-addresses = [\"127.0.0.0/8\"]\n{more}\n", files.tls)
    };
    let stranger = fetcher(&world, &rule("")).await;
    assert_eq!(pass(&stranger).await.files, 0);
    assert!(states(&stranger).await.iter().all(|(_, state)| state == "waiting Some(NotReached)"));
    assert!(files.seen().await.is_empty());
    let known = fetcher(&world, &rule(&format!("authorities = \"{}\"", certificate.display()))).await;
    assert_eq!(pass_in(&known, DAY).await.files, 1);
    assert_eq!(states(&known).await, [("m2".to_owned(), "waiting Some(NotReached)".to_owned())], "the certificate is for the name");
    assert_eq!(late(&world, "C1").await[0].1.digest.unwrap().hex(), files.sha("pdf/900/x").await);
}
