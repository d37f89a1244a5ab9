//! ETRN: a client asks for the mail that waits for a domain (RFC 1985).
//!
//! Whoever may have mail passed on may ask, for domains whose mail waits: it goes to the host that the routing table
//! names and to nobody else, so that a stranger could not get at it; but he would learn whether there is any, and could
//! have this host knock at another's door. Postfix has `smtpd_etrn_restrictions` and `fast_flush_domains` for the two.
//!
//! Of the replies that RFC 1985 has, 250 and 458 are not given: 253 says more, and nothing stands in the way of a request
//! that is granted.

use tokio::time::Instant;

use super::{Go, Session, out_of_order};
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::routing::Route;
use crate::service::courier::Order;
use crate::smtp::command::Node;
use crate::smtp::reply::Reply;

impl Session {
    pub(super) async fn etrn(&mut self, node: Node) -> Go {
        if self.hello.is_none() {
            return self.refuse(out_of_order("say HELO or EHLO first")).await;
        }
        if self.is_sending() {
            return self.refuse(out_of_order("a message is being sent: end it, or say RSET")).await;
        }
        if self.must_encrypt().await? {
            return Ok(());
        }
        if self.admission.needs_authentication() && self.account.is_none() {
            reached(Point::UnauthenticatedRefused);
            return self.refuse(Reply::new(530, "Authentication required").with_status("5.7.0")).await;
        }
        let why = match &node {
            _ if !self.may_relay() => "this client may not ask for mail",
            Node::Queue(_) => "no queue has a name here",
            Node::Domain(domain) | Node::Below(domain) => match self.core.route(domain) {
                Route::Held(_) => return self.start(node).await,
                Route::Inbound | Route::Host(_) | Route::Onward => "its mail does not wait for ETRN",
            },
        };
        reached(Point::EtrnRefused);
        self.refuse(Reply::new(459, format!("Node {node} not allowed: {why}")).with_status("4.7.1")).await
    }

    async fn start(&mut self, node: Node) -> Go {
        let pending = self.core.held.ask_for(&node);
        let count = pending.entries.len();
        for name in pending.entries {
            self.core.order(Order::At { name, due: Instant::now() });
        }
        let (code, text) = match (count, pending.others) {
            (0, false) => (251, format!("OK, no messages waiting for node {node}")),
            (0, true) => (252, format!("OK, pending messages for node {node} started")),
            _ => (253, format!("OK, {count} pending messages for node {node} started")),
        };
        match count {
            0 => reached(Point::EtrnForNothing),
            _ => {
                reached(Point::EtrnGranted);
                let client = self.caller();
                Event::QueueStarted { client, node: node.to_string(), messages: count }.log();
            }
        }
        self.answer(&Reply::new(code, text).with_status("2.0.0")).await
    }
}
