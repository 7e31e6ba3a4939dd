//! `module`

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use consign_export::engine::LookedAt;
use consign_model::module::{Need, ProbeReport, Producer};
use consign_model::{Digest, ModuleKey, Name, PublicKey, Timestamp};
use consign_service::modules::{self, Listed, Origin, PushError, Pushed, Shown, Use, Voucher, read_key, steps};
use consign_store::ModuleRecord;
use serde::Deserialize;

use consign_store::Seen;

use crate::args::{ModuleCommand, ModuleKeysCommand};
use crate::data::Data;
use crate::output::{Ending, Failure, bytes, say, say_json, table};
use crate::remote::Server;
use crate::remote::answers::ModuleAnswer;
use crate::remote::refused::not_offered;
use crate::remote::server::{read as read_answer, with};

/// The largest file that is read to be pushed. The limits of the sandbox are lower, and by what made the component.
const LARGEST: u64 = 256 << 20;

/// Does what was asked for about modules.
pub async fn module(data: &Data, command: &ModuleCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        ModuleCommand::Push { file, signature, unsigned } => push(data, file, signature.as_deref(), *unsigned, json).await,
        ModuleCommand::List => list(data, json).await,
        ModuleCommand::Show { module } => show(data, module, json).await,
        ModuleCommand::Recheck { module } => recheck(data, module.as_deref(), json).await,
        ModuleCommand::Keys { command } => keys(data, command, json).await,
    }
}

/// The same by a server.
pub async fn module_at(server: &Server, command: &ModuleCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        ModuleCommand::Push { file, signature, unsigned } => push_to(server, file, signature.as_deref(), *unsigned, json).await,
        ModuleCommand::List => {
            let all: Vec<ModuleAnswer> = server.list(&server.of_tenant(&["modules"]).await?, usize::MAX).await?;
            say_modules(all.into_iter().map(ModuleAnswer::listed).collect::<Result<Vec<_>, _>>()?, json)
        }
        ModuleCommand::Show { module } => {
            let shown: ShownAnswer = server.get(&server.of_tenant(&["modules", module]).await?).await?;
            say_shown(&Shown { module: shown.module.listed()?, probe: shown.probe, policies: shown.policies }, json)
        }
        ModuleCommand::Keys { command } => keys_at(server, command, json).await,
        ModuleCommand::Recheck { .. } => Err(not_offered("this command", "give it beside the data with --data DIR")),
    }
}

/// A module, as a server shows it.
#[derive(Deserialize)]
struct ShownAnswer {
    #[serde(flatten)]
    module: ModuleAnswer,
    probe: ProbeReport,
    policies: Vec<Use>,
}

/// What became of an upload.
#[derive(Deserialize)]
struct PushedAnswer {
    again: bool,
    now_signed: bool,
    record: ModuleRecord,
}

async fn push_to(server: &Server, file: &Path, signature: Option<&Path>, unsigned: bool, json: bool) -> Result<Ending, Failure> {
    let component = read(file)?;
    let mut url = server.of_tenant(&["modules"]).await?;
    if unsigned {
        url = with(&url, "unsigned", "true");
    }
    let signature = signature.map(read).transpose()?.map(|signature| ("module-signature", BASE64.encode(signature)));
    let PushedAnswer { again, now_signed, record } = server.post_again(&url, "application/wasm", component, signature).await?;
    say_pushed(&Pushed { again, now_signed, record }, json)
}

async fn push(data: &Data, file: &Path, signature: Option<&Path>, unsigned: bool, json: bool) -> Result<Ending, Failure> {
    let component = read(file)?;
    let signature = signature.map(read).transpose()?;
    let voucher = match (&signature, unsigned) {
        (Some(signature), _) => Voucher::Signature(signature),
        (None, true) => Voucher::Unsigned,
        (None, false) => Voucher::Nothing,
    };
    let pushed = modules::push(&data.exporter, component, voucher).await.map_err(|error| match &error {
        PushError::Probe { report, .. } => Failure::with_details(error.to_string(), &serde_json::json!({ "probe": report })),
        _ => Failure::new(error.to_string()),
    })?;
    say_pushed(&pushed, json)
}

fn say_pushed(pushed: &Pushed, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(pushed)?;
        return Ok(Ending::Done);
    }
    let record = &pushed.record;
    if pushed.now_signed {
        say(format_args!("{} is there already, since {}: its signature was added", record.name(), record.added_at));
    } else if pushed.again {
        say(format_args!("{} is there already, since {}: nothing was changed", record.name(), record.added_at));
    } else {
        say(format_args!("pushed {} ({}): {}", record.name(), bytes(record.facts.bytes), record.manifest.summary));
        say(format_args!("    it reads {}", reads(&record.manifest.needs)));
    }
    say(format_args!("    {}", signer(record.signed_by.as_ref())));
    say(format_args!("sha256:{}", record.digest));
    Ok(Ending::Done)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::new(format!("{} cannot be read: {why}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?.len();
    if size > LARGEST {
        return Err(failed(format!("it has {}, and no module may be as large", bytes(size))));
    }
    std::fs::read(file).map_err(|error| failed(error.to_string()))
}

/// What a module reads, in words.
pub fn reads(needs: &[Need]) -> String {
    if needs.is_empty() { "no data of events".to_owned() } else { needs.iter().map(|need| need.word()).collect::<Vec<_>>().join(", ") }
}

fn signer(key: Option<&ModuleKey>) -> String {
    match key {
        Some(key) => format!("signed with the key {} ({} {})", key.name, kind(&key.key), key.key.text()),
        None => "not signed".to_owned(),
    }
}

fn kind(key: &PublicKey) -> &'static str {
    match key {
        PublicKey::Minisign(_) => "minisign",
        PublicKey::Ed25519(_) => "Ed25519",
    }
}

async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    say_modules(modules::list(&data.exporter).await?, json)
}

/// Those that come with the program, then the tenant's own, by name and version.
fn say_modules(mut all: Vec<Listed>, json: bool) -> Result<Ending, Failure> {
    all.sort_by_cached_key(|module| (matches!(module.origin, Origin::Pushed { .. }), name(module)));
    if json {
        say_json(&all)?;
        return Ok(Ending::Done);
    }
    let rows = all.iter().map(|module| {
        let origin = match &module.origin {
            Origin::Standard => "comes with Consign".to_owned(),
            Origin::Pushed { at, signed_by: None } => format!("pushed {at}"),
            Origin::Pushed { at, signed_by: Some(key) } => format!("pushed {at}, signed by {}", key.name),
        };
        vec![name(module), kind_of(module).to_owned(), module.digest.short(), origin]
    });
    say(table(&["module", "kind", "sha256", ""], &[], rows));
    Ok(Ending::Done)
}

fn name(module: &Listed) -> String {
    format!("{}@{}", module.manifest.name, module.manifest.version)
}

fn kind_of(module: &Listed) -> &'static str {
    match module.kind {
        consign_model::module::ModuleKind::Criteria => "criteria",
        consign_model::module::ModuleKind::Grouping => "grouping",
    }
}

async fn show(data: &Data, reference: &str, json: bool) -> Result<Ending, Failure> {
    say_shown(&modules::show(&data.exporter, reference).await?, json)
}

fn say_shown(shown: &Shown, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(shown)?;
        return Ok(Ending::Done);
    }
    let Shown { module, probe, policies } = shown;
    say(format_args!("{} ({}): {}", name(module), kind_of(module), module.manifest.summary));
    say(format_args!("sha256:{}", module.digest));
    match &module.origin {
        Origin::Standard => say("comes with Consign"),
        Origin::Pushed { at, signed_by } => say(format_args!("pushed {at}, {}", signer(signed_by.as_ref()))),
    }
    say(format_args!("{}, made by {}", bytes(module.facts.bytes), producers(&module.facts.producers)));
    say(format_args!("reads {}", reads(&module.manifest.needs)));
    for rule in &module.manifest.rules {
        say(format_args!("    rule {}: {}", rule.code, rule.summary));
    }
    say(format_args!("probe, under {}:", probe.engine));
    say(steps(probe));
    if policies.is_empty() {
        say("no policy uses it");
    }
    for one in policies {
        say(format_args!("policy {} (version {}), {}: may read {}", one.policy, one.version, one.place, reads(&one.needs)));
    }
    Ok(Ending::Done)
}

fn producers(producers: &[Producer]) -> String {
    if producers.is_empty() {
        return "it does not say what".to_owned();
    }
    producers.iter().map(|one| format!("{} {}", one.name, one.version)).collect::<Vec<_>>().join(", ")
}

async fn recheck(data: &Data, reference: Option<&str>, json: bool) -> Result<Ending, Failure> {
    let exporter = &data.exporter;
    let only: Option<Digest> = match reference {
        Some(reference) => Some(exporter.module(reference).await?.module.digest()),
        None => None,
    };
    let mut all = Vec::new();
    for policy in exporter.store.policies(&exporter.tenant).await? {
        all.extend(exporter.recheck(&policy, only.as_ref()).await?);
    }
    let good = all.iter().all(|one| matches!(one.found, LookedAt::Same | LookedAt::First));
    if json {
        say_json(&serde_json::json!({ "engine": exporter.engine(), "modules": all }))?;
        return Ok(Ending::complete_if(good));
    }
    say(format_args!("the engine is {}", exporter.engine()));
    if all.is_empty() {
        say("No policy uses such a module.");
    }
    for one in &all {
        let found = match &one.found {
            LookedAt::Same => "is what it was".to_owned(),
            LookedAt::First => "passes; it had not been tried before".to_owned(),
            LookedAt::Missing { text } => format!("can't be tried: {text}"),
            LookedAt::Otherwise { text, .. } => format!("is NOT what it was: {text}. It is quarantined for this policy"),
        };
        say(format_args!("policy {}: {} {found}", one.policy, one.module));
    }
    Ok(Ending::complete_if(good))
}

async fn keys(data: &Data, command: &ModuleKeysCommand, json: bool) -> Result<Ending, Failure> {
    let (store, tenant) = (&data.exporter.store, &data.exporter.tenant);
    match command {
        ModuleKeysCommand::Add { name, key } => {
            let key = ModuleKey { name: name.clone(), key: read_key(&key_bytes(key)?)?, added_at: Timestamp::now() };
            store.save_module_key(tenant, &key, &data.exporter.author).await?;
            say_key_added(&key, json)
        }
        ModuleKeysCommand::List => say_module_keys(&store.module_keys(tenant).await?, json),
        ModuleKeysCommand::Remove { name } => {
            if !store.remove_module_key(tenant, name, Seen::Whatever, &data.exporter.author).await? {
                return Err(Failure::new(format!("there is no key '{name}': see 'consign module keys list'")));
            }
            say_key_removed(name, json)
        }
    }
}

/// The same by a server.
async fn keys_at(server: &Server, command: &ModuleKeysCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        ModuleKeysCommand::Add { name, key } => {
            let bytes = key_bytes(key)?;
            // What is no key is said before anything is sent.
            read_key(&bytes)?;
            let added = server.put(&server.of_tenant(&["module-keys", name.as_str()]).await?, "text/plain", bytes).await?;
            say_key_added(&read_answer::<KeyAnswer>(&added)?.into(), json)
        }
        ModuleKeysCommand::List => {
            let all: Vec<KeyAnswer> = server.list(&server.of_tenant(&["module-keys"]).await?, usize::MAX).await?;
            say_module_keys(&all.into_iter().map(ModuleKey::from).collect::<Vec<_>>(), json)
        }
        ModuleKeysCommand::Remove { name } => {
            server.delete(&server.of_tenant(&["module-keys", name.as_str()]).await?).await?;
            say_key_removed(name, json)
        }
    }
}

/// A key for modules, as a server shows it.
#[derive(Deserialize)]
struct KeyAnswer {
    name: Name,
    #[serde(flatten)]
    key: PublicKey,
    added_at: Timestamp,
}

impl From<KeyAnswer> for ModuleKey {
    fn from(KeyAnswer { name, key, added_at }: KeyAnswer) -> Self {
        Self { name, key, added_at }
    }
}

/// What is a file is read. A key's 32 bytes as they are stand in files alone: on the command line they would be a path that is mistyped.
fn key_bytes(key: &str) -> Result<Vec<u8>, Failure> {
    let path = Path::new(key);
    if path.is_file() { read(path) } else { Ok(format!("{key}\n").into_bytes()) }
}

fn say_key_added(key: &ModuleKey, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(key)?;
    } else {
        say(format_args!("added the key {} ({} {})", key.name, kind(&key.key), key.key.text()));
        say("From now on modules are taken with a signature by one of the tenant's keys only, or with --unsigned.");
    }
    Ok(Ending::Done)
}

fn say_module_keys(keys: &[ModuleKey], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&keys)?;
    } else if keys.is_empty() {
        say("There are no keys: modules are taken without a signature. 'consign module keys add NAME KEYFILE' adds one.");
    } else {
        let rows = keys.iter().map(|key| vec![key.name.to_string(), kind(&key.key).to_owned(), key.key.text().to_owned(), key.added_at.to_string()]);
        say(table(&["key", "kind", "public key", "added"], &[], rows));
    }
    Ok(Ending::Done)
}

fn say_key_removed(name: &Name, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&serde_json::json!({ "removed": name }))?;
    } else {
        say(format_args!("removed the key {name}; modules that were signed with it stay"));
    }
    Ok(Ending::Done)
}
