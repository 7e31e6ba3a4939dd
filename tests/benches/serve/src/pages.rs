//! How long pages take while a tenant's export runs: somebody looks at them one after the other, as one person with several windows does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use consign_bench_measure::{print_row, program};
use serde_json::Value;

use crate::Result;
use crate::client::Client;
use crate::served::Served;

/// Chats, and events of each.
const CHATS: usize = 400;
const EACH: usize = 500;
/// Windows of the browser.
const WINDOWS: usize = 4;
/// What is looked at.
const PAGES: [&str; 8] = ["", "/policies", "/policies/everything", "/runs", "/held", "/modules", "/sources", "/audit"];
/// What it must stay below.
const LIMIT: Duration = Duration::from_millis(300);

/// Exports again and again under policies of their own, until pages were looked at for so long.
pub fn run(for_so_long: Duration) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let served = Served::start(&folder.path().join("consign"))?;
    let mut inbox = std::process::Command::new(program()?)
        .args(["--json", "inbox", "--listen", "127.0.0.1:0", "--maildir"])
        .arg(folder.path().join("mail"))
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let looked = look(&served, &mut inbox, for_so_long);
    let _ = inbox.kill();
    let _ = inbox.wait();
    let (mut times, runs, events) = looked?;
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).map_or(Duration::ZERO, |(time, _)| *time);
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let measured = format!(
        "p99 {:.0} ms, median {:.0} ms, longest {:.0} ms of '{}' ({} pages during {runs} runs of {events} events)",
        millis(at(99)),
        millis(at(50)),
        millis(times.last().map_or(Duration::ZERO, |(time, _)| *time)),
        times.last().map_or("", |(_, page)| *page),
        times.len()
    );
    if std::env::var_os("BENCH_TELL").is_some() {
        times.iter().rev().take(20).for_each(|(time, page)| eprintln!("{:.0} ms {page}", millis(*time)));
    }
    print_row("a page while an export runs", "the limit", "p99 below 300 ms", &measured, at(99) < LIMIT);
    Ok(())
}

/// How long a page took.
type Look = (Duration, &'static str);

fn look(served: &Served, inbox: &mut std::process::Child, for_so_long: Duration) -> Result<(Vec<Look>, u64, usize)> {
    let mut said = std::io::BufReader::new(inbox.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line)?;
    let address = serde_json::from_str::<Value>(&line)?;
    let address = address["listening"].as_str().ok_or_else(|| format!("no address in {line}"))?.to_owned();
    std::thread::spawn(move || std::io::BufRead::lines(said).for_each(drop));
    let port = address.rsplit(':').next().ok_or("no port")?.to_owned();
    let mut client = served.client("application/x-ndjson")?;
    for chat in 0..CHATS {
        let lines = (0..EACH).fold(String::new(), |all, number| {
            let at = format!("2026-11-02T{:02}:{:02}:{:02}Z", number / 3600, number / 60 % 60, number % 60);
            all + &format!(
                "{{\"type\":\"message\",\"chat\":\"C{chat}\",\"id\":\"m{number}\",\"at\":\"{at}\",\"user\":\"U{}\",\"text\":\"{}\"}}\n",
                number % 7,
                crate::ingest::TEXT
            )
        });
        client.done("POST", "/v1/tenants/acme/sources/chat/events", lines.as_bytes())?;
    }
    let mut text = format!(
        "[[target]]\nname = \"archive\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nallow-plaintext = true\nfrom = \"journal@corp.example\"\nto = [\"in@archive.example\"]\n"
    );
    let policy = |name: &str| {
        format!(
            "\n[[policy]]\nname = \"{name}\"\ntarget = \"archive\"\n[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = {{ any = [\"tranche\"] }}\n"
        )
    };
    text.push_str(&policy("everything"));
    let mut apply = served.client("application/toml")?;
    apply.done("POST", "/v1/tenants/acme/apply", text.as_bytes())?;

    let cookie = sign_in(served)?;
    let (over, runs) = (std::sync::atomic::AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let times: Vec<Result<Vec<Look>>> = std::thread::scope(|scope| {
        let exporting = scope.spawn(|| -> Result<()> {
            // A run of a policy that has never run has everything before it.
            let ended = export_until(served, &policy, &over, &runs);
            over.store(true, Ordering::Relaxed);
            ended
        });
        let windows: Vec<_> = (0..WINDOWS)
            .map(|window| {
                let (over, cookie) = (&over, &cookie);
                scope.spawn(move || -> Result<Vec<Look>> {
                    let mut browser = Client::connect(&served.address, &format!("Cookie: {cookie}\r\n"))?;
                    let mut times = Vec::new();
                    for page in PAGES.iter().cycle().skip(window * 2) {
                        if over.load(Ordering::Relaxed) || begun.elapsed() > for_so_long {
                            break;
                        }
                        let asked = Instant::now();
                        browser.done("GET", &format!("/console/t/acme{page}"), b"")?;
                        times.push((asked.elapsed(), *page));
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    Ok(times)
                })
            })
            .collect();
        let mut all: Vec<_> = windows.into_iter().map(|window| window.join().unwrap_or_else(|_| Err("a window broke off".into()))).collect();
        over.store(true, Ordering::Relaxed);
        all.push(exporting.join().unwrap_or_else(|_| Err("the export broke off".into())).map(|()| Vec::new()));
        all
    });
    let mut all = Vec::new();
    for times in times {
        all.extend(times?);
    }
    Ok((all, runs.load(Ordering::Relaxed), CHATS * EACH))
}

fn export_until(served: &Served, policy: &dyn Fn(&str) -> String, over: &std::sync::atomic::AtomicBool, runs: &AtomicU64) -> Result<()> {
    let (mut apply, mut client) = (served.client("application/toml")?, served.client("application/json")?);
    let mut name = "everything".to_owned();
    while !over.load(Ordering::Relaxed) {
        let asked: Value = serde_json::from_slice(&client.done("POST", &format!("/v1/tenants/acme/policies/{name}/runs"), b"")?)?;
        let path = format!("/v1/tenants/acme/asked/{}", asked["asked"].as_str().ok_or("no id")?);
        loop {
            let stands: Value = serde_json::from_slice(&client.done("GET", &path, b"")?)?;
            match stands["state"].as_str() {
                Some("ended") => break,
                Some("waiting" | "running") => std::thread::sleep(Duration::from_millis(100)),
                _ => return Err(format!("the run did not end well: {stands}").into()),
            }
            if over.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        let number = runs.fetch_add(1, Ordering::Relaxed) + 1;
        name = format!("everything-{number}");
        apply.done("POST", "/v1/tenants/acme/apply", policy(&name).as_bytes())?;
    }
    Ok(())
}

/// Signs in as a person does, and answers the cookie.
fn sign_in(served: &Served) -> Result<String> {
    let headers = format!("Origin: http://{}\r\nContent-Type: application/x-www-form-urlencoded\r\n", served.address);
    let answer = Client::connect(&served.address, &headers)?.ask("POST", "/console/sign-in", format!("token={}", served.token).as_bytes())?;
    let set = answer.headers.iter().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = set.and_then(|set| set.split(';').next()).ok_or_else(|| format!("signing in answered {}", answer.status))?;
    Ok(cookie.to_owned())
}
