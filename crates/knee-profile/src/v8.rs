//! A CPU profile as V8 writes it
//! (<https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#type-Profile>). Pure.

use crate::tree::{Frame, Origin, Tree};
use serde::Deserialize;
use std::collections::HashMap;

/// Calls of a stack that are followed: a profile that is no tree ends there.
const DEEPEST: usize = 5000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    nodes: Vec<Node>,
    start_time: f64,
    end_time: f64,
    samples: Vec<u64>,
    time_deltas: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: u64,
    call_frame: CallFrame,
    #[serde(default)]
    children: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
    url: String,
    /// 0-based; -1 where there is none.
    line_number: i64,
}

/// What the profile says: the calls, without the time in which nothing ran, and its length in
/// seconds.
pub fn read(json: &[u8]) -> Result<(Tree, f64), String> {
    let written: Written = serde_json::from_slice(json).map_err(|e| format!("no profile: {e}"))?;
    let seconds = (written.end_time - written.start_time) / 1e6;
    if !(seconds.is_finite() && seconds >= 0.0) {
        return Err("a profile without a length".into());
    }
    let nodes: HashMap<u64, &Node> = written.nodes.iter().map(|node| (node.id, node)).collect();
    let above: HashMap<u64, u64> =
        written.nodes.iter().flat_map(|n| n.children.iter().map(|c| (*c, n.id))).collect();
    let mut tree = Tree::default();
    for (id, micros) in weights(&written, seconds) {
        let mut stack = Vec::new();
        let mut at = Some(id);
        while let Some(node) = at.and_then(|id| nodes.get(&id)).filter(|_| stack.len() < DEEPEST) {
            stack.push(*node);
            at = above.get(&node.id).copied();
        }
        let innermost = stack.first().map_or("", |node| node.call_frame.function_name.as_str());
        if innermost == "(idle)" {
            continue;
        }
        // The outermost of all calls nothing and is no function.
        let calls = stack.iter().rev().filter(|node| node.call_frame.function_name != "(root)");
        let frames: Vec<Frame> = calls.map(|node| frame(&node.call_frame)).collect();
        tree.add(&frames, micros / 1e6);
    }
    Ok((tree, seconds))
}

/// How long each node was on top, microseconds: from its sample to the next one, and of the last one to
/// the end. Samples may stand out of order by some microseconds.
fn weights(written: &Written, seconds: f64) -> Vec<(u64, f64)> {
    let all: f64 = written.time_deltas.iter().sum();
    let after = written.time_deltas.iter().skip(1).copied().chain([seconds * 1e6 - all]);
    let mut sums: HashMap<u64, f64> = HashMap::new();
    for (id, micros) in written.samples.iter().zip(after) {
        *sums.entry(*id).or_default() += micros;
    }
    let mut sums: Vec<(u64, f64)> = sums.into_iter().collect();
    sums.sort_by_key(|(id, _)| *id);
    sums
}

fn frame(call: &CallFrame) -> Frame {
    let file = call.url.strip_prefix("file://").unwrap_or(&call.url);
    let file = if file.starts_with("data:") { "data:" } else { file };
    let file = file.split('?').next().unwrap_or_default();
    let origin = match file {
        "" => Origin::Engine,
        _ if file.starts_with("node:") => Origin::Library,
        _ if file.contains("/node_modules/") => Origin::Package,
        _ => Origin::Own,
    };
    let function = match call.function_name.as_str() {
        "" => "(anonymous)",
        name => name,
    };
    let line = u32::try_from(call.line_number.saturating_add(1)).unwrap_or(0);
    Frame { function: function.into(), file: file.into(), line, origin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WRITTEN: &str = r#"{"nodes":[
        {"id":1,"callFrame":{"functionName":"(root)","scriptId":"0","url":"","lineNumber":-1,"columnNumber":-1},"hitCount":0,"children":[2,3,4]},
        {"id":2,"callFrame":{"functionName":"(idle)","scriptId":"0","url":"","lineNumber":-1,"columnNumber":-1},"hitCount":1},
        {"id":3,"callFrame":{"functionName":"","scriptId":"7","url":"file:///srv/app/server.mjs?token=x","lineNumber":4,"columnNumber":2},"hitCount":0,"children":[5]},
        {"id":4,"callFrame":{"functionName":"(garbage collector)","scriptId":"0","url":"","lineNumber":-1,"columnNumber":-1},"hitCount":1},
        {"id":5,"callFrame":{"functionName":"pbkdf2Sync","scriptId":"9","url":"node:internal/crypto/pbkdf2","lineNumber":61,"columnNumber":2},"hitCount":2}],
        "startTime":1000000,"endTime":1010000,"samples":[5,2,5,4],"timeDeltas":[1000,2000,3000,1000]}"#;

    #[test]
    fn each_sample_lasts_until_the_next_and_waiting_does_not_count() {
        let (tree, seconds) = read(WRITTEN.as_bytes()).unwrap();
        assert_eq!(seconds, 0.01);
        let shown = tree.calls.iter().map(|c| {
            let Frame { function, file, line, origin } = &c.frame;
            format!("{function} {file}:{line} {origin:?} {:.3}", c.seconds)
        });
        let expected = [
            "(garbage collector) :0 Engine 0.003",
            "(anonymous) /srv/app/server.mjs:5 Own 0.003",
            "pbkdf2Sync node:internal/crypto/pbkdf2:62 Library 0.003",
        ];
        let mut shown: Vec<String> = shown.collect();
        shown.sort();
        let mut expected = expected.map(String::from);
        expected.sort();
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_no_profile_is_said() {
        assert!(read(b"{}").unwrap_err().starts_with("no profile: missing field `nodes`"));
        let endless = WRITTEN.replace("\"endTime\":1010000", "\"endTime\":0");
        assert_eq!(read(endless.as_bytes()).unwrap_err(), "a profile without a length");
        // A node that is its own child.
        let circle = WRITTEN.replace("\"children\":[5]", "\"children\":[3]");
        assert!(read(circle.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn any_numbers_are_survived(
            ids in prop::collection::vec((0u64..6, 0u64..6), 0..8),
            samples in prop::collection::vec((0u64..9, -1e9f64..1e9), 0..12),
            end in -1e9f64..1e12,
        ) {
            let node = |(id, child): &(u64, u64)| format!(
                r#"{{"id":{id},"callFrame":{{"functionName":"f{id}","url":"","lineNumber":{id}}},"children":[{child}]}}"#
            );
            let list = |all: Vec<String>| all.join(",");
            let json = format!(
                r#"{{"nodes":[{}],"startTime":0,"endTime":{end},"samples":[{}],"timeDeltas":[{}]}}"#,
                list(ids.iter().map(node).collect()),
                list(samples.iter().map(|(id, _)| id.to_string()).collect()),
                list(samples.iter().map(|(_, delta)| delta.to_string()).collect()),
            );
            if let Ok((tree, _)) = read(json.as_bytes()) {
                prop_assert!(tree.seconds().is_finite());
            }
        }

        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            let _ = read(text.as_bytes());
        }
    }
}
