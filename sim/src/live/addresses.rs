//! Where the hosts of a run are on this machine: each network of the scenario is one below `127.0.0.0/8`.
//!
//! Linux answers on every address there without any set-up. A run has the networks `127.N.0.0/16` for itself, so that
//! several can be made side by side, by several processes. It knows IPv4 alone.
#![expect(clippy::disallowed_types, reason = "a live run is on the real machine")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

/// What is added to a port that only the administrator may listen on.
const UNPRIVILEGED: u16 = 20_000;

/// The last octet of the name server's address, in the network that no host of the scenario has.
const NAME_SERVER: u8 = 53;

/// The addresses of one run.
pub(super) struct Addresses {
    /// The second octet of all of them.
    run: u8,
    /// The networks of the scenario, by their first three octets. The place of each, from 1, is its third octet here.
    networks: Vec<[u8; 3]>,
    /// It says to others that this run's addresses are taken.
    _taken: TcpListener,
}

impl Addresses {
    /// Addresses for all that are in a text.
    ///
    /// # Errors
    /// Every network is another run's, or this machine has none.
    pub(super) fn of(text: &str) -> io::Result<Self> {
        let mut networks = Vec::new();
        replaced(text, |[a, b, c, _]| {
            if !networks.contains(&[a, b, c]) && is_a_hosts([a, b, c]) {
                networks.push([a, b, c]);
            }
            None
        });
        let mut why = io::Error::from(io::ErrorKind::AddrInUse);
        let free = (1..=254).find_map(|run| {
            let taken = TcpListener::bind((Ipv4Addr::new(127, run, 0, 1), port_here(1)));
            taken.map_err(|error| why = error).ok().map(|taken| (run, taken))
        });
        let Some((run, taken)) = free else {
            return Err(io::Error::new(
                why.kind(),
                format!(
                    "none of the networks 127.1.0.0/16 to 127.254.0.0/16 can be had ({why}): Linux has them"
                ),
            ));
        };
        Ok(Addresses { run, networks, _taken: taken })
    }

    /// A text of the scenario with the addresses that its hosts have here.
    pub(super) fn here(&self, text: &str) -> String {
        replaced(text, |[a, b, c, host]| {
            let network = self.networks.iter().position(|known| *known == [a, b, c])?;
            Some([127, self.run, u8::try_from(network + 1).ok()?, host])
        })
    }

    /// A text of this machine with the addresses and ports that the scenario has for them.
    pub(super) fn there(&self, text: &str) -> String {
        let text = replaced(text, |[first, run, network, host]| {
            let network = usize::from(network).checked_sub(1).filter(|_| (first, run) == (127, self.run))?;
            let [a, b, c] = *self.networks.get(network)?;
            Some([a, b, c, host])
        });
        with_ports_there(&text)
    }

    /// The name server's address.
    pub(super) fn name_server(&self) -> IpAddr {
        Ipv4Addr::new(127, self.run, 0, NAME_SERVER).into()
    }
}

/// Where a host listens here that would listen on this port.
pub(super) fn port_here(port: u16) -> u16 {
    if port < 10_000 { port + UNPRIVILEGED } else { port }
}

/// Whether it is no address of this machine and no mask.
fn is_a_hosts([a, ..]: [u8; 3]) -> bool {
    !matches!(a, 0 | 127 | 224..)
}

/// The text with other addresses in dotted quads where there are any.
fn replaced(text: &str, mut other: impl FnMut([u8; 4]) -> Option<[u8; 4]>) -> String {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        // A full stop ends a sentence.
        let quad = word.trim_end_matches('.');
        let replacement = quad.parse::<Ipv4Addr>().ok().and_then(|address| other(address.octets()));
        out += before;
        match replacement {
            Some(octets) => out += &format!("{}{}", Ipv4Addr::from(octets), &word[quad.len()..]),
            None => out += word,
        }
        rest = after;
    }
    out + rest
}

/// The text with each port here as the scenario has it.
fn with_ports_there(text: &str) -> String {
    let mut parts = text.split(':');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let port = part[..digits].parse().ok().filter(|port| (UNPRIVILEGED..30_000).contains(port));
        out.push(':');
        match port {
            Some(port) => out += &format!("{}{}", port - UNPRIVILEGED, &part[digits..]),
            None => out += part,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_as_it_was() {
        let text = "host 192.0.2.25:25, of 198.51.100.0/24 [192.0.2.80]. Not 1.2.3, 0.0.0.0:25 or 127.0.0.1.";
        let addresses = Addresses::of(text).unwrap();
        let here = addresses.here(text);
        let run = addresses.run;
        assert!(here.starts_with(&format!("host 127.{run}.1.25:25, of 127.{run}.2.0/24 [127.{run}.1.80].")));
        assert!(here.ends_with(" Not 1.2.3, 0.0.0.0:25 or 127.0.0.1."), "{here}");
        assert_eq!(addresses.there(&here.replace(".25:25,", ".25:20025,")), text);
    }

    #[test]
    fn two_runs_share_no_address() {
        let [one, other] = [(); 2].map(|()| Addresses::of("192.0.2.1").unwrap());
        assert_ne!(one.here("192.0.2.1"), other.here("192.0.2.1"));
        assert_ne!(one.name_server(), other.name_server());
    }
}
