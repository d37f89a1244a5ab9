use proptest::prelude::*;

use super::*;

fn packet(contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap();
    [&length.to_be_bytes(), contents].concat()
}

fn written(command: &Command<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    command.write(&mut octets);
    octets
}

/// An answer as a milter writes it.
fn said(answer: &Answer) -> Vec<u8> {
    let texts = |letter: u8, number: Option<u32>, texts: &[&[u8]]| {
        let mut octets = vec![letter];
        octets.extend(number.into_iter().flat_map(u32::to_be_bytes));
        texts.iter().for_each(|text| octets.extend([text, &b"\0"[..]].concat()));
        octets
    };
    packet(&match answer {
        Answer::Negotiated { version, actions, steps } => [*version, actions.0, steps.0]
            .into_iter()
            .fold(vec![b'O'], |octets, word| [&octets[..], &word.to_be_bytes()].concat()),
        Answer::Accept => vec![b'a'],
        Answer::Continue => vec![b'c'],
        Answer::Discard => vec![b'd'],
        Answer::Reject => vec![b'r'],
        Answer::TempFail => vec![b't'],
        Answer::Skip => vec![b's'],
        Answer::Progress => vec![b'p'],
        Answer::ConnectionFailure => vec![b'f'],
        Answer::Shutdown => vec![b'4'],
        Answer::ReplyCode(text) => texts(b'y', None, &[text.as_bytes()]),
        Answer::Change(change) => match change {
            Change::AddHeader { name, value } => texts(b'h', None, &[name, value]),
            Change::InsertHeader { at, name, value } => texts(b'i', Some(*at), &[name, value]),
            Change::ChangeHeader { at, name, value } => texts(b'm', Some(*at), &[name, value]),
            Change::ReplaceBody(body) => [b"b", &body[..]].concat(),
            Change::ChangeSender(text) => texts(b'e', None, &[text.as_bytes()]),
            Change::AddRecipient(text) => texts(b'+', None, &[text.as_bytes()]),
            Change::AddRecipientWithParameters(text) => texts(b'2', None, &[text.as_bytes()]),
            Change::DeleteRecipient(text) => texts(b'-', None, &[text.as_bytes()]),
            Change::Quarantine(text) => texts(b'q', None, &[text.as_bytes()]),
        },
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let octets = || prop::collection::vec(1..=255u8, 0..40);
    let words = || "[^\0]{0,20}";
    prop_oneof![
        prop::sample::select(vec![
            Answer::Accept,
            Answer::Continue,
            Answer::Discard,
            Answer::Reject,
            Answer::TempFail,
            Answer::Skip,
            Answer::Progress,
            Answer::ConnectionFailure,
            Answer::Shutdown,
        ]),
        any::<[u32; 3]>().prop_map(|[version, actions, steps]| Answer::Negotiated {
            version,
            actions: Actions(actions),
            steps: Steps(steps)
        }),
        words().prop_map(Answer::ReplyCode),
        (octets(), octets()).prop_map(|(name, value)| Answer::Change(Change::AddHeader { name, value })),
        (any::<u32>(), octets(), octets())
            .prop_map(|(at, name, value)| Answer::Change(Change::InsertHeader { at, name, value })),
        (any::<u32>(), octets(), octets())
            .prop_map(|(at, name, value)| Answer::Change(Change::ChangeHeader { at, name, value })),
        any::<Vec<u8>>().prop_map(|body| Answer::Change(Change::ReplaceBody(body))),
        words().prop_map(|text| Answer::Change(Change::ChangeSender(text))),
        words().prop_map(|text| Answer::Change(Change::AddRecipient(text))),
        words().prop_map(|text| Answer::Change(Change::AddRecipientWithParameters(text))),
        words().prop_map(|text| Answer::Change(Change::DeleteRecipient(text))),
        words().prop_map(|text| Answer::Change(Change::Quarantine(text))),
    ]
}

#[test]
fn commands_are_written_as_libmilter_reads_them() {
    let macros = [("j", "gw.test".to_owned()), ("{client_addr}", "192.0.2.7".to_owned())];
    for (command, contents) in [
        (Command::Macros { of: b'C', values: &macros }, &b"DCj\0gw.test\0{client_addr}\x00192.0.2.7\0"[..]),
        (
            Command::Connect { name: "[192.0.2.7]", address: "192.0.2.7".parse().unwrap() },
            b"C[192.0.2.7]\x004\0\x00192.0.2.7\0",
        ),
        (
            Command::Connect { name: "x", address: "2001:db8::7".parse().unwrap() },
            b"Cx\x006\0\x002001:db8::7\0",
        ),
        (Command::Helo("client.test"), b"Hclient.test\0"),
        (Command::Mail(&["<a@b>".to_owned(), "SIZE=9".to_owned()]), b"M<a@b>\0SIZE=9\0"),
        (Command::Rcpt("<a@b>"), b"R<a@b>\0"),
        (Command::Header { name: b"Subject", value: b" a\n\tb\0c" }, b"LSubject\0 a\n\tb?c\0"),
        (Command::Body(b"a\0b\r\n"), b"Ba\0b\r\n"),
        (Command::EndOfHeaders, b"N"),
        (Command::EndOfBody, b"E"),
        (Command::Abort, b"A"),
        (Command::Quit, b"Q"),
        (Command::QuitNewConnection, b"K"),
        (Command::Data, b"T"),
    ] {
        assert_eq!(written(&command), packet(contents));
    }
    let offer = b"O\0\0\0\x06\0\0\0\xff\0\x1f\xff\xff";
    assert_eq!(written(&Command::Negotiate), packet(offer));
}

#[test]
fn what_is_no_answer_is_told_apart() {
    for (octets, wrong) in [
        (&b"\0\0\0\0"[..], Malformed::Length(0)),
        (b"\xff\xff\xff\xffc", Malformed::Length(u32::MAX)),
        (b"GET / HTTP/1.1\r\n", Malformed::Length(u32::from_be_bytes(*b"GET "))),
        (b"\0\0\0\x01z", Malformed::Letter(b'z')),
        (b"\0\0\0\x04hX-A", Malformed::Contents('h')),
        (b"\0\0\0\x05O\0\0\0\x06", Malformed::Contents('O')),
        (b"\0\0\0\x03qno", Malformed::Contents('q')),
    ] {
        let mut packets = Packets::default();
        packets.feed(octets);
        assert_eq!(packets.next_answer(), Err(wrong));
    }
}

proptest! {
    #[test]
    fn answers_are_read_as_they_were_written_in_any_pieces(
        answers in prop::collection::vec(answer(), 0..6),
        piece in 1..50usize,
    ) {
        let octets: Vec<u8> = answers.iter().flat_map(said).collect();
        let (mut packets, mut read) = (Packets::default(), Vec::new());
        for octets in octets.chunks(piece) {
            packets.feed(octets);
            while let Some(answer) = packets.next_answer().unwrap() {
                read.push(answer);
            }
        }
        prop_assert!(packets.is_empty());
        prop_assert_eq!(read, answers);
    }

    #[test]
    fn no_octets_make_the_reader_panic(octets: Vec<u8>) {
        let _ = Answer::read(&octets);
        let mut packets = Packets::default();
        packets.feed(&octets);
        while let Ok(Some(_)) = packets.next_answer() {}
        let mut packets = Packets::default();
        packets.feed(&packet(&octets));
        let _ = packets.next_answer();
    }
}
