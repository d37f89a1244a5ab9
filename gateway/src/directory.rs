//! The directory: whose an address is, on which server a mailbox is homed, and who may authenticate.
//!
//! Local parts and accounts compare without case, as Exchange compared them; RFC 5321, 2.4 leaves that to the
//! server that holds the mailbox. Passwords are in plain text for now, as in the configuration file.
//!
//! This module knows no mail store: a mailbox is here a name, not its content.

use std::collections::BTreeMap;

use crate::address::{Address, Domain};
use crate::config::{Config, Password};
use crate::routing::{Route, Table};

/// The mailboxes that the gateway knows.
#[derive(Clone, Debug)]
pub struct Directory {
    mailboxes: Vec<Mailbox>,
    by_address: BTreeMap<AddressKey, usize>,
    by_account: BTreeMap<String, (usize, Password)>,
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
    Elsewhere(String),
}

/// An address as it compares: the local part without case, the domain.
type AddressKey = (String, Domain);

fn key(address: &Address) -> AddressKey {
    (address.local_part().to_ascii_lowercase(), address.domain().clone())
}

impl Directory {
    /// The directory of a configuration.
    pub fn new(config: &Config) -> Self {
        let mut directory = Directory {
            mailboxes: Vec::new(),
            by_address: BTreeMap::new(),
            by_account: BTreeMap::new(),
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
                let entry = (index, login.password.clone());
                directory.by_account.insert(login.account.to_lowercase(), entry);
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

    /// The mailbox of an account, if this is its password. A wrong password takes as long to compare as the right
    /// one.
    pub fn authenticate(&self, account: &str, password: &str) -> Option<&Mailbox> {
        let (index, ours) = self.by_account.get(&account.to_lowercase())?;
        ours.is(password).then(|| &self.mailboxes[*index])
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
            administrator = "administrator@contoso.test"
            [[mailbox]]
            address = "administrator@contoso.test"
            [[mailbox]]
            address = "Alice@contoso.test"
            aliases = ["a@sales.contoso.test"]
            account = "CONTOSO\\alice"
            password = "secret"
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
        assert_eq!(home("bob@contoso.test"), Home::Elsewhere("IMS2".to_owned()));
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

    #[test]
    fn only_the_whole_password_authenticates() {
        let directory = directory();
        let opens = |account, password| directory.authenticate(account, password).is_some();
        assert!(opens("contoso\\Alice", "secret"));
        for wrong in ["", "secre", "secrets", "Secret", "terces"] {
            assert!(!opens("CONTOSO\\alice", wrong), "{wrong}");
        }
        assert!(!opens("alice", "secret"));
    }
}
