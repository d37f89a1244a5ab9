//! The next hop: takes all mail, and counts what it has answered for.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How often each message came.
pub(crate) type Counted = Arc<Mutex<BTreeMap<u32, u32>>>;

/// The number of the message that this is a line of, if the line says so.
pub(crate) fn number(line: &str) -> Option<u32> {
    line.strip_prefix("Subject: ")?.trim_end().parse().ok()
}

/// Listens until the test is over.
pub(crate) fn listen() -> (SocketAddr, Counted) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, counted) = (listener.local_addr().unwrap(), Counted::default());
    let shared = Arc::clone(&counted);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, counted) = (stream.unwrap(), Arc::clone(&shared));
            // A client that is killed says no farewell.
            thread::spawn(move || drop(serve(stream, &counted)));
        }
    });
    (address, counted)
}

fn serve(stream: TcpStream, counted: &Counted) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 hop.test\r\n")?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.starts_with("DATA") {
            stream.get_mut().write_all(b"354 go on\r\n")?;
            take(&mut stream, counted)?;
        }
        stream.get_mut().write_all(b"250 OK\r\n")?;
    }
}

/// Reads one message, and counts it before it is answered for.
fn take(stream: &mut BufReader<TcpStream>, counted: &Counted) -> io::Result<()> {
    let mut found = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            *counted.lock().unwrap().entry(found.expect("a number")).or_default() += 1;
            return Ok(());
        }
        found = found.or(number(&line));
    }
}
