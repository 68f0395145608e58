//! How requests come and what clients do, as a command line states it.

use knee_core::Seconds;
use knee_plan::forecast::Pattern;
use knee_plan::sim::Clients;
use std::path::Path;

/// `timeout=1s,retries=2,pause=100ms`.
pub fn clients(text: &str) -> Result<Clients, String> {
    const FORM: &str = "write timeout=1s,retries=2,pause=100ms";
    let mut clients = Clients::PATIENT;
    for part in text.split(',') {
        let (name, value) = part.split_once('=').ok_or(FORM)?;
        let time = || value.trim().parse::<Seconds>().map_err(|e| e.to_string());
        match name.trim() {
            "timeout" => clients.timeout = Some(time()?.0).filter(|t| *t > 0.0),
            "pause" => clients.pause = time()?.0,
            "retries" => clients.retries = value.trim().parse().map_err(|_| FORM)?,
            other => return Err(format!("`{other}` is nothing that clients do; {FORM}")),
        }
    }
    match clients.timeout {
        Some(_) => Ok(clients),
        None => Err(format!("clients that never give up never try again; {FORM}")),
    }
}

/// `poisson`, `constant`, or a file of arrival times.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals(pub Pattern);

/// Fewest arrivals that make a record, and the most that are kept of one.
const FEWEST: usize = 100;
const MOST: usize = 1_000_000;

/// The arrivals that a word or a file stands for.
pub fn arrivals(text: &str) -> Result<Arrivals, String> {
    match text {
        "poisson" => Ok(Arrivals(Pattern::Poisson)),
        "constant" => Ok(Arrivals(Pattern::Constant)),
        path => recorded(Path::new(path)).map(Arrivals),
    }
}

/// A time in seconds at the beginning of each line, ascending; what follows it is of no account.
fn recorded(path: &Path) -> Result<Pattern, String> {
    let at = |line: usize, problem: &str| format!("{}:{line}: {problem}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| {
        format!("{}: {e}; write poisson, constant, or a file of arrival times", path.display())
    })?;
    let mut times: Vec<f64> = vec![];
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let first = line.split([' ', ',', '\t']).next().unwrap_or_default();
        let time = first.parse().ok().filter(|t: &f64| t.is_finite());
        let time = time.ok_or_else(|| at(index + 1, "begins with no time in seconds"))?;
        if times.last().is_some_and(|last| time < *last) {
            return Err(at(index + 1, "comes before the line above; sort the times"));
        }
        if times.len() == MOST {
            return Err(at(index + 1, "more than a million arrivals; an hour of them will do"));
        }
        times.push(time);
    }
    let seconds = times.last().zip(times.first()).map_or(0.0, |(last, first)| last - first);
    if times.len() < FEWEST || seconds <= 0.0 {
        let what = format!("{} arrivals in {seconds} s tell no pattern", times.len());
        return Err(format!("{}: {what}; at least {FEWEST} do", path.display()));
    }
    Ok(Pattern::Recorded(times.into()))
}

/// Both in words; None for independent arrivals of patient clients.
pub fn words(traffic: &knee_plan::forecast::Traffic) -> Option<String> {
    let arrivals = match &traffic.arrivals {
        Pattern::Poisson => None,
        Pattern::Constant => Some("arrivals evenly spaced".to_string()),
        Pattern::Recorded(times) => Some(format!(
            "{} recorded arrivals, brought to each rate with their rush and lull",
            times.len()
        )),
    };
    let Clients { timeout, retries, pause } = traffic.clients;
    let clients = timeout.map(|timeout| {
        let then = match retries {
            0 => "do not try again".to_string(),
            n => format!("try {n} times more, {} later each", Seconds(pause)),
        };
        format!("clients that give up after {} and {then}", Seconds(timeout))
    });
    let both: Vec<String> = arrivals.into_iter().chain(clients).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn clients_give_up_before_they_try_again() {
        let read = clients("timeout=1s, retries=2,pause=100ms").unwrap();
        assert_eq!(read, Clients { timeout: Some(1.0), retries: 2, pause: 0.1 });
        for text in ["", "retries=2", "timeout=0s", "timeout=1s,retries=many", "timeout=1s,x=1"] {
            assert!(clients(text).unwrap_err().contains("write timeout=1s"), "{text}");
        }
    }

    #[test]
    fn a_record_is_read_with_its_mistakes_by_line() {
        let record = |text: &str| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            arrivals(file.path().to_str().unwrap())
        };
        let good: String =
            (0..200).map(|i| format!("{}.5 GET /orders\n", 1_790_000_000 + i)).collect();
        assert!(matches!(record(&good), Ok(Arrivals(Pattern::Recorded(t))) if t.len() == 200));
        for (text, part) in [
            ("1\n2\n1\n", ":3: comes before"),
            ("1\nGET /\n", ":2: begins with no time"),
            ("1\n2\n", "tell no pattern"),
        ] {
            let error = record(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(arrivals("none.log").unwrap_err().contains("write poisson"));
    }
}
