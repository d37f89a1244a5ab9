//! What the parts of a running service share: its configuration, its machine, its spool, and the ways to each other.

use std::future::{Future, pending};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::StartError;
use super::counters::Counters;
use super::courier::Order;
use super::filing::Filed;
use super::flush_mode::FlushMode;
use super::held::Held;
use super::hosts::Hosts;
use super::logs::Logs;
use super::room::Rooms;
use super::suspended::Suspended;
use crate::accept::Rules;
use crate::address::Domain;
use crate::config::Config;
use crate::directory::Directory;
use crate::dns::Resolver;
use crate::env::{DiskError, Env, sync_with_ancestors};
use crate::envelope::SpoolId;
use crate::eventlog::Event;
use crate::exception::Exception;
use crate::extension::{Chain, Registry};
use crate::report::Identity;
use crate::routing::Route;
use crate::spool::Spool;
use crate::store::Store;
use crate::tls::Tls;

/// How far it has come with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closing {
    NotYet,
    /// No session begins another message.
    Gently,
    /// No session goes on.
    AtOnce,
}

/// The shared parts of a running service.
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) env: Env,
    pub(super) spool: Spool,
    pub(super) store: Store,
    pub(super) rules: Rules,
    pub(super) directory: Directory,
    pub(super) extensions: Chain,
    pub(super) tls: Tls,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) identity: Identity,
    pub(super) hosts: Arc<Hosts>,
    // What follows is one for as long as the process lives, whatever is configured.
    pub(super) rooms: Arc<Rooms>,
    pub(super) logs: Arc<Logs>,
    pub(super) filed: Arc<Filed>,
    pub(super) held: Arc<Held>,
    pub(super) suspended: Arc<Suspended>,
    pub(super) counters: Arc<Counters>,
    closing: watch::Sender<Closing>,
    flush_mode: Arc<FlushMode>,
    channels: Channels,
}

/// The ways from one part to another.
#[derive(Clone)]
pub(super) struct Channels {
    /// To the service: an exception that ends it.
    pub(super) fatal: mpsc::UnboundedSender<Exception>,
    /// To the inbound worker: a message has come into `in/`.
    pub(super) inbox: mpsc::UnboundedSender<SpoolId>,
    /// To the courier: an entry in `out/` is due.
    pub(super) outbox: mpsc::UnboundedSender<Order>,
}

impl Core {
    pub(super) async fn open(
        config: Config,
        env: Env,
        resolver: Arc<dyn Resolver>,
        extensions: &Registry,
        channels: Channels,
    ) -> Result<Arc<Self>, StartError> {
        let extensions = extensions.load(&config.extensions, &env).await.inspect_err(|error| {
            Event::ExtensionNotLoaded { extension: error.extension.clone(), why: error.why.to_string() }
                .log();
        })?;
        let tls = Tls::load(&config.tls, &env)
            .await
            .inspect_err(|error| Event::TlsNotLoaded { why: error.to_string() }.log())?;
        let spool = Spool::open(Arc::clone(&env.disk), Arc::clone(&env.entropy), Path::new(&config.spool))
            .await
            .inspect_err(|error| Event::SpoolUnusable { why: error.to_string() }.log())?;
        let store = Path::new(&config.store);
        let made = env.disk.create_dir_all(store).await.map_err(DiskError::of("make", store));
        let durable = match made {
            Ok(()) => sync_with_ancestors(&*env.disk, store).await,
            Err(error) => Err(error),
        };
        durable.inspect_err(|error| Event::SpoolUnusable { why: error.to_string() }.log())?;
        Ok(Arc::new(Core {
            store: Store::new(Arc::clone(&env.disk), Path::new(&config.store)),
            rules: Rules::new(&config.accept),
            directory: Directory::new(&config),
            identity: config.identity(),
            hosts: Hosts::new(&config),
            rooms: Rooms::new(config.limits.octets_in_hand),
            logs: Arc::new(Logs::open(&config, &env).await),
            filed: Arc::default(),
            held: Arc::default(),
            suspended: Arc::default(),
            counters: Arc::default(),
            closing: watch::Sender::new(Closing::NotYet),
            flush_mode: Arc::default(),
            extensions,
            tls,
            spool,
            resolver,
            env,
            config,
            channels,
        }))
    }

    /// The same service under another configuration, which has the same spool and store.
    ///
    /// # Errors
    /// Something that it needs cannot be had.
    pub(super) async fn reconfigured(
        &self,
        config: Config,
        resolver: Arc<dyn Resolver>,
        extensions: &Registry,
    ) -> Result<Arc<Self>, StartError> {
        let extensions = extensions.load(&config.extensions, &self.env).await?;
        let tls = Tls::load(&config.tls, &self.env).await?;
        let hosts = if self.hosts.are_as(&config) { Arc::clone(&self.hosts) } else { Hosts::new(&config) };
        Ok(Arc::new(Core {
            store: Store::new(Arc::clone(&self.env.disk), Path::new(&config.store)),
            rules: Rules::new(&config.accept),
            directory: Directory::new(&config),
            identity: config.identity(),
            hosts,
            rooms: Arc::clone(&self.rooms),
            extensions,
            tls,
            resolver,
            config,
            env: self.env.clone(),
            spool: self.spool.clone(),
            logs: Arc::clone(&self.logs),
            filed: Arc::clone(&self.filed),
            held: Arc::clone(&self.held),
            suspended: Arc::clone(&self.suspended),
            counters: Arc::clone(&self.counters),
            closing: self.closing.clone(),
            flush_mode: Arc::clone(&self.flush_mode),
            channels: self.channels.clone(),
        }))
    }

    /// Where a domain's mail goes. This host's own name is its own domain, whatever the table says: its postmaster
    /// must be reachable (RFC 5321, 4.5.1).
    pub(super) fn route(&self, domain: &Domain) -> Route {
        if *domain == self.config.host { Route::Inbound } else { self.config.routes.route(domain) }
    }

    /// Whether the spool's drive is too full for more mail.
    pub(super) async fn is_in_flush_mode(&self) -> bool {
        self.flush_mode.is_on(self.config.limits.disk_low_water, &*self.env.disk, &self.config.spool).await
    }

    /// The service is being stopped: no session begins another message.
    pub(super) fn close_down(&self) {
        self.closing.send_replace(Closing::Gently);
    }

    /// No session goes on with the message that it is in.
    pub(super) fn cut_off(&self) {
        self.closing.send_replace(Closing::AtOnce);
    }

    /// Whether the service is being stopped.
    pub(super) fn is_closing_down(&self) -> bool {
        *self.closing.borrow() >= Closing::Gently
    }

    /// Ready when the service is being stopped, and that has come as far as this.
    pub(super) async fn closes_down(&self, how: Closing) {
        // The sender is here, so it is not gone.
        let _ = self.closing.subscribe().wait_for(|closing| *closing >= how).await;
    }

    /// What a wait comes to; nothing if the service is being stopped before.
    pub(super) async fn unless_closed<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.closes_down(Closing::Gently) => None,
            outcome = wait => Some(outcome),
        }
    }

    /// The time of day.
    pub(super) fn now(&self) -> Timestamp {
        self.env.clock.now()
    }

    /// A message has come into `in/`.
    pub(super) fn arrived(&self, id: SpoolId) {
        // The worker ends with the process: then the message is found at the next start.
        let _ = self.channels.inbox.send(id);
    }

    /// An entry in `out/` is to be tried.
    pub(super) fn order(&self, order: Order) {
        let _ = self.channels.outbox.send(order);
    }

    /// The exception filter's last word: event 4037, and on the releases that did not survive it the end of the
    /// process, from which nothing returns.
    pub(super) async fn exception(&self, exception: Exception) {
        Event::Exception(exception.clone()).log();
        if !self.config.release.survives_exceptions() {
            let _ = self.channels.fatal.send(exception);
            pending().await
        }
    }
}
