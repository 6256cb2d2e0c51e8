//! The least of HTTP/1.1 over a unix socket that measures the API and not a client library.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// One connection that stays open.
pub struct Connection {
    reader: BufReader<UnixStream>,
}

impl Connection {
    pub fn open(socket: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(socket).map_err(|error| format!("{}: {error}", socket.display()))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Sends one request and returns status and body; `seen` is called with each piece of the body as it arrives.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
        mut seen: impl FnMut(&[u8]),
    ) -> Result<(u16, Vec<u8>), String> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: tern\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.reader.get_mut().write_all(head.as_bytes()).map_err(|error| format!("{method} {path}: {error}"))?;
        self.answer(&mut seen).map_err(|error| format!("{method} {path}: {error}"))
    }

    fn answer(&mut self, seen: &mut dyn FnMut(&[u8])) -> std::io::Result<(u16, Vec<u8>)> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None => break,
                Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
                Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
                Some(_) => {}
            }
        }
        let mut body = Vec::new();
        while chunked || length > 0 {
            if chunked {
                length = usize::from_str_radix(self.line()?.split(';').next().unwrap_or("0"), 16).unwrap_or(0);
            }
            let start = body.len();
            body.resize(start + length, 0);
            self.reader.read_exact(&mut body[start..])?;
            seen(&body[start..]);
            if !chunked {
                break;
            }
            self.line()?;
            if length == 0 {
                break;
            }
        }
        Ok((status, body))
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_chunked_answers_are_read_on_one_connection() {
        let (client, mut server) = UnixStream::pair().unwrap();
        let mut connection = Connection { reader: BufReader::new(client) };
        server.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok").unwrap();
        assert_eq!(connection.request("GET", "/", "", |_| {}), Ok((201, b"ok".to_vec())));
        let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        server.write_all(chunks).unwrap();
        let mut pieces = Vec::new();
        let end = connection.request("GET", "/", "", |piece| pieces.push(piece.len()));
        assert_eq!((end, pieces), (Ok((200, b"abcd".to_vec())), vec![3, 1, 0]));
    }
}
