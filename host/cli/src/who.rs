//! Who gives a command: what the operating system says, and beside it what they say themselves.
//!
//! The account is that of the process, looked up where accounts stand; the environment's `USER` can be set to anything by whoever it names. Where
//! accounts come from elsewhere (LDAP, say) and the file does not have this one, its number is as good.

use consign_model::audit::Actor;

/// What is kept of a name that somebody gives themselves.
const LONGEST: usize = 200;

/// The person behind this process. `named` is what they call themselves; where they don't, what sudo says of who is behind root.
pub fn person(named: Option<&str>) -> Actor {
    let sudo = std::env::var("SUDO_USER").ok();
    let named = named.or(sudo.as_deref()).filter(|named| !named.is_empty());
    let named = named.map(|named| named.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect());
    Actor::Person { user: format!("{}@{}", account(), host()), process: std::process::id(), named }
}

/// The account's name.
fn account() -> String {
    let number = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(&accounts, number).map_or_else(|| format!("uid-{number}"), str::to_owned)
}

/// Of lines as passwd(5) has them, `name:password:uid:…`.
fn name_of(accounts: &str, number: u32) -> Option<&str> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(number)).then_some(name)
    })
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn accounts_by_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n# a line\n:x:7:7::/:\nann:x:1000:1000:Ann Lee:/home/ann:/bin/sh\nbad:x\n";
        assert_eq!([0, 1000, 7, 1].map(|number| name_of(accounts, number)), [Some("root"), Some("ann"), None, None]);
    }

    #[test]
    fn a_name_that_somebody_gives_themselves_is_one_line() {
        let Actor::Person { user, process, named } = person(Some(&format!("Ann\nLee{}", "!".repeat(500)))) else { panic!("no person") };
        assert_eq!((process, named.as_deref().map(|named| (named.len(), named.starts_with("AnnLee!")))), (std::process::id(), Some((LONGEST, true))));
        assert!(user.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()), "{user}");
    }
}
