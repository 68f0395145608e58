use super::*;
use proptest::prelude::*;

const KEPT: Result<Progress, Malformed> = Ok(Progress::Done { reusable: true });
const CLOSED: Result<Progress, Malformed> = Ok(Progress::Done { reusable: false });
const MORE: Result<Progress, Malformed> = Ok(Progress::More);

fn whole(text: &str) -> (Result<Progress, Malformed>, Answer) {
    let mut answer = Answer::new();
    answer.expect(false);
    (answer.feed(text.as_bytes()), answer)
}

const COMPLETE: &[(&str, Result<Progress, Malformed>)] = &[
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", KEPT),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", CLOSED),
    ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", CLOSED),
    ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nhi", KEPT),
    ("HTTP/1.1 204 No Content\r\n\r\n", KEPT),
    ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", KEPT),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KEPT),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", KEPT),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", KEPT),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: gzip, Chunked,\r\n\r\n0\r\n\r\n",
        KEPT,
    ),
    ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", KEPT),
    ("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", KEPT),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nextra", CLOSED),
];

#[test]
fn an_answer_ends_where_its_framing_says() {
    for (text, expected) in COMPLETE {
        let (progress, answer) = whole(text);
        assert_eq!(progress, *expected, "{text:?}");
        assert!(answer.status >= 200, "{text:?}");
    }
}

#[test]
fn closing_means_what_the_framing_says() {
    for (text, expected) in [
        ("", AtClose::Nothing),
        ("HTTP/1.1 200", AtClose::Cut),
        ("HTTP/1.1 200 OK\r\n\r\nhello", AtClose::Complete),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", AtClose::Complete),
        ("HTTP/1.1 100 Continue\r\n\r\n", AtClose::Cut),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", AtClose::Short),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", AtClose::Cut),
    ] {
        let (progress, answer) = whole(text);
        assert_eq!((progress, answer.at_close()), (MORE, expected), "{text:?}");
    }
}

#[test]
fn an_answer_to_head_has_no_body() {
    let mut answer = Answer::new();
    answer.expect(true);
    assert_eq!(answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), KEPT);
}

#[test]
fn garbage_is_malformed() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ] {
        assert_eq!(whole(text).0, Err(Malformed), "{text:?}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(LONGEST_HEAD));
    assert_eq!(whole(&endless).0, Err(Malformed));
}

/// What reading `text` in such pieces comes to, and how much of it was taken.
fn read(text: &[u8], head: bool, pieces: &[usize]) -> (Result<Progress, Malformed>, usize) {
    let mut answer = Answer::new();
    answer.expect(head);
    let (mut at, mut sizes) = (0, pieces.iter().cycle());
    let mut last = MORE;
    while at < text.len() && last == MORE {
        let end = text.len().min(at + sizes.next().unwrap());
        last = answer.feed(&text[at..end]);
        at = end;
    }
    (last, at)
}

/// A body and how it is framed: the bytes that follow the status line.
fn framed() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (proptest::collection::vec(any::<u8>(), 1..40), "(|;[a-z]{1,5}(=[a-z0-9]{1,5})?)");
    let chunked = (proptest::collection::vec(chunk, 0..6), "(|[A-Z][a-z]{1,6}: [a-z]{0,9}\r\n)");
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        body.prop_map(|body| {
            let mut bytes = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
            bytes.extend(body);
            bytes
        }),
        chunked.prop_map(|(chunks, trailer)| {
            let mut bytes = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
            for (data, extension) in chunks {
                bytes.extend(format!("{:x}{extension}\r\n", data.len()).into_bytes());
                bytes.extend(data);
                bytes.extend(b"\r\n");
            }
            bytes.extend(format!("0\r\n{trailer}\r\n").into_bytes());
            bytes
        }),
    ]
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1usize..60, 1..8)
}

proptest! {
    #[test]
    fn the_size_of_the_pieces_does_not_matter(which in 0..COMPLETE.len() - 1, pieces in pieces()) {
        let (text, expected) = COMPLETE[which];
        prop_assert_eq!(read(text.as_bytes(), false, &pieces), (expected, text.len()), "{}", text);
    }

    #[test]
    fn any_framed_body_ends_at_its_last_byte(
        status in 200u16..600, framed in framed(), interim in 0usize..3, pieces in pieces(),
    ) {
        prop_assume!(status != 204 && status != 304);
        let mut text = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(interim);
        text.extend(format!("HTTP/1.1 {status} x\r\nServer: y\r\n").into_bytes());
        text.extend(&framed);
        prop_assert_eq!(read(&text, false, &pieces), (KEPT, text.len()));
        // Cut anywhere, it is not complete.
        for cut in [text.len() - 1, text.len() / 2] {
            prop_assert_eq!(read(&text[..cut], false, &pieces).0, MORE);
        }
        // A next answer that nobody asked for.
        text.extend(b"HTTP/1.1 200 OK\r\n");
        prop_assert_eq!(read(&text, false, &[text.len()]).0, CLOSED);
    }

    #[test]
    fn any_bytes_are_an_answer_or_malformed_in_pieces_as_in_one(
        head: bool,
        start in prop_oneof![
            Just(""),
            Just("HTTP/1.1 200 OK\r\n"),
            Just("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"),
            Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ],
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "[0-9a-f:;\r\n Contenlgh-]{0,80}".prop_map(String::into_bytes),
        ],
        pieces in pieces(),
    ) {
        let text = [start.as_bytes(), &bytes].concat();
        let (whole, _) = read(&text, head, &[text.len().max(1)]);
        let (parts, at) = read(&text, head, &pieces);
        match (whole, parts) {
            (Ok(Progress::Done { .. }), Ok(Progress::Done { reusable })) => {
                // In pieces, it may be complete before the bytes that should not be there.
                prop_assert!(!reusable || at < text.len() || whole == parts);
            }
            // A line that is wrong is seen when it ends.
            (Err(Malformed), Ok(Progress::More)) => {}
            _ => prop_assert_eq!(whole, parts),
        }
    }
}
