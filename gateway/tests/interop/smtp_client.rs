//! A mail client that says exactly what it is told to say.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::machine::PATIENCE;

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// A client that has said EHLO.
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client(BufReader::new(stream));
        assert!(client.reply().starts_with("220 "));
        assert!(client.say("EHLO client.example").starts_with("250 "));
        client
    }

    /// The last line of the next reply.
    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    pub(crate) fn say(&mut self, words: &str) -> String {
        self.write(format!("{words}\r\n").as_bytes())
    }

    /// Sends octets, and gives the last line of what is replied.
    pub(crate) fn write(&mut self, octets: &[u8]) -> String {
        self.0.get_mut().write_all(octets).unwrap();
        self.reply()
    }

    /// Comes to the point where a message is awaited.
    pub(crate) fn begin(&mut self, from: &str, to: &[&str]) {
        let mail = self.say(&format!("MAIL FROM:<{from}> BODY=8BITMIME"));
        assert!(mail.starts_with("250 "), "{mail}");
        for to in to {
            let rcpt = self.say(&format!("RCPT TO:<{to}>"));
            assert!(rcpt.starts_with("250 "), "{rcpt}");
        }
    }

    /// Hands a message over.
    pub(crate) fn send(&mut self, from: &str, to: &[&str], content: &str) {
        self.begin(from, to);
        assert!(self.say("DATA").starts_with("354 "));
        let taken = self.say(&format!("{}.", content.replace("\n.", "\n..")));
        assert!(taken.starts_with("250 2.6.0 OK "), "{taken}");
    }
}
