//! One conversation with a Node.js inspector: the Chrome DevTools protocol by web socket.
//! <https://nodejs.org/api/inspector.html>, <https://chromedevtools.github.io/devtools-protocol/v8/>.

use crate::http;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

/// A profile of minutes is some ten megabytes.
const MOST: usize = 256 << 20;
/// How long an answer may take: a loop that stands still in native code answers when that comes back.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long one look for bytes takes.
const GLANCE: Duration = Duration::from_millis(50);

/// An open conversation.
pub struct Inspector<'a> {
    socket: WebSocket<TcpStream>,
    asked: u64,
    stop: &'a AtomicBool,
}

/// Why there is no answer.
pub enum Wrong {
    /// Somebody asked to stop.
    Stopped,
    /// In words.
    Said(String),
}

impl<'a> Inspector<'a> {
    /// Begins, with whatever listens there.
    pub fn connect(at: SocketAddr, stop: &'a AtomicBool) -> Result<Inspector<'a>, Wrong> {
        let list =
            http::get(&format!("http://{at}/json/list"), Duration::from_secs(5), MOST as u64);
        let list = list.map_err(|problem| Wrong::Said(format!("{at}: {problem}")))?;
        let path = target(&list)
            .ok_or_else(|| Wrong::Said(format!("{at} names nothing that can be inspected")))?;
        let io = |e: std::io::Error| Wrong::Said(format!("{at}: {e}"));
        let stream = TcpStream::connect_timeout(&at, PATIENCE).map_err(io)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(io)?;
        let limits = WebSocketConfig::default();
        let limits = limits.max_message_size(Some(MOST)).max_frame_size(Some(MOST));
        // Its own path and this address: where else it says to be is no concern.
        let url = format!("ws://{at}/{path}");
        let (socket, _) = tungstenite::client::client_with_config(url, stream, Some(limits))
            .map_err(|e| Wrong::Said(format!("{at}: {e}")))?;
        socket.get_ref().set_read_timeout(Some(GLANCE)).map_err(io)?;
        Ok(Inspector { socket, asked: 0, stop })
    }

    /// Asks, and waits for the answer to that: its result.
    pub fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Wrong> {
        self.asked += 1;
        let text = json!({ "id": self.asked, "method": method, "params": params }).to_string();
        let said = |problem: String| Wrong::Said(format!("{method}: {problem}"));
        self.socket.send(Message::text(text)).map_err(|e| said(e.to_string()))?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Wrong::Stopped);
            }
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    if let Some(answer) = answer(text.as_str(), self.asked) {
                        return answer.map_err(said);
                    }
                }
                Ok(_) => {}
                Err(Error::Io(e))
                    if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(said(error.to_string())),
            }
        }
        Err(said(format!("no answer within {PATIENCE:?}")))
    }

    /// The same though somebody asked to stop: what was begun is ended.
    pub fn tell(&mut self, method: &str, params: &Value) {
        let stop = std::mem::replace(&mut self.stop, &NEVER);
        let _ = self.ask(method, params);
        self.stop = stop;
    }
}

static NEVER: AtomicBool = AtomicBool::new(false);

/// The path of the first target's web socket, below its address.
fn target(list: &[u8]) -> Option<String> {
    let list: Value = serde_json::from_slice(list).ok()?;
    let url = list.get(0)?.get("webSocketDebuggerUrl")?.as_str()?;
    let (_, path) = url.strip_prefix("ws://")?.split_once('/')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    path.chars().all(plain).then(|| path.into())
}

/// The result in a message, where that is the answer to this question.
fn answer(text: &str, asked: u64) -> Option<Result<Value, String>> {
    let mut message: Value = serde_json::from_str(text).ok()?;
    if message.get("id")?.as_u64()? != asked {
        return None;
    }
    if let Some(error) = message.get("error") {
        let words = error.get("message").and_then(Value::as_str).unwrap_or("an error");
        return Some(Err(words.chars().take(200).collect()));
    }
    Some(Ok(message.get_mut("result").map(Value::take).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_path_of_a_target_and_nothing_else_of_it() {
        let list = |url: &str| format!(r#"[{{"type":"node","webSocketDebuggerUrl":"{url}"}}]"#);
        let path = |url: &str| target(list(url).as_bytes());
        assert_eq!(path("ws://127.0.0.1:9229/4b3c-e0"), Some("4b3c-e0".into()));
        for url in ["ws://127.0.0.1:9229", "http://127.0.0.1/a", "ws://a/../b", "ws://a/b c"] {
            assert_eq!(path(url), None, "{url}");
        }
        assert_eq!(target(b"[]"), None);
    }

    #[test]
    fn events_and_other_answers_are_passed_over() {
        assert_eq!(answer(r#"{"method":"Profiler.consoleProfileStarted"}"#, 3), None);
        assert_eq!(answer(r#"{"id":2,"result":{}}"#, 3), None);
        assert_eq!(answer(r#"{"id":3,"result":{"a":1}}"#, 3), Some(Ok(json!({ "a": 1 }))));
        let error = answer(r#"{"id":3,"error":{"code":-32000,"message":"not enabled"}}"#, 3);
        assert_eq!(error, Some(Err("not enabled".into())));
    }

    proptest! {
        #[test]
        fn any_message_is_survived(text in ".{0,120}") {
            let _ = (answer(&text, 1), target(text.as_bytes()));
        }
    }
}
