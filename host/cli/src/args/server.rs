//! Which server is asked, in the place of a data folder, and by which token.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgMatches, Args, parser::ValueSource};

/// Options of all commands.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Ask this 'consign serve' by its API, instead of using a data folder: https://HOST, or http://127.0.0.1:8480 on this machine
    #[arg(long, global = true, env = "CONSIGN_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// A file with the token for the server; or CONSIGN_TOKEN has the token
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The token for the server. Others on this machine can see it in the list of processes, and it stays in the shell's history: better --token-file or CONSIGN_TOKEN
    #[arg(long, global = true, env = "CONSIGN_TOKEN", hide_env = true, value_name = "TOKEN")]
    pub token: Option<TokenText>,
    /// Send the token and what is asked for in clear to a server on another machine: http:// without TLS
    #[arg(long, global = true)]
    pub allow_plaintext: bool,
    /// What stands on the command line itself, and not in the environment.
    #[arg(skip)]
    pub on_line: OnLine,
}

/// Options that were given on the command line itself. These go before those of the environment.
#[derive(Debug, Default, Clone)]
pub struct OnLine(Vec<&'static str>);

impl OnLine {
    /// As clap has read it.
    pub fn of(matches: &ArgMatches) -> Self {
        let asked = ["server", "token", "data", "master_key_file", "by"];
        Self(asked.into_iter().filter(|name| matches.value_source(name) == Some(ValueSource::CommandLine)).collect())
    }

    /// Whether this one was, of those that are asked about.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

/// What somebody says is a token. Never printed.
#[derive(Clone)]
pub struct TokenText(pub String);

impl FromStr for TokenText {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}
