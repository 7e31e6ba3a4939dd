//! The hostile guests of `tests/hostile`, read and made into components: `tests/hostile/README.md` says what their files look like.
//!
//! A guest's file holds its attack and nothing else. What an honest module has beside it comes from `prelude/`, field by field: those that the guest
//! names, and the exports that it lacks. So no guest has a part that its author did not look at, and a change of the contract's shape is made in one place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::Random;

/// Where in a module's life the host has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Looking at the bytes.
    Check,
    /// Compiling them, in a child process.
    Compile,
    /// Asking the module what it is, and trying it on a canned chat.
    Probe,
    /// Binding it with a configuration.
    Configure,
    /// Beginning a chat: its instance, `configure` again, `begin-chat`.
    BeginChat,
    /// `evaluate`
    Evaluate,
    /// `place`
    Place,
    /// `finish-chat`
    FinishChat,
}

/// What kind of end the host has to put to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The file is not taken.
    Refused,
    /// It ran out of time.
    Deadline,
    /// It ran out of memory.
    Memory,
    /// It handed over, or has, more than it may.
    Output,
    /// It answered or asked against the contract.
    Contract,
    /// Its code failed.
    Trap,
    /// Its configuration was refused.
    Configuration,
    /// It called for data that was not approved.
    RefusedNeed,
    /// It gave up in its own words.
    GaveUp,
}

const STAGES: [(&str, Stage); 8] = [
    ("check", Stage::Check),
    ("compile", Stage::Compile),
    ("probe", Stage::Probe),
    ("configure", Stage::Configure),
    ("begin-chat", Stage::BeginChat),
    ("evaluate", Stage::Evaluate),
    ("place", Stage::Place),
    ("finish-chat", Stage::FinishChat),
];

const CLASSES: [(&str, Class); 9] = [
    ("refused", Class::Refused),
    ("deadline", Class::Deadline),
    ("memory", Class::Memory),
    ("output", Class::Output),
    ("contract", Class::Contract),
    ("trap", Class::Trap),
    ("configuration", Class::Configuration),
    ("refused-need", Class::RefusedNeed),
    ("gave-up", Class::GaveUp),
];

fn word_of<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, of)| *of == value).map_or("?", |(word, _)| word)
}

fn read<T: Copy>(words: &[(&'static str, T)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| format!("'{text}' is none of {:?}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>()))
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(word_of(&STAGES, *self))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(word_of(&CLASSES, *self))
    }
}

/// What must happen to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Must {
    /// The host ends it, at this stage and by this class, and its text says all of this.
    End(Stage, Class, Vec<String>),
    /// It gets nothing by what it tries: every verdict is 0, every event is in the one group, whatever it saw; what must be unchanged, in words.
    Harmless(String),
    /// Whatever the host answers; it only has to answer, and to go on.
    Answered(String),
}

impl FromStr for Must {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (words, quoted) = text.split_once('"').map_or((text, Vec::new()), |(words, rest)| {
            (words, rest.trim_end().trim_end_matches('"').split("\" \"").map(str::to_owned).collect::<Vec<_>>())
        });
        match (words.split_whitespace().collect::<Vec<_>>().as_slice(), quoted.as_slice()) {
            (["harmless"], [unchanged]) => Ok(Self::Harmless(unchanged.clone())),
            (["answered"], [what]) => Ok(Self::Answered(what.clone())),
            ([stage, class], _) => Ok(Self::End(read(&STAGES, stage)?, read(&CLASSES, class)?, quoted)),
            _ => Err(format!("must: '{text}' is none of: STAGE CLASS \"text\" …, harmless \"what\", answered \"what\"")),
        }
    }
}

impl fmt::Display for Must {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End(stage, class, _) => f.pad(&format!("{stage} {class}")),
            Self::Harmless(_) => f.pad("harmless"),
            Self::Answered(_) => f.pad("answered"),
        }
    }
}

/// What a guest's file is the text of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    /// Fields of a core module, which becomes a criterion.
    Criteria,
    /// Fields of a core module, which becomes a grouping.
    Grouping,
    /// Fields that are added to the text of an honest criterion's component.
    Around,
    /// A whole component.
    Component,
    /// A core module, left as it is.
    Core,
    /// Beginnings of an honest criterion, each so many bytes longer than the one before.
    Prefixes(usize),
    /// So many copies of an honest criterion, with one bit of each turned.
    Flips(usize),
}

impl FromStr for World {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_| format!("world: '{text}' is no number"));
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["criteria"] => Ok(Self::Criteria),
            ["grouping"] => Ok(Self::Grouping),
            ["around"] => Ok(Self::Around),
            ["component"] => Ok(Self::Component),
            ["core"] => Ok(Self::Core),
            ["prefixes", bytes] => Ok(Self::Prefixes(number(bytes)?)),
            ["flips", count] => Ok(Self::Flips(number(count)?)),
            _ => Err(format!("world: '{text}' is none of criteria, grouping, around, component, core, prefixes BYTES, flips COUNT")),
        }
    }
}

/// A guest, as its file says.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Its file's name, without the ending.
    pub name: String,
    /// What it tries, in a sentence.
    pub tries: String,
    /// What must happen.
    pub must: Must,
    /// What its manifest asks for, and is approved.
    pub needs: Vec<String>,
    /// What it is bound with.
    pub config: Value,
    /// A call's time, where the usual one would not show the attack.
    pub call_time: Option<Duration>,
    /// Memory in which it is compiled, in MiB, where the usual would not show the attack.
    pub compile_mib: Option<u64>,
    /// Batches that it is shown of a chat.
    pub batches: usize,
    /// Whether verdicts are its own choice: they only have to be the same every time.
    pub chosen_verdicts: bool,
    schema: Value,
    world: World,
    /// Without comments, `@repeat` written out.
    body: String,
}

/// Where the guests are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile")
}

/// All guests, in the order of their names.
pub fn guests() -> Vec<Guest> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap_or_else(|error| panic!("{}: {error}", folder().display()))
        .map(|entry| entry.unwrap_or_else(|error| panic!("{error}")).path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "wat"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Guest::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).collect()
}

/// The guest of this name.
pub fn guest(name: &str) -> Guest {
    let path = folder().join(format!("{name}.wat"));
    Guest::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Guest {
    fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut guest = Self {
            body: expanded(&without_comments(&text)),
            name,
            tries: String::new(),
            must: Must::Answered(String::new()),
            needs: Vec::new(),
            config: json!({}),
            call_time: None,
            compile_mib: None,
            batches: 2,
            chosen_verdicts: false,
            schema: json!({"type": "object"}),
            world: World::Criteria,
        };
        let mut must = None;
        for (key, value) in header(&text) {
            let value = expanded(&value);
            match key.as_str() {
                "tries" => guest.tries = value,
                "must" => must = Some(value.parse()?),
                "world" => guest.world = value.parse()?,
                "needs" => guest.needs = value.split_whitespace().map(str::to_owned).collect(),
                "config" => guest.config = serde_json::from_str(&value).map_err(|error| format!("config: {error}"))?,
                "schema" => guest.schema = serde_json::from_str(&value).map_err(|error| format!("schema: {error}"))?,
                "batches" => guest.batches = value.parse().map_err(|_| format!("batches: '{value}' is no number"))?,
                "compile-mib" => guest.compile_mib = Some(value.parse().map_err(|_| format!("compile-mib: '{value}' is no number"))?),
                "verdicts" if value == "repeated" => guest.chosen_verdicts = true,
                "call-ms" => guest.call_time = Some(Duration::from_millis(value.parse().map_err(|_| format!("call-ms: '{value}' is no number"))?)),
                _ => return Err(format!("its header has an unknown line '{key}'")),
            }
        }
        guest.must = must.ok_or("its header does not say what must happen")?;
        if guest.tries.is_empty() {
            return Err("its header does not say what it tries".to_owned());
        }
        Ok(guest)
    }

    /// Its files: one, but for the families that are made from an honest module by the seed's numbers.
    pub fn files(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let made = |text: &str| wat::parse_str(text).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        match self.world {
            World::Criteria => vec![self.module("criteria")],
            World::Grouping => vec![self.module("grouping")],
            World::Around => {
                let honest = wasmprinter::print_bytes(honest()).unwrap_or_else(|error| panic!("{error}"));
                let open = honest.trim_end().strip_suffix(')').unwrap_or_else(|| panic!("the text of a component has no end: {honest}"));
                vec![made(&format!("{open}\n{})", self.body))]
            }
            World::Component | World::Core => vec![made(&self.body)],
            World::Prefixes(bytes) => {
                let honest = honest();
                (0..honest.len()).step_by(bytes).filter_map(|end| honest.get(..end)).map(<[u8]>::to_vec).collect()
            }
            World::Flips(count) => {
                let honest = honest();
                let flipped = |_| {
                    let mut bytes = honest.clone();
                    let (at, bit) = (random.below(bytes.len()), random.below(8));
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << bit;
                    }
                    bytes
                };
                (0..count).map(flipped).collect()
            }
        }
    }

    /// Bytes of its text, with everything that it repeats.
    pub fn text_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether the module is asked where events go.
    pub fn is_grouping(&self) -> bool {
        self.world == World::Grouping
    }

    fn module(&self, interface: &str) -> Vec<u8> {
        component(&self.name, &core_module(&self.body, interface, &self.manifest()), interface)
    }

    fn manifest(&self) -> String {
        json!({
            "name": format!("hostile/{}", self.name), "version": "1.0.0", "summary": "a hostile guest", "needs": self.needs,
            "rules": [{"code": "saw-something", "summary": "it saw what it must not see"}, {"code": "second", "summary": "another rule"}],
            "config-schema": self.schema,
        })
        .to_string()
    }
}

/// A criterion that does nothing wrong, made as the guests are.
pub fn honest() -> Vec<u8> {
    of_text("honest", "criteria", "", &json!({"type": "object"}))
}

/// A module whose fields are these, made as the guests are. `interface`: `criteria` or `grouping`.
pub fn of_text(name: &str, interface: &str, fields: &str, schema: &Value) -> Vec<u8> {
    let world = if interface == "criteria" { World::Criteria } else { World::Grouping };
    let guest = Guest {
        name: name.to_owned(),
        tries: String::new(),
        must: Must::Harmless(String::new()),
        needs: Vec::new(),
        config: json!({}),
        call_time: None,
        compile_mib: None,
        batches: 2,
        chosen_verdicts: false,
        schema: schema.clone(),
        world,
        body: expanded(&without_comments(fields)),
    };
    guest.module(interface)
}

/// The lines `;; key: value` with which a file begins; a line that is indented further goes on with the one before.
fn header(text: &str) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for line in text.lines().map_while(|line| line.strip_prefix(";;")) {
        match (line.strip_prefix("   "), line.split_once(':'), lines.last_mut()) {
            (Some(more), _, Some((_, value))) => {
                value.push(' ');
                value.push_str(more.trim());
            }
            (_, Some((key, value)), _) => lines.push((key.trim().to_owned(), value.trim().to_owned())),
            _ => break,
        }
    }
    lines
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let mut quoted = false;
        let mut before = '\0';
        let mut end = line.len();
        for (at, character) in line.char_indices() {
            match character {
                '"' if before != '\\' => quoted = !quoted,
                ';' if !quoted && before == ';' => {
                    end = at - 1;
                    break;
                }
                _ => {}
            }
            before = if before == '\\' { '\0' } else { character };
        }
        kept.push_str(line.get(..end).unwrap_or_default());
        kept.push('\n');
    }
    kept
}

/// Where the parenthesis that the text begins with is closed.
fn closed(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && !quoted {
            return at + 1;
        }
    }
    panic!("a parenthesis is not closed: {}", text.chars().take(80).collect::<String>())
}

/// `(@repeat COUNT text)` is the text so many times, with `@i` in it as the number from 0; the innermost one's where they nest.
fn expanded(text: &str) -> String {
    const REPEAT: &str = "(@repeat ";
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, repeat)) = rest.find(REPEAT).and_then(|at| rest.split_at_checked(at)) {
        made.push_str(before);
        let (whole, after) = repeat.split_at(closed(repeat));
        let inner = whole.strip_prefix(REPEAT).and_then(|inner| inner.strip_suffix(')')).unwrap_or_default();
        let (count, body) = inner.split_once(char::is_whitespace).unwrap_or_default();
        let count: usize = count.parse().unwrap_or_else(|_| panic!("@repeat: '{count}' is no number"));
        let body = expanded(body);
        for number in 0..count {
            if body.contains("@i") {
                made.push_str(&body.replace("@i", &number.to_string()));
            } else {
                made.push_str(&body);
            }
        }
        rest = after;
    }
    made + rest
}

/// The fields of a module's text, without comments.
fn fields(text: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (field, after) = rest.split_at(closed(rest));
        fields.push(field);
        rest = after.trim_start();
    }
    fields
}

/// The names that stand in a text, with their dollar signs.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character.is_whitespace() || character == '(' || character == ')').filter(|word| word.starts_with('$'))
}

fn export(field: &str) -> Option<&str> {
    field.split_once("(export \"")?.1.split('"').next()
}

/// A field of the prelude: what it is called, and by what it is exported.
struct Offered {
    text: String,
    name: Option<String>,
    export: Option<String>,
}

fn offered(interface: &str) -> Vec<Offered> {
    let files = ["imports.wat".to_owned(), "functions.wat".to_owned(), format!("{interface}.wat")];
    let texts = files.iter().map(|file| {
        let path = folder().join("prelude").join(file);
        without_comments(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    });
    let offered = texts.flat_map(|text| {
        let offer = |field: &&str| Offered {
            text: (*field).to_owned(),
            // An import's own name comes first too.
            name: names(field).next().filter(|_| !field.starts_with("(func (export")).map(str::to_owned),
            export: export(field).map(str::to_owned),
        };
        fields(&text).iter().map(offer).collect::<Vec<_>>()
    });
    offered.collect()
}

/// A core module in text: the guest's fields, and of the prelude's those that they name and the exports that they lack.
fn core_module(body: &str, interface: &str, manifest: &str) -> String {
    let offered = offered(interface);
    let own: Vec<&str> = fields(body);
    let mut taken = vec![false; offered.len()];
    for (offer, taken) in offered.iter().zip(&mut taken) {
        *taken = offer.export.as_ref().is_some_and(|name| !own.iter().any(|field| export(field) == Some(name)));
    }
    let mut texts: Vec<&str> = own.clone();
    texts.extend(offered.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(offer, _)| offer.text.as_str()));
    let mut next = 0;
    while let Some(text) = texts.get(next).copied() {
        next += 1;
        for (offer, taken) in offered.iter().zip(&mut taken) {
            // What a guest exports itself it has to define itself.
            let named = offer.name.as_deref().is_some_and(|name| names(text).any(|named| named == name));
            if named && !*taken && offer.export.as_ref().is_none_or(|name| !own.iter().any(|field| export(field) == Some(name))) {
                *taken = true;
                texts.push(&offer.text);
            }
        }
    }
    let (imports, mut others): (Vec<&str>, Vec<&str>) = texts.into_iter().partition(|field| field.starts_with("(import"));
    let bytes = manifest.bytes().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
    let given = format!(
        "(global $manifest i32 (i32.const 1024)) (global $manifest-bytes i32 (i32.const {})) (data (i32.const 1024) \"{bytes}\")",
        manifest.len()
    );
    others.push(&given);
    let mut text = format!("(module\n{}\n{})", imports.join("\n"), others.join("\n"));
    for call in ["describe", "configure", "begin-chat", "evaluate", "place", "finish-chat"] {
        for before in ["", "cabi_post_"] {
            let short = format!("(export \"{before}{call}\")");
            text = text.replace(&short, &format!("(export \"{before}consign:filter/{interface}@0.1.0#{call}\")"));
        }
    }
    text
}

fn component(name: &str, text: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut resolve = Resolve::default();
    for path in [folder().join("../../wit/0.1.0/filter.wit"), folder().join("prelude/wasi.wit")] {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let package = resolve.push_str(&path, &text).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        if path.ends_with("wasi.wit") {
            let world = resolve.select_world(&[package], Some(world)).unwrap_or_else(|error| panic!("{error:?}"));
            embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
    }
    let encoder = ComponentEncoder::default().module(&module).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    encoder.validate(true).encode().unwrap_or_else(|error| panic!("{name}: {error:?}"))
}
