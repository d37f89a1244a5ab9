//! The configuration of the real gateway: the scenario's, with what is otherwise on this machine.

use std::net::IpAddr;
use std::time::Duration;

use gateway::config::Config;
use jiff::SignedDuration;
use toml::{Table, Value};

use super::addresses::port_here;
use super::home::Home;
use super::possible::has_its_extension_fail;
use crate::plan::Plan;
use crate::scenario::config::add_faulty_extension;
use crate::scenario::{SPOOL, STORE, secrets};

/// The text of the configuration: `own` is the scenario's table, with addresses of this machine.
pub(super) fn text(mut own: Table, plan: &Plan, home: &Home, name_server: IpAddr, pace: u32) -> String {
    let Config { host, release, listen_tls, delivery, quarantine, .. } = &plan.gateway.config;
    let address = plan.gateway.address;
    own.iter_mut().for_each(|(_, value)| find_here(value, home));
    secrets::store(&mut own);
    if has_its_extension_fail(plan) {
        add_faulty_extension(&mut own);
    }
    let at = |path: &str| Value::from(home.at(path).display().to_string());
    let listen = |port| Value::from(format!("{address}:{}", port_here(port)));
    own.insert("release".to_owned(), release.name().into());
    own.insert("host".to_owned(), host.as_str().into());
    own.insert("spool".to_owned(), at(SPOOL));
    own.insert("store".to_owned(), at(STORE));
    own.insert("listen".to_owned(), listen(plan.gateway.config.listen.port()));
    if let Some(tls) = listen_tls {
        own.insert("listen_tls".to_owned(), listen(tls.port()));
    }
    let servers = format!("{name_server}:{}", port_here(53));
    table(&mut own, "dns").insert("servers".to_owned(), vec![servers].into());
    table(&mut own, "log").insert("format".to_owned(), "json".into());

    let span = |span: Duration| Value::from(span_text(span / pace));
    let keys = table(&mut own, "delivery");
    keys.insert("port".to_owned(), i64::from(port_here(delivery.port)).into());
    keys.insert("retry".to_owned(), delivery.retry.iter().map(|wait| span(*wait)).collect::<Vec<_>>().into());
    keys.insert("expire".to_owned(), span(delivery.expire));
    if let Some(after) = delivery.delay_notice {
        keys.insert("delay_notice".to_owned(), span(after));
    }
    if plan.release == gateway::release::Release::Current {
        table(&mut own, "quarantine").insert("extension_time".to_owned(), span(quarantine.extension_time));
    }
    toml::to_string(&own).expect("a table that was read can be written")
}

fn table<'a>(own: &'a mut Table, name: &str) -> &'a mut Table {
    let value = own.entry(name).or_insert_with(|| Table::new().into());
    value.as_table_mut().expect("the gateway has read it as a table")
}

/// Puts paths and addresses of this machine into the place of the scenario's.
fn find_here(value: &mut Value, home: &Home) {
    match value {
        Value::String(text) => {
            if text.starts_with('/') {
                *text = home.at(&*text).display().to_string();
            } else if let Some((port, host)) = text.strip_prefix("inet:").and_then(|at| at.split_once('@'))
                && let Ok(port) = port.parse()
            {
                *text = format!("inet:{}@{host}", port_here(port));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| find_here(value, home)),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| find_here(value, home)),
        _ => {}
    }
}

fn span_text(span: Duration) -> String {
    let at_least = span.max(Duration::from_millis(1));
    format!("{:#}", SignedDuration::try_from(at_least).unwrap_or(SignedDuration::MAX))
}
