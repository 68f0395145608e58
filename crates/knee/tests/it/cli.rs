//! The command line itself: help, mistakes, pages.

use assert_cmd::Command;

/// The program under test.
pub fn knee() -> Command {
    Command::cargo_bin("knee").unwrap()
}

/// Exit code, standard output and standard error of one call.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_verb_has_help_with_examples() {
    let (code, all, _) = run(knee().arg("--help"));
    assert_eq!(code, 0);
    let verbs: Vec<&str> = all
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A description that goes on below it is further in.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.contains(&"measure") && verbs.contains(&"report"), "{verbs:?}");
    for verb in verbs {
        let (code, help, _) = run(knee().args([verb, "--help"]));
        assert_eq!(code, 0, "{verb}");
        assert!(help.contains(&format!("  knee {verb}")), "no example of {verb}:\n{help}");
        assert_eq!(run(knee().args(["help", verb])).1, help, "{verb}");
    }
}

#[test]
fn bash_completes_verbs_and_their_flags() {
    let script = r#"source <("$KNEE" completions bash)
        complete() { COMP_WORDS=(knee "$@"); COMP_CWORD=$#; COMPREPLY=()
            _knee knee "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
            echo "${COMPREPLY[@]}"; }
        complete me; complete tune --go"#;
    let mut bash = Command::new("bash");
    let (code, out, err) =
        run(bash.args(["-c", script]).env("KNEE", assert_cmd::cargo::cargo_bin("knee")));
    assert_eq!((code, out.as_str(), err.as_str()), (0, "measure\n--goal\n", ""));
}

#[test]
fn a_wrong_flag_is_named_with_the_right_one() {
    let (code, out, err) = run(knee().args(["measure", "http://127.0.0.1/", "--gaol", "p99<1s"]));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("--gaol") && err.contains("--goal"), "{err}");
    let (code, _, err) = run(&mut knee());
    assert_eq!(code, 2);
    assert!(err.contains("Usage: knee"), "{err}");
}

#[test]
fn a_wrong_value_says_how_to_write_it() {
    for (flags, part) in [
        (["--goal", "fast"], "write p99<250ms"),
        (["--pace", "wild"], "write poisson, constant"),
        (["--rate", "50,none"], "write requests per second"),
        (["--header", "s3cret"], "write 'Name: value'"),
    ] {
        let (code, _, err) = run(knee().args(["measure", "http://127.0.0.1/"]).args(flags));
        assert_eq!(code, 2, "{flags:?}");
        assert!(err.contains(part), "{flags:?}: {err}");
    }
}

#[test]
fn pages_are_explained_and_an_unknown_one_is_not() {
    let (code, page, _) = run(knee().args(["explain", "exit-codes"]));
    assert_eq!(code, 0);
    assert!(page.contains("130  Ctrl-C; everything was undone"), "{page}");
    assert!(run(knee().args(["explain", "pm.max_children"])).1.contains("PHP-FPM"));
    let (code, out, err) = run(knee().args(["explain", "frobnication"]));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("`frobnication`") && err.contains("knee explain"), "{err}");
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let knee = assert_cmd::cargo::cargo_bin("knee");
    let script = format!("{} explain; echo $? >&2", knee.display());
    // `head -c 0` closes the pipe without reading.
    let pipe = format!("({script}) | (exec 0<&-; sleep 0.5)");
    let (_, _, err) = run(Command::new("sh").args(["-c", &pipe]));
    assert_eq!(err, "0\n");
}
