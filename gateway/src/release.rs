//! The releases of the Internet Mail Service that can be replayed, and the documented defects each has.
//!
//! The place where a defect lived asks [`Release::has`] in one line; what the old release then did is in a file
//! of its own beside that place. Build numbers: KB Q257618.

use std::fmt;
use std::str::FromStr;

/// A release of the gateway, oldest first. `Ord` is the order in which they came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Exchange Server 5.0 as first sold.
    V50Rtm,
    /// Exchange Server 5.0 Service Pack 1.
    V50Sp1,
    /// Exchange Server 5.0 Service Pack 2.
    V50Sp2,
    /// Exchange Server 5.5 as first sold.
    V55Rtm,
    /// Exchange Server 5.5 Service Pack 1.
    V55Sp1,
    /// Exchange Server 5.5 Service Pack 2.
    V55Sp2,
    /// Exchange Server 5.5 Service Pack 3.
    V55Sp3,
    /// Today's gateway: no historical defect, and no single message stops it.
    Current,
}

/// A defect that a Knowledge Base article documents and that this gateway can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// A message for a domain that the routing extension maps to `localhost` stops the service.
    Q169681,
    /// A host that is rejected is greeted with 220 before its connection is closed, and tries again until it gives up.
    Q173279,
    /// A report to the administrator about a message from an exempt host stops the service.
    Q178091,
}

impl Defect {
    /// Every defect, in the order of their articles.
    pub const ALL: [Defect; 3] = [Defect::Q169681, Defect::Q173279, Defect::Q178091];

    /// The article that documents it, such as `Q169681`.
    pub fn article(self) -> &'static str {
        match self {
            Defect::Q169681 => "Q169681",
            Defect::Q173279 => "Q173279",
            Defect::Q178091 => "Q178091",
        }
    }

    /// What it does, in a sentence.
    pub fn summary(self) -> &'static str {
        match self {
            Defect::Q169681 => {
                "a message for a domain that the routing extension maps to `localhost` stops the service"
            }
            Defect::Q173279 => {
                "a rejected host is greeted with 220 instead of 521, so that it tries again until it gives up"
            }
            Defect::Q178091 => {
                "a report to the administrator about a message from an exempt host stops the service"
            }
        }
    }

    /// The release in which the defect came in, and the one in which it was gone.
    ///
    /// 5.5 is not listed among the products of Q169681, so the fix of 5.0 SP2 is taken to be in it. Q173279 is fixed "in
    /// the latest service pack" for 5.0, which is taken to be SP2 too.
    fn present(self) -> std::ops::Range<Release> {
        match self {
            Defect::Q169681 | Defect::Q173279 => Release::V50Rtm..Release::V50Sp2,
            Defect::Q178091 => Release::V55Rtm..Release::V55Sp1,
        }
    }
}

impl Release {
    /// Every release, oldest first.
    pub const ALL: [Release; 8] = [
        Release::V50Rtm,
        Release::V50Sp1,
        Release::V50Sp2,
        Release::V55Rtm,
        Release::V55Sp1,
        Release::V55Sp2,
        Release::V55Sp3,
        Release::Current,
    ];

    /// Whether this release has the defect.
    pub fn has(self, defect: Defect) -> bool {
        defect.present().contains(&self)
    }

    /// Whether the service goes on after an exception in the handling of one message. The historical releases
    /// log event 4037 and the process ends (Q169681, Q178091, Q168883).
    pub fn survives_exceptions(self) -> bool {
        self == Release::Current
    }

    /// Whether the service, when it is told to stop, waits for the messages that are being handed over.
    pub fn closes_down_gently(self) -> bool {
        self == Release::Current
    }

    /// Whether an extension has a limited time to answer. The original waited for it.
    pub fn limits_extensions(self) -> bool {
        self == Release::Current
    }

    /// What follows 220 in the banner: the host's name and the build (Q164060, Q194131).
    pub fn banner(self, host: &str) -> String {
        let build = self.build();
        match self {
            Release::V50Rtm | Release::V50Sp1 | Release::V50Sp2 => {
                format!("{host} Microsoft Exchange Internet Mail Service {build} ready")
            }
            Release::V55Rtm | Release::V55Sp1 | Release::V55Sp2 | Release::V55Sp3 => {
                format!("{host} ESMTP Server (Microsoft Exchange Internet Mail Service {build}) Ready")
            }
            Release::Current => format!("{host} ESMTP Internet mail gateway {build} ready"),
        }
    }

    /// The name people use, such as `5.5 SP1`.
    pub fn name(self) -> &'static str {
        match self {
            Release::V50Rtm => "5.0 RTM",
            Release::V50Sp1 => "5.0 SP1",
            Release::V50Sp2 => "5.0 SP2",
            Release::V55Rtm => "5.5 RTM",
            Release::V55Sp1 => "5.5 SP1",
            Release::V55Sp2 => "5.5 SP2",
            Release::V55Sp3 => "5.5 SP3",
            Release::Current => "current",
        }
    }

    /// The build number, as the banner and event 1000 show it.
    pub fn build(self) -> &'static str {
        match self {
            Release::V50Rtm => "5.0.1457.10",
            Release::V50Sp1 => "5.0.1458.49",
            Release::V50Sp2 => "5.0.1460.8",
            Release::V55Rtm => "5.5.1960.3",
            Release::V55Sp1 => "5.5.2232.9",
            Release::V55Sp2 => "5.5.2448.0",
            Release::V55Sp3 => "5.5.2650.21",
            Release::Current => env!("CARGO_PKG_VERSION"),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no release.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a release; the releases are {list}", list = names())]
pub struct UnknownRelease(pub String);

fn names() -> String {
    Release::ALL.map(|release| format!("`{release}`")).join(", ")
}

impl FromStr for Release {
    type Err = UnknownRelease;

    /// Reads a release's name in any case, with or without its space or hyphen; `5.0` alone is `5.0 RTM`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |name: &str| name.to_ascii_lowercase().replace([' ', '-'], "");
        let wanted = plain(text);
        Release::ALL
            .into_iter()
            .find(|release| {
                plain(release.name()) == wanted || plain(release.name()) == format!("{wanted}rtm")
            })
            .ok_or_else(|| UnknownRelease(text.to_owned()))
    }
}

impl<'de> serde::Deserialize<'de> for Release {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Release {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_defect_is_in_the_releases_that_its_article_names_and_gone_in_the_next() {
        let with = |defect| Release::ALL.into_iter().filter(|r| r.has(defect)).collect::<Vec<_>>();
        assert_eq!(with(Defect::Q169681), [Release::V50Rtm, Release::V50Sp1]);
        assert_eq!(with(Defect::Q173279), [Release::V50Rtm, Release::V50Sp1]);
        assert_eq!(with(Defect::Q178091), [Release::V55Rtm]);
    }

    #[test]
    fn a_release_is_known_by_the_names_people_type() {
        for name in ["5.0", "5.0 rtm", "5.0-RTM", "5.0rtm"] {
            assert_eq!(name.parse(), Ok(Release::V50Rtm), "{name}");
        }
        assert_eq!("5.5-sp1".parse(), Ok(Release::V55Sp1));
        assert_eq!("current".parse(), Ok(Release::Current));
        let error = "6.0".parse::<Release>().unwrap_err().to_string();
        assert!(error.contains("`6.0` is not a release") && error.contains("`5.5 SP3`"), "{error}");
    }
}
