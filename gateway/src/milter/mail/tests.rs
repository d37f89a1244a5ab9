use proptest::prelude::*;

use super::*;

const CONTENT: &str =
    "From: a@b.test\r\nSubject: long\r\n\tlonger\r\nX-Seen:one\r\nx-seen: two\r\n\r\nbody\r\n";

fn mail(content: &str) -> Mail {
    Mail::new(ReversePath::Null, vec!["bob@x.test".parse().unwrap()], content.as_bytes())
}

fn after(changes: Vec<Change>) -> (String, Vec<Unsound>) {
    let mut mail = mail(CONTENT);
    let changed = mail.change(changes, false);
    (String::from_utf8(mail.content()).unwrap(), changed.refused)
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn the_fields_are_shown_folded_with_line_feeds() {
    let mail = mail(CONTENT);
    let shown = |space| -> Vec<(String, String)> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        mail.fields(space).map(|(name, value)| (text(name), text(&value))).collect()
    };
    assert_eq!(shown(false)[1], ("Subject".to_owned(), "long\n\tlonger".to_owned()));
    assert_eq!(shown(true)[1].1, " long\n\tlonger");
    assert_eq!(shown(true)[2].1, "one");
    assert_eq!(mail.body(), b"body\r\n");
}

#[test]
fn header_fields_are_added_inserted_changed_and_deleted() {
    let (content, refused) = after(vec![
        Change::AddHeader { name: text("X-Last"), value: text("a\n b") },
        Change::InsertHeader { at: 1, name: text("X-First"), value: text("1") },
        Change::InsertHeader { at: 3, name: text("X-Third"), value: text("3") },
        Change::ChangeHeader { at: 2, name: text("X-SEEN"), value: text("three") },
        Change::ChangeHeader { at: 1, name: text("x-seen"), value: Vec::new() },
        Change::ChangeHeader { at: 1, name: text("X-New"), value: text("new") },
        Change::ReplaceBody(text("one\ntw")),
        Change::ReplaceBody(text("o")),
    ]);
    assert_eq!(refused, []);
    assert_eq!(
        content,
        "X-First: 1\r\nFrom: a@b.test\r\nX-Third: 3\r\nSubject: long\r\n\tlonger\r\nX-SEEN: three\r\n\
         X-Last: a\r\n b\r\nX-New: new\r\n\r\none\r\ntwo\r\n"
    );
}

#[test]
fn a_change_that_would_break_out_of_its_field_is_refused() {
    for (name, value) in [
        ("X-A", "a\nBcc: c@d.test"),
        ("X-A", "a\n\nbody"),
        ("X-A", "a\n \n b"),
        ("X-A", "a\r\r\n"),
        ("X-A", "a\n"),
        ("X A", "a"),
        ("X:A", "a"),
        ("", "a"),
        ("X-A", &"a".repeat(1_000)),
    ] {
        let (content, refused) = after(vec![Change::AddHeader { name: text(name), value: text(value) }]);
        assert_eq!((content.as_str(), refused.len()), (CONTENT, 1), "{name:?} {value:?}");
    }
    let (content, refused) = after(vec![Change::ReplaceBody(vec![b'x'; 2_000])]);
    assert_eq!((content.as_str(), refused), (CONTENT, vec![Unsound::Body]));
}

#[test]
fn the_envelope_is_changed() {
    let mut mail = mail(CONTENT);
    let changed = mail.change(
        vec![
            Change::ChangeSender("<eve@y.test>".to_owned()),
            Change::AddRecipient("<carol@x.test>".to_owned()),
            Change::AddRecipient("CAROL@X.test".to_owned()),
            Change::DeleteRecipient("<BOB@x.test>".to_owned()),
            Change::DeleteRecipient("<nobody@x.test>".to_owned()),
            Change::AddRecipient("<no mailbox>".to_owned()),
            Change::Quarantine("looks bad".to_owned()),
        ],
        true,
    );
    assert_eq!(mail.reverse_path.to_string(), "<eve@y.test>");
    assert_eq!(mail.recipients, ["carol@x.test".parse().unwrap()]);
    assert_eq!(changed.taken_off, ["bob@x.test".parse().unwrap()]);
    assert_eq!(changed.quarantine.as_deref(), Some("looks bad"));
    assert_eq!(changed.refused, [Unsound::Address("<no mailbox>".to_owned())]);
}

proptest! {
    #[test]
    fn a_message_that_nobody_changes_stays_as_it_is(content in "[a:\r\n \t]{0,60}") {
        prop_assert_eq!(mail(&content).content(), content.as_bytes());
    }

    #[test]
    fn what_milters_make_of_a_message_has_no_bare_line_end(
        name in "[aX:\r\n -]{0,6}",
        value in "[a:\r\n \t]{0,12}",
        body in "[a.\r\n]{0,20}",
        space: bool,
    ) {
        let mut mail = mail(CONTENT);
        let (name, value) = (text(&name), text(&value));
        let field = |at| Change::ChangeHeader { at, name: name.clone(), value: value.clone() };
        let add = Change::AddHeader { name: name.clone(), value: value.clone() };
        let before = mail.fields.len();
        mail.change(vec![add, field(1), Change::ReplaceBody(text(&body))], space);
        let content = mail.content();
        let (mut reader, mut read) = (crate::smtp::data::DataReader::new(), Vec::new());
        reader.feed(&crate::smtp::data::stuff(&content, usize::MAX).collect::<Vec<_>>().concat(), &mut read);
        prop_assert!(reader.has_ended());
        prop_assert_eq!(reader.flaws(), crate::smtp::data::Flaws::default());
        prop_assert_eq!(&read, &content);
        let again = Mail::new(ReversePath::Null, Vec::new(), &content);
        prop_assert!(again.fields.len() <= before + 1);
        prop_assert_eq!(again.fields, mail.fields);
    }
}
