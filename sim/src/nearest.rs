//! The name that somebody meant who typed another: of those that there are, the one most like it.

/// How much alike two names must be, from 0 to 1.
const ALIKE: f64 = 0.75;

/// The known name that is most like a word, in any case; none if none is much like it. Of several alike, the first.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let alike = strsim::jaro_winkler(&word, &name.to_lowercase());
        if alike >= best.map_or(ALIKE, |(best, _)| best + f64::EPSILON) {
            best = Some((alike, name));
        }
    }
    best.map(|(_, name)| name)
}

/// What to say of a word that is no known name, to begin a help with: `did you mean ...? `, or nothing.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|name| format!("did you mean `{name}`? ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_might_have_been_meant() {
        let known = ["partition", "partition-one-way", "hold", "kill"];
        for (word, meant) in [
            ("partion", Some("partition")),
            ("Partition-oneway", Some("partition-one-way")),
            ("kill-at", Some("kill")),
            ("earthquake", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(did_you_mean("holt", known), "did you mean `hold`? ");
        assert_eq!(did_you_mean("earthquake", known), "");
    }
}
