//! Where e-mails go: a target as the session uses it.
//!
//! A policy file's `[[target]]` becomes one of these once for each run: everything that can be refused without talking to the server is
//! refused here (a secret that can't be read by now, a certificate file that holds none, plaintext without leave), so that the session has no such
//! case. In particular [`Security::Plain`] can't be made without the leave, which is why the session signs in over whatever it has.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use consign_model::target::{AuthMechanism, DkimSpec, SecretSource, TargetSpec, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::dkim::Signer;
use super::secret::Secret;
use super::{address, dkim, secret};
use crate::address::Mailbox;

/// How long each step of a session may take. What is longer than allowed ends the session.
///
/// None of them limits the whole e-mail: a slow server that keeps answering is never given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Finding the host's addresses; and then connecting, for each address.
    pub connect: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// The greeting and each answer to EHLO, STARTTLS, AUTH, MAIL and RCPT. RFC 5321, section 4.5.3.2, asks for at least five minutes.
    pub command: Duration,
    /// The answer to DATA. At least two minutes, by the same section.
    pub data: Duration,
    /// Handing over each 64 KiB of an e-mail. At least three minutes, by the same section.
    pub chunk: Duration,
    /// The answer after the final dot. At least ten minutes, by the same section: giving up earlier makes an e-mail's outcome unknown which
    /// the server was about to accept, and so a duplicate.
    pub end_of_data: Duration,
    /// The answers to RSET and QUIT, whose lack costs a connection only.
    pub closing: Duration,
    /// How long a connection is kept for the next e-mail.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            connect: Duration::from_secs(30),
            handshake: minutes(1),
            command: minutes(5),
            data: minutes(2),
            chunk: minutes(3),
            end_of_data: minutes(10),
            closing: Duration::from_secs(10),
            idle: minutes(1),
        }
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone)]
pub(crate) enum Whence {
    /// Read anew for each connection: a token that was good for one may have expired before the next.
    Read(SecretSource),
    /// It was kept, and is at hand.
    AtHand(Secret),
}

/// Signs in with these.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(super) user: String,
    pub(super) secret: Whence,
    /// Unset: PLAIN, else LOGIN, as the server offers.
    pub(super) mechanism: Option<AuthMechanism>,
}

/// Whom TLS trusts, and by which name the server must be known.
#[derive(Clone)]
pub(crate) struct TlsSetup {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: ServerName<'static>,
}

impl fmt::Debug for TlsSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsSetup({:?})", self.server_name)
    }
}

/// Protection of the connection.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    /// None: the target was written with `allow-plaintext = true`.
    Plain,
    /// STARTTLS before anything else.
    StartTls(TlsSetup),
    /// TLS from the first byte.
    Implicit(TlsSetup),
}

/// An SMTP target, checked. That its secret can be read was tried; it is not kept.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server's DNS name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) credentials: Option<Credentials>,
    /// Unset: this machine's name where it is a full one, else its address.
    pub(crate) hello: Option<String>,
    pub(crate) connections: u16,
    pub(crate) dkim: Option<Arc<Signer>>,
    /// See [`Timeouts`].
    pub timeouts: Timeouts,
}

/// Why a target can't be used, with its name. The text holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("target {target}: {fault}")]
pub struct TargetError {
    /// The target's name.
    pub target: String,
    /// What is wrong with it.
    pub fault: TargetFault,
}

/// What is wrong with a target. None of the texts holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum TargetFault {
    /// `tls = "none"` without the leave.
    #[error(
        "tls = \"none\" would send conversations and passwords in clear. Use tls = \"starttls\" or \"implicit\", or add allow-plaintext = true if that is meant"
    )]
    Plaintext,
    /// The environment variable is unset, empty, or no text.
    #[error("the password is read from the environment variable {variable}, which is {what}. Set it where consign runs")]
    Variable {
        /// The variable's name.
        variable: String,
        /// Unset, empty, …
        what: &'static str,
    },
    /// The file can't be read.
    #[error("the password is read from the file {}, which can't be read ({error}). Check that it exists and that consign may read it", file.display())]
    SecretFile {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The command gave none. Neither its output nor what it said on standard error is shown: both may hold secrets.
    #[error(
        "the password is asked of the command {program}, which {what}. Run it by hand, as the user and with the environment that consign runs with, to see why"
    )]
    Command {
        /// The program, without its arguments.
        program: String,
        /// What it did.
        what: String,
    },
    /// Empty, or with a control character in it.
    #[error("the password in {place} {what}")]
    Secret {
        /// The variable, file or command.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It is kept by nobody, or can't be opened.
    #[error("the password is the secret '{name}' that is kept for the tenant, and {what}. Keep it anew: consign secret keep {name}")]
    Kept {
        /// The secret's name.
        name: String,
        /// That there is none, or it is damaged.
        what: &'static str,
    },
    /// One of `username` and `password` without the other, or `auth` without them.
    #[error("{what}. Signing in needs both username and password; leave out username, password and auth for a server that asks for none")]
    Credentials {
        /// What is missing.
        what: &'static str,
    },
    /// The file of certificate authorities can't be used.
    #[error("ca-file {} {what}. It should hold one or more certificates in PEM form", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// Why.
        what: String,
    },
    /// The system has no certificate authorities.
    #[error("this system has no certificate authorities ({what}). Install them (Debian: the package ca-certificates), or name a ca-file")]
    NoAuthorities {
        /// What was tried.
        what: String,
    },
    /// TLS could not be set up.
    #[error("TLS can't be set up: {error}")]
    TlsSetup {
        /// Why.
        error: rustls::Error,
    },
    /// The host is neither a DNS name nor an address.
    #[error("host {host:?} is neither a DNS name nor an address. Write it as smtp.archive.example, without a port")]
    Host {
        /// As written.
        host: String,
    },
    /// `hello` can't stand in an EHLO.
    #[error("hello {hello:?} is neither a DNS name nor an address in brackets")]
    Hello {
        /// As written.
        hello: String,
    },
    /// A sender or recipient is none, or can't stand in an SMTP command.
    #[error("{field} {what}")]
    Address {
        /// `from` or `to`.
        field: &'static str,
        /// What is wrong.
        what: String,
    },
    /// `to` is empty.
    #[error("to is empty; name at least one recipient")]
    NoRecipient,
    /// A name of the signature is none.
    #[error("dkim: {what}")]
    Dkim {
        /// Which, and what is wrong with it.
        what: String,
    },
    /// The key can't be used.
    #[error("the key of dkim is read from the file {}, which {what}", file.display())]
    DkimKey {
        /// The file.
        file: PathBuf,
        /// Why.
        what: String,
    },
    /// `connections = 0`.
    #[error("connections must be at least 1")]
    NoConnections,
}

impl TargetFault {
    /// The key in the policy file.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Plaintext | Self::TlsSetup { .. } | Self::NoAuthorities { .. } => "tls",
            Self::Variable { .. } | Self::SecretFile { .. } | Self::Command { .. } | Self::Secret { .. } | Self::Kept { .. } => "password",
            Self::Credentials { .. } => "username",
            Self::CaFile { .. } => "ca-file",
            Self::Host { .. } => "host",
            Self::Hello { .. } => "hello",
            Self::Address { field, .. } => field,
            Self::NoRecipient => "to",
            Self::Dkim { .. } | Self::DkimKey { .. } => "dkim",
            Self::NoConnections => "connections",
        }
    }
}

/// Every fault of a target that can be found without its secrets and without its server; of `from` and `to` only that they are addresses is asked, by
/// [`check_templates`](crate::template::check_templates).
pub fn check_connection(spec: &TargetSpec) -> Vec<TargetFault> {
    let found =
        [server_name(spec).err(), security(spec).err(), signing_in(spec).err(), hello(spec).err(), connections(spec).err(), signing(spec).err()];
    found.into_iter().flatten().collect()
}

fn bare_host(spec: &TargetSpec) -> &str {
    spec.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&spec.host)
}

fn server_name(spec: &TargetSpec) -> Result<ServerName<'static>, TargetFault> {
    ServerName::try_from(bare_host(spec).to_owned()).map_err(|_| TargetFault::Host { host: spec.host.clone() })
}

/// What protects the connection, but for the server's name. Reads the certificate authorities.
fn security(spec: &TargetSpec) -> Result<Option<Arc<ClientConfig>>, TargetFault> {
    match spec.tls {
        Tls::None if spec.allow_plaintext => Ok(None),
        Tls::None => Err(TargetFault::Plaintext),
        Tls::Starttls | Tls::Implicit => client_config(spec.ca_file.as_deref()).map(Some),
    }
}

/// Who signs in, and where the secret is; it is not read.
fn signing_in(spec: &TargetSpec) -> Result<Option<(&str, &SecretSource)>, TargetFault> {
    let wrong = |what| Err(TargetFault::Credentials { what });
    match (&spec.username, &spec.password) {
        (None, None) if spec.auth.is_none() => Ok(None),
        (None, None) => wrong("auth is given without username and password"),
        (Some(_), None) => wrong("username is given without password"),
        (None, Some(_)) => wrong("password is given without username"),
        (Some(user), Some(_)) if user.is_empty() || user.chars().any(char::is_control) => wrong("username is empty or holds a control character"),
        (Some(user), Some(source)) => Ok(Some((user, source))),
    }
}

fn hello(spec: &TargetSpec) -> Result<Option<&str>, TargetFault> {
    match spec.hello.as_deref() {
        Some(hello) if !is_hello(hello) => Err(TargetFault::Hello { hello: hello.to_owned() }),
        hello => Ok(hello),
    }
}

/// Who signs, and where the key is; it is not read.
fn signing(spec: &TargetSpec) -> Result<Option<&DkimSpec>, TargetFault> {
    spec.dkim.as_ref().map(|spec| dkim::check(spec).map(|()| spec).map_err(|what| TargetFault::Dkim { what })).transpose()
}

fn connections(spec: &TargetSpec) -> Result<u16, TargetFault> {
    if spec.connections == 0 { Err(TargetFault::NoConnections) } else { Ok(spec.connections) }
}

/// An address as a policy file has it, perhaps with a name before it: the bare one goes into the envelope.
fn envelope_address(field: &'static str, text: &str) -> Result<(), TargetFault> {
    let mailbox = Mailbox::parse(text).map_err(|what| TargetFault::Address { field, what: format!("is not an e-mail address: {what}") })?;
    address::check(mailbox.address).map_err(|what| TargetFault::Address { field, what: what.to_string() })
}

impl Target {
    /// Checks a target and reads its certificate authorities, now. Its secret is read too, so that one that can't be is told before anything is
    /// begun; where that is by a command this takes as long as the command. Each connection reads it again.
    pub fn from_spec(spec: &TargetSpec) -> Result<Self, TargetError> {
        Self::with_kept(spec, None)
    }

    /// The same of a target whose secret may be one that is kept for its tenant: that one, opened, where there is one.
    pub fn with_kept(spec: &TargetSpec, kept: Option<&str>) -> Result<Self, TargetError> {
        Self::read(spec, kept).map_err(|fault| TargetError { target: spec.name.to_string(), fault })
    }

    fn read(spec: &TargetSpec, kept: Option<&str>) -> Result<Self, TargetFault> {
        let server_name = server_name(spec)?;
        let security = match (security(spec)?, spec.tls) {
            (None, _) => Security::Plain,
            (Some(config), Tls::Implicit) => Security::Implicit(TlsSetup { config, server_name }),
            (Some(config), _) => Security::StartTls(TlsSetup { config, server_name }),
        };
        let credentials = match signing_in(spec)? {
            None => None,
            Some((user, source)) => {
                let secret = match source {
                    SecretSource::Kept(name) => Whence::AtHand(secret::kept(name, kept)?),
                    source => {
                        secret::try_to_read(source)?;
                        Whence::Read(source.clone())
                    }
                };
                Some(Credentials { user: user.to_owned(), secret, mechanism: spec.auth })
            }
        };
        let (hello, connections) = (hello(spec)?.map(str::to_owned), connections(spec)?);
        if spec.to.is_empty() {
            return Err(TargetFault::NoRecipient);
        }
        envelope_address("from", &spec.from)?;
        spec.to.iter().try_for_each(|to| envelope_address("to", to))?;
        let host = bare_host(spec).to_owned();
        let dkim = match signing(spec)? {
            None => None,
            Some(spec) => {
                let signer = Signer::read(spec).map_err(|what| TargetFault::DkimKey { file: spec.key.file.clone(), what })?;
                Some(Arc::new(signer))
            }
        };
        Ok(Self { host, port: spec.port, security, credentials, hello, connections, dkim, timeouts: Timeouts::default() })
    }

    /// `host:port`, for texts.
    pub fn place(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }

    /// Connections at once, at most. At least 1.
    pub fn connections(&self) -> u16 {
        self.connections
    }
}

/// What may follow EHLO: a name of letters, digits, `-`, `_` and `.`, or an address in brackets.
pub(super) fn is_hello(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || (inner.is_some() && c == ':');
    !inner.unwrap_or(text).is_empty() && text.len() <= 255 && inner.unwrap_or(text).chars().all(allowed)
}

/// A client's TLS that trusts the authorities in `ca_file`, or, without one, the system's.
fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TargetFault> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca_file {
        let wrong = |what: String| TargetFault::CaFile { file: file.to_owned(), what };
        let pem = std::fs::read(file).map_err(|error| wrong(format!("can't be read ({error})")))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(format!("is damaged ({error})")))?;
            roots.add(certificate).map_err(|error| wrong(format!("holds a certificate that can't be used ({error})")))?;
        }
        if roots.is_empty() {
            return Err(wrong("holds no certificate".to_owned()));
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        // One that can't be read is the system's matter: the others are still trusted.
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let what = found.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
            return Err(TargetFault::NoAuthorities { what });
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TargetFault::TlsSetup { error })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
