//! The reference in docs/ is what the code says, and the schemas take what the readers take.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the pages are read from outside of any run")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use boon::{Compiler, SchemaIndex, Schemas};
use gateway::release::Release;
use serde_json::Value;
use sim::draw::Seed;
use sim::scenario::Library;
use similar::TextDiff;

const RENEW: &str = "cargo run -p sim -- reference docs";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a folder that may not be there, by name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (name(&path), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn the_pages_and_schemas_are_what_the_code_says() {
    let fresh = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    let output = program.current_dir(root()).arg("reference").arg(fresh.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut differences = String::new();
    for folder in ["reference", "schema"] {
        let (fresh, mut kept) = (files(&fresh.path().join(folder)), files(&root().join("docs").join(folder)));
        // The schema of the Record is written by hand.
        kept.remove("record.json");
        let names: Vec<&String> =
            fresh.keys().chain(kept.keys().filter(|name| !fresh.contains_key(*name))).collect();
        for name in names {
            let text = |files: &BTreeMap<String, String>| files.get(name).cloned().unwrap_or_default();
            let (old, new) = (text(&kept), text(&fresh));
            let diff = TextDiff::from_lines(&old, &new);
            let shown = format!("docs/{folder}/{name}");
            differences +=
                &diff.unified_diff().context_radius(1).header(&shown, "what the code says").to_string();
        }
    }
    assert!(
        differences.is_empty(),
        "{differences}\nthe code says something else than docs/; renew it with `{RENEW}`"
    );
}

/// A schema of docs/schema/.
struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn of(schema: Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("file.json", schema).unwrap();
        let index = compiler.compile("file.json", &mut schemas).unwrap();
        Schema(schemas, index)
    }

    fn takes(&self, toml: &str) -> bool {
        let document = serde_json::to_value(toml::from_str::<toml::Table>(toml).unwrap()).unwrap();
        self.complaint(&document).is_none()
    }

    fn complaint(&self, document: &Value) -> Option<String> {
        self.0.validate(document, self.1).err().map(|error| format!("{error:#}"))
    }
}

#[test]
fn every_scenario_and_profile_and_many_drawn_ones_fit_their_schemas() {
    let (scenario, profile) = (Schema::of(sim::scenario::schema()), Schema::of(sim::profile::schema()));
    let library = Library::open(&root()).unwrap();
    for one in library.scenarios() {
        assert!(scenario.takes(&one.to_toml()), "{}", one.name);
    }
    for one in library.profiles() {
        let text =
            fs::read_to_string(root().join(format!("scenarios/perturbation/{}.toml", one.name))).unwrap();
        assert!(profile.takes(&text), "{}", one.name);
        for seed in (0..50).map(Seed) {
            assert!(scenario.takes(&one.scenario(seed, Release::Current).to_toml()), "{} {seed:?}", one.name);
        }
    }
}

#[test]
fn a_key_that_no_reader_takes_fits_no_schema() {
    let schema = Schema::of(sim::scenario::schema());
    let good = fs::read_to_string(root().join("scenarios/kb/a-message-that-kills-the-process.toml")).unwrap();
    assert!(schema.takes(&good));
    assert!(!schema.takes(&good.replace("seed = ", "sede = ")));
    assert!(!schema.takes(&good.replace("extension-kills", "extension-sings")));
}
