use super::*;
use proptest::prelude::*;

fn recorded(pid: i32) -> Process {
    Process::below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/process"), pid)
}

#[test]
fn children_and_their_children_belong_to_a_process() {
    let mut child = std::process::Command::new("sh")
        .args(["-c", "sh -c 'echo; sleep 60 & wait' & wait"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The line comes from the inner shell: both shells live then.
    let mut line = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
    assert_eq!(Process::new(child.id().cast_signed()).argv()[..2], ["sh", "-c"]);
    let family = with_descendants(&[child.id().cast_signed()]);
    let mut unique = family.clone();
    unique.sort_unstable();
    unique.dedup();
    for pid in &family {
        let pid = rustix::process::Pid::from_raw(*pid).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    child.wait().unwrap();
    assert!(family.len() >= 2 && family.len() == unique.len(), "{family:?}");
    assert!(with_descendants(&[]).is_empty());
}

#[test]
fn a_recorded_process() {
    let process = recorded(4242);
    let expected = Stat {
        state: 'S',
        parent: 6357,
        session: 14_346,
        cpu: 12.11,
        threads: 7,
        started: 124_461,
    };
    assert_eq!(process.stat().unwrap(), expected);
    assert_eq!(process.pss().unwrap(), Bytes(47_001 * 1024));
    // Node.js raised what was 1024.
    assert_eq!(process.nofile().unwrap(), Some(20_000));
    assert_eq!(process.name(), "a name) wit");
}

#[test]
fn absent_and_broken_files_are_named_with_their_place() {
    let absent = recorded(1);
    for error in [absent.stat().err(), absent.pss().err(), absent.descriptors().err()] {
        assert!(error.unwrap().is_absent());
    }
    assert_eq!((absent.sockets(), absent.name()), (vec![], "a process".into()));
    let said = |error: ProbeError| error.to_string().rsplit_once("process/").unwrap().1.to_string();
    let broken = recorded(13);
    assert_eq!(said(broken.stat().unwrap_err()), "13/stat:1: `13 (cut` is no stat line");
    assert_eq!(said(broken.pss().unwrap_err()), "13/smaps_rollup:2: `lots kB` is no size");
    assert_eq!(said(broken.nofile().unwrap_err()), "13/limits:2: `some        some` is no limit");
}

#[test]
fn this_process_is_seen() {
    let me = Process::new(std::process::id().cast_signed());
    let (before, files) = (me.descriptors().unwrap(), fs::File::open("/dev/null").unwrap());
    assert!(me.descriptors().unwrap() > before.min(3), "{before}");
    drop(files);
    assert!(me.pss().unwrap().0 > 100_000);
    assert_eq!(me.numbers().unwrap()[0], std::process::id().cast_signed());
    let stat = me.stat().unwrap();
    assert!(stat.threads >= 1 && !stat.is_dead());
    assert!(all().contains(&std::process::id().cast_signed()));
}

#[test]
fn threads_wait_for_a_cpu() {
    let me = Process::new(std::process::id().cast_signed());
    let waited = me.waited().unwrap();
    assert!(!waited.is_empty() && waited.iter().all(|(_, seconds)| *seconds >= 0.0));
    assert!(me.lives() && !recorded(1).lives());
    assert!(recorded(1).waited().unwrap_err().is_absent());
    let broken = recorded(13).waited().unwrap_err().to_string();
    assert!(broken.ends_with("13/task/13/schedstat:1: `12` is no schedstat line"), "{broken}");
}

#[test]
fn a_shell_catches_what_it_traps() {
    let mut shell = std::process::Command::new("sh")
        .args(["-c", "trap : TERM; echo; read line"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let process = Process::new(shell.id().cast_signed());
    let caught = [15, 10, 0, 65, -1].map(|signal| process.catches(signal).unwrap());
    drop(shell.stdin.take());
    shell.wait().unwrap();
    assert_eq!(caught, [true, false, false, false, false]);
    assert!(recorded(1).catches(15).unwrap_err().is_absent());
}

proptest! {
    #[test]
    fn any_stat_is_survived(text in ".{0,120}", fields in prop::collection::vec(any::<i64>(), 0..30)) {
        parse_stat(&text);
        let fields: Vec<String> = fields.iter().map(i64::to_string).collect();
        parse_stat(&format!("1 ({text}) S {}", fields.join(" ")));
    }

    #[test]
    fn a_name_can_be_anything(name in ".{0,15}") {
        let stat = parse_stat(&format!("7 ({name}) S 1 2 3 0 -1 0 9 9 9 9 150 50 0 0 20 0 4 0 99 1 1\n")).unwrap();
        prop_assert_eq!((stat.parent, stat.session, stat.threads, stat.started), (1, 3, 4, 99));
        prop_assert_eq!(stat.cpu, 2.0);
    }
}
