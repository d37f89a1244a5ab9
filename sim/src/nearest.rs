//! The name that somebody may have meant.

/// How alike two names must be: of the pairs of letters that stand side by side, this part is in both.
const ALIKE: f64 = 0.25;

/// The known name that is most like this one, if any is like it.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|known| (strsim::sorensen_dice(name, known), known));
    let (best, known) = alike.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best >= ALIKE).then_some(known)
}

/// What to do about a name that is not known.
pub(crate) fn did_you_mean<'a>(name: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all = match known.is_empty() {
        true => format!("there are no {what} here"),
        false => format!("the {what} are: {}", known.join(", ")),
    };
    match nearest(name, known) {
        Some(nearest) => format!("did you mean `{nearest}`? {all}"),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_mistyped_or_remembered_in_part_finds_the_right_one() {
        let known = ["delivery.retry", "delivery.expire", "relay.authenticated", "extension.on_failure"];
        assert_eq!(nearest("retry.schedule", known), Some("delivery.retry"));
        assert_eq!(nearest("delivery.expiry", known), Some("delivery.expire"));
        assert_eq!(nearest("on_failure", known), Some("extension.on_failure"));
        assert_eq!(nearest("xyz", known), None);
    }
}
