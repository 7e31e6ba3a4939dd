//! What a module says about itself. The manifest is a constant, so that `describe` can't depend on anything, and its rules are an enum, so that a
//! verdict can't name a rule that the manifest doesn't have.

use crate::Schema;
use serde_json::Value;

/// Data that a module reads. A tenant approves the needs when it binds the module to a policy; the host refuses the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// [`Chat::title`](crate::Chat::title)
    Titles,
    /// [`Chat::labels`](crate::Chat::labels)
    Labels,
    /// [`Chat::participants`](crate::Chat::participants)
    Participants,
    /// [`Chat::participant_attribute`](crate::Chat::participant_attribute)
    Attributes,
    /// [`View::times`](crate::View::times) and [`View::utc_offsets`](crate::View::utc_offsets)
    Times,
    /// [`View::senders`](crate::View::senders)
    Senders,
    /// [`View::kinds`](crate::View::kinds)
    Kinds,
    /// [`View::ids`](crate::View::ids)
    Ids,
    /// [`View::threads`](crate::View::threads) and [`View::targets`](crate::View::targets)
    References,
    /// [`View::matches`](crate::View::matches) and [`View::match_counts`](crate::View::match_counts)
    Matching,
    /// [`View::texts`](crate::View::texts)
    Text,
    /// [`View::attachments`](crate::View::attachments)
    Attachments,
}

impl Need {
    /// The contract's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Titles => "titles",
            Self::Labels => "labels",
            Self::Participants => "participants",
            Self::Attributes => "attributes",
            Self::Times => "times",
            Self::Senders => "senders",
            Self::Kinds => "kinds",
            Self::Ids => "ids",
            Self::References => "references",
            Self::Matching => "matching",
            Self::Text => "text",
            Self::Attachments => "attachments",
        }
    }
}

/// One reason for leaving an event out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// In kebab-case. It stands in ledgers and manifests, so it stays as it is for the life of the module.
    pub code: &'static str,
    /// For people: what the rule leaves out.
    pub summary: &'static str,
}

/// A module's rules. Write it with [`rules!`](crate::rules).
pub trait RuleSet: Copy + std::fmt::Debug + PartialEq + 'static {
    /// All of them; at most 255, which is what a verdict of one byte can name.
    const ALL: &'static [Rule];
    /// This one's place in [`RuleSet::ALL`].
    fn index(self) -> u8;
}

/// For a module that leaves nothing out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRules {}

impl RuleSet for NoRules {
    const ALL: &'static [Rule] = &[];
    fn index(self) -> u8 {
        match self {}
    }
}

/// Names a module's rules: `rules! { /// Why. pub enum Why { TooOld = "too-old": "older than the policy wants" } }`. Their order is part of what a
/// built module says; their codes are what ledgers keep.
#[macro_export]
macro_rules! rules {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($variant:ident = $code:literal : $summary:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        $vis enum $name { $(#[doc = $summary] $variant),+ }

        impl $crate::RuleSet for $name {
            const ALL: &'static [$crate::Rule] = &[$($crate::Rule { code: $code, summary: $summary }),+];
            fn index(self) -> u8 {
                self as u8
            }
        }
    };
}

/// What a module says about itself; `describe` returns it as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    /// `owner/name`.
    pub name: &'static str,
    /// The module's own version.
    pub version: &'static str,
    /// One sentence for the person who picks it.
    pub summary: &'static str,
    /// What it reads. Asking for more than this is refused by the host.
    pub needs: &'static [Need],
    /// What a configuration may be.
    pub config_schema: Schema,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Criteria,
    Grouping,
}

impl Manifest {
    /// The JSON of `describe`. The schema goes in as it was written: the order of its `properties` counts the needle lists.
    pub(crate) fn to_json(self, kind: Kind, rules: &[Rule]) -> String {
        let text = |value: &str| Value::from(value).to_string();
        let kind = match kind {
            Kind::Criteria => "criteria",
            Kind::Grouping => "grouping",
        };
        let needs: Vec<String> = self.needs.iter().map(|need| text(need.name())).collect();
        let rules: Vec<String> = rules
            .iter()
            .map(|rule| {
                let (code, summary) = (text(rule.code), text(rule.summary));
                format!(r#"{{"code":{code},"summary":{summary}}}"#)
            })
            .collect();
        format!(
            r#"{{"name":{},"version":{},"summary":{},"kind":"{kind}","needs":[{}],"rules":[{}],"config-schema":{}}}"#,
            text(self.name),
            text(self.version),
            text(self.summary),
            needs.join(","),
            rules.join(","),
            &*self.config_schema.text()
        )
    }
}
