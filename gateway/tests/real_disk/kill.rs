//! `kill -9` under load: what was acknowledged is there, once, except where an acknowledgement was under way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use crate::clients::{Account, Client, Handed};
use crate::next_hop::{self, number};
use crate::program::{Program, configure, files, free_address, wait_until};

const CLIENTS: u32 = 8;
/// The most connections to the next hop: so many of its answers may be under way when the program dies.
const CONNECTIONS: u32 = 20;

/// Kills the program so often while clients hand mail over, half of it for a mailbox here and half for the next hop.
pub(crate) fn under_load(kills: u32) {
    let dir = tempfile::tempdir().unwrap();
    let (address, (hop, passed_on)) = (free_address(), next_hop::listen());
    // Mail that is in hand at two deaths is set aside: that is another test's.
    let config = configure(dir.path(), address, hop, "", "quarantine = { deaths = 1000 }");
    let (next, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
    let mut program = Program::start(&config, address);
    let accounts: Vec<Account> = thread::scope(|scope| {
        let hand_over = || hand_over(address, &next, &is_over);
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(hand_over)).collect();
        for kill in 0..kills {
            sleep(Duration::from_millis(u64::from(50 + kill * 37 % 400)));
            program.restart();
        }
        is_over.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let spool = dir.path().join("spool");
    wait_until("the spool is empty", || {
        files(&spool.join("in")).len() + files(&spool.join("out")).len() == 0
    });
    drop(program);
    assert_eq!(files(&spool.join("bad")).len(), 0, "nothing is damaged");

    let delivered = delivered(&dir.path().join("mail/bob@contoso.test/new"));
    let passed_on = passed_on.lock().unwrap();
    let times = |number: &u32| delivered.get(number).or(passed_on.get(number)).copied().unwrap_or_default();
    let acknowledged: BTreeSet<u32> =
        accounts.iter().flat_map(|account| &account.acknowledged).copied().collect();
    let unanswered: BTreeSet<u32> =
        accounts.iter().flat_map(|account| &account.unanswered).copied().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|number| times(number) == 0).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let twice = |counted: &BTreeMap<u32, u32>| -> Vec<u32> {
        let more =
            |(number, times): (&u32, &u32)| (*times > 1 && !unanswered.contains(number)).then_some(*number);
        counted.iter().filter_map(more).collect()
    };
    assert_eq!(twice(&delivered), [0; 0], "delivered twice, though each acknowledgement was heard");
    let most = usize::try_from(kills * CONNECTIONS).unwrap();
    assert!(twice(&passed_on).len() <= most, "more were passed on twice than there were answers under way");
    println!(
        "{kills} kills: {} acknowledged, {} unanswered, {} passed on twice",
        acknowledged.len(),
        unanswered.len(),
        twice(&passed_on).len()
    );
}

/// Hands messages over until it is over; one that is not answered is handed over again.
fn hand_over(to: SocketAddr, next: &AtomicU32, is_over: &AtomicBool) -> Account {
    let mut account = Account::default();
    let mut client = None;
    while !is_over.load(Ordering::SeqCst) {
        let number = next.fetch_add(1, Ordering::SeqCst);
        let recipient = if number.is_multiple_of(2) { "bob@contoso.test" } else { "eve@fabrikam.test" };
        loop {
            let mut connected = match client.take() {
                Some(client) => client,
                None => match Client::connect(to) {
                    Ok(client) => client,
                    // It is being started again.
                    Err(_) => {
                        sleep(Duration::from_millis(5));
                        continue;
                    }
                },
            };
            match connected.send(number, recipient, "Forty chairs, please.") {
                Handed::Answered(reply) => {
                    assert!(reply.starts_with("250 "), "{reply}");
                    account.acknowledged.insert(number);
                    client = Some(connected);
                    break;
                }
                Handed::Lost { was_whole: true } => drop(account.unanswered.insert(number)),
                Handed::Lost { was_whole: false } => {}
            }
        }
    }
    account
}

/// How often each message is in a mailbox.
fn delivered(new: &Path) -> BTreeMap<u32, u32> {
    let mut delivered = BTreeMap::new();
    for file in files(new) {
        let text = fs::read_to_string(file).unwrap();
        *delivered.entry(text.lines().find_map(number).expect("a number")).or_default() += 1;
    }
    delivered
}
