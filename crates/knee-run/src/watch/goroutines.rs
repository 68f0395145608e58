//! How many goroutines a Go program has, from the front page of its net/http/pprof, which counts them
//! without stopping the program (<https://pkg.go.dev/net/http/pprof>). Asked only where
//! `KNEE_GO_PPROF` names it: nobody is asked unbidden.

use crate::http;
use knee_core::observe::Reading;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_millis(300);

/// The count now; None where nobody answers so.
pub fn count(base: &str) -> Option<Reading> {
    let url = format!("{}/debug/pprof/", base.trim_end_matches('/'));
    let body = http::get(&url, Instant::now() + PATIENCE).ok()?;
    let value = read(&String::from_utf8_lossy(&body))?;
    Some(Reading { name: "go.goroutines".into(), value, unit: "goroutines".into() })
}

/// `<td>12</td><td><a href='goroutine?debug=1'>goroutine</a></td>`
fn read(page: &str) -> Option<f64> {
    let (before, _) = page.split_once("goroutine?debug=1")?;
    let cell = before.rsplit("<td>").find(|cell| cell.contains("</td>"))?;
    cell.split("</td>").next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_page_of_pprof() {
        let page = "<tr><td>1</td><td><a href='cmdline?debug=1'>cmdline</a></td></tr>\n\
            <tr><td>4711</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr>";
        assert_eq!(read(page), Some(4711.0));
        assert_eq!(read("<html>goroutine?debug=1"), None);
        assert_eq!(read(""), None);
    }
}
