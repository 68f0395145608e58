//! A CPU profile as Go's net/http/pprof writes it: packed protocol buffers
//! (<https://github.com/google/pprof/blob/main/proto/profile.proto>). Pure.

use crate::tree::{Frame, Origin, Tree};
use flate2::read::GzDecoder;
use prost::Message;
use std::collections::HashMap;
use std::io::Read;

/// A profile is smaller unpacked; more is not read.
const MOST: u64 = 256 << 20;

/// The fields that are needed; prost leaves out all others.
#[derive(Message)]
struct Written {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
}

#[derive(Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
    #[prost(int64, tag = "5")]
    start_line: i64,
}

/// What the packed profile says: the calls, and its length in seconds.
pub fn read(packed: &[u8]) -> Result<(Tree, f64), String> {
    let mut bytes = Vec::new();
    let unpacked = GzDecoder::new(packed).take(MOST).read_to_end(&mut bytes);
    unpacked.map_err(|e| format!("what it answered is no packed profile: {e}"))?;
    decode(&bytes)
}

/// The same of an unpacked one.
pub fn decode(bytes: &[u8]) -> Result<(Tree, f64), String> {
    let written =
        Written::decode(bytes).map_err(|e| format!("what it answered is no profile: {e}"))?;
    let text = |at: i64| usize::try_from(at).ok().and_then(|at| written.string_table.get(at));
    let is_cpu = |t: &ValueType| {
        text(t.r#type).is_some_and(|t| t == "cpu")
            && text(t.unit).is_some_and(|u| u == "nanoseconds")
    };
    let cpu = written.sample_type.iter().position(is_cpu).ok_or("no profile of CPU time")?;
    let functions: HashMap<u64, Frame> = written
        .function
        .iter()
        .map(|f| (f.id, frame(text(f.name), text(f.filename), f.start_line)))
        .collect();
    let locations: HashMap<u64, &Location> = written.location.iter().map(|l| (l.id, l)).collect();
    let mut tree = Tree::default();
    for sample in &written.sample {
        let Some(nanos) = sample.value.get(cpu) else { continue };
        let found = sample.location_id.iter().rev().filter_map(|id| locations.get(id));
        let stack: Vec<Frame> = found.flat_map(|location| calls(location, &functions)).collect();
        tree.add(&stack, *nanos as f64 / 1e9);
    }
    Ok((tree, written.duration_nanos.max(0) as f64 / 1e9))
}

/// What stands at a place, the outermost first: functions that the compiler put into each other stand
/// there together, the innermost first.
fn calls(location: &Location, functions: &HashMap<u64, Frame>) -> Vec<Frame> {
    let named: Vec<Frame> =
        location.line.iter().rev().filter_map(|l| functions.get(&l.function_id).cloned()).collect();
    if !named.is_empty() {
        return named;
    }
    let function = format!("{:#x}", location.address);
    vec![Frame { function, file: String::new(), line: 0, origin: Origin::Engine }]
}

fn frame(name: Option<&String>, file: Option<&String>, line: i64) -> Frame {
    let function = name.filter(|n| !n.is_empty()).map_or("(no name)", String::as_str);
    let file = file.map_or("", String::as_str);
    let origin = match function {
        _ if function.starts_with("runtime.") || function.starts_with("internal/runtime") => {
            Origin::Engine
        }
        _ if file.contains("/pkg/mod/") || file.contains("/vendor/") || file.contains('@') => {
            Origin::Package
        }
        // Of Go's own library the first part of the path is no host's name.
        _ if is_library(function) => Origin::Library,
        _ => Origin::Own,
    };
    let line = u32::try_from(line).unwrap_or(0);
    Frame { function: function.into(), file: file.into(), line, origin }
}

/// `net/http.(*conn).serve` is Go's own, `main.handle` and `example.org/shop.Pay` are not. Modules whose
/// names have no dot look like Go's own.
fn is_library(function: &str) -> bool {
    let path = function.split(['(', '[']).next().unwrap_or_default();
    let package = match path.rfind('/') {
        Some(slash) => {
            path[slash..].split('.').next().map_or(path, |last| &path[..slash + last.len()])
        }
        None => path.split('.').next().unwrap_or_default(),
    };
    package != "main" && !package.split('/').next().unwrap_or_default().contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::GzEncoder;
    use proptest::prelude::*;

    fn written() -> Written {
        let strings = ["", "samples", "count", "cpu", "nanoseconds", "main.handle", "/src/main.go"];
        let strings = strings.into_iter().chain([
            "runtime.mallocgc",
            "main.inlined",
            "net/http.(*conn).serve",
        ]);
        let function = |id, name, filename, start_line| Function { id, name, filename, start_line };
        let line = |function_id| Line { function_id };
        Written {
            sample_type: vec![ValueType { r#type: 1, unit: 2 }, ValueType { r#type: 3, unit: 4 }],
            sample: vec![
                Sample { location_id: vec![2, 1, 3], value: vec![2, 20_000_000] },
                Sample { location_id: vec![1, 3], value: vec![1, 10_000_000] },
                Sample { location_id: vec![9, 4], value: vec![1, 10_000_000] },
            ],
            location: vec![
                // The compiler put `inlined` into `handle`.
                Location { id: 1, address: 1, line: vec![line(8), line(5)] },
                Location { id: 2, address: 2, line: vec![line(7)] },
                Location { id: 3, address: 3, line: vec![line(9)] },
                Location { id: 4, address: 0xbeef, line: vec![] },
            ],
            function: vec![
                function(5, 5, 6, 17),
                function(7, 7, 99, -1),
                function(8, 8, 6, 40),
                function(9, 9, 0, 0),
            ],
            string_table: strings.map(Into::into).collect(),
            duration_nanos: 2_000_000_000,
        }
    }

    #[test]
    fn calls_from_the_outermost_with_what_was_inlined() {
        let mut packed = Vec::new();
        let bytes = written().encode_to_vec();
        GzEncoder::new(bytes.as_slice(), Compression::fast()).read_to_end(&mut packed).unwrap();
        let (tree, seconds) = read(&packed).unwrap();
        assert_eq!(seconds, 2.0);
        let shown = tree.calls.iter().map(|c| {
            let Frame { function, file, line, origin } = &c.frame;
            format!("{function} {file}:{line} {origin:?} {:.3} {:.3}", c.seconds, c.own)
        });
        let expected = [
            "net/http.(*conn).serve :0 Library 0.030 0.000",
            "main.handle /src/main.go:17 Own 0.030 0.000",
            "main.inlined /src/main.go:40 Own 0.030 0.010",
            "runtime.mallocgc :0 Engine 0.020 0.020",
            "0xbeef :0 Engine 0.010 0.010",
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_no_profile_is_said() {
        assert!(read(b"<html>").unwrap_err().starts_with("what it answered is no packed profile"));
        assert!(decode(b"\x0a\xff").unwrap_err().starts_with("what it answered is no profile"));
        assert_eq!(decode(b"").unwrap_err(), "no profile of CPU time");
    }

    #[test]
    fn whose_code_a_function_is() {
        for (function, library) in [
            ("net/http.(*conn).serve", true),
            ("encoding/json.Marshal", true),
            ("sort.Slice", true),
            ("main.main.func1", false),
            ("example.org/shop/pay.Pay", false),
            ("github.com/a/b.(*T[go.shape.int]).Do", false),
            ("", true),
        ] {
            assert_eq!(is_library(function), library, "{function}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (read(&bytes), decode(&bytes));
        }

        #[test]
        fn a_profile_with_any_byte_changed_is_survived(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = written().encode_to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes);
        }
    }
}
