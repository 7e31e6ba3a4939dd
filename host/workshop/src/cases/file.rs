//! The file of cases, in YAML or TOML: what can stand in it. `guest-filters/TESTING.md` is its reference.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use consign_model::module::{FaultClass, ModuleKind, Need};
use consign_model::{Name, Timestamp};
use serde::Deserialize;
use serde::de::{SeqAccess, Visitor};
use serde_json::Value;

use crate::judge::KEEP;

/// The names under which a folder's cases are looked for.
pub const NAMES: [&str; 3] = ["filter-tests.yaml", "filter-tests.yml", "filter-tests.toml"];

/// Why a file of cases can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseFileError {
    /// There is none.
    #[error("{} has no cases: write {}, as guest-filters/TESTING.md says", .0.display(), NAMES.join(" or "))]
    None(PathBuf),
    /// It can't be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {cause}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where, and what.
        cause: String,
    },
}

/// A file of cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaseFile {
    /// The component, by a path relative to the file; unset: `<folder>.wasm` beside it.
    pub module: Option<PathBuf>,
    /// The cases.
    #[serde(default)]
    pub cases: Vec<Case>,
    /// What the property runs are given.
    #[serde(default)]
    pub properties: Properties,
}

/// What the property runs are given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Properties {
    /// The configuration; unset: the schema's first example, else an empty object.
    pub config: Option<Value>,
}

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// For people, and for the snapshot's file.
    pub name: String,
    /// A path relative to the file, or lines of `jsonl`; several are arrivals one after another, each a window of its own.
    #[serde(deserialize_with = "one_or_more")]
    pub events: Vec<String>,
    /// The configuration; unset: an empty object.
    pub config: Option<Value>,
    /// What is approved; unset: what the module asks for.
    pub needs: Option<Vec<Need>>,
    /// Which chat, where the events are of several.
    pub chat: Option<String>,
    /// The source's name, as the module sees it.
    pub source: Option<Name>,
    /// The only "now" that the module gets; unset: the time of the last event.
    pub now: Option<Timestamp>,
    /// What the module has to say.
    pub expect: Expect,
}

impl Case {
    /// What was expected of the module where it fails.
    pub(super) fn expected(&self) -> String {
        self.expect.fails.map_or_else(|| "an answer".to_owned(), |class| format!("a failure of class {}", class.word()))
    }
}

/// What is expected. Nothing at all is refused: it could not fail.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// By event: `keep` or the rule's code.
    #[serde(default)]
    pub verdicts: BTreeMap<String, String>,
    /// The same for every event that `verdicts` and `left-out` do not name.
    pub others: Option<String>,
    /// By event: the rule by which a grouping leaves it out. The same as in `verdicts`.
    #[serde(default)]
    pub left_out: BTreeMap<String, String>,
    /// Compare everything with the file under `snapshots`.
    #[serde(default)]
    pub snapshot: bool,
    /// What a criterion says of the chat as a whole.
    pub decision: Option<DecisionWord>,
    /// A grouping's groups, all of them, in any order.
    pub groups: Option<Vec<ExpectGroup>>,
    /// The configuration is refused: by pointer, a part of the text.
    pub refused_config: Option<BTreeMap<String, String>>,
    /// Binding is refused, because these were not approved.
    pub refused_needs: Option<Vec<Need>>,
    /// The module fails, in this way.
    pub fails: Option<FaultClass>,
}

impl Expect {
    /// What is expected that a module of this kind never says: it could not fail, or not be met.
    pub(super) fn of_another_kind(&self, kind: ModuleKind) -> Option<String> {
        let problem = match kind {
            ModuleKind::Criteria if self.groups.is_some() => "'groups' is of a grouping, and this module is a criterion",
            ModuleKind::Criteria if !self.left_out.is_empty() => "'left-out' is of a grouping, and this module is a criterion: use 'verdicts'",
            ModuleKind::Grouping if self.decision.is_some() => "'decision' is of a criterion, and this module is a grouping",
            ModuleKind::Grouping if self.left_out.values().any(|word| word == KEEP) => "'left-out' names rules: an event that is kept is in a group",
            ModuleKind::Criteria | ModuleKind::Grouping => return None,
        };
        Some(problem.to_owned())
    }
}

/// A group that is expected.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectGroup {
    /// Its key.
    pub key: String,
    /// Which window, counted from 1, where there are several.
    #[serde(default = "first")]
    pub window: usize,
    /// Unset: any.
    pub title: Option<String>,
    /// The id of the user whose copy it is. Unset: any.
    pub subject: Option<String>,
    /// Unset: any.
    pub labels: Option<BTreeMap<String, String>>,
    /// All its events. Unset: any.
    pub events: Option<Vec<String>>,
}

fn first() -> usize {
    1
}

/// `inspect`, `keep-all` or `omit-all:<rule>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionWord {
    /// It looks at the events.
    Inspect,
    /// It keeps the chat.
    KeepAll,
    /// It leaves the chat out by this rule.
    OmitAll(String),
}

impl fmt::Display for DecisionWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inspect => f.write_str("inspect"),
            Self::KeepAll => f.write_str("keep-all"),
            Self::OmitAll(rule) => write!(f, "omit-all:{rule}"),
        }
    }
}

impl<'de> Deserialize<'de> for DecisionWord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match (text.as_str(), text.strip_prefix("omit-all:")) {
            ("inspect", _) => Ok(Self::Inspect),
            ("keep-all", _) => Ok(Self::KeepAll),
            (_, Some(rule)) if !rule.is_empty() => Ok(Self::OmitAll(rule.to_owned())),
            _ => Err(serde::de::Error::custom("a decision is inspect, keep-all or omit-all:<rule>")),
        }
    }
}

fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path, a block of lines, or a list of these")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(one) = list.next_element()? {
                found.push(one);
            }
            Ok(found)
        }
    }
    deserializer.deserialize_any(OneOrMore)
}

impl CaseFile {
    /// Where a folder's cases are, or this file.
    pub fn find(path: &Path) -> Result<PathBuf, CaseFileError> {
        if !path.is_dir() {
            return Ok(path.to_owned());
        }
        let found = NAMES.iter().map(|name| path.join(name)).find(|path| path.is_file());
        found.ok_or_else(|| CaseFileError::None(path.to_owned()))
    }

    /// Reads a file, and checks what its form alone can't say.
    pub fn read(path: &Path) -> Result<Self, CaseFileError> {
        let text = std::fs::read_to_string(path).map_err(|cause| CaseFileError::Unreadable { path: path.to_owned(), cause })?;
        let wrong = |cause: String| CaseFileError::Wrong { path: path.to_owned(), cause };
        let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        let file: Self = if is_toml {
            toml::from_str(&text).map_err(|error| wrong(error.to_string()))?
        } else {
            serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?
        };
        let mut names = std::collections::HashSet::new();
        for case in &file.cases {
            let of = |what: &str| wrong(format!("the case '{}' {what}", case.name));
            if case.events.is_empty() {
                return Err(of("has no events"));
            }
            if !names.insert(super::snapshot::file_name(&case.name)) {
                return Err(of("has the name of another one, or one that makes the same file name"));
            }
            if let Some(problem) = case.expect.problem() {
                return Err(of(problem));
            }
        }
        Ok(file)
    }
}

impl Expect {
    /// Whether anything is said of what the module answers when all goes well.
    fn answers(&self) -> bool {
        !self.verdicts.is_empty()
            || !self.left_out.is_empty()
            || self.others.is_some()
            || self.snapshot
            || self.decision.is_some()
            || self.groups.is_some()
    }

    fn problem(&self) -> Option<&'static str> {
        let refusals = [self.refused_config.is_some(), self.refused_needs.is_some(), self.fails.is_some()];
        match (self.answers(), refusals.into_iter().filter(|one| *one).count()) {
            (false, 0) => Some("expects nothing, so it could not fail: say what the module answers under 'expect'"),
            (true, 0) | (false, 1) => None,
            (true, _) => Some("expects both a refusal or failure and an answer, and there can be one only"),
            (false, _) => Some("expects several refusals or failures, and there can be one only"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn read(name: &str, text: &str) -> Result<CaseFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        CaseFile::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn yaml_and_toml_say_the_same() {
        let yaml = "module: x.wasm\ncases:\n  - name: bots\n    events: a.jsonl\n    config: { keep-late: true, n: [1, 2.5, null] }\n    \
                    needs: [text, ids]\n    now: 2026-01-05T09:00:00Z\n    expect:\n      verdicts: { m1: keep, m2: bot }\n      decision: omit-all:bot\n  \
                    - name: two\n    events: [a.jsonl, b.jsonl]\n    expect: { fails: gave-up }\nproperties: { config: { a: 1 } }\n";
        let toml = "module = 'x.wasm'\n[[cases]]\nname = 'bots'\nevents = 'a.jsonl'\nconfig = { keep-late = true, n = [1, 2.5] }\n\
                    needs = ['text', 'ids']\nnow = '2026-01-05T09:00:00Z'\nexpect.verdicts = { m1 = 'keep', m2 = 'bot' }\n\
                    expect.decision = 'omit-all:bot'\n[[cases]]\nname = 'two'\nevents = ['a.jsonl', 'b.jsonl']\nexpect.fails = 'gave-up'\n\
                    [properties]\nconfig = { a = 1 }\n";
        for (name, text) in [("c.yaml", yaml), ("c.toml", toml)] {
            let file = read(name, text).unwrap();
            assert_eq!(file.module, Some("x.wasm".into()));
            let [bots, two] = file.cases.as_slice() else { unreachable!("{file:?}") };
            assert_eq!(bots.config.as_ref().unwrap()["keep-late"], true);
            assert_eq!(bots.config.as_ref().unwrap()["n"][1], 2.5);
            assert_eq!(bots.needs.as_deref(), Some([Need::Text, Need::Ids].as_slice()));
            assert_eq!(bots.now.unwrap().to_string(), "2026-01-05T09:00:00.000Z");
            assert_eq!(bots.expect.verdicts["m2"], "bot");
            assert_eq!(bots.expect.decision, Some(DecisionWord::OmitAll("bot".into())));
            assert_eq!(two.events, ["a.jsonl", "b.jsonl"]);
            assert_eq!(two.expect.fails, Some(FaultClass::GaveUp));
            assert_eq!(file.properties.config.unwrap()["a"], 1);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let case = |more: &str| format!("cases:\n  - name: a\n    events: a.jsonl\n{more}");
        for (text, says) in [
            (case("    expect: {}\n"), "expects nothing"),
            (case("    expect: { fails: crash }\n"), "4"),
            (case("    expect: { verdicts: { m1: keep }, fails: trap }\n"), "one only"),
            (case("    expect: { verdict: { m1: keep } }\n"), "verdict"),
            (case("    expect: { decision: perhaps }\n"), "omit-all"),
            (case("    needs: [texts]\n    expect: { snapshot: true }\n"), "4"),
            ("cases: [\n".to_owned(), "line"),
            (case("    expect: { snapshot: true }\n  - name: A\n    events: a\n    expect: { snapshot: true }\n"), "name of another"),
        ] {
            let problem = read("c.yaml", &text).unwrap_err();
            assert!(problem.contains(says), "{text}\n{problem}");
        }
        let toml = "[[cases]]\nname = 'a'\nevents = 'x'\nexpect.fails = 'crash'\n";
        assert!(read("c.toml", toml).unwrap_err().contains("line 4"));
    }
}
