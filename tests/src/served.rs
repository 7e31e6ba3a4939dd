//! A `serve` with an API, asked by bare HTTP: one request on each connection, so that nothing of a client stands between.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use crate::inbox::Inbox;
use crate::program::{Consign, Running};
use crate::wait::until_some;

/// A tenant's roles.
const ROLES: [&str; 5] = ["tenant-administrator", "policy-author", "module-developer", "auditor", "ingest"];

/// A `serve` with an API, and the operator's token.
pub struct Served {
    /// Its data folder.
    pub consign: Consign,
    running: Option<(Running, Receiver<String>)>,
    /// Where it answers.
    pub address: String,
    /// A token of a platform administrator.
    pub operator: String,
    /// More lines of its settings.
    pub settings: String,
    /// Where all that it logs goes, from the next start on; unset: a little of it to standard error.
    pub log: Option<PathBuf>,
    environment: Vec<(&'static str, String)>,
}

/// What was answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its head, as it came.
    pub head: String,
    /// Its body, as JSON where it is some.
    pub body: Value,
}

impl Answer {
    /// A cookie that it sets, to be sent back; unset where it sets none.
    pub fn cookie(&self) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).find_map(|(_, value)| value.split(';').next())
    }

    /// A header, where it has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Served {
    /// Starts one on a new data folder.
    pub fn start() -> Self {
        Self::start_with(String::new())
    }

    /// Starts one on a new data folder, with these further lines of settings.
    pub fn start_with(settings: String) -> Self {
        Self::start_in(settings, Vec::new())
    }

    /// The same, with these variables in its environment.
    pub fn start_in(settings: String, environment: Vec<(&'static str, String)>) -> Self {
        let consign = Consign::new();
        let operator = consign.json(&["token", "create", "operator", "--role", "platform-administrator"]);
        let operator = operator["secret"].as_str().unwrap().to_owned();
        let mut server = Self { consign, running: None, address: String::new(), operator, settings, log: None, environment };
        server.again();
        server
    }

    /// Starts it again.
    pub fn again(&mut self) {
        let backups = self.consign.beside("backups").display().to_string();
        let settings =
            format!("[api]\nlisten = \"127.0.0.1:0\"\n[backup]\nfolder = \"{backups}\"\nevery = \"100 days\"\nkeep = 3\n{}", self.settings);
        self.consign.write("consign.toml", settings);
        let config = self.consign.beside("consign.toml").display().to_string();
        let mut command = self.consign.command(&["serve", "--json", "--config", &config]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(log) = &self.log {
            command.env("CONSIGN_LOG", "trace").stderr(File::create(log).unwrap());
        }
        let (running, said) = Consign::hearing(command);
        let started = until_some("serve to start", || said.try_recv().ok());
        let started: Value = serde_json::from_str(&started).unwrap();
        started["api"].as_str().unwrap().clone_into(&mut self.address);
        self.running = Some((running, said));
    }

    /// Has it end in order.
    pub fn stop(&mut self) {
        let (running, said) = self.running.take().unwrap();
        assert!(running.interrupt().success());
        assert_eq!(said.iter().last().unwrap(), r#"{"what":"stopped"}"#);
    }

    /// Has it end as a crash does.
    pub fn killed(&mut self) {
        let (running, _) = self.running.take().unwrap();
        running.kill();
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.running.as_ref().unwrap().0.id()
    }

    /// Most memory that it has had at once, in KiB.
    pub fn peak_memory(&self) -> u64 {
        self.running.as_ref().unwrap().0.peak_memory().unwrap()
    }

    /// One request on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: &[u8]) -> Answer {
        self.ask_with(method, path, token, &[], body)
    }

    /// One with these headers.
    pub fn ask_with(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        ask_at(&self.address, (method, path), token, headers, body)
    }

    /// What a browser asks from a page of the console, with this cookie.
    pub fn browse(&self, method: &str, path: &str, cookie: &str, form: &str) -> Answer {
        let head = format!("Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: {cookie}\r\n");
        ask_with(&self.address, method, path, &head, form.as_bytes())
    }

    /// One that has to be answered with this.
    #[track_caller]
    pub fn asked(&self, method: &str, path: &str, token: &str, body: impl AsRef<[u8]>, status: u16) -> Value {
        let answer = self.ask(method, path, token, body.as_ref());
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        answer.body
    }

    /// A tenant, and its tokens by role.
    pub fn tenant(&self, name: &str) -> Value {
        self.asked("POST", "/v1/tenants", &self.operator, json!({ "name": name }).to_string(), 201);
        let token = |role: &str| self.token(name, &self.operator, role)["secret"].clone();
        ROLES.iter().map(|role| ((*role).to_owned(), token(role))).collect::<serde_json::Map<_, _>>().into()
    }

    /// Makes a token.
    pub fn token(&self, tenant: &str, by: &str, role: &str) -> Value {
        let new = json!({ "name": format!("the-{role}"), "role": role, "days": 30 });
        self.asked("POST", &format!("/v1/tenants/{tenant}/tokens"), by, new.to_string(), 201)
    }

    /// Waits until so many runs of a policy have ended, and answers the newest.
    pub fn run_of(&self, tenant: &str, token: &str, policy: &str, ended: usize) -> Value {
        let path = format!("/v1/tenants/{tenant}/runs?policy={policy}");
        until_some("the run to end", || {
            let runs = self.asked("GET", &path, token, "", 200);
            let runs = runs["items"].as_array().unwrap();
            let done = runs.iter().filter(|run| run["finished_at"].is_string()).count();
            (done >= ended).then(|| runs[0].clone())
        })
    }

    /// Two tenants with one of everything, `acme` and `other`: a file that tells who has which token, and what there is of each.
    pub fn two_tenants(&self, inbox: &Inbox) -> PathBuf {
        let mut given = json!({ "url": format!("http://{}", self.address), "tokens": {}, "ids": {}, "worthless": [] });
        for name in ["acme", "other"] {
            let tokens = self.tenant(name);
            let admin = secret(&tokens, "tenant-administrator");
            let (source, policy) = (format!("{name}-chat"), format!("{name}-policy"));
            self.asked("POST", &format!("/v1/tenants/{name}/sources/{source}/events"), admin, event_lines(name, 3), 200);
            self.asked(
                "POST",
                &format!("/v1/tenants/{name}/apply"),
                admin,
                one_policy(inbox, &policy).replace("= \"archive\"", &format!("= \"{name}-target\"")),
                200,
            );
            let asked = self.asked("POST", &format!("/v1/tenants/{name}/policies/{policy}/runs"), admin, "", 202);
            let run = self.run_of(name, admin, &policy, 1);
            let revoked = self.token(name, admin, "tenant-administrator");
            let path = format!("/v1/tenants/{name}/tokens/{}", revoked["id"].as_str().unwrap());
            let ended = self.asked("DELETE", &path, admin, "", 200);
            assert!(ended["revoked_at"].is_string() && ended.get("secret").is_none() && ended.get("hash").is_none(), "{ended}");
            given["worthless"].as_array_mut().unwrap().push(revoked["secret"].clone());
            let token = self.token(name, admin, "auditor")["id"].clone();
            let module = "0".repeat(64);
            let manifest = self.asked("GET", &format!("/v1/tenants/{name}/runs/{}/manifest", run["run"].as_str().unwrap()), admin, "", 200);
            let email = manifest["manifest"]["windows"][0]["emails"][0]["message_id"].as_str().unwrap();
            let public = format!("{}\n", if name == "acme" { "07" } else { "08" }.repeat(32));
            self.asked("PUT", &format!("/v1/tenants/{name}/module-keys/{name}-key"), admin, public, 200);
            given["ids"][name] = json!({ "email": email, "key": format!("{name}-key"), "policy": policy, "run": run["run"], "token": token, "source": source, "secret": format!("{name}-secret"), "target": format!("{name}-target"), "module": module, "hold": format!("{name}-hold"), "asked": asked["asked"] });
            self.asked("PUT", &format!("/v1/tenants/{name}/secrets/{name}-secret"), admin, "open sesame", 204);
            let hold = json!({ "name": format!("{name}-hold"), "reason": "a matter", "source": source });
            self.asked("POST", &format!("/v1/tenants/{name}/holds"), admin, hold.to_string(), 201);
            // Something that waits for a second person, which nobody is in these tests.
            self.asked("PUT", &format!("/v1/tenants/{name}/two-people"), admin, r#"{"on":true}"#, 200);
            let other = one_policy(inbox, &policy).replace("= \"archive\"", &format!("= \"{name}-target\"")).replace("ingest@", "another@");
            given["ids"][name]["proposal"] = self.asked("POST", &format!("/v1/tenants/{name}/apply"), admin, other, 202)["id"].take();
            given["tokens"][name] = tokens;
        }
        given["tokens"]["platform"] = json!({ "platform-administrator": self.operator });
        self.consign.write("given.json", given.to_string())
    }
}

/// One request to a server on a connection of its own.
pub fn ask(address: &str, method: &str, path: &str, token: &str, body: &[u8]) -> Answer {
    ask_at(address, (method, path), token, &[], body)
}

/// One request to whoever answers there, by its method and path.
pub fn ask_at(address: &str, (method, path): (&str, &str), token: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = headers.iter().fold(format!("Authorization: Bearer {token}\r\n"), |all, (name, value)| all + name + ": " + value + "\r\n");
    ask_with(address, method, path, &headers, body)
}

/// One with these lines of its head.
fn ask_with(address: &str, method: &str, path: &str, more: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: consign\r\n{more}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let mut body = String::new();
    reader.read_to_string(&mut body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, body: serde_json::from_str(&body).unwrap_or(Value::String(body)), head }
}

/// Of a tenant's tokens that of a role.
pub fn secret<'a>(tokens: &'a Value, role: &str) -> &'a str {
    tokens[role].as_str().unwrap()
}

/// A chat of `many` messages, as lines.
pub fn event_lines(chat: &str, many: usize) -> String {
    let head = json!({ "type": "chat", "id": chat, "kind": "channel", "title": format!("the {chat} desk") });
    let message = |number: usize| {
        let at = format!("2026-01-05T08:{:02}:{:02}.000Z", number / 60, number % 60);
        json!({ "type": "message", "chat": chat, "id": format!("m{number}"), "at": at, "user": "U1", "text": format!("{chat} says {number}") })
    };
    std::iter::once(head).chain((0..many).map(message)).fold(String::new(), |all, line| all + &line.to_string() + "\n")
}

/// A policy that exports all to this mailbox, by hand.
pub fn one_policy(inbox: &Inbox, name: &str) -> String {
    inbox.target().toml_with(&[(name, "")])
}
