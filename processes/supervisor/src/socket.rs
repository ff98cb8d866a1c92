//! The command socket: one JSON request per line, one JSON reply per line, for the instance's user and root alone.
//!
//! ```text
//! {"command":"arm","strategy":0}            {"ok":true,"request_id":1}
//! {"command":"arm","strategy":9}            {"ok":false,"request_id":2,"error":"there is no such process"}
//! ```
//! Nothing here blocks: a client that does not read its replies is cut off, and so is one that sends a line too long.

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde_json::{Value, json};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Most clients at once; one more is turned away.
const CLIENTS_MAX: usize = 16;
/// Longest request, in bytes.
const LINE_BYTES_MAX: usize = 4096;
/// Most bytes of replies that wait for a client.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// A client, for as long as it is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientId(u64);

#[derive(Debug)]
struct Client {
    id: ClientId,
    stream: UnixStream,
    received: Vec<u8>,
    to_send: Vec<u8>,
    /// It will send no more; it is let go when its replies are sent.
    ended: bool,
    broken: bool,
}

/// The server.
#[derive(Debug)]
pub struct CommandServer {
    listener: UnixListener,
    clients: Vec<Client>,
    next: u64,
    /// Connections refused: another user, or too many.
    pub refused: u64,
}

impl CommandServer {
    /// Listens at `path`; a socket that a dead supervisor left there is replaced.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, clients: Vec::new(), next: 1, refused: 0 })
    }

    /// Takes what came: complete lines, each with the client to answer.
    pub fn poll(&mut self) -> Vec<(ClientId, String)> {
        self.accept();
        let mut lines = Vec::new();
        for client in &mut self.clients {
            client.receive(&mut lines);
            client.send();
        }
        self.clients.retain(|client| !client.is_done());
        lines
    }

    /// Answers a client; nothing when it is gone.
    pub fn reply(&mut self, id: ClientId, reply: &Value) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.id == id) {
            client.to_send.extend_from_slice(reply.to_string().as_bytes());
            client.to_send.push(b'\n');
            client.broken |= client.to_send.len() > REPLY_BYTES_MAX;
            client.send();
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() == CLIENTS_MAX || !is_allowed(&stream) || stream.set_nonblocking(true).is_err() {
                self.refused += 1;
                continue;
            }
            let id = ClientId(self.next);
            self.next += 1;
            let (received, to_send) = (Vec::new(), Vec::new());
            self.clients.push(Client { id, stream, received, to_send, ended: false, broken: false });
        }
    }
}

/// The reply to a command that was done, or was not.
#[must_use]
pub fn outcome(request_id: u64, refused: Option<String>) -> Value {
    match refused {
        None => json!({ "ok": true, "request_id": request_id }),
        Some(error) => json!({ "ok": false, "request_id": request_id, "error": error }),
    }
}

/// The kernel says who connected: this user, or root.
fn is_allowed(stream: &UnixStream) -> bool {
    let own = nix::unistd::getuid().as_raw();
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

impl Client {
    const fn is_done(&self) -> bool {
        self.broken || (self.ended && self.to_send.is_empty())
    }

    fn receive(&mut self, lines: &mut Vec<(ClientId, String)>) {
        let mut bytes = [0; 1024];
        while !self.ended && !self.broken && self.received.len() <= LINE_BYTES_MAX {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.broken = true,
            }
        }
        while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.received.drain(..=end).collect();
            lines.push((self.id, String::from_utf8_lossy(&line[..end]).into_owned()));
        }
        self.broken |= self.received.len() > LINE_BYTES_MAX;
    }

    fn send(&mut self) {
        while !self.to_send.is_empty() && !self.broken {
            match self.stream.write(&self.to_send) {
                Ok(0) => self.broken = true,
                Ok(count) => drop(self.to_send.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.broken = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    fn served(server: &mut CommandServer, wanted: usize) -> Vec<(ClientId, String)> {
        let mut lines = Vec::new();
        while lines.len() < wanted {
            lines.extend(server.poll());
        }
        lines
    }

    #[test]
    fn lines_are_taken_whole_and_answered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, b"a dead supervisor's").unwrap();
        let mut server = CommandServer::bind(&path).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"{\"command\":").unwrap();
        assert!(server.poll().is_empty(), "half a line");
        client.write_all(b"\"stop\"}\nsecond\n").unwrap();
        let lines = served(&mut server, 2);
        assert_eq!((lines[0].1.as_str(), lines[1].1.as_str()), ("{\"command\":\"stop\"}", "second"));
        server.reply(lines[0].0, &outcome(7, None));
        server.reply(ClientId(99), &outcome(8, None));
        let mut reply = String::new();
        BufReader::new(&client).read_line(&mut reply).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&reply).unwrap(), json!({"ok": true, "request_id": 7}));
    }

    #[test]
    fn endless_lines_and_too_many_clients_are_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mut server = CommandServer::bind(&path).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(&vec![b'x'; 2 * LINE_BYTES_MAX]).unwrap();
        assert!(server.poll().is_empty() && server.clients.is_empty(), "cut off");
        assert!(!matches!(client.read(&mut [0; 8]), Ok(1..)), "closed, without a reply");
        let _clients: Vec<_> = (0..=CLIENTS_MAX).map(|_| UnixStream::connect(&path).unwrap()).collect();
        while server.refused == 0 {
            server.poll();
        }
        assert_eq!(server.clients.len(), CLIENTS_MAX);
    }
}
