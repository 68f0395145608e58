use super::*;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn lines_of_hosts_and_resolv_conf() {
    let hosts =
        "127.0.0.1 localhost\n10.0.0.7 otel-collector otel # x\n::1 otel\nx otel\n#1.2.3.4 none\n";
    let of = |name| in_hosts(hosts, name);
    assert_eq!(of("OTEL."), ["10.0.0.7".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
    assert!(of("none").is_empty() && of("ote").is_empty());
    let read = Resolver::read(
        "# x\nnameserver 10.0.0.2\nnameserver fd00::2\nsearch eu.internal local.\noptions timeout:1 ndots:2\n",
    );
    let servers = ["10.0.0.2:53", "[fd00::2]:53"].map(|at| at.parse().unwrap());
    assert_eq!((read.servers.as_slice(), read.dots), (&servers[..], 2));
    assert_eq!(read.candidates("a.b"), ["a.b.eu.internal", "a.b.local", "a.b"]);
    assert_eq!(read.candidates("a.b.c"), ["a.b.c", "a.b.c.eu.internal", "a.b.c.local"]);
    assert_eq!(read.candidates("a."), ["a"]);
    assert_eq!(Resolver::read("").servers, ["127.0.0.1:53".parse().unwrap()]);
}

#[test]
fn what_is_an_address_already_is_not_looked_up() {
    let of = |host| addresses(host, Instant::now()).unwrap();
    assert_eq!(of("LOCALHOST"), [IpAddr::from([127, 0, 0, 1])]);
    assert_eq!(of("::1"), [IpAddr::from(Ipv6Addr::LOCALHOST)]);
    let none = addresses("no-such-host.invalid", Instant::now()).unwrap_err();
    assert_eq!(none.kind(), io::ErrorKind::TimedOut, "the time is over");
    let wrong = addresses(&format!("{}.invalid", "a".repeat(200)), Instant::now()).unwrap_err();
    assert_eq!(wrong.kind(), io::ErrorKind::InvalidInput, "it fits into no question");
}

#[test]
fn what_is_a_name() {
    for name in ["otel-collector", "a.b.c.", "x_y", "7"] {
        assert!(is_name(name), "{name}");
    }
    for name in ["", ".", "a..b", "user:pw@host", "a b", "ä", &"a".repeat(64), &"a.".repeat(130)] {
        assert!(!is_name(name), "{name}");
    }
}

/// Names and kinds that were asked for.
type Asked = Arc<Mutex<Vec<(String, u16)>>>;

/// A name server that knows the folder `there`, answers other names that there are none, and notes
/// what it was asked. `silent` first questions get no answer.
fn server(silent: usize) -> (SocketAddr, Asked) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (at, asked) = (socket.local_addr().unwrap(), Asked::default());
    let noted = asked.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; MOST];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let (name, kind) = of_question(&buffer[..length]);
            noted.lock().unwrap().push((name.clone(), kind));
            if noted.lock().unwrap().len() <= silent {
                continue;
            }
            let mut answer = buffer[..length].to_vec();
            answer[2..4]
                .copy_from_slice(&[0x81, if name.ends_with("there") { 0x80 } else { 0x83 }]);
            if name.ends_with("there") && kind == (if name.starts_with("six") { AAAA } else { A }) {
                answer[7] = 2;
                // Another name first (CNAME), which points into the question.
                answer.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]);
                let address: &[u8] = if kind == A { &[10, 0, 0, 9] } else { &[0xfd; 16] };
                answer.extend([0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 9, 0, address.len() as u8]);
                answer.extend(address);
            }
            // What somebody else's answer would look like comes first.
            let mut foreign = answer.clone();
            foreign[0] ^= 1;
            socket.send_to(&foreign, from).unwrap();
            socket.send_to(&answer, from).unwrap();
        }
    });
    (at, asked)
}

fn of_question(bytes: &[u8]) -> (String, u16) {
    let (mut at, mut labels) = (12, vec![]);
    while bytes[at] > 0 {
        let end = at + 1 + usize::from(bytes[at]);
        labels.push(String::from_utf8(bytes[at + 1..end].to_vec()).unwrap());
        at = end;
    }
    (labels.join("."), u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]))
}

#[test]
fn a_server_is_asked_name_by_name_and_kind_by_kind() {
    let (at, asked) = server(0);
    let resolver =
        Resolver { servers: vec![at], folders: vec!["here".into(), "there".into()], dots: 1 };
    let look = |name| resolver.look_up(name, Instant::now() + SOON).unwrap();
    assert_eq!(look("otel"), ["10.0.0.9".parse::<IpAddr>().unwrap()]);
    assert_eq!(look("six.there"), [IpAddr::from([0xfd; 16])]);
    assert_eq!(look("a.b").len(), 1);
    assert_eq!(look("none."), [] as [IpAddr; 0]);
    let asked: Vec<String> =
        asked.lock().unwrap().iter().map(|(name, kind)| format!("{name}/{kind}")).collect();
    assert_eq!(
        asked.join(" "),
        "otel.here/1 otel.there/1 six.there/1 six.there/28 a.b/1 a.b.here/1 a.b.there/1 none/1"
    );
}

#[test]
fn one_that_is_silent_or_away_is_left_for_the_next() {
    let away = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (at, asked) = server(1);
    let resolver = Resolver { servers: vec![away, at], folders: vec![], dots: 1 };
    let found = resolver.look_up("otel.there", Instant::now() + SOON).unwrap();
    assert_eq!((found.len(), asked.lock().unwrap().len()), (1, 2));
    let nobody = Resolver { servers: vec![away], folders: vec![], dots: 1 };
    assert!(nobody.look_up("otel.there", Instant::now() + SOON).is_err());
    let (mute, _) = server(usize::MAX);
    let mute = Resolver { servers: vec![mute], folders: vec![], dots: 1 };
    let error = mute.look_up("x", Instant::now() + Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

proptest! {
    #[test]
    fn any_answer_and_any_file_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..90), text in ".{0,80}") {
        let head = [&[0, 7, 0x81, 0x80, 0, 1, 0xff, 0xff][..], &bytes].concat();
        let _ = (read(&bytes, A), read(&head, AAAA), in_hosts(&text, "x"));
        prop_assert!(!Resolver::read(&text).candidates(&text).is_empty() || text.len() > LONGEST);
        let _ = is_name(&text);
    }
}
