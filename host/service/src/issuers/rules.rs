//! What claims open: a list of rules, of which the first that fits counts.

use std::collections::{BTreeMap, BTreeSet};

use consign_model::access::{Role, platform};
use consign_model::{Name, TenantId};
use serde::Deserialize;
use serde_json::Value;

/// The claim whose worth depends on another: an address counts where the issuer says that it has been checked.
pub const EMAIL: &str = "email";
/// Values of one claim that are looked at. More is no list of somebody's groups.
const MOST: usize = 10_000;

/// Of claims those that rules ask about, and of their values those that rules name.
pub type Seen = BTreeMap<String, BTreeSet<String>>;

/// Who is let in as what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Rule {
    /// The claim's name; beginning with a slash: where it stands in the claims, as RFC 6901 says (`/realm_access/roles`).
    claim: String,
    test: Test,
    tenant: TenantId,
    role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// It is, or has among others, one of these.
    Is(BTreeSet<String>),
    /// The address is one of this domain, and not of one below it.
    Domain(String),
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    claim: String,
    is: Option<OneOrMore>,
    domain: Option<String>,
    tenant: Option<Name>,
    role: Role,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(BTreeSet<String>),
}

impl TryFrom<Written> for Rule {
    type Error = String;
    fn try_from(Written { claim, is, domain, tenant, role }: Written) -> Result<Self, String> {
        let test = match (is, domain) {
            (Some(OneOrMore::One(one)), None) => Test::Is([one].into()),
            (Some(OneOrMore::More(more)), None) if !more.is_empty() => Test::Is(more),
            (None, Some(domain)) if claim == EMAIL && !domain.contains('@') && !domain.is_empty() => Test::Domain(domain.to_ascii_lowercase()),
            _ => return Err(format!("the rule for {claim}: write is = \"…\" or is = [\"…\"], or for email domain = \"acme.example\"; one of them")),
        };
        let test = match test {
            Test::Is(values) if claim == EMAIL => Test::Is(values.into_iter().map(|value| value.to_ascii_lowercase()).collect()),
            other => other,
        };
        let tenant = match (tenant, role.is_of_the_platform()) {
            (None, true) => platform(),
            (Some(tenant), false) if tenant != platform() => tenant,
            (_, true) => return Err(format!("the rule for {claim}: {role} is of the installation: take tenant out")),
            (_, false) => return Err(format!("the rule for {claim}: {role} is of a tenant: write tenant = \"…\"")),
        };
        Ok(Self { claim, test, tenant, role })
    }
}

impl Rule {
    /// The claim that it asks about.
    pub fn claim(&self) -> &str {
        &self.claim
    }
}

impl Test {
    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Is(values) => values.contains(value),
            Self::Domain(domain) => value.rsplit_once('@').is_some_and(|(_, of)| of == domain),
        }
    }
}

/// What rules have to go by.
pub fn seen(rules: &[Rule], claims: &Value) -> Seen {
    let mut seen = Seen::new();
    for rule in rules {
        let values = values(claims, &rule.claim);
        let fitting: Vec<String> = values.into_iter().filter(|value| rule.test.fits(value)).collect();
        if !fitting.is_empty() {
            seen.entry(rule.claim.clone()).or_default().extend(fitting);
        }
    }
    seen
}

/// What the first rule that fits opens.
pub fn decide(rules: &[Rule], seen: &Seen) -> Option<(TenantId, Role)> {
    let fits = |rule: &&Rule| seen.get(&rule.claim).is_some_and(|values| values.iter().any(|value| rule.test.fits(value)));
    rules.iter().find(fits).map(|rule| (rule.tenant.clone(), rule.role))
}

/// An address that the issuer has checked.
pub fn email(claims: &Value) -> Option<String> {
    // Some issuers write the one word as a text.
    let is_checked = claims["email_verified"] == true || claims["email_verified"] == "true";
    let email = claims[EMAIL].as_str().filter(|_| is_checked)?;
    let is_one = email.len() <= 254 && email.contains('@') && !email.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    is_one.then(|| email.to_ascii_lowercase())
}

fn values(claims: &Value, claim: &str) -> Vec<String> {
    if claim == EMAIL {
        return email(claims).into_iter().collect();
    }
    let found = if claim.starts_with('/') { claims.pointer(claim) } else { claims.get(claim) };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match found {
        Some(Value::Array(values)) => values.iter().take(MOST).filter_map(text).collect(),
        Some(one) => text(one).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct File {
        rules: Vec<Rule>,
    }

    fn rules(text: &str) -> Result<Vec<Rule>, String> {
        toml::from_str::<File>(text).map(|file| file.rules).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_that_fits_counts() {
        let rules = rules(
            r#"rules = [
                { claim = "groups", is = ["ops", "root"], role = "platform-administrator" },
                { claim = "/realm/roles", is = "officer", tenant = "acme", role = "tenant-administrator" },
                { claim = "email", is = "Ann@acme.example", tenant = "acme", role = "policy-author" },
                { claim = "email", domain = "acme.example", tenant = "acme", role = "auditor" },
            ]"#,
        )
        .unwrap();
        let decided = |claims: Value| decide(&rules, &seen(&rules, &claims)).map(|(tenant, role)| format!("{tenant} {role}"));
        let who = |email: &str| json!({ "email": email, "email_verified": true });
        for (claims, is) in [
            (json!({ "groups": ["a", "root"] }), Some("platform platform-administrator")),
            (json!({ "groups": "ops" }), Some("platform platform-administrator")),
            (json!({ "groups": ["opsx"], "realm": { "roles": ["officer"] } }), Some("acme tenant-administrator")),
            (who("ann@ACME.example"), Some("acme policy-author")),
            (who("bob@acme.example"), Some("acme auditor")),
            (who("bob@evil.acme.example"), None),
            (who("bob@acme.example@evil.example"), None),
            (who("bob@acme.example\n"), None),
            (json!({ "email": "ann@acme.example" }), None),
            (json!({ "email": "ann@acme.example", "email_verified": false }), None),
            (json!({ "email": ["ann@acme.example"], "email_verified": true }), None),
            (json!({ "groups": { "ops": true } }), None),
            (json!({}), None),
        ] {
            assert_eq!(decided(claims.clone()).as_deref(), is, "{claims}");
        }
        // Of a hundred groups those are kept that say something here.
        let kept = seen(&rules, &json!({ "groups": ["secret", "ops"], "email": "x@y", "email_verified": true }));
        assert_eq!(kept, Seen::from([("groups".to_owned(), ["ops".to_owned()].into())]));
    }

    #[test]
    fn rules_that_say_too_much_or_too_little() {
        for (rule, says) in [
            (r#"claim = "groups", role = "auditor", tenant = "a""#, "write is"),
            (r#"claim = "groups", is = [], role = "auditor", tenant = "a""#, "write is"),
            (r#"claim = "groups", domain = "a.example", role = "auditor", tenant = "a""#, "write is"),
            (r#"claim = "email", is = "a@b", domain = "b", role = "auditor", tenant = "a""#, "one of them"),
            (r#"claim = "email", is = "a@b", role = "auditor""#, "write tenant"),
            (r#"claim = "email", is = "a@b", role = "auditor", tenant = "platform""#, "write tenant"),
            (r#"claim = "email", is = "a@b", role = "platform-administrator", tenant = "a""#, "take tenant out"),
            (r#"claim = "email", is = "a@b", role = "king", tenant = "a""#, "unknown variant"),
        ] {
            let error = rules(&format!("rules = [{{ {rule} }}]")).unwrap_err();
            assert!(error.contains(says), "{rule}: {error}");
        }
    }
}
