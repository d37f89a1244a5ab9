//! One end of a TCP connection: what its process reads and writes, and what an arriving segment does to it.
//!
//! Streams are exact: every octet once, in order, within a window of 64 KiB that counts what is on the way and what
//! the other side has not read. Sequence numbers are left out, as the network keeps each direction in order. A reset
//! and an orderly end mean to the process what they mean on Linux.
//!
//! An end knows no time, no link, no port and no other end: it says what it has to send and what became of it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::ReadBuf;

use super::super::MachineId;
use crate::capture::{self, SegmentKind};

/// How much may be on its way and unread in one direction: what a socket had before windows were scaled.
pub(super) const WINDOW: usize = 1 << 16;

/// So much must have been read before the other side is told (RFC 1122, 4.2.3.3: half the buffer).
const WORTH_TELLING: usize = WINDOW / 2;

/// What is sent.
#[derive(Debug)]
pub(super) enum Segment {
    Syn,
    SynAck,
    Data(Vec<u8>),
    Fin,
    /// An acknowledgement that does something: it completes a connection, ends a repetition, or moves the window by
    /// so many octets.
    Ack(usize),
    /// What was sent before, in case that it or its acknowledgement was lost. It brings nothing new.
    Again,
    Reset,
}

impl Segment {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Segment::Syn => "SYN",
            Segment::SynAck => "SYN-ACK",
            Segment::Data(_) => "data",
            Segment::Fin => "FIN",
            Segment::Ack(_) => "ACK",
            Segment::Again => "again",
            Segment::Reset => "RST",
        }
    }

    /// As it is captured.
    pub(super) fn captured(
        &self,
        at: Duration,
        from: SocketAddr,
        to: SocketAddr,
        is_lost: bool,
    ) -> capture::Segment {
        let kind = match self {
            Segment::Syn => SegmentKind::Syn,
            Segment::SynAck => SegmentKind::SynAck,
            Segment::Data(_) => SegmentKind::Data,
            Segment::Fin => SegmentKind::Fin,
            Segment::Ack(read) => SegmentKind::Ack { read: *read },
            Segment::Again => SegmentKind::Again,
            Segment::Reset => SegmentKind::Reset,
        };
        let octets = if let Segment::Data(octets) = self { octets.clone() } else { Vec::new() };
        capture::Segment { at, from, to, kind, octets, is_lost }
    }

    pub(super) fn octets(&self) -> usize {
        if let Segment::Data(octets) = self { octets.len() } else { 0 }
    }

    /// Whether its sender keeps it until it is acknowledged.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Segment::Syn | Segment::SynAck | Segment::Data(_) | Segment::Fin)
    }
}

/// How far a connection is, seen from one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The kernel knows nothing of it, or nothing any more.
    Closed,
    /// SYN-SENT.
    Connecting,
    /// SYN-RECEIVED, for the listener of this number.
    Answering(u64),
    /// ESTABLISHED, and all that follows until the kernel forgets it.
    Open,
}

/// Who has an end's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// No process: it was closed, or never made.
    Nobody,
    /// It waits to be accepted.
    Queue,
    /// A process has it.
    Process,
}

/// What the network is to do about a segment that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing.
    Nothing,
    /// Acknowledge it.
    Ack,
    /// It acknowledges what this end had sent.
    Acked,
    /// Both.
    AckedAndAck,
    /// Answer with a reset, as there is no such connection.
    Reset,
}

/// One end of a connection.
pub(super) struct End {
    /// None where no machine has the address.
    pub(super) machine: Option<MachineId>,
    pub(super) address: SocketAddr,
    /// The address as text.
    pub(super) shown: Box<str>,
    pub(super) state: State,
    pub(super) holder: Holder,
    /// What has arrived and is not read, and how much of the first of it is.
    inbox: VecDeque<Vec<u8>>,
    read: usize,
    /// The other side has sent all it had.
    fin_received: bool,
    fin_sent: bool,
    /// How much was written of which it is not known to be read.
    outstanding: usize,
    /// How much was read without the other side's knowledge.
    untold: usize,
    /// What the process is to hear at its next operation.
    error: Option<io::ErrorKind>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl End {
    pub(super) fn new(machine: Option<MachineId>, address: SocketAddr, state: State, holder: Holder) -> Self {
        End {
            machine,
            address,
            shown: address.to_string().into(),
            state,
            holder,
            inbox: VecDeque::new(),
            read: 0,
            fin_received: false,
            fin_sent: false,
            outstanding: 0,
            untold: 0,
            error: None,
            reader: None,
            writer: None,
        }
    }

    /// Waits until the connection is made, or is not.
    pub(super) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match (self.state, self.error.take()) {
            (_, Some(error)) => Poll::Ready(Err(error.into())),
            (State::Open, None) => Poll::Ready(Ok(())),
            (State::Closed, None) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            _ => wait(&mut self.writer, cx),
        }
    }

    /// Reads what is there. The second value is how many octets the other side may now be told of.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> (Poll<io::Result<()>>, Option<usize>) {
        if self.inbox.is_empty() && buf.remaining() > 0 {
            let nothing = match self.error.take_if(|_| !self.fin_received) {
                Some(error) => Poll::Ready(Err(error.into())),
                None if self.fin_received || self.state != State::Open => Poll::Ready(Ok(())),
                None => wait(&mut self.reader, cx),
            };
            return (nothing, None);
        }
        while let Some(first) = self.inbox.front().filter(|_| buf.remaining() > 0) {
            let rest = &first[self.read..];
            let taken = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..taken]);
            self.untold += taken;
            self.read += taken;
            if self.read == first.len() {
                self.read = 0;
                self.inbox.pop_front();
            }
        }
        let tell = self.state == State::Open && !self.fin_received && self.untold >= WORTH_TELLING;
        (Poll::Ready(Ok(())), tell.then(|| self.take_untold()))
    }

    /// Writes as much as the window takes.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<Segment>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Err(error.into()));
        }
        if self.state != State::Open || self.fin_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW - self.outstanding;
        if room == 0 {
            return wait(&mut self.writer, cx);
        }
        let octets = &octets[..octets.len().min(room)];
        self.outstanding += octets.len();
        Poll::Ready(Ok(Segment::Data(octets.to_vec())))
    }

    /// Says that nothing more will be written.
    pub(super) fn shut_down(&mut self) -> io::Result<Option<Segment>> {
        if self.state != State::Open {
            return Err(io::ErrorKind::NotConnected.into());
        }
        Ok((!std::mem::replace(&mut self.fin_sent, true)).then_some(Segment::Fin))
    }

    /// The process lets go of it. What it had written still goes out, unless there is something that it did not read.
    pub(super) fn close(&mut self) -> Option<Segment> {
        self.holder = Holder::Nobody;
        (self.reader, self.writer) = (None, None);
        match self.state {
            State::Open if !self.inbox.is_empty() => {
                self.forget();
                Some(Segment::Reset)
            }
            State::Open => self.shut_down().ok().flatten(),
            State::Connecting | State::Answering(_) | State::Closed => {
                self.forget();
                None
            }
        }
    }

    /// The kernel forgets it, without a word.
    pub(super) fn forget(&mut self) {
        self.state = State::Closed;
        self.inbox.clear();
        self.outstanding = 0;
    }

    /// The connection is broken. What has arrived can still be read.
    pub(super) fn fail(&mut self, error: io::ErrorKind) {
        if self.state == State::Closed {
            return;
        }
        self.state = State::Closed;
        self.outstanding = 0;
        self.error = Some(if self.fin_received { io::ErrorKind::BrokenPipe } else { error });
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    /// A segment has arrived that is no SYN.
    pub(super) fn receive(&mut self, segment: Segment) -> Answer {
        match (self.state, segment) {
            (State::Closed, Segment::Reset) => Answer::Nothing,
            (State::Closed, _) => Answer::Reset,
            (State::Connecting, Segment::SynAck) => {
                self.state = State::Open;
                wake(&mut self.writer);
                Answer::AckedAndAck
            }
            (State::Connecting, Segment::Reset) => {
                self.fail(io::ErrorKind::ConnectionRefused);
                Answer::Nothing
            }
            (State::Connecting, _) => Answer::Nothing,
            (State::Answering(_), Segment::Reset) => {
                self.forget();
                Answer::Nothing
            }
            (_, Segment::Reset) => {
                self.fail(io::ErrorKind::ConnectionReset);
                Answer::Nothing
            }
            (_, Segment::Data(_)) if self.holder == Holder::Nobody => {
                self.forget();
                Answer::Reset
            }
            (_, Segment::Data(octets)) => {
                self.inbox.push_back(octets);
                wake(&mut self.reader);
                Answer::Ack
            }
            (_, Segment::Fin) => {
                self.fin_received = true;
                wake(&mut self.reader);
                Answer::Ack
            }
            (_, Segment::Ack(read)) => {
                if read > 0 {
                    self.outstanding = self.outstanding.saturating_sub(read);
                    wake(&mut self.writer);
                }
                Answer::Acked
            }
            (_, Segment::Again | Segment::SynAck) => Answer::Ack,
            (_, Segment::Syn) => Answer::Nothing,
        }
    }

    /// Whether its writer waits for the other side to read.
    pub(super) fn waits_for_room(&self) -> bool {
        self.state == State::Open && self.outstanding == WINDOW && self.writer.is_some()
    }

    /// What was read and is told with the next acknowledgement; nothing if that is not worth it.
    pub(super) fn worth_telling(&mut self) -> usize {
        if self.untold >= WORTH_TELLING { self.take_untold() } else { 0 }
    }

    fn take_untold(&mut self) -> usize {
        std::mem::take(&mut self.untold)
    }

    /// An acknowledgement was lost: the next one says it.
    pub(super) fn was_not_told(&mut self, read: usize) {
        self.untold += read;
    }
}

fn wait<T>(place: &mut Option<Waker>, cx: &Context<'_>) -> Poll<T> {
    if place.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
    Poll::Pending
}

fn wake(place: &mut Option<Waker>) {
    if let Some(waker) = place.take() {
        waker.wake();
    }
}
