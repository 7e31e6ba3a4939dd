//! `filter inspect`

use std::path::Path;

use consign_sandbox::Module;
use consign_workshop::component::load;

use super::sandbox;
use crate::output::{Ending, Failure, bytes, say, say_json, table};

/// Shows what a component is.
pub fn inspect(path: &Path, json: bool) -> Result<Ending, Failure> {
    let module = load(&sandbox()?, path)?;
    if json {
        say_json(&object(&module))?;
    } else {
        tell(&module);
    }
    Ok(Ending::Done)
}

/// What `--json` prints of a module.
pub fn object(module: &Module) -> serde_json::Value {
    let (manifest, facts) = (module.manifest(), module.facts());
    serde_json::json!({
        "name": manifest.name, "version": manifest.version, "kind": module.kind(), "summary": manifest.summary,
        "needs": manifest.needs, "rules": manifest.rules, "config_schema": manifest.config_schema,
        "imports": facts.imports, "tier": facts.tier, "producers": facts.producers, "bytes": facts.bytes, "digest": module.digest(),
    })
}

fn tell(module: &Module) {
    let (manifest, facts) = (module.manifest(), module.facts());
    say(format_args!("{}@{}: {}", manifest.name, manifest.version, manifest.summary));
    let kind = serde_json::to_value(module.kind()).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    let tier = serde_json::to_value(facts.tier).ok().and_then(|tier| tier.as_str().map(str::to_owned)).unwrap_or_default();
    let made = facts.producers.iter().map(|one| format!("{} {}", one.name, one.version).trim().to_owned()).collect::<Vec<_>>().join(", ");
    let rows = [
        vec!["kind".to_owned(), kind],
        vec!["digest".to_owned(), format!("sha256:{}", module.digest())],
        vec!["size".to_owned(), format!("{}, {tier}", bytes(facts.bytes))],
        vec!["made by".to_owned(), if made.is_empty() { "it does not say".to_owned() } else { made }],
        vec!["imports".to_owned(), facts.imports.join(", ")],
    ];
    say(table(&[], &[], rows));
    if manifest.needs.is_empty() {
        say("needs nothing but what is open to every module");
    } else {
        say("needs:");
        say(table(&[], &[], manifest.needs.iter().map(|need| vec![format!("  {}", need.word()), need.opens().to_owned()])));
    }
    if manifest.rules.is_empty() {
        say("has no rules: it leaves nothing out");
    } else {
        say("leaves events out by these rules:");
        say(table(&[], &[], manifest.rules.iter().map(|rule| vec![format!("  {}", rule.code), rule.summary.clone()])));
    }
    say("its configuration's schema:");
    say(serde_json::to_string_pretty(&manifest.config_schema).unwrap_or_default());
}
