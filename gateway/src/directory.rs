//! The directory: whose an address is, on which server a mailbox is homed, and who may authenticate.
//!
//! Local parts and accounts compare without case, as Exchange compared them; RFC 5321, 2.4 leaves that to the
//! server that holds the mailbox.
//!
//! This module knows no mail store: a mailbox is here a name, not its content.

use std::collections::BTreeMap;

use crate::address::{Address, Domain};
use crate::config::Config;
use crate::env::KeyDerivation;
use crate::routing::{NextHop, Route, Table};
use crate::secret::{self, Secret};

/// The mailboxes that the gateway knows.
#[derive(Clone, Debug)]
pub struct Directory {
    mailboxes: Vec<Mailbox>,
    by_address: BTreeMap<AddressKey, usize>,
    by_account: BTreeMap<String, (usize, Secret)>,
    /// The secrets of the configuration: what is made up for strangers is made from them, so that it stays the same for as
    /// long as they do.
    models: Vec<Secret>,
    administrator: Option<usize>,
    host: Domain,
    routes: Table,
}

/// One mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its own address, which is none of its aliases.
    pub address: Address,
    /// Where it is.
    pub home: Home,
}

/// The server on which a mailbox is homed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// This one.
    Here,
    /// Another one of the organization.
    Elsewhere(NextHop),
}

/// An address [as it compares](Address::comparable).
type AddressKey = (String, Domain);

fn key(address: &Address) -> AddressKey {
    let (local_part, domain) = address.comparable();
    (local_part, domain.clone())
}

impl Directory {
    /// The directory of a configuration.
    pub fn new(config: &Config) -> Self {
        let mut directory = Directory {
            mailboxes: Vec::new(),
            by_address: BTreeMap::new(),
            by_account: BTreeMap::new(),
            models: Vec::new(),
            administrator: None,
            host: config.host.clone(),
            routes: config.routes.clone(),
        };
        for (index, mailbox) in config.mailboxes.iter().enumerate() {
            let home = mailbox.server.clone().map_or(Home::Here, Home::Elsewhere);
            directory.mailboxes.push(Mailbox { address: mailbox.address.clone(), home });
            for address in mailbox.aliases.iter().chain([&mailbox.address]) {
                directory.by_address.insert(key(address), index);
            }
            if let Some(login) = &mailbox.login {
                let entry = (index, login.secret.clone());
                directory.by_account.insert(login.account.to_lowercase(), entry);
                directory.models.push(login.secret.clone());
            }
        }
        let administrator = config.administrator.as_ref().map(key);
        directory.administrator = administrator.and_then(|key| directory.by_address.get(&key).copied());
        directory
    }

    /// The mailbox that has this address, as its own or as an alias.
    ///
    /// `postmaster` of this host and of every domain that the routing table takes inbound is the administrator
    /// (Q201072; RFC 5321, 4.5.1), unless a mailbox has that very address.
    pub fn find(&self, address: &Address) -> Option<&Mailbox> {
        let key = key(address);
        let own = self.by_address.get(&key).map(|index| &self.mailboxes[*index]);
        own.or_else(|| if self.is_postmaster(&key) { self.administrator() } else { None })
    }

    /// The administrator's mailbox, if there is an administrator. It is also the one of a bare `postmaster`.
    pub fn administrator(&self) -> Option<&Mailbox> {
        self.administrator.map(|index| &self.mailboxes[index])
    }

    /// The mailbox of an account.
    pub fn owner(&self, account: &str) -> Option<&Mailbox> {
        self.by_account.get(&account.to_lowercase()).map(|(index, _)| &self.mailboxes[*index])
    }

    /// The secret of an account. One that is not there has a secret too, which no password has, so that a client that asks
    /// does not learn which accounts there are; none if there is no account at all.
    pub fn secret(&self, account: &str) -> Option<Secret> {
        let account = account.to_lowercase();
        let known = self.by_account.get(&account).map(|(_, secret)| secret.clone());
        known.or_else(|| Secret::for_a_stranger(&self.models, &account))
    }

    /// Whether this is the password of an account. It takes as long for a wrong one, and for an account that is not there.
    pub async fn authenticate(&self, account: &str, password: &str, keys: &dyn KeyDerivation) -> bool {
        let (Some(secret), Some(password)) = (self.secret(account), secret::prepared(password)) else {
            return false;
        };
        secret.is_of(&keys.salted(&password, secret.salt(), secret.iterations()).await)
    }

    fn is_postmaster(&self, (local_part, domain): &AddressKey) -> bool {
        local_part == "postmaster" && (*domain == self.host || self.routes.route(domain) == Route::Inbound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let text = r##"
            host = "ims.contoso.test"
            spool = "/imcdata"
            store = "/mailboxes"
            tls.auth_in_clear = true
            administrator = "administrator@contoso.test"
            [[mailbox]]
            address = "administrator@contoso.test"
            [[mailbox]]
            address = "Alice@contoso.test"
            aliases = ["a@sales.contoso.test"]
            account = "CONTOSO\\alice"
            secret = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
            [[mailbox]]
            address = "bob@contoso.test"
            server = "IMS2"
            [[route]]
            domain = "contoso.test"
            to = "<inbound>"
            [[route]]
            domain = "legacy.contoso.test"
            to = "relay.contoso.test"
            [[route]]
            domain = "#new.legacy.contoso.test"
            to = "<inbound>"
        "##;
        Directory::new(&Config::parse(text, "gateway.toml").unwrap())
    }

    fn found(address: &str) -> Option<String> {
        directory().find(&address.parse().unwrap()).map(|mailbox| mailbox.address.to_string())
    }

    #[test]
    fn a_mailbox_is_found_by_address_and_alias_without_regard_to_case() {
        let alice = Some("Alice@contoso.test".to_owned());
        assert_eq!(found("Alice@contoso.test"), alice);
        assert_eq!(found("ALICE@Contoso.TEST"), alice);
        assert_eq!(found("A@sales.contoso.test"), alice);
        assert_eq!(found("a@contoso.test"), None);
    }

    #[test]
    fn a_mailbox_with_a_server_is_homed_elsewhere() {
        let directory = directory();
        let home = |address: &str| directory.find(&address.parse().unwrap()).unwrap().home.clone();
        assert_eq!(home("alice@contoso.test"), Home::Here);
        assert_eq!(home("bob@contoso.test"), Home::Elsewhere("IMS2".parse().unwrap()));
    }

    #[test]
    fn postmaster_of_this_host_and_of_every_inbound_domain_is_the_administrator() {
        let administrator = Some("administrator@contoso.test".to_owned());
        assert_eq!(found("postmaster@contoso.test"), administrator);
        assert_eq!(found("Postmaster@sales.contoso.test"), administrator);
        assert_eq!(found("postmaster@new.legacy.contoso.test"), administrator);
        assert_eq!(found("postmaster@ims.contoso.test"), administrator);
    }

    #[test]
    fn postmaster_of_a_domain_that_is_not_inbound_is_nobody_here() {
        assert_eq!(found("postmaster@legacy.contoso.test"), None);
        assert_eq!(found("postmaster@old.new.legacy.contoso.test"), None);
        assert_eq!(found("postmaster@notcontoso.test"), None);
        assert_eq!(found("post@contoso.test"), None);
    }

    #[tokio::test]
    async fn only_the_whole_password_authenticates() {
        let (directory, keys) = (directory(), crate::env::host::env().keys);
        assert!(directory.authenticate("contoso\\Alice", "pencil", &*keys).await);
        for wrong in ["", "penci", "pencils", "Pencil", "licnep", "pencil\u{7}"] {
            assert!(!directory.authenticate("CONTOSO\\alice", wrong, &*keys).await, "{wrong}");
        }
        assert!(!directory.authenticate("alice", "pencil", &*keys).await);
    }

    #[test]
    fn a_stranger_looks_like_an_account() {
        let directory = directory();
        let [alice, eve] = ["CONTOSO\\alice", "eve"].map(|account| directory.secret(account).unwrap());
        assert_eq!((alice.iterations(), alice.salt().len()), (eve.iterations(), eve.salt().len()));
        assert_eq!(directory.secret("EVE"), directory.secret("eve"));
    }
}
