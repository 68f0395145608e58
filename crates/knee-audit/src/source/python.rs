//! Python: calls that block in `async def`, requests without a time-out.

mod aws;
mod reached;

pub use aws::OfMade;
pub use reached::Reached;

use super::tree::{any, around, children, each, field, parse, place};
use crate::picture::{FileId, Place};
use aws::Clients;
use tree_sitter::Node;

/// What a Python file says.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: FileId,
    /// Calls that block the event loop: the place, what is called, whether a route's function does.
    pub blocking: Vec<Blocking>,
    /// Functions that are no coroutines and wait, methods as `Class.method`.
    pub waits: Vec<Waits>,
    /// Functions that coroutines call by a plain name, methods as `Class.method`.
    pub called: Vec<Blocking>,
    /// What functions that are no coroutines call by a plain name.
    pub calls: Vec<Waits>,
    /// Functions that return a client of AWS' synchronous library.
    pub makers: Vec<String>,
    /// Calls of what other functions make.
    pub of_made: Vec<OfMade>,
    /// `from MODULE import NAME`.
    pub imports: Vec<Import>,
    /// Requests of the synchronous client that wait for ever, in functions.
    pub untimed: Vec<Blocking>,
    /// SQLAlchemy's pools: the most connections of one process, with those that overflow.
    pub pools: Vec<(Place, f64)>,
}

/// A call that blocks in a coroutine.
#[derive(Clone, Debug)]
pub struct Blocking {
    /// The call.
    pub place: Place,
    /// What is called.
    pub call: String,
    /// Whether the function is decorated as a route.
    pub in_route: bool,
    /// Whether it runs once, when the program starts.
    pub starts: bool,
}

/// A call in a function that is no coroutine, which happens whenever the function is called.
#[derive(Clone, Debug)]
pub struct Waits {
    /// The function's name, a method's with its class.
    pub name: String,
    /// The call.
    pub place: Place,
    /// What is called there.
    pub call: String,
}

/// An imported name: `from .store import get as load`.
#[derive(Clone, Debug)]
pub struct Import {
    /// As it is called here: `load`.
    pub alias: String,
    /// As it is written, with the dots of a relative one: `.store`.
    pub module: String,
    /// Its name there: `get`.
    pub name: String,
}

/// Calls that wait for the network, a process or time, by module and name.
const WAITING: [&str; 17] = [
    "time.sleep",
    "requests.get",
    "requests.post",
    "requests.put",
    "requests.patch",
    "requests.delete",
    "requests.head",
    "requests.request",
    "urllib.request.urlopen",
    "httpx.get",
    "httpx.post",
    "httpx.put",
    "httpx.delete",
    "subprocess.run",
    "subprocess.check_output",
    "subprocess.check_call",
    "os.system",
];
const ROUTES: [&str; 9] =
    ["get", "post", "put", "patch", "delete", "route", "websocket", "head", "api_route"];

/// Reads a file.
pub fn read(file: FileId, source: &str) -> Source {
    let mut found = Source {
        file,
        blocking: Vec::new(),
        waits: Vec::new(),
        called: Vec::new(),
        calls: Vec::new(),
        makers: Vec::new(),
        of_made: Vec::new(),
        imports: Vec::new(),
        untimed: Vec::new(),
        pools: Vec::new(),
    };
    let telling = ["async def", "create_engine", "create_async_engine", "boto3", "_client"];
    if !telling.iter().chain(&WAITING).any(|words| source.contains(words)) {
        return found;
    }
    let Some(tree) = parse(tree_sitter_python::LANGUAGE.into(), source) else { return found };
    let mut clients = Clients::default();
    each(tree.root_node(), |node| {
        let call = field(node, "function", source);
        if matches!(call, "create_engine" | "create_async_engine") {
            found.pools.extend(pool(node, source).map(|most| (place(file, node), most)));
        }
        if node.kind() == "import_from_statement" {
            imported(node, source, &mut found.imports);
        }
        match node.kind() {
            "call" => {}
            "assignment" => return clients.assigned(node, source),
            "return_statement" => return clients.returned(node, source),
            _ => return,
        }
        let Some(function) =
            around(node).find(|n| matches!(n.kind(), "function_definition" | "lambda"))
        else {
            return;
        };
        if function.kind() != "function_definition" {
            return;
        }
        let waits = WAITING.contains(&call) || clients.waits(call);
        let said = |call: &str| Blocking {
            place: place(file, node),
            call: call.into(),
            in_route: routed(function, source),
            starts: starts(function, source),
        };
        if call.starts_with("requests.") && waits && !has_timeout(node, source) {
            found.untimed.push(said(call));
        }
        let inner = |call: &str| Waits {
            name: qualified(function, source),
            place: place(file, node),
            call: call.into(),
        };
        let coroutine = is_async(function, source);
        if is_awaited(node) || (!coroutine && !runs_when_called(function, source)) {
            return;
        }
        match (coroutine, waits) {
            (true, true) => found.blocking.push(said(call)),
            (false, true) => found.waits.push(inner(call)),
            (true, false) => {
                found.called.extend(called(call, function, source).map(|name| said(&name)));
            }
            (false, false) => {
                found.calls.extend(called(call, function, source).map(|name| inner(&name)));
            }
        }
        if let Some(maker) = clients.maker(node, function, source) {
            let waits = (!coroutine).then(|| inner(call));
            found.of_made.push(OfMade { maker: maker.into(), waits, call: said(call) });
        }
    });
    found.makers = clients.makers();
    found
}

/// Whether a request is given a time-out, or may be by arguments that are passed on.
fn has_timeout(call: Node<'_>, source: &str) -> bool {
    let arguments = call.child_by_field_name("arguments").map(children).unwrap_or_default();
    arguments.iter().any(|argument| match argument.kind() {
        "keyword_argument" => field(*argument, "name", source) == "timeout",
        kind => kind == "dictionary_splat",
    })
}

/// The class that a method stands in.
fn class<'a>(function: Node<'_>, source: &'a str) -> Option<&'a str> {
    let class = scope(function).filter(|n| n.kind() == "class_definition")?;
    Some(field(class, "name", source))
}

/// A function's name, a method's with its class.
fn qualified(function: Node<'_>, source: &str) -> String {
    let name = field(function, "name", source);
    class(function, source).map_or(name.into(), |class| format!("{class}.{name}"))
}

/// The function that a call in another one means: `f`, `Class.f`, and `self.f` with its class. What
/// a method of an object is, is not known.
fn called(call: &str, function: Node<'_>, source: &str) -> Option<String> {
    match call.split_once('.') {
        None => Some(call.into()),
        Some(("self" | "cls", name)) if !name.contains('.') => {
            class(function, source).map(|class| format!("{class}.{name}"))
        }
        Some((class, name)) => {
            let is_class = class.starts_with(|c: char| c.is_ascii_uppercase());
            (is_class && !name.contains('.')).then(|| call.into())
        }
    }
}

/// Whether a function runs once, before the first request: a lifespan, a handler of the start.
fn starts(function: Node<'_>, source: &str) -> bool {
    let name = field(function, "name", source).to_ascii_lowercase();
    let decorators = decorators(function, source);
    // By whole words: `main` is not in `get_domain`.
    name.split('_')
        .any(|word| ["lifespan", "startup", "shutdown", "main", "bootstrap"].contains(&word))
        || decorators.contains("on_event")
        || decorators.contains("asynccontextmanager")
}

/// Names that a file of settings assigns, at its top level or in a branch there, with their places.
pub fn assigned(text: &str) -> Vec<(&str, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let Some(tree) = parse(tree_sitter_python::LANGUAGE.into(), text) else { return found };
    each(tree.root_node(), |node| {
        let inside = |n: Node<'_>| matches!(n.kind(), "function_definition" | "class_definition");
        if node.kind() == "assignment" && !around(node).any(inside) {
            let left = node.child_by_field_name("left").filter(|left| left.kind() == "identifier");
            found.extend(left.map(|left| (&text[left.byte_range()], node.byte_range())));
        }
    });
    found
}

/// The decorators of a function, as they are written.
fn decorators<'a>(function: Node<'_>, source: &'a str) -> &'a str {
    let decorated = function.parent().filter(|n| n.kind() == "decorated_definition");
    decorated.map_or("", |n| &source[n.start_byte()..function.start_byte()])
}

fn is_awaited(call: Node<'_>) -> bool {
    call.parent().is_some_and(|parent| parent.kind() == "await")
}

/// Whether a function runs when its name is called. A generator runs only when its elements are
/// asked for, which frameworks do in threads; what keeps its results runs once.
fn runs_when_called(function: Node<'_>, source: &str) -> bool {
    if decorators(function, source).contains("cache") {
        return false;
    }
    let own = |node: Node<'_>| scope(node).is_some_and(|n| n.id() == function.id());
    !any(function, |n| n.kind() == "yield" && own(n))
}

/// What a node stands in: the nearest function or class.
fn scope(node: Node<'_>) -> Option<Node<'_>> {
    around(node).find(|n| matches!(n.kind(), "function_definition" | "lambda" | "class_definition"))
}

fn imported(node: Node<'_>, source: &str, imports: &mut Vec<Import>) {
    let module = field(node, "module_name", source);
    for name in node.children_by_field_name("name", &mut node.walk()) {
        let text = &source[name.byte_range()];
        let (own, alias) = text.split_once(" as ").unwrap_or((text, text));
        let (alias, name) = (alias.trim().into(), own.trim().into());
        imports.push(Import { alias, module: module.into(), name });
    }
}

/// The most connections of a pool. SQLAlchemy keeps 5 and lets 10 overflow where nothing is said:
/// <https://docs.sqlalchemy.org/en/20/core/engines.html#sqlalchemy.create_engine>. Only a stated
/// size counts.
fn pool(call: Node<'_>, source: &str) -> Option<f64> {
    let arguments = children(call.child_by_field_name("arguments")?);
    let given = |name: &str| {
        let of =
            |n: &&Node<'_>| n.kind() == "keyword_argument" && field(**n, "name", source) == name;
        arguments.iter().find(of).map(|n| field(*n, "value", source).parse::<f64>().ok())
    };
    let size = given("pool_size")??;
    Some(size + given("max_overflow").unwrap_or(Some(10.0))?)
}

fn is_async(function: Node<'_>, source: &str) -> bool {
    source[function.byte_range()].starts_with("async ")
}

/// Whether a decorator makes it a route: `@app.get("/")`.
fn routed(function: Node<'_>, source: &str) -> bool {
    let Some(decorated) = function.parent().filter(|n| n.kind() == "decorated_definition") else {
        return false;
    };
    let mut routed = false;
    for decorator in
        decorated.named_children(&mut decorated.walk()).filter(|n| n.kind() == "decorator")
    {
        let name = source[decorator.byte_range()].split('(').next().unwrap_or_default();
        routed |= name.rsplit_once('.').is_some_and(|(_, method)| ROUTES.contains(&method.trim()));
    }
    routed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_with_its_overflow() {
        let pools =
            |text: &str| read(FileId(0), text).pools.iter().map(|(_, n)| *n).collect::<Vec<_>>();
        assert_eq!(pools("e = create_engine(URL, pool_size=20, max_overflow=0)"), [20.0]);
        assert_eq!(pools("e = create_engine(URL, pool_size=20)"), [30.0]);
        assert!(pools("e = create_engine(URL, pool_size=SIZE)").is_empty());
        assert!(pools("e = create_engine(URL)").is_empty());
    }

    #[test]
    fn a_coroutine_that_blocks() {
        let found = read(
            FileId(0),
            "import requests\n@app.get('/')\nasync def a():\n    return requests.get(u)\n\ndef b():\n    time.sleep(1)\n\nasync def c():\n    await run(lambda: requests.get(u))\n    def inner():\n        time.sleep(1)\n    time.sleep(1)\n",
        );
        assert_eq!(found.blocking.len(), 2);
        assert!(found.blocking[0].in_route && !found.blocking[1].in_route);
    }

    #[test]
    fn what_runs_once_has_a_word_for_it_in_its_name() {
        let once = |name: &str| {
            let text = format!("import requests\ndef {name}():\n    requests.get(u)\n");
            read(FileId(0), &text).untimed[0].starts
        };
        assert!(["main", "run_main", "on_startup", "Lifespan"].iter().all(|name| once(name)));
        assert!(!["get_domain", "maintain", "upstartups"].iter().any(|name| once(name)));
    }

    #[test]
    fn functions_that_wait_when_their_name_is_called() {
        let found = read(
            FileId(0),
            "import requests\ndef a():\n    return requests.get(u)\n\nclass B:\n    def b(self):\n        return requests.get(u)\n\ndef c():\n    for u in all:\n        yield requests.get(u)\n\ndef d():\n    def e():\n        time.sleep(1)\n    yield 1\n",
        );
        let names: Vec<&str> = found.waits.iter().map(|function| &*function.name).collect();
        assert_eq!(names, ["a", "B.b", "e"]);
    }

    #[test]
    fn requests_without_a_time_out() {
        let found = read(
            FileId(0),
            "import requests\ndef a(u, **more):\n    requests.get(u)\n    requests.get(u, timeout=3)\n    requests.post(u, **more)\nx = requests.get(u)\n",
        );
        assert_eq!(found.untimed.len(), 1, "what runs at import is not in a request's way");
    }

    #[test]
    fn methods_that_coroutines_call() {
        let found = read(
            FileId(0),
            "async def a():\n    Store.load(1)\n    store.load(1)\n    await Store.get(1)\nclass Store:\n    async def b(self):\n        self.load(2)\n    @asynccontextmanager\n    async def c(self):\n        time.sleep(1)\n",
        );
        let names: Vec<&str> = found.called.iter().map(|called| &*called.call).collect();
        assert_eq!(names, ["Store.load", "Store.load"]);
        assert!(found.blocking[0].starts);
    }
}
