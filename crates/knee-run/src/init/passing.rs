//! How signals are passed on, where the user says otherwise than [`super::right`].

/// Names of signals, as kill(1) writes them.
const NAMES: [(&str, i32); 19] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ABRT", libc::SIGABRT),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
];
/// The highest there is.
const MOST: i32 = 64;

/// What the user says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Passing {
    /// Signals that become others, or none (0).
    pub rewrite: Vec<(i32, i32)>,
    /// Whether all of a command's process group gets them.
    pub group: bool,
}

impl Passing {
    /// One more `FROM:TO`; of several for a signal the last one counts.
    ///
    /// # Errors
    /// It is none.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let (from, to) = text.split_once(':').unwrap_or_default();
        let to = if to == "0" { Some(0) } else { signal(to) };
        // The kernel lets nobody have KILL and STOP, and CHLD is for this program.
        let own = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD];
        match (signal(from).filter(|from| !own.contains(from)), to) {
            (Some(from), Some(to)) => self.rewrite.push((from, to)),
            _ => {
                return Err(format!(
                    "--rewrite: `{text}` is no FROM:TO such as TERM:QUIT or 15:3; TO 0 passes nothing on"
                ));
            }
        }
        Ok(())
    }

    /// What a signal was said to become.
    pub fn rewritten(&self, signal: i32) -> Option<i32> {
        self.rewrite.iter().rev().find(|(from, _)| *from == signal).map(|(_, to)| *to)
    }
}

/// By number, or by name with or without `SIG`, in any case.
fn signal(text: &str) -> Option<i32> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    named.or_else(|| text.parse().ok().filter(|number| (1..=MOST).contains(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_read_and_the_last_counts() {
        let mut passing = Passing::default();
        for text in ["TERM:QUIT", "SIGINT:0", "1:64", "15:sigwinch", "hup:KILL", "10:STOP"] {
            passing.add(text).unwrap();
        }
        assert_eq!(
            [15, 2, 1, 10, 3].map(|s| passing.rewritten(s)),
            [Some(28), Some(0), Some(9), Some(19), None]
        );
        for text in
            ["", "TERM", "TERM:", "0:1", "65:1", "1:65", "KILL:TERM", "CHLD:1", "9:1", "x:y"]
        {
            assert!(passing.add(text).unwrap_err().contains(&format!("`{text}`")), "{text}");
        }
    }
}
