//! Entropy for rustls, lent for one turn at a time.
//!
//! A rustls provider holds its source of random bytes and its key exchanges as `&'static`, and has no place for a
//! machine. So the ones here own nothing: they draw from the [`Entropy`] that whoever calls rustls lends them for that
//! call. Outside of one there is none, and a handshake fails before it takes randomness from elsewhere
//! (`docs/decisions/0012-tls-draws-from-the-seam.md`).
//!
//! This module knows no certificate and no SMTP.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::env::Entropy;

thread_local! {
    /// What is lent on this thread now. It lasts as long as a call, and no call leaves anything behind.
    static LENT: RefCell<Option<Arc<dyn Entropy>>> = const { RefCell::new(None) };
}

/// Does something with rustls that may draw from this entropy.
pub fn lend<T>(entropy: &Arc<dyn Entropy>, turn: impl FnOnce() -> T) -> T {
    struct GiveBack(Option<Arc<dyn Entropy>>);
    impl Drop for GiveBack {
        fn drop(&mut self) {
            LENT.set(self.0.take());
        }
    }
    let _back = GiveBack(LENT.replace(Some(Arc::clone(entropy))));
    turn()
}

fn draw(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    let lent = LENT.with_borrow(Option::clone).ok_or(GetRandomFailed)?;
    lent.fill(bytes);
    Ok(())
}

/// The random bytes of a handshake.
#[derive(Debug)]
pub(super) struct LentRandom;

impl SecureRandom for LentRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        draw(bytes)
    }
}

/// Key exchange by X25519 (RFC 7748).
#[derive(Debug)]
pub(super) struct LentX25519;

impl SupportedKxGroup for LentX25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut drawn = [0; 32];
        draw(&mut drawn)?;
        let secret = StaticSecret::from(drawn);
        Ok(Box::new(Exchange { public: PublicKey::from(&secret), secret }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct Exchange {
    secret: StaticSecret,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        let theirs: [u8; 32] = theirs.try_into().map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(theirs));
        // A key that makes no secret (RFC 7748, 6.1).
        if !shared.was_contributory() {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(&shared.as_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// A handshake, or a connection after it, that is lent entropy for each of its turns.
pub struct Borrowing<T> {
    inner: T,
    entropy: Arc<dyn Entropy>,
}

impl<T> Borrowing<T> {
    /// Lends to `inner`.
    pub fn new(inner: T, entropy: &Arc<dyn Entropy>) -> Self {
        Borrowing { inner, entropy: Arc::clone(entropy) }
    }

    /// What it is lent to.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    fn turn<R>(self: Pin<&mut Self>, turn: impl FnOnce(Pin<&mut T>) -> R) -> R
    where
        T: Unpin,
    {
        let Borrowing { inner, entropy } = self.get_mut();
        lend(entropy, || turn(Pin::new(inner)))
    }
}

impl<T: Future + Unpin> Future for Borrowing<T> {
    type Output = T::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        self.turn(|inner| inner.poll(cx))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Borrowing<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.turn(|inner| inner.poll_read(cx, buf))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Borrowing<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.turn(|inner| inner.poll_write(cx, octets))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.turn(|inner| inner.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.turn(|inner| inner.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use super::*;

    /// Says the same octet for ever.
    struct Always(u8);

    impl Entropy for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn drawn() -> Option<u8> {
        let mut octet = [0];
        LentRandom.fill(&mut octet).ok().map(|()| octet[0])
    }

    #[test]
    fn what_is_lent_is_given_back_and_nothing_else_is_there_to_draw_from() {
        let (seven, nine): (Arc<dyn Entropy>, Arc<dyn Entropy>) = (Arc::new(Always(7)), Arc::new(Always(9)));
        assert_eq!(drawn(), None);
        assert!(LentX25519.start().is_err());
        let within = lend(&seven, || (drawn(), lend(&nine, drawn), drawn()));
        assert_eq!(within, (Some(7), Some(9), Some(7)));
        assert_eq!(drawn(), None);
    }

    #[test]
    fn an_exception_within_a_turn_leaves_nothing_behind() {
        let seven: Arc<dyn Entropy> = Arc::new(Always(7));
        let ended =
            std::panic::catch_unwind(AssertUnwindSafe(|| lend(&seven, || panic!("a turn ends badly"))));
        assert!(ended.is_err());
        assert_eq!(drawn(), None);
    }

    /// RFC 7748, 6.1: two keys and what they share.
    #[test]
    fn two_sides_come_to_the_same_secret_and_a_key_of_small_order_makes_none() {
        let [alice, bob] = [7, 9].map(|octet| {
            let entropy: Arc<dyn Entropy> = Arc::new(Always(octet));
            lend(&entropy, || LentX25519.start()).unwrap()
        });
        let (ours, theirs) = (alice.pub_key().to_owned(), bob.pub_key().to_owned());
        let [one, other] = [alice.complete(&theirs), bob.complete(&ours)].map(Result::unwrap);
        assert_eq!(one.secret_bytes(), other.secret_bytes());
        let seven: Arc<dyn Entropy> = Arc::new(Always(7));
        assert!(lend(&seven, || LentX25519.start()).unwrap().complete(&[0; 32]).is_err());
    }
}
