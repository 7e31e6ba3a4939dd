//! Events that are durable before they are answered, one in each request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use consign_bench_measure::{Spread, print_row};

use crate::Result;
use crate::postgres::Postgres;
use crate::served::Served;

/// Who hands in at once.
pub const CLIENTS: usize = 64;
/// What a message says.
pub const TEXT: &str = "the second tranche is done at the price that we spoke of, please confirm before the desk closes";
const EVENTS: &str = "/v1/tenants/acme/sources/chat/events";

/// Pairs of both, the one that goes first taking turns.
pub fn run(rounds: usize, for_so_long: Duration) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let served = Served::start(&folder.path().join("consign"))?;
    let Some(postgres) = Postgres::start(&folder.path().join("postgres"))? else {
        eprintln!("PostgreSQL is missing, and its row with it: install Debian's postgresql");
        return Ok(());
    };
    let ids = AtomicU64::new(0);
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    // Both have begun before anything counts.
    hand_in(&served, &ids, Duration::from_secs(1))?;
    postgres.insert(Duration::from_secs(1))?;
    for round in 0..rounds {
        let (consign, peer) = if round % 2 == 0 {
            let consign = hand_in(&served, &ids, for_so_long)?;
            (consign, postgres.insert(for_so_long)?)
        } else {
            let peer = postgres.insert(for_so_long)?;
            (hand_in(&served, &ids, for_so_long)?, peer)
        };
        ratios.push(consign / peer);
        ours.push(consign);
        theirs.push(peer);
    }
    let known = stored(&served)?;
    let acknowledged = ids.load(Ordering::Relaxed);
    if known < acknowledged {
        return Err(format!("{acknowledged} events were taken in, and {known} are there").into());
    }
    let ratio = Spread::of(ratios);
    let measured = format!("{ratio} (events in a second {} to {}; {known} and {} stored)", Spread::of(ours), Spread::of(theirs), postgres.count()?);
    print_row(&format!("events by {CLIENTS} clients, durable, one a request"), "pgbench, one a transaction", "1.0", &measured, ratio.median >= 1.0);
    Ok(())
}

/// Hands events in for so long, and answers how many in a second were answered as taken.
fn hand_in(served: &Served, ids: &AtomicU64, for_so_long: Duration) -> Result<f64> {
    let (over, taken) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let ended: Vec<Result<()>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (over, taken) = (&over, &taken);
                scope.spawn(move || -> Result<()> {
                    let mut client = served.client("application/x-ndjson")?;
                    while !over.load(Ordering::Relaxed) {
                        let id = ids.fetch_add(1, Ordering::Relaxed);
                        let (minute, second) = (id / 60 % 60, id % 60);
                        let event = format!(
                            "{{\"type\":\"message\",\"chat\":\"C{}\",\"id\":\"m{id}\",\"at\":\"2026-11-02T08:{minute:02}:{second:02}Z\",\"user\":\"U{number}\",\"text\":\"{TEXT}\"}}\n",
                            id % 50
                        );
                        client.done("POST", EVENTS, event.as_bytes())?;
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        std::thread::sleep(for_so_long);
        over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap_or_else(|_| Err("a client broke off".into()))).collect()
    });
    ended.into_iter().collect::<Result<()>>()?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let taken = taken.load(Ordering::Relaxed) as f64;
    Ok(taken / begun.elapsed().as_secs_f64())
}

/// Events that there are, as the account of a policy has them that never ran.
fn stored(served: &Served) -> Result<u64> {
    let policy = "[[target]]\nname = \"archive\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nallow-plaintext = true\nfrom = \"journal@corp.example\"\n\
                  to = [\"in@archive.example\"]\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n";
    served.client("application/toml")?.done("POST", "/v1/tenants/acme/apply", policy.as_bytes())?;
    let path = "/v1/tenants/acme/policies/all/coverage?from=2026-11-01&to=2026-11-04";
    let account: serde_json::Value = serde_json::from_slice(&served.client("application/json")?.done("GET", path, b"")?)?;
    account["total"]["events"].as_u64().ok_or_else(|| format!("no events in {account}").into())
}
