//! What is read from files: the configuration, the route file, the spool.

use std::path::Path;

use gateway::address::Domain;
use gateway::config::Config;
use gateway::extension::route_file::RouteFile;
use gateway::spool::{Damage, decode};

/// The footer of a spool file: LF, `ImEd`, space, 20 digits, space, eight digits, LF.
const FOOTER: usize = 36;

/// A configuration is taken, or refused with the name of its file.
pub fn configuration(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    match Config::parse(text, "gateway.toml") {
        Ok(config) => {
            let _ = config.identity();
            assert!(!config.delivery.wait_after(u32::MAX).is_zero());
        }
        Err(error) => assert!(error.to_string().starts_with("gateway.toml"), "{error}"),
    }
}

/// A route file is taken, or refused with its name and the line.
pub fn route_file(octets: &[u8]) {
    match RouteFile::parse(Path::new("Imcroute.cfg"), octets) {
        Ok(routes) => {
            let domain: Domain = "sales.example.com".parse().unwrap();
            let _ = routes.destination(&domain);
        }
        Err(error) => {
            let lines = octets.split(|octet| *octet == b'\n').count();
            assert!((1..=lines).contains(&error.line));
            assert!(error.to_string().starts_with(&format!("Imcroute.cfg:{}: ", error.line)), "{error}");
        }
    }
}

/// A file of the spool is a message, or damaged; and what is left of it when its end is missing is damaged. The octets
/// stand for the file, and for one whose footer fits to whatever is before it.
pub fn spool_file(octets: &[u8]) {
    let _ = decode(octets);
    let before =
        octets.strip_suffix(octets.last_chunk::<FOOTER>().map_or(&[][..], |footer| footer)).unwrap_or(octets);
    let Some(content) = before.windows(6).position(|window| window == b"\nEwLs\n").map(|at| at + 6) else {
        return;
    };
    let mut file = before.to_vec();
    file.extend_from_slice(format!("\nImEd {:020} ", before.len() - content).as_bytes());
    let crc = crc32fast::hash(&file);
    file.extend_from_slice(format!("{crc:08x}\n").as_bytes());
    match decode(&file) {
        Ok(message) => {
            assert!(file[..file.len() - FOOTER].ends_with(&message.content));
            for end in [1, FOOTER + message.content.len()] {
                assert!(decode(&file[..file.len() - end]).is_err());
            }
        }
        Err(damage) => assert_ne!(damage, Damage::Checksum),
    }
}
