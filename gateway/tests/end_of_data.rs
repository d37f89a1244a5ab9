//! Where message data ends, against every form that has been used to make two readers disagree, and against a slow
//! and obvious reader on arbitrary octets in arbitrary pieces.

use gateway::smtp::data::{DataReader, Flaws, TEXT_LINE_LIMIT, stuff};
use proptest::collection::vec;
use proptest::prelude::*;

const CLEAN: Flaws = Flaws { bare_cr: false, bare_lf: false, long_line: false };
const BARE_CR: Flaws = Flaws { bare_cr: true, ..CLEAN };
const BARE_LF: Flaws = Flaws { bare_lf: true, ..CLEAN };
const BARE_BOTH: Flaws = Flaws { bare_cr: true, ..BARE_LF };

/// What a reader made of some octets.
#[derive(Debug, PartialEq)]
struct Reading {
    content: Vec<u8>,
    flaws: Flaws,
    left_on_the_wire: Vec<u8>,
}

/// The reading of `octets` if data ends in them, the octets arriving in pieces of the given lengths.
fn read(octets: &[u8], pieces: &[usize]) -> Option<Reading> {
    let (mut reader, mut content, mut taken) = (DataReader::new(), Vec::new(), 0_usize);
    for piece in pieces.iter().copied().chain([usize::MAX]) {
        let end = taken.saturating_add(piece).min(octets.len());
        taken += reader.feed(&octets[taken..end], &mut content);
    }
    let left_on_the_wire = octets[taken..].to_vec();
    reader.has_ended().then(|| Reading { content, flaws: reader.flaws(), left_on_the_wire })
}

/// The same, from the definition: find the end of data in the whole, cut at each CRLF, take one dot off each line.
fn read_obviously(octets: &[u8]) -> Option<Reading> {
    let whole = [b"\r\n", octets].concat();
    let end = whole.windows(5).position(|window| window == b"\r\n.\r\n")?;
    let mut flaws = CLEAN;
    let mut content = Vec::new();
    let mut text = &whole[..end + 2];
    text = &text[2..];
    while let Some(length) = text.windows(2).position(|window| window == b"\r\n") {
        let line = text[..length].strip_prefix(b".").unwrap_or(&text[..length]);
        flaws.bare_cr |= line.contains(&b'\r');
        flaws.bare_lf |= line.contains(&b'\n');
        flaws.long_line |= line.len() + 2 > TEXT_LINE_LIMIT;
        content.extend_from_slice(line);
        content.extend_from_slice(b"\r\n");
        text = &text[length + 2..];
    }
    Some(Reading { content, flaws, left_on_the_wire: whole[end + 5..].to_vec() })
}

#[test]
fn nothing_that_only_resembles_the_end_of_data_ends_it() {
    let lookalikes: [(&[u8], Flaws); 10] = [
        (b"\n.\n", BARE_LF),
        (b"\n.\r\n", BARE_LF),
        (b"\r\n.\n", BARE_LF),
        (b"\r\n.\r\r\n", BARE_CR),
        (b"\r.\r\n", BARE_CR),
        (b"\r.\r", BARE_CR),
        (b"\n.\r", BARE_BOTH),
        (b"\r.\n", BARE_BOTH),
        (b"\r\n.\r", BARE_CR),
        (b"\r\n\0.\r\n", CLEAN),
    ];
    for (lookalike, flaws) in lookalikes {
        let shown = lookalike.escape_ascii();
        let before = [b"text", lookalike, b"MAIL FROM:<smuggled@example.org>"].concat();
        assert_eq!(read(&before, &[]), None, "{shown} ended the data");
        let reading = read(&[&before, b"\r\n.\r\nQUIT\r\n".as_slice()].concat(), &[]).unwrap();
        assert_eq!(reading.flaws, flaws, "{shown}");
        assert_eq!(reading.left_on_the_wire, b"QUIT\r\n", "{shown}");
        assert!(reading.content.ends_with(b"MAIL FROM:<smuggled@example.org>\r\n"), "{shown}");
    }
}

#[test]
fn a_stray_cr_before_the_end_of_data_is_noted_and_the_data_ends() {
    let reading = read(b"text\r\r\n.\r\n", &[]).unwrap();
    assert_eq!((reading.content.as_slice(), reading.flaws), (b"text\r\r\n".as_slice(), BARE_CR));
}

#[test]
fn a_dot_straight_away_is_an_empty_message() {
    let reading = read(b".\r\nQUIT\r\n", &[]).unwrap();
    assert_eq!(reading, Reading { content: vec![], flaws: CLEAN, left_on_the_wire: b"QUIT\r\n".to_vec() });
}

#[test]
fn a_stuffed_dot_is_taken_out_of_the_first_line_too() {
    assert_eq!(read(b"..first\r\n..\r\n.\r\n", &[]).unwrap().content, b".first\r\n.\r\n");
}

#[test]
fn a_line_may_have_1000_octets_and_a_stuffed_dot_is_not_one_of_them() {
    let with_line_of = |octets: usize| [b"..".as_slice(), &vec![b'x'; octets - 3], b"\r\n.\r\n"].concat();
    assert!(!read(&with_line_of(1_000), &[]).unwrap().flaws.long_line);
    assert!(read(&with_line_of(1_001), &[]).unwrap().flaws.long_line);
}

/// Octets that are mostly line ends and dots, with a long run now and then.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r".to_vec()),
        4 => Just(b"\n".to_vec()),
        4 => Just(b".".to_vec()),
        3 => Just(b"\r\n".to_vec()),
        3 => vec(any::<u8>(), 1..4),
        1 => (990..1_005_usize).prop_map(|length| vec![b'x'; length]),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn data_is_read_as_the_definition_says_however_it_arrives(
        mut octets in octets(),
        is_ended in any::<bool>(),
        pieces in vec(0..12_usize, 0..60),
    ) {
        if is_ended {
            octets.extend_from_slice(b"\r\n.\r\n");
        }
        prop_assert_eq!(read(&octets, &pieces), read_obviously(&octets));
    }

    #[test]
    fn content_that_is_stuffed_and_read_again_is_the_same_with_its_last_line_ended(
        content in octets(),
        block in 1..20_usize,
    ) {
        let mut ended = content.clone();
        if !ended.is_empty() && !ended.ends_with(b"\r\n") {
            ended.extend_from_slice(b"\r\n");
        }
        let blocks: Vec<Vec<u8>> = stuff(&content, block).collect();
        let (last, whole) = blocks.split_last().expect("the end of data at least");
        prop_assert!(whole.iter().all(|whole| whole.len() == block) && (1..=block).contains(&last.len()));
        let reading = read(&blocks.concat(), &[]).expect("stuffed data ends");
        prop_assert_eq!(reading.content, ended);
        prop_assert_eq!(reading.left_on_the_wire, b"");
    }
}
