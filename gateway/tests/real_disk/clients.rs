//! Clients that hand numbered messages over and keep account of the answers, as a mail server does with its queue.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a client knows of its messages.
#[derive(Default)]
pub(crate) struct Account {
    /// Answered with 250.
    pub(crate) acknowledged: BTreeSet<u32>,
    /// Handed over whole at some time without hearing of it: the gateway may have each of them more than once.
    pub(crate) unanswered: BTreeSet<u32>,
}

/// What came of handing a message over.
pub(crate) enum Handed {
    /// This is the last reply.
    Answered(String),
    /// The connection was lost, before or after the end of the message was sent.
    Lost {
        /// After.
        was_whole: bool,
    },
}

/// A connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let mut client = Client(BufReader::new(stream));
        client.reply()?;
        client.say("EHLO client.test")?;
        Ok(client)
    }

    /// The last line of the next reply.
    fn reply(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    fn say(&mut self, words: &str) -> io::Result<String> {
        self.0.get_mut().write_all(format!("{words}\r\n").as_bytes())?;
        self.reply()
    }

    /// Hands over message `number`: the first refusal, or the last reply.
    pub(crate) fn send(&mut self, number: u32, to: &str, body: &str) -> Handed {
        let begin = |client: &mut Self| {
            for words in ["MAIL FROM:<ann@client.test>", &format!("RCPT TO:<{to}>"), "DATA"] {
                let reply = client.say(words)?;
                if !reply.starts_with(['2', '3']) {
                    return Ok(Some(reply));
                }
            }
            Ok(None)
        };
        match begin(self) {
            Ok(Some(refusal)) => return Handed::Answered(refusal),
            Ok(None) => {}
            Err(error) => {
                let _: io::Error = error;
                return Handed::Lost { was_whole: false };
            }
        }
        match self.say(&format!("Subject: {number}\r\n\r\n{body}\r\n.")) {
            Ok(reply) => Handed::Answered(reply),
            Err(_) => Handed::Lost { was_whole: true },
        }
    }
}
