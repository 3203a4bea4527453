//! As much of an HTTP client as the load needs: one connection, GET, known lengths.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for the server.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest header line, and most of them.
const LINE_BYTES_MAX: u64 = 8 << 10;
const LINES_MAX: usize = 100;

/// Largest body.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A connection that stays open from request to request.
pub struct Client {
    server: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { server, stream: BufReader::new(stream) })
    }

    /// Send a request; the status and the body of the response.
    pub fn get(&mut self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.server);
        self.stream.get_mut().write_all(request.as_bytes())?;

        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| bad("no status"))?;
        let mut length = None;
        for _ in 0..LINES_MAX {
            let line = self.line()?;
            if line.is_empty() {
                let length = length.filter(|length| *length <= BODY_BYTES_MAX);
                let mut body = vec![0; length.ok_or_else(|| bad("no length, or a huge one"))?];
                self.stream.read_exact(&mut body)?;
                return Ok((status, body));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        Err(bad("too many headers"))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(LINE_BYTES_MAX).read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(text) => Ok(text.to_owned()),
            None => Err(bad("a line that does not end")),
        }
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the server's response has {what}"))
}
