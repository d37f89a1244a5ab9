//! Matching a domain by its rightmost whole labels.

use std::collections::BTreeMap;
use std::iter;

use super::{TableError, domain_of};
use crate::address::Domain;

/// A map in which an entry answers for its domain and all domains below it, and the most specific entry wins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DomainSuffixes<T>(BTreeMap<String, T>);

impl<T> Default for DomainSuffixes<T> {
    fn default() -> Self {
        DomainSuffixes(BTreeMap::new())
    }
}

impl<T> DomainSuffixes<T> {
    /// Adds an entry: a domain, with or without a leading dot.
    pub(crate) fn insert(&mut self, entry: &str, value: T) -> Result<(), TableError> {
        let domain = domain_of(entry, entry.strip_prefix('.').unwrap_or(entry))?;
        match self.0.insert(domain.into_ascii().into(), value) {
            None => Ok(()),
            Some(_) => Err(TableError::ListedTwice { entry: entry.to_owned() }),
        }
    }

    /// The value of the entry that matches the most labels of `domain`. An address literal has no labels that an
    /// entry could match: only the whole of it is an entry.
    pub(crate) fn most_specific(&self, domain: &Domain) -> Option<&T> {
        iter::successors(Some(domain.as_str()), |name| Some(name.split_once('.')?.1))
            .find_map(|name| self.0.get(name))
    }
}
