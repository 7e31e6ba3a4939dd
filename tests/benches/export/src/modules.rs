//! Modules: how long one takes from its upload until it is ready, and a service that has many to its start.
//!
//! One is built from a new project, as its author would, and the others are it under other versions: each is a component of its own to the host, with a
//! digest, compiled code and a policy of its own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use consign_bench_measure::{Spread, print_row};

use crate::Result;
use crate::program::Consign;

/// What the module calls itself, and its version, which stand one after the other in it.
const NAME: &str = "bench/start";
const VERSION: &str = "0.1.0";

/// Takes in as many modules, each with a policy, and starts the service.
pub fn modules(folder: &Path, count: usize, rounds: usize) -> Result<()> {
    let consign = Consign::new(folder)?;
    let component = build(&consign, folder)?;
    let (mut pushes, mut policies) = (Vec::new(), Vec::new());
    for number in 0..count {
        let file = folder.join("module.wasm");
        std::fs::write(&file, with_version(&component, number)?)?;
        let (ended, said) = consign.call(&["module", "push", &file.display().to_string()])?;
        pushes.push(ended.took.wall.as_secs_f64());
        let said: serde_json::Value = serde_json::from_slice(&said)?;
        let digest = said["digest"].as_str().ok_or("a module that was taken in has no digest")?;
        let schedule = "schedule = { cron = \"0 0 * * *\", time-zone = \"UTC\" }";
        policies.push((
            format!("p{number}"),
            format!("{schedule}\n[[policy.criteria]]\nmodule = \"sha256:{digest}\"\nneeds = [\"participants\", \"senders\"]\n"),
        ));
    }
    let push = Spread::of(pushes);
    print_row("a module from its upload to ready", "", "1 s", &format!("{push} s, with the start of the program"), push.median <= 1.0);
    let begun = Instant::now();
    consign.policies(9, 1, policies)?;
    let applied = begun.elapsed().as_secs_f64();
    let starts = (0..=rounds).map(|_| start(&consign)).collect::<Result<Vec<f64>>>()?;
    let start = Spread::of(starts);
    let measured = format!("{start} s; putting the {count} policies into force {applied:.1} s");
    print_row(&format!("the start of a service with {count} modules"), "", "2 s", &measured, start.median <= 2.0);
    Ok(())
}

/// A module of a new project.
fn build(consign: &Consign, folder: &Path) -> Result<Vec<u8>> {
    let project = folder.join("project");
    let place = project.display().to_string();
    consign.call(&["filter", "new", NAME, "--lang", "rust", "--kind", "criteria", "--folder", &place])?;
    let file = folder.join("built.wasm");
    consign.call(&["filter", "build", &place, "--out", &file.display().to_string()])?;
    Ok(std::fs::read(file)?)
}

/// The module under another version, of which there are a thousand: the length stays, and with it the component.
fn with_version(component: &[u8], number: usize) -> Result<Vec<u8>> {
    let before = format!("{NAME}{VERSION}").into_bytes();
    let after = format!("{NAME}{}.{}.{}", number / 100, number / 10 % 10, number % 10).into_bytes();
    let place = component.windows(before.len()).position(|bytes| bytes == before).filter(|_| after.len() == before.len());
    let place = place.ok_or("its version does not stand in the module where it was looked for, or more than 1,000 modules are asked for")?;
    let mut component = component.to_vec();
    component.splice(place..place + before.len(), after);
    Ok(component)
}

/// Seconds until the service says that it runs.
fn start(consign: &Consign) -> Result<f64> {
    let begun = Instant::now();
    let mut child = consign.command(&["serve"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut said)?;
    let took = begun.elapsed().as_secs_f64();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    child.wait()?;
    if said.contains("\"started\"") { Ok(took) } else { Err(format!("serve began with {said}").into()) }
}
