//! What a Go program tells of itself: by pages over HTTP where it serves them, by gctrace where it was started so.

use super::trace;
use crate::runtimes::figure::{Among, Figure, Over};
use crate::runtimes::{DecodeError, member};

/// Whichever of these it is: the page of expvar, pprof's front page, pprof's heap as text, lines of
/// gctrace.
pub fn decode(answer: &[u8]) -> Result<Vec<Figure>, DecodeError> {
    let text = String::from_utf8_lossy(answer);
    if text.starts_with('{') {
        return variables(&text);
    }
    if let Some(count) = goroutines(&text) {
        return Ok(vec![figure("go.goroutines", "goroutines", count)]);
    }
    let heap = heap(&text);
    if heap.is_empty() { trace::decode(answer) } else { Ok(heap) }
}

fn figure(name: &'static str, unit: &'static str, value: f64) -> Figure {
    Figure { name, unit, value, over: Over::Last, among: Among::Sum }
}

/// Names in runtime.MemStats (<https://pkg.go.dev/runtime#MemStats>): what is allocated, what waits to be
/// collected too, and the size at which the next collection ends.
const HEAP: [(&str, &str); 2] = [("HeapAlloc", "go.heap.used"), ("NextGC", "go.heap.next")];

/// `{"cmdline": [...], "memstats": {"Alloc":..., ...}}`, among what the program itself publishes.
fn variables(text: &str) -> Result<Vec<Figure>, DecodeError> {
    let (_, memory) = text
        .split_once("\"memstats\":")
        .ok_or(DecodeError { runtime: "go", problem: "no memstats, as expvar has them".into() })?;
    let said = |(key, name)| Some(figure(name, "B", member(memory, key)?));
    Ok(HEAP.into_iter().filter_map(said).collect())
}

/// `<td>12</td><td><a href='goroutine?debug=1'>goroutine</a></td>`
fn goroutines(page: &str) -> Option<f64> {
    let (before, _) = page.split_once("goroutine?debug=1")?;
    let cell = before.rsplit("<td>").find(|cell| cell.contains("</td>"))?;
    cell.split("</td>").next()?.trim().parse().ok()
}

/// At the end of `heap?debug=1`: `# HeapAlloc = 1234`.
fn heap(text: &str) -> Vec<Figure> {
    let value = |key: &str| {
        let line = |line: &str| {
            line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(" = ")?.parse().ok()
        };
        text.lines().rev().find_map(line)
    };
    HEAP.into_iter().filter_map(|(key, name)| Some(figure(name, "B", value(key)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> Vec<(&'static str, f64)> {
        decode(answer.as_bytes()).unwrap().iter().map(|f| (f.name, f.value)).collect()
    }

    #[test]
    fn the_front_page_of_pprof() {
        let page = "<tr><td>1</td><td><a href='cmdline?debug=1'>cmdline</a></td></tr>\n\
            <tr><td>4711</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr>";
        assert_eq!(told(page), [("go.goroutines", 4711.0)]);
        assert_eq!(told("<html>goroutine?debug=1"), []);
        assert_eq!(told(""), []);
    }

    #[test]
    fn the_heap_by_either_page() {
        let both = [("go.heap.used", 2e6), ("go.heap.next", 4e6)];
        let own = "{\n\"HeapAlloc\": 7,\n\"cmdline\": [\"./orders\"],\n\
            \"memstats\": {\"Alloc\":1,\"HeapAlloc\":2000000,\"NextGC\":4000000,\"PauseNs\":[0,1]}\n}";
        assert_eq!(told(own), both);
        assert!(decode(b"{\"cmdline\": []}").is_err());
        let text = "heap profile: 1: 2 [3: 4] @ heap/1048576\n1: 2 [3: 4] @ 0x1\n#\t0x1\tmain.f+0x1\tmain.go:1\n\n\
            # runtime.MemStats\n# Alloc = 1\n# HeapAlloc = 2000000\n# NextGC = 4000000\n";
        assert_eq!(told(text), both);
    }
}
