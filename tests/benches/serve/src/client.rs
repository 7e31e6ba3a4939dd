//! HTTP/1.1 as a platform's webhook or a browser speaks it: one request after the other over a connection that stays.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use crate::Result;

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    head: String,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Client {
    /// To this address. `headers`: of every request, each with its line's end.
    pub fn connect(address: &str, headers: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), head: format!("Host: {address}\r\n{headers}") })
    }

    /// Asks, and waits for the whole answer.
    pub fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n", self.head, body.len()).into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the connection was closed".into());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            headers.push(line);
        }
        let status = headers.first().and_then(|line| line.split(' ').nth(1)).ok_or("no status")?.parse()?;
        let length =
            headers.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|length| length.trim().parse::<usize>()));
        let mut body = vec![0; length.unwrap_or(Ok(0))?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, headers, body })
    }

    /// The same, of what has to succeed.
    pub fn done(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        let Answer { status, body, .. } = self.ask(method, path, body)?;
        if (200..400).contains(&status) { Ok(body) } else { Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&body)).into()) }
    }
}
