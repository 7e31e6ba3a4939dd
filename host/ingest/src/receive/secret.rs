//! Reading the secrets of sources, once at the start: a platform's signing secret changes when a person changes it, and then what uses it is started anew.

use std::process::Stdio;
use std::time::Duration;

use consign_model::target::SecretSource;
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The most bytes that a secret may have: a private key of 16,384 bits in PEM has 13 KiB.
const MOST: u64 = 64 << 10;
/// What a command does not inherit: it opens the archive.
const NOT_INHERITED: &str = "CONSIGN_MASTER_KEY";

/// A secret can't be read. Says where it should be, and nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} {what}")]
pub struct SecretFault {
    place: String,
    what: String,
}

/// Reads it; line ends at its end are cut.
pub(crate) async fn read(source: &SecretSource) -> Result<Zeroizing<String>, SecretFault> {
    let place = match source {
        SecretSource::Env(name) => format!("the environment variable {name}"),
        SecretSource::File(file) => format!("the file {}", file.display()),
        // Its arguments may be nobody's business.
        SecretSource::Kept(name) => format!("the secret '{name}'"),
        SecretSource::Command(command) => format!("the command {}", command.first().map(String::as_str).unwrap_or_default()),
    };
    let text = match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => "is unset: set it, and start again".to_owned(),
            std::env::VarError::NotUnicode(_) => "is not UTF-8".to_owned(),
        }),
        SecretSource::File(file) => in_file(file).await,
        SecretSource::Command(command) => output_of(command).await,
        SecretSource::Kept(_) => {
            Err("is kept for targets alone: write { env = \"NAME\" }, { file = \"PATH\" } or { command = [\"PROGRAM\", …] }".to_owned())
        }
    };
    let text = text.map(Zeroizing::new).map_err(|what| SecretFault { place: place.clone(), what })?;
    let secret = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    // Whoever sends none would have it right.
    if secret.trim().is_empty() { Err(SecretFault { place, what: "is empty: put the secret there, and start again".to_owned() }) } else { Ok(secret) }
}

async fn in_file(file: &std::path::Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("can't be read: {error}");
    let mut bytes = Vec::new();
    tokio::fs::File::open(file).await.map_err(failed)?.take(MOST + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    text_of(bytes)
}

async fn output_of(command: &[String]) -> Result<String, String> {
    let Some((program, arguments)) = command.split_first() else { return Err("is empty".to_owned()) };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env_remove(NOT_INHERITED)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Programs that hand out secrets tend to print them when they fail.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("can't be started: {error}"))?;
    let output = child.stdout.take();
    let run = async {
        let mut bytes = Vec::new();
        if let Some(output) = output {
            output.take(MOST + 1).read_to_end(&mut bytes).await.map_err(|error| format!("can't be read from: {error}"))?;
        }
        // It is stopped at that, and would be said to have failed by it.
        if bytes.len() as u64 > MOST {
            return text_of(bytes);
        }
        let status = child.wait().await.map_err(|error| format!("can't be waited for: {error}"))?;
        if status.success() { text_of(bytes) } else { Err(format!("failed ({status})")) }
    };
    tokio::time::timeout(LIMIT, run).await.unwrap_or_else(|_| Err(format!("took longer than {} s", LIMIT.as_secs())))
}

fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() as u64 > MOST {
        return Err(format!("has more than {MOST} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[tokio::test]
    async fn from_files_and_commands() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "s3cret\r\n").unwrap();
        assert_eq!(read(&SecretSource::File(file.clone())).await.unwrap().as_str(), "s3cret");
        let shell = |script: &str| SecretSource::Command(["sh", "-c", script].map(str::to_owned).to_vec());
        assert_eq!(read(&shell("echo s3cret")).await.unwrap().as_str(), "s3cret");
        for (source, hint) in [
            (shell("echo s3cret; exit 3"), "failed"),
            (shell("true"), "is empty"),
            (shell("head -c 100000 /dev/zero"), "more than 65536 bytes"),
            (SecretSource::Command(vec!["/no/such/program".to_owned(), "s3cret".to_owned()]), "can't be started"),
            (SecretSource::Env("CONSIGN_NO_SUCH_VARIABLE".to_owned()), "is unset"),
            (SecretSource::File(folder.path().join("none")), "can't be read"),
        ] {
            let fault = read(&source).await.unwrap_err().to_string();
            assert!(fault.contains(hint) && !fault.contains("s3cret"), "{fault}");
        }
    }
}
