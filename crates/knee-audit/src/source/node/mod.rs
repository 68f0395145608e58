//! JavaScript and TypeScript: servers, their keep-alive, handlers of signals, calls that block.

mod clients;
mod emitters;
mod handler;
mod reached;

pub use clients::Client;
pub use handler::Handler;
pub use reached::reached;

use super::tree::{around, children, each, field, parse, place, text};
use crate::picture::{FileId, Place};
use tree_sitter::Node;

/// What a JavaScript file says.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: FileId,
    /// Where a server begins to listen: the call of `listen`.
    pub listens: Vec<Place>,
    /// `keepAliveTimeout`, assigned or as an option: milliseconds where it is a constant.
    pub keep_alives: Vec<(Place, Option<f64>)>,
    /// `requestTimeout` or `headersTimeout` of a server, assigned 0.
    pub unlimited: Vec<Place>,
    /// Handlers of SIGTERM and SIGINT.
    pub handlers: Vec<Handler>,
    /// Whether a framework or a library drains on SIGTERM.
    pub hooked: bool,
    /// Synchronous calls in functions that take a request.
    pub blocking: Vec<(Place, String)>,
    /// As many processes as CPUs are seen: the place of the count, and how it is written.
    pub forks: Vec<(Place, String)>,
    /// Where CPUs are counted, whatever for.
    pub cpus: Option<(Place, String)>,
    /// Worker threads started in functions that take a request.
    pub threads: Vec<Place>,
    /// Clients and requests of axios that are given no time-out.
    pub untimed: Vec<Client>,
    /// Listeners that each request or connection adds to what all share, with the event.
    pub listeners: Vec<(Place, String)>,
    /// Clients of Prisma, each with a pool of its own.
    pub prisma: Vec<Place>,
    /// What it imports.
    pub imports: Vec<String>,
}

/// Names of calls that hold the event loop for long: disks, child processes, key derivation,
/// compression.
const BLOCKING: [&str; 22] = [
    "readFileSync",
    "writeFileSync",
    "appendFileSync",
    "readdirSync",
    "copyFileSync",
    "rmSync",
    "cpSync",
    "execSync",
    "execFileSync",
    "spawnSync",
    "pbkdf2Sync",
    "scryptSync",
    "hashSync",
    "compareSync",
    "genSaltSync",
    "generateKeyPairSync",
    "gzipSync",
    "gunzipSync",
    "deflateSync",
    "inflateSync",
    "brotliCompressSync",
    "brotliDecompressSync",
];
const VERBS: [&str; 9] = ["get", "post", "put", "patch", "delete", "all", "use", "route", "head"];
const HOOKS: [&str; 8] = [
    "enableShutdownHooks",
    "@godaddy/terminus",
    "http-terminator",
    "lightship",
    "http-graceful-shutdown",
    "close-with-grace",
    "fastify-graceful-shutdown",
    "express-graceful-exit",
];

/// Reads a file.
pub fn read(file: FileId, source: &str, typed: bool) -> Source {
    let mut found = Source {
        file,
        listens: Vec::new(),
        keep_alives: Vec::new(),
        unlimited: Vec::new(),
        handlers: Vec::new(),
        hooked: HOOKS.iter().any(|hook| source.contains(hook)),
        blocking: Vec::new(),
        forks: Vec::new(),
        cpus: None,
        threads: Vec::new(),
        untimed: Vec::new(),
        listeners: Vec::new(),
        prisma: Vec::new(),
        imports: Vec::new(),
    };
    let language = if typed {
        tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into()
    } else {
        tree_sitter_javascript::LANGUAGE.into()
    };
    let Some(tree) = parse(language, source) else { return found };
    let reader = Reader { file, source };
    found.cpus = reader.count();
    each(tree.root_node(), |node| match node.kind() {
        "import_statement" | "export_statement" => {
            let from = field(node, "source", source);
            found.imports.extend((!from.is_empty()).then(|| unquoted(from)));
        }
        "call_expression" => reader.call(node, &mut found),
        "new_expression" => {
            let made = field(node, "constructor", source);
            if matches!(made, "Worker" | "worker_threads.Worker")
                && source.contains("worker_threads")
                && reader.in_handler(node)
            {
                found.threads.push(reader.place(node));
            }
            // One that is kept in a global is shared by whoever loads the module.
            if made == "PrismaClient" && !source.contains("global") {
                found.prisma.push(reader.place(node));
            }
        }
        "assignment_expression" => {
            let (of, name) = field(node, "left", source).rsplit_once('.').unwrap_or_default();
            if let Some(value) = node.child_by_field_name("right") {
                reader.timeout(of, name, value, reader.place(node), &mut found);
            }
        }
        "pair" => {
            let name = unquoted(field(node, "key", source));
            if let Some(value) =
                node.child_by_field_name("value").filter(|_| name == "keepAliveTimeout")
            {
                reader.timeout("", &name, value, reader.place(node), &mut found);
            }
        }
        _ => {}
    });
    found
}

struct Reader<'a> {
    file: FileId,
    source: &'a str,
}

impl<'a> Reader<'a> {
    fn place(&self, node: Node<'_>) -> Place {
        place(self.file, node)
    }

    /// A time-out that is assigned to `of`. Clients of databases have a `requestTimeout`, too: only a
    /// server's counts.
    fn timeout(&self, of: &str, name: &str, value: Node<'_>, at: Place, found: &mut Source) {
        let value = product(text(value, self.source));
        match name {
            "keepAliveTimeout" => found.keep_alives.push((at, value)),
            "requestTimeout" | "headersTimeout" if value == Some(0.0) && is_server(of) => {
                found.unlimited.push(at)
            }
            _ => {}
        }
    }

    fn call(&self, node: Node<'_>, found: &mut Source) {
        let Some(function) = node.child_by_field_name("function") else { return };
        let name = text(function, self.source);
        let method = name.rsplit('.').next().unwrap_or_default();
        let arguments = node.child_by_field_name("arguments").map(children).unwrap_or_default();
        let first = arguments.first().map_or("", |a| text(*a, self.source));
        found.untimed.extend(self.untimed(node, name, &arguments));
        if matches!(method, "on" | "addListener") && self.adds_for_ever(node, function) {
            found.listeners.push((self.place(node), unquoted(first)));
        }
        match method {
            "require" if name == "require" => found.imports.push(unquoted(first)),
            "import" => found.imports.push(unquoted(first)),
            "listen"
                if name.contains('.')
                    && !local(first)
                    && !arguments.is_empty()
                    && self.listens(function) =>
            {
                // An earlier part of a chain of calls is not where it listens.
                let end = node
                    .child_by_field_name("function")
                    .map_or(node.start_byte(), |f| f.end_byte());
                let start = self.line_start(end).max(node.start_byte());
                found.listens.push(Place::new(self.file, start..node.end_byte()));
            }
            "on" | "once" | "addListener" if name.starts_with("process.") => {
                let signal = unquoted(first);
                if matches!(&*signal, "SIGTERM" | "SIGINT") {
                    found.handlers.push(self.handler(node, signal, arguments.get(1).copied()));
                }
            }
            "fork"
                if name == "cluster.fork"
                    || (name == "fork" && self.source.contains("cluster")) =>
            {
                found.forks.extend(self.count().filter(|_| found.forks.is_empty()));
            }
            _ if BLOCKING.contains(&method) && self.in_handler(node) => {
                found.blocking.push((self.place(node), method.into()));
            }
            _ => {}
        }
        // `for (const signal of ['SIGTERM', …]) process.on(signal, …)`
        if matches!(name, "process.on" | "process.once")
            && arguments.first().is_some_and(|a| a.kind() == "identifier")
            && self.source.contains("SIGTERM")
        {
            found.handlers.push(self.handler(node, "SIGTERM".into(), arguments.get(1).copied()));
        }
    }

    fn line_start(&self, offset: usize) -> usize {
        let line = self.source[..offset].rfind('\n').map_or(0, |n| n + 1);
        line + self.source[line..].len() - self.source[line..].trim_start().len()
    }

    /// Whether what listens is a server of HTTP, not a socket of something else.
    fn listens(&self, function: Node<'_>) -> bool {
        let receiver = field(function, "object", self.source);
        let http = [
            "http",
            "express",
            "fastify",
            "koa",
            "Koa",
            "NestFactory",
            "hapi",
            "restify",
            "server",
        ];
        let other =
            receiver.contains("net.") || receiver.contains("dgram") || receiver.contains("redis");
        !other && (http.iter().any(|word| self.source.contains(word)) || receiver == "app")
    }

    /// Where CPUs are counted for processes.
    fn count(&self) -> Option<(Place, String)> {
        for how in ["availableParallelism()", "os.cpus().length", "cpus().length", "cpus()"] {
            if let Some(at) = self.source.find(how) {
                return Some((Place::new(self.file, at..at + how.len()), how.into()));
            }
        }
        None
    }

    /// Whether the node is inside a function that takes a request: one that is given to a route, or
    /// whose parameters are called so. Not when it only makes such a function.
    fn in_handler(&self, node: Node<'_>) -> bool {
        let functions = around(node).filter(|n| {
            matches!(
                n.kind(),
                "arrow_function"
                    | "function_expression"
                    | "function_declaration"
                    | "method_definition"
                    | "function"
            )
        });
        let Some(nearest) = functions.into_iter().next() else { return false };
        let parameters = field(nearest, "parameters", self.source);
        let names: Vec<&str> = parameters
            .trim_matches(['(', ')'])
            .split(',')
            .map(|p| p.split([':', '=', '?']).next().unwrap_or_default().trim())
            .collect();
        match names[..] {
            [request, response, ..] => {
                matches!(request, "req" | "request" | "_req")
                    && matches!(response, "res" | "response" | "reply" | "rep" | "_res" | "h")
            }
            ["ctx" | "c" | "req" | "request" | "context" | "ctx, next"] => self.routed(nearest),
            _ => false,
        }
    }

    /// Whether a function is an argument of a route: `app.get('/', f)`.
    fn routed(&self, function: Node<'_>) -> bool {
        around(function).nth(1).filter(|n| n.kind() == "call_expression").is_some_and(|call| {
            let name = field(call, "function", self.source);
            let method = name.rsplit('.').next().unwrap_or_default();
            VERBS.contains(&method) && name.contains('.')
        })
    }
}

/// Whether the first argument names this machine: not what others reach.
fn local(text: &str) -> bool {
    text.contains("127.0.0.1") || text.contains("localhost")
}

fn unquoted(text: &str) -> String {
    text.trim_matches(['"', '\'', '`']).into()
}

/// Whether a name is one for a server: `httpServer`, `this.server`, `srv`.
fn is_server(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("server") || name.contains("srv")
}

/// A product of numbers: `65 * 1000`, `65_000`.
fn product(text: &str) -> Option<f64> {
    let factors = text.split('*').map(|factor| factor.trim().replace('_', "").parse::<f64>().ok());
    Some(factors.collect::<Option<Vec<f64>>>()?.iter().product())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn source(text: &str) -> Source {
        read(FileId(0), text, false)
    }

    #[test]
    fn a_server_and_its_keep_alive() {
        let found = source(
            "const app = express();\nconst server = app.listen(8080);\nserver.keepAliveTimeout = 65 * 1000;\n",
        );
        assert_eq!((found.listens.len(), found.keep_alives[0].1), (1, Some(65_000.0)));
        let found = source(
            "const server = http.createServer({ keepAliveTimeout: config.keep }, f);\nserver.listen(1)",
        );
        assert_eq!((found.listens.len(), found.keep_alives[0].1), (1, None));
    }

    #[test]
    fn time_outs_of_a_server_and_not_of_a_client() {
        let unlimited = |text: &str| source(text).unlimited.len();
        assert_eq!(unlimited("this.httpServer.requestTimeout = 0; srv.headersTimeout = 0"), 2);
        assert_eq!(unlimited("pool.config.requestTimeout = 0; server.requestTimeout = 9"), 0);
    }

    #[test]
    fn handlers_that_cut_and_those_that_drain() {
        let handler = |text: &str| {
            source(&format!("const http = 1; process.on('SIGTERM', {text})")).handlers.remove(0)
        };
        assert!(handler("() => { server.close(); process.exit(0) }").cut.is_some());
        assert!(handler("() => { server.close(() => process.exit(0)) }").cut.is_none());
        assert!(handler("async () => { await server.close(); process.exit(0) }").cut.is_none());
        assert!(
            handler("() => { server.close(); setTimeout(() => process.exit(1), 9000) }")
                .cut
                .is_none()
        );
        assert!(handler("() => { process.exit(0) }").exits.is_some());
        assert!(handler("() => process.exit(0)").exits.is_some());
        assert!(handler("async () => { await logs.stopLoop(); process.exit(0) }").exits.is_some());
        assert!(handler("async () => { await stop(); process.exit(0) }").exits.is_none());
        assert!(handler("() => { setTimeout(() => process.exit(0), 9000) }").exits.is_none());
        assert!(handler("shutdown").closes);
        let express = source("const app = express(); process.on('SIGTERM', () => { app.close() })");
        assert!(express.handlers[0].broken.is_some());
        let server = source(
            "const app = express(); const server = app.listen(1); process.on('SIGTERM', () => { server.close() })",
        );
        assert!(server.handlers[0].broken.is_none());
        let lingers = |text: &str| {
            let made = "const wss = new WebSocket.Server(o); const server = app.listen(1);";
            source(&format!("{made} process.on('SIGTERM', () => {{ {text} }})")).handlers[0].lingers
        };
        assert!(lingers("console.log('stopping')") && lingers("log.info('a'); wss.close()"));
        assert!(!lingers("server.close()") && !lingers("stop()") && !lingers("process.exit(0)"));
        assert!(!lingers("wss.close(() => server.close())") && !lingers("other.close()"));
    }

    #[test]
    fn what_blocks_in_a_handler_and_what_blocks_at_load() {
        let found = source(
            "const cert = fs.readFileSync('a');\napp.get('/', (req, res) => { res.send(fs.readFileSync('b')) });\nconst load = () => fs.readFileSync('c');",
        );
        assert_eq!(found.blocking.len(), 1);
        let hono = source("app.get('/', (c) => c.text(fs.readFileSync('b')))");
        assert_eq!(hono.blocking.len(), 1);
    }

    #[test]
    fn processes_from_the_count_of_cpus() {
        let found = source(
            "const n = os.availableParallelism(); for (let i = 0; i < n; i++) cluster.fork()",
        );
        assert_eq!(found.forks[0].1, "availableParallelism()");
    }

    #[test]
    fn typescript() {
        let found = read(
            FileId(0),
            "async function bootstrap(): Promise<void> { const app = await NestFactory.create(M); app.enableShutdownHooks(); await app.listen(port as number); }",
            true,
        );
        assert!(found.hooked && found.listens.len() == 1);
    }
}
