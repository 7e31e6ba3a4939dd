//! A private Postfix: a real mail server that nobody here wrote. It has its own configuration, queue, certificate and Maildir in a temporary folder,
//! listens on a free port of this machine with STARTTLS, and delivers whatever is for archive.example.
//!
//! Postfix starts as root only, and gives up its rights where it can; so the folder must be open to its own user.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::inbox::count;
use crate::program::{Ran, Target};
use crate::say;

/// Nobody's id and group on Debian: delivery must not be as root.
const NOBODY: &str = "65534";

/// A running Postfix.
#[derive(Debug)]
pub struct Postfix {
    folder: TempDir,
    port: u16,
}

/// How it protects its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// STARTTLS with a certificate for this machine.
    Good,
    /// With one for another name.
    WrongName,
    /// With one whose time is over.
    Expired,
    /// It has TLS, and somebody on the way takes the offer out of its answers.
    Stripped,
}

/// The user whom it knows where it asks for a password, and that password.
pub const USER: (&str, &str) = ("ann@archive.example", "correct horse battery");

fn sh(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (./tests/run installs what is needed)"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}

impl Postfix {
    /// Starts one that takes e-mails from whoever is on this machine; none where this is not root, who alone can.
    pub fn start() -> Option<Self> {
        Self::with(Protection::Good, false)
    }

    /// Starts one with this protection. `signed_in`: it takes e-mails from [`USER`] alone.
    pub fn with(protection: Protection, signed_in: bool) -> Option<Self> {
        if Ran::of({
            let mut id = Command::new("id");
            id.arg("-u");
            id
        })
        .stdout
        .trim()
            != "0"
        {
            say(format_args!("NOT TESTED with a real Postfix: starting one takes root"));
            return None;
        }
        let folder = tempfile::Builder::new().prefix("consign-postfix").tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let root = folder.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap_or_else(|error| panic!("{error}"));
        for name in ["etc", "queue", "data", "mail", "tls"] {
            fs::create_dir(root.join(name)).unwrap_or_else(|error| panic!("{error}"));
        }
        sh(Command::new("chown").arg("postfix").arg(root.join("data")));
        sh(Command::new("chown").arg(format!("{NOBODY}:{NOBODY}")).arg(root.join("mail")));
        certificates(&root.join("tls"), protection);
        if signed_in {
            passwords(root);
        }
        // The port is free now; the next moment it may not be, but nothing else here asks for that one.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).unwrap_or_else(|error| panic!("{error}")).port();
        fs::write(root.join("etc/main.cf"), main_cf(root, protection, signed_in)).unwrap_or_else(|error| panic!("{error}"));
        fs::write(root.join("etc/master.cf"), master_cf(port)).unwrap_or_else(|error| panic!("{error}"));
        let postfix = Self { folder, port };
        sh(postfix.postfix("start"));
        crate::until("Postfix to answer", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(postfix)
    }

    fn postfix(&self, what: &str) -> &mut Command {
        // Leaked so that it can be handed on as the others are; there are two for each server.
        let command = Box::leak(Box::new(Command::new("/usr/sbin/postfix")));
        command.arg("-c").arg(self.folder.path().join("etc")).arg(what)
    }

    /// How to reach it.
    pub fn target(&self) -> Target {
        Target { ca_file: Some(self.folder.path().join("tls/ca.pem")), ..Target::plain(self.port) }
    }

    /// Where its e-mails go.
    pub fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail/archive")
    }

    /// Waits until this many e-mails are delivered: accepting comes first, delivering after it.
    pub fn delivered(&self, emails: usize) {
        crate::until(&format!("Postfix to deliver {emails} e-mails; its log:\n{}", self.log()), || count(&self.maildir()) >= emails);
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("data/log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        lines.join("\n")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let ended = self.postfix("stop").output();
        if !ended.is_ok_and(|output| output.status.success()) {
            say(format_args!("the test's Postfix did not stop as asked; its log:\n{}", self.log()));
        }
    }
}

/// A certificate authority of our own, and a certificate by it.
fn certificates(folder: &Path, protection: Protection) {
    let openssl = |args: &[&str]| sh(Command::new("openssl").args(args).current_dir(folder));
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let ca = ["req", "-x509", "-days", "2", "-subj", "/CN=a test's authority", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(&[&ca[..], &key[..]].concat());
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap_or_else(|error| panic!("{error}"));
    let names = if protection == Protection::WrongName { "DNS:other.example" } else { "DNS:localhost,IP:127.0.0.1" };
    write("names", &format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n"));
    let request = ["req", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"];
    openssl(&[&request[..], &key[..]].concat());
    // `x509` can't sign for a time that is over.
    write(
        "ca.cnf",
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n",
    );
    write("index", "");
    write("serial", "01\n");
    let sign = ["ca", "-config", "ca.cnf", "-batch", "-notext", "-in", "server.csr", "-out", "server.pem", "-cert", "ca.pem", "-keyfile", "ca.key"];
    let until = if protection == Protection::Expired { "20200102000000Z" } else { "20991231000000Z" };
    openssl(&[&sign[..], &["-extfile", "names", "-startdate", "20200101000000Z", "-enddate", until][..]].concat());
}

/// What Cyrus SASL, which Postfix asks, knows: one user.
fn passwords(root: &Path) {
    let (folder, file) = (root.join("etc/sasl"), root.join("etc/sasl/users"));
    fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    let settings = format!("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\nmech_list: PLAIN LOGIN\n", file.display());
    fs::write(folder.join("smtpd.conf"), settings).unwrap_or_else(|error| panic!("{error}"));
    let (user, domain) = USER.0.split_once('@').unwrap_or_default();
    let set = "printf %s \"$1\" | /usr/sbin/saslpasswd2 -p -c -f \"$2\" -u \"$3\" \"$4\"";
    sh(Command::new("sh").args(["-c", set, "sh", USER.1]).arg(&file).args([domain, user]));
    sh(Command::new("chown").arg("postfix").arg(&file));
}

fn main_cf(root: &Path, protection: Protection, signed_in: bool) -> String {
    let root = root.display();
    let whom = if signed_in { "permit_sasl_authenticated, reject" } else { "permit_mynetworks, reject" };
    let sasl = if signed_in { format!("smtpd_sasl_auth_enable = yes\ncyrus_sasl_config_path = {root}/etc/sasl\n") } else { String::new() };
    let hidden = if protection == Protection::Stripped { "smtpd_discard_ehlo_keywords = starttls\n" } else { "" };
    format!(
        "compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = archive.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = {whom}
smtpd_recipient_restrictions = {whom}
{sasl}{hidden}virtual_mailbox_domains = archive.example
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = static:archive/
virtual_minimum_uid = 1
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
virtual_mailbox_limit = 0
message_size_limit = 104857600
in_flow_delay = 0
smtpd_tls_security_level = may
smtpd_tls_cert_file = {root}/tls/server.pem
smtpd_tls_key_file = {root}/tls/server.key
smtpd_tls_auth_only = yes
maillog_file_prefixes = {root}
maillog_file = {root}/data/log
"
    )
}

fn master_cf(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd
127.0.0.2:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
pickup unix n - n 60 1 pickup
showq unix n - n - - showq
flush unix n - n 1000? 0 flush
postlog unix-dgram n - n - 1 postlogd
"
    )
}
