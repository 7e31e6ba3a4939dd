//! `demo`: the whole way of an event, on a sample workspace, with a mail server of our own at its end.
//!
//! It uses nothing that a user would not use: the same import, policy file, run and verification. So what it shows is what they get.

use std::fs;
use std::path::{Path, PathBuf};

use consign_export::verify::verify;
use consign_export::{Retry, RunReport};
use consign_mail::inbox::{Inbox, InboxOptions};
use consign_model::{Name, Window};
use consign_source::Format;
use consign_store::WindowFilter;
use include_dir::{Dir, include_dir};
use tokio::sync::oneshot;

use super::run::{run_now, summary_json};
use super::verify::say_findings;
use crate::args::Cli;
use crate::data::{Data, Place, home};
use crate::output::{Ending, Failure, bytes, number, say, say_json, table};

/// A made-up trading firm's Slack export; demo/README.md says what is in it.
static WORKSPACE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/demo/workspace");

/// Windows listed at a time.
const PAGE: usize = 256;

/// Shows the whole way.
pub async fn demo(cli: &Cli, json: bool) -> Result<Ending, Failure> {
    let folder = match &cli.data {
        Some(folder) => folder.clone(),
        None => home()?.join("consign-demo"),
    };
    let talk = |text: &str| {
        if !json {
            say(text);
        }
    };
    let place = Place { folder: folder.clone(), ..Place::of(cli)? };
    // The demo's own folder is known by the workspace, which is there before anything else.
    let workspace = folder.join("workspace");
    if !workspace.exists() {
        if folder.join("store").exists() {
            return Err(Failure::new(format!(
                "{} has data of your own, and the demo would mix its own into it and export both: name another folder with --data",
                folder.display()
            )));
        }
        unpack(&workspace)?;
    }
    let data = Data::open(&place).await?;

    talk("1. A sample workspace of a made-up trading firm: channels, direct chats, threads, edits, deletions, files.");
    talk("2. Import it. Each event is stored once, encrypted with age.");
    let source: Name = "larkspur-slack".parse()?;
    let imported = data.importer.import(Format::Slack, &workspace, &source, |_| {}).await?;
    let (stored, there) = (imported.stored.values().sum(), imported.already_there.values().sum());
    talk(&format!("   {} events stored, {} were there already; {} attachments.", number(stored), number(there), number(imported.report.attachments)));

    let mail = folder.join("mail");
    let inbox = Inbox::bind(([127, 0, 0, 1], 0).into(), &mail, InboxOptions::default()).await?;
    let port = inbox.local_addr().port();
    talk(&format!("3. Start a mail server on port {port}, in place of the archive's."));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        inbox
            .serve(async {
                // An error is the other end dropped: that ends it too.
                let _ = stopped.await;
            })
            .await
    });
    let policy_file = folder.join("policy.toml");
    fs::write(&policy_file, policy(port)).map_err(|error| Failure::new(format!("{} cannot be written: {error}", policy_file.display())))?;
    talk("4. Put a policy into force: leave out the kitchen channel and what was written outside of working hours; one e-mail per chat and day.");
    consign_service::apply::apply(&data.exporter, std::slice::from_ref(&policy_file)).await?;
    talk("5. Run it.");
    let name: Name = "demo".parse()?;
    let report = run_now(&data, &name, &Retry::Waiting).await;
    drop(stop);
    let received = serving.await?;
    let report = report?;
    let summary = report.run.as_ref().or(report.resumed.as_ref()).ok_or_else(|| Failure::new("nothing was run"))?;
    let findings = verify(&[PathBuf::from(&summary.manifest)], Some(&mail), &data.keys.signing_keys())?;

    if json {
        let mut object = summary_json(summary);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("received".to_owned(), received.emails.into());
            fields.insert("mail".to_owned(), mail.display().to_string().into());
            fields.insert("verified".to_owned(), findings.is_good().into());
        }
        say_json(&object)?;
    } else {
        tell(&data, &report, &mail).await?;
        if summary.emails.composed > 0 {
            say("6. Check the signed manifest against the mailbox:");
            say_findings(&findings);
        } else {
            say("6. An empty run leaves a signed manifest too.");
        }
        say("");
        say(format_args!("The e-mails lie in  {}", mail.join("new").display()));
        say(format_args!("The manifest is     {}", summary.manifest));
        say(format_args!("The policy is       {}", policy_file.display()));
        say(format_args!("Run the demo again, and nothing is exported twice. Delete {} to begin anew.", folder.display()));
    }
    if findings.is_good() {
        Ok(Ending::complete_if(summary.events.held == 0))
    } else {
        Err(Failure::new("the mailbox does not hold what the manifest says"))
    }
}

/// Says by chat what became of its events.
async fn tell(data: &Data, report: &RunReport, mail: &Path) -> Result<(), Failure> {
    let Some(summary) = report.run.as_ref().or(report.resumed.as_ref()) else { return Ok(()) };
    let (store, tenant) = (&data.exporter.store, &data.exporter.tenant);
    let windows = store.windows(tenant, &WindowFilter::OfRun(summary.run.clone()), None, PAGE).await?;
    if windows.is_empty() {
        say(format_args!("   Nothing is new since the last run, so nothing was sent. Everything is in {} already.", mail.display()));
        return Ok(());
    }
    let mut rows = Vec::new();
    for window in &windows {
        let facts = store.facts(tenant, &window.facts).await?;
        let title = facts.and_then(|facts| facts.chat.title).unwrap_or_else(|| window.key.chat.id.clone());
        let emails = store.deliveries(tenant, &window.key).await?.len() as u64;
        let counts = window.state.settled().map(|settled| settled.counts).unwrap_or_default();
        rows.push(vec![title, number(counts.examined), number(counts.exported), number(counts.omitted), number(emails), why(window)]);
    }
    let events = &summary.events;
    rows.push(vec![
        "all".to_owned(),
        number(events.examined),
        number(events.exported),
        number(events.omitted),
        number(summary.emails.accepted),
        bytes(summary.emails.bytes),
    ]);
    say(table(&["chat", "events", "exported", "left out", "e-mails", "left out by"], &[1, 2, 3, 4], rows));
    Ok(())
}

/// The rules that left events of a window out, or what holds it.
fn why(window: &Window) -> String {
    if let Some(reason) = window.state.held() {
        return format!("HELD: {}", reason.text());
    }
    let omitted = window.state.settled().map(|settled| settled.omitted.as_slice()).unwrap_or_default();
    let rules = omitted.iter().map(|one| {
        let by: Vec<_> = one.by.iter().map(|rule| format!("{} {}", rule.module.split('@').next().unwrap_or_default(), rule.rule)).collect();
        format!("{} ({})", by.join(" and "), number(one.events))
    });
    rules.collect::<Vec<_>>().join(", ")
}

fn unpack(workspace: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("the sample workspace cannot be written to {}: {error}", workspace.display()));
    // Beside it first: an unpacking that is cut off must not look like a workspace.
    let beside = workspace.with_extension("tmp");
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(failed)?;
    }
    fs::create_dir_all(&beside).map_err(failed)?;
    WORKSPACE.extract(&beside).map_err(failed)?;
    fs::rename(&beside, workspace).map_err(failed)
}

/// The policy file.
fn policy(port: u16) -> String {
    format!(
        r#"# Written by `consign demo`. tls = "none" is for its own mail server on this machine only.
[[target]]
name = "demo-mailbox"
host = "127.0.0.1"
port = {port}
tls = "none"
allow-plaintext = true
from = "journal@larkspur.example"
to = ["archive@larkspur.example"]

[[policy]]
name = "demo"
target = "demo-mailbox"
match = "all"
grouping = {{ module = "std/per-chat", config = {{ split = "day", time-zone = "Europe/London" }} }}

[[policy.criteria]]
module = "std/chats"
config = {{ title = {{ glob = ["kitchen"] }} }}
negate = true

[[policy.criteria]]
module = "std/period"
config = {{ days = ["Mon", "Tue", "Wed", "Thu", "Fri"], hours = {{ from = "07:30", to = "19:00" }}, time-zone = "Europe/London" }}
"#
    )
}
