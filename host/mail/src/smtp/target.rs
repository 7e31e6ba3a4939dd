//! Where e-mails go: a target as the session uses it.
//!
//! A policy file's `[[target]]` becomes one of these once for each run: everything that can be refused without talking to the server is
//! refused here (a secret that can't be read, a certificate file that holds none, plaintext without leave), so that the session has no such
//! case. In particular [`Security::Plain`] can't be made without the leave, which is why the session signs in over whatever it has.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use consign_model::policy::{AuthMechanism, SecretSource, TargetSpec, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::address;

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

/// A secret in memory. Its debug text is not the secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// For the one place that sends it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Signs in with these.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(super) user: String,
    pub(super) secret: Secret,
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

/// An SMTP target, checked and with its secret read.
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
    /// See [`Timeouts`].
    pub timeouts: Timeouts,
}

/// Why a target can't be used. None of the texts holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// `tls = "none"` without the leave.
    #[error(
        "target {target}: tls = \"none\" would send conversations and passwords in clear. Use tls = \"starttls\" or \"implicit\", or add allow-plaintext = true if that is meant"
    )]
    Plaintext {
        /// The target's name.
        target: String,
    },
    /// The environment variable is unset, empty, or no text.
    #[error("target {target}: the password is read from the environment variable {variable}, which is {what}. Set it where consign runs")]
    Variable {
        /// The target's name.
        target: String,
        /// The variable's name.
        variable: String,
        /// Unset, empty, …
        what: &'static str,
    },
    /// The file can't be read.
    #[error("target {target}: the password is read from the file {}, which can't be read ({error}). Check that it exists and that consign may read it", file.display())]
    SecretFile {
        /// The target's name.
        target: String,
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Empty, or with a control character in it.
    #[error("target {target}: the password in {place} {what}")]
    Secret {
        /// The target's name.
        target: String,
        /// The variable or file.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// One of `username` and `password` without the other, or `auth` without them.
    #[error(
        "target {target}: {what}. Signing in needs both username and password; leave out username, password and auth for a server that asks for none"
    )]
    Credentials {
        /// The target's name.
        target: String,
        /// What is missing.
        what: &'static str,
    },
    /// The file of certificate authorities can't be used.
    #[error("target {target}: ca-file {} {what}. It should hold one or more certificates in PEM form", file.display())]
    CaFile {
        /// The target's name.
        target: String,
        /// The file.
        file: PathBuf,
        /// Why.
        what: String,
    },
    /// The system has no certificate authorities.
    #[error(
        "target {target}: this system has no certificate authorities ({what}). Install them (Debian: the package ca-certificates), or name a ca-file"
    )]
    NoAuthorities {
        /// The target's name.
        target: String,
        /// What was tried.
        what: String,
    },
    /// TLS could not be set up.
    #[error("target {target}: TLS can't be set up: {error}")]
    TlsSetup {
        /// The target's name.
        target: String,
        /// Why.
        error: rustls::Error,
    },
    /// The host is neither a DNS name nor an address.
    #[error("target {target}: host {host:?} is neither a DNS name nor an address")]
    Host {
        /// The target's name.
        target: String,
        /// As written.
        host: String,
    },
    /// `hello` can't stand in an EHLO.
    #[error("target {target}: hello {hello:?} is neither a DNS name nor an address in brackets")]
    Hello {
        /// The target's name.
        target: String,
        /// As written.
        hello: String,
    },
    /// A sender or recipient can't stand in an SMTP command.
    #[error("target {target}: {field} {what}")]
    Address {
        /// The target's name.
        target: String,
        /// `from` or `to`.
        field: &'static str,
        /// What is wrong.
        what: address::AddressError,
    },
    /// `to` is empty.
    #[error("target {target}: to is empty; name at least one recipient")]
    NoRecipient {
        /// The target's name.
        target: String,
    },
    /// `connections = 0`.
    #[error("target {target}: connections must be at least 1")]
    NoConnections {
        /// The target's name.
        target: String,
    },
}

impl Target {
    /// Checks a target and reads its secret and its certificate authorities, now.
    pub fn from_spec(spec: &TargetSpec) -> Result<Self, TargetError> {
        let target = || spec.name.to_string();
        let host = spec.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&spec.host).to_owned();
        let server_name = ServerName::try_from(host.clone()).map_err(|_| TargetError::Host { target: target(), host: spec.host.clone() })?;
        let security = match spec.tls {
            Tls::None if spec.allow_plaintext => Security::Plain,
            Tls::None => return Err(TargetError::Plaintext { target: target() }),
            Tls::Starttls => Security::StartTls(TlsSetup { config: client_config(&target(), spec.ca_file.as_deref())?, server_name }),
            Tls::Implicit => Security::Implicit(TlsSetup { config: client_config(&target(), spec.ca_file.as_deref())?, server_name }),
        };
        let credentials = match (&spec.username, &spec.password) {
            (None, None) if spec.auth.is_none() => None,
            (None, None) => return Err(TargetError::Credentials { target: target(), what: "auth is given without username and password" }),
            (Some(_), None) => return Err(TargetError::Credentials { target: target(), what: "username is given without password" }),
            (None, Some(_)) => return Err(TargetError::Credentials { target: target(), what: "password is given without username" }),
            (Some(user), Some(_)) if user.is_empty() || user.chars().any(char::is_control) => {
                return Err(TargetError::Credentials { target: target(), what: "username is empty or holds a control character" });
            }
            (Some(user), Some(source)) => Some(Credentials { user: user.clone(), secret: read_secret(&target(), source)?, mechanism: spec.auth }),
        };
        if let Some(hello) = &spec.hello
            && !is_hello(hello)
        {
            return Err(TargetError::Hello { target: target(), hello: hello.clone() });
        }
        if spec.connections == 0 {
            return Err(TargetError::NoConnections { target: target() });
        }
        if spec.to.is_empty() {
            return Err(TargetError::NoRecipient { target: target() });
        }
        address::check(&spec.from).map_err(|what| TargetError::Address { target: target(), field: "from", what })?;
        for to in &spec.to {
            address::check(to).map_err(|what| TargetError::Address { target: target(), field: "to", what })?;
        }
        Ok(Self {
            host,
            port: spec.port,
            security,
            credentials,
            hello: spec.hello.clone(),
            connections: spec.connections,
            timeouts: Timeouts::default(),
        })
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

fn read_secret(target: &str, source: &SecretSource) -> Result<Secret, TargetError> {
    let (place, text) = match source {
        SecretSource::Env(variable) => {
            let wrong = |what| TargetError::Variable { target: target.to_owned(), variable: variable.clone(), what };
            let value = std::env::var_os(variable).ok_or_else(|| wrong("unset"))?;
            (format!("the environment variable {variable}"), value.into_string().map_err(|_| wrong("not UTF-8"))?)
        }
        SecretSource::File(file) => {
            let text =
                std::fs::read_to_string(file).map_err(|error| TargetError::SecretFile { target: target.to_owned(), file: file.clone(), error })?;
            (format!("the file {}", file.display()), text)
        }
    };
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    let wrong = |what| TargetError::Secret { target: target.to_owned(), place: place.clone(), what };
    if text.is_empty() {
        return Err(wrong("is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong("holds a control character or more than one line"));
    }
    Ok(Secret(text.to_owned()))
}

/// A client's TLS that trusts the authorities in `ca_file`, or, without one, the system's.
fn client_config(target: &str, ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TargetError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca_file {
        let wrong = |what: String| TargetError::CaFile { target: target.to_owned(), file: file.to_owned(), what };
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
            return Err(TargetError::NoAuthorities { target: target.to_owned(), what });
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TargetError::TlsSetup { target: target.to_owned(), error })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
