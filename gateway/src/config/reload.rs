//! What of a configuration a running service takes up, and what only the next start.

use super::Config;

impl Config {
    /// Puts back, from the configuration that the service started with, what cannot change while it runs; the keys that
    /// would have changed.
    pub fn keep_until_restart(&mut self, started: &Config) -> Vec<&'static str> {
        let mut kept = Vec::new();
        macro_rules! keep {
            ($($($key:ident).+),+ $(,)?) => {
                $(if self.$($key).+ != started.$($key).+ {
                    self.$($key).+ = started.$($key).+.clone();
                    kept.push(concat!(stringify!($($key).+)));
                })+
            };
        }
        keep!(
            release,
            listen,
            listen_tls,
            spool,
            store,
            log,
            process,
            admin.listen,
            limits.inbound_connections,
            limits.octets_in_hand,
            delivery.connections,
            delivery.connections_per_host,
        );
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_to_the_process_stays_and_is_named() {
        let config = |rest: &str| {
            let text = format!("host = \"gw.test\"\nspool = \"/s\"\nstore = \"/m\"\n{rest}");
            Config::parse(&text, "gateway.toml").unwrap()
        };
        let started = config("listen = \"127.0.0.1:25\"");
        let mut new = config("listen = \"127.0.0.1:26\"\n[limits]\nhops = 9\n[delivery]\nconnections = 3");
        assert_eq!(new.keep_until_restart(&started), ["listen", "delivery.connections"]);
        assert_eq!((new.listen, new.limits.hops), (started.listen, 9));
        assert_eq!(new.delivery, started.delivery);
        assert!(new.keep_until_restart(&started).is_empty());
    }
}
