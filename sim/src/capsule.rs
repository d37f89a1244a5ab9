//! Capsules: a finding in one small file that still says next month whether the bug is there.
//!
//! A capsule holds the shrunk plan as the text of a scenario file, what was found and by which oracle, the digest of
//! the run, where it was found (profile, seed, release, engine), and what was around it: commit, compiler, lock file.
//! It is self-contained: to replay one, no project is needed.
//!
//! The plan stands in it without expectations: the fewer parts there are, the longer a later build can read it. What a
//! build cannot read is not the same as what does not reproduce: see [`CapsuleError::cannot_judge`].
//!
//! It knows no folder of findings and no command line.

use std::sync::Arc;

use gateway::release::Release;
use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::engine::{Classic, Engine, Leap};
use crate::explore::Signature;
use crate::oracle::ORACLES;
use crate::scenario::{Scenario, ScenarioError};
use crate::shrink::{Shrunk, findings};
use crate::trace::Digest;

/// The version of the format. A build reads its own alone.
pub const FORMAT: i64 = 1;

/// How large a capsule may be, in octets.
pub const LARGEST: usize = 16 * 1024;

/// The lock file that this build was made with.
const LOCK_FILE: &[u8] = include_bytes!("../../Cargo.lock");

/// A finding and all that is needed to find it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capsule {
    format: i64,
    /// The oracle.
    pub oracle: String,
    /// The cause.
    pub cause: String,
    /// What was found, in words.
    pub what: String,
    /// The profile that it was found with.
    pub profile: String,
    /// The seed that it was found with. The plan has its own.
    pub seed: u64,
    release: String,
    engine: String,
    digest: String,
    /// The commit of the project that it was found in.
    pub commit: String,
    /// The compiler.
    pub compiler: String,
    /// The hash of the lock file (XXH3, 128 bits).
    pub lock_file: String,
    /// A checksum of what is judged: plan, release, oracle, cause and digest (XXH3, 64 bits).
    checksum: String,
    /// The plan: the text of a scenario file.
    pub plan: String,
}

/// Where something was found.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The profile.
    pub profile: String,
    /// The seed.
    pub seed: u64,
    /// The commit of the project.
    pub commit: String,
    /// The compiler.
    pub compiler: String,
}

/// What became of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The same run, bit for bit, and the same finding.
    BitForBit,
    /// The same finding in another run: the code has changed since.
    SameFinding(Digest),
    /// It is not found any more. What is found instead.
    NotAnyMore(Digest, Vec<Signature>),
}

impl Replayed {
    /// The digest of the run, where `was` is the one that the capsule has.
    pub fn digest(&self, was: Digest) -> Digest {
        match self {
            Replayed::BitForBit => was,
            Replayed::SameFinding(digest) | Replayed::NotAnyMore(digest, _) => *digest,
        }
    }
}

/// A text is no capsule, or none that this build can judge.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CapsuleError {
    /// Something is missing or cannot be read.
    #[error("{name} is damaged: {what}")]
    #[diagnostic(help(
        "take the file from where it came from; `postmortem explore` writes it again if it is gone"
    ))]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong.
        what: String,
        /// The text.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// Where.
        #[label("here")]
        place: Option<SourceSpan>,
    },
    /// Another version of the format.
    #[error("{name} is of format {format}, and this build reads format {FORMAT} alone")]
    #[diagnostic(help("use a build of the time: the file says in `commit` which"))]
    UnknownFormat {
        /// The file.
        name: String,
        /// Its format.
        format: i64,
    },
    /// It names something that this build does not have.
    #[error("{name} cannot be judged: this build has no {what}")]
    #[diagnostic(help("use a build of the time: the file says in `commit` which"))]
    Unknown {
        /// The file.
        name: String,
        /// What it does not have.
        what: String,
    },
    /// Its plan is none any more.
    #[error("{name} cannot be judged: its plan cannot be read any more")]
    #[diagnostic(help("use a build of the time: the file says in `commit` which"))]
    Plan {
        /// The file.
        name: String,
        /// Why.
        #[related]
        why: Vec<ScenarioError>,
    },
    /// It would be too large.
    #[error("a capsule of {octets} octets would be larger than {LARGEST}")]
    #[diagnostic(help("shrink it further: `postmortem shrink`"))]
    TooLarge {
        /// How large.
        octets: usize,
    },
}

impl CapsuleError {
    /// Whether the file is as it should be, and this build cannot say whether it reproduces.
    pub fn cannot_judge(&self) -> bool {
        matches!(self, Self::UnknownFormat { .. } | Self::Unknown { .. } | Self::Plan { .. })
    }
}

/// A capsule that this build can judge.
pub struct Ready {
    /// The capsule.
    pub capsule: Capsule,
    /// Its plan.
    pub scenario: Scenario,
    /// The release.
    pub release: Release,
    /// What carries the machines.
    pub engine: &'static dyn Engine,
    digest: Digest,
}

impl Capsule {
    /// Of a finding.
    pub fn new(shrunk: &Shrunk, engine: &dyn Engine, origin: Origin) -> Self {
        let Origin { profile, seed, commit, compiler } = origin;
        let mut capsule = Capsule {
            format: FORMAT,
            oracle: shrunk.signature.oracle.clone(),
            cause: shrunk.signature.cause.clone(),
            what: shrunk.what.clone(),
            profile,
            seed,
            release: shrunk.release().name().to_owned(),
            engine: engine.name().to_owned(),
            digest: shrunk.digest.to_string(),
            commit,
            compiler,
            lock_file: format!("{:032x}", xxh3_128(LOCK_FILE)),
            checksum: String::new(),
            plan: shrunk.plan_toml(),
        };
        capsule.checksum = capsule.sum();
        capsule
    }

    /// The checksum of what is judged.
    fn sum(&self) -> String {
        let Capsule { oracle, cause, release, digest, plan, .. } = self;
        format!(
            "{:016x}",
            xxh3_64([oracle, cause, release, digest, plan].map(String::as_str).join("\n").as_bytes())
        )
    }

    /// The text of its file.
    ///
    /// # Errors
    /// It would be too large.
    pub fn to_toml(&self) -> Result<String, CapsuleError> {
        let head = "# A finding of postmortem. `postmortem replay FILE` says whether it is still there.\n\n";
        let text = toml::to_string(self).expect("texts and numbers can be written");
        match head.len() + text.len() {
            octets if octets > LARGEST => Err(CapsuleError::TooLarge { octets }),
            _ => Ok(format!("{head}{text}")),
        }
    }

    /// The name of its file: the same finding of the same seed has the same, another has another.
    pub fn file_name(&self) -> String {
        let Capsule { oracle, profile, seed, .. } = self;
        let release = self.release.replace(' ', "-").to_lowercase();
        let cause = xxh3_128(self.cause.as_bytes()) as u32;
        format!("{oracle}-{cause:08x}-{release}-{profile}-{seed}.toml")
    }

    /// Whether a text is a capsule, or was one before something happened to it.
    pub fn is_one(text: &str) -> bool {
        text.lines().take_while(|line| !line.starts_with('[')).any(|line| line.starts_with("format = "))
    }

    /// Reads a capsule. `name` is for messages.
    ///
    /// # Errors
    /// The text is no capsule.
    pub fn read(name: &str, text: &str) -> Result<Self, CapsuleError> {
        #[derive(Deserialize)]
        struct Head {
            format: i64,
        }
        let damaged = |error: toml::de::Error| CapsuleError::Damaged {
            name: name.to_owned(),
            what: error.message().trim().to_owned(),
            text: Arc::new(NamedSource::new(name, text.to_owned()).with_language("TOML")),
            place: error.span().map(Into::into),
        };
        let Head { format } = toml::from_str(text).map_err(damaged)?;
        if format != FORMAT {
            return Err(CapsuleError::UnknownFormat { name: name.to_owned(), format });
        }
        let capsule: Capsule = toml::from_str(text).map_err(damaged)?;
        if capsule.checksum != capsule.sum() {
            return Err(CapsuleError::Damaged {
                name: name.to_owned(),
                what: "its checksum does not fit: something in it was changed or is missing".to_owned(),
                text: Arc::new(NamedSource::new(name, text.to_owned()).with_language("TOML")),
                place: None,
            });
        }
        Ok(capsule)
    }

    /// How it fails.
    pub fn signature(&self) -> Signature {
        Signature { oracle: self.oracle.clone(), cause: self.cause.clone() }
    }

    /// Where it was found, in words.
    pub fn origin(&self) -> String {
        format!("found with seed {} of {}, at {}", self.seed, self.profile, self.commit)
    }

    /// Makes it ready to be replayed. `name` is for messages.
    ///
    /// # Errors
    /// This build cannot judge it.
    pub fn ready(self, name: &str) -> Result<Ready, CapsuleError> {
        let unknown = |what: &str, which: &str| CapsuleError::Unknown {
            name: name.to_owned(),
            what: format!("{what} `{which}`"),
        };
        let release = self.release.parse().map_err(|_| unknown("release", &self.release))?;
        let engines: [&'static dyn Engine; 2] = [&Leap, &Classic::COARSE];
        let engine = engines.into_iter().find(|engine| engine.name() == self.engine);
        let engine = engine.ok_or_else(|| unknown("engine", &self.engine))?;
        if self.oracle != "run" && ORACLES.iter().all(|oracle| oracle.name != self.oracle) {
            return Err(unknown("oracle", &self.oracle));
        }
        let digest = u128::from_str_radix(&self.digest, 16).map_err(|_| unknown("digest", &self.digest))?;
        let scenario = Scenario::parse(name, &format!("the plan in {name}"), &self.plan)
            .map_err(|why| CapsuleError::Plan { name: name.to_owned(), why: vec![why] })?;
        Ok(Ready { capsule: self, scenario, release, engine, digest: Digest(digest) })
    }
}

impl Ready {
    /// Makes the run again, on the engine that it was found on or on another, which gives another digest.
    pub fn replay(&self, engine: &dyn Engine) -> Replayed {
        let plan = self.scenario.plan(self.release, self.scenario.seed());
        let (found, record) = findings(&plan, engine);
        let digest = record.map_or(Digest(0), |record| record.digest);
        if !found.contains_key(&self.capsule.signature()) {
            Replayed::NotAnyMore(digest, found.into_keys().collect())
        } else if digest == self.digest {
            Replayed::BitForBit
        } else {
            Replayed::SameFinding(digest)
        }
    }

    /// The digest of the run in which it was found.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
