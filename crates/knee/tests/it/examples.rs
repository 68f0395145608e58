//! Every example is started with the command of its own Dockerfile and asked the same questions:
//! they are one API, so the answers are the same bytes. Nothing is measured here.

use crate::process::{Answer, Process};

const EXAMPLES: [&str; 6] = ["php-fpm", "gunicorn", "uvicorn", "node", "go", "nginx"];

/// The three mixes, the defaults, none, too many, and what is not a number.
const QUERIES: [&str; 7] = [
    "?limit=20&wait=20",
    "?limit=100&wait=2",
    "?limit=2&wait=50",
    "",
    "?limit=0&wait=0",
    "?limit=999999&wait=1",
    "?limit=-1&wait=1e3",
];

fn orders(process: &Process, query: &str) -> Answer {
    process.get(&format!("/api/orders{query}"))
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: body.into() }
}

#[test]
fn every_example_gives_the_same_answers() {
    let backend = Process::backend(0);
    let expected: Vec<Answer> = QUERIES.iter().map(|query| orders(&backend, query)).collect();
    assert!(
        expected[0].body.starts_with(r#"[{"id":1,"customer":"c7919","lines":[{"sku":"sku-31","#)
    );
    assert_eq!(expected[4], answer(200, "[]"));
    for name in EXAMPLES {
        let example = Process::example(name, backend.port());
        for (query, expected) in QUERIES.iter().zip(&expected) {
            let got = orders(&example, query);
            assert!(got == *expected, "{name} answers {query} otherwise: {got:?}");
        }
        assert_eq!(example.get("/health"), answer(200, r#"{"status":"ok"}"#), "{name}");
        assert_eq!(example.get("/nothing"), answer(404, r#"{"error":"not found"}"#), "{name}");
    }
}

#[test]
fn an_example_says_that_its_backend_is_gone_and_finds_it_again() {
    // nginx is left out: the page of its 502 is its own.
    for name in EXAMPLES.into_iter().filter(|name| *name != "nginx") {
        let backend = Process::backend(0);
        let port = backend.port();
        let example = Process::example(name, port);
        let short = |example: &Process| orders(example, "?limit=0&wait=0");
        assert_eq!(short(&example), answer(200, "[]"), "{name}");
        drop(backend);
        assert_eq!(short(&example), answer(502, r#"{"error":"backend unavailable"}"#), "{name}");
        let _backend = Process::backend(port);
        assert_eq!(short(&example), answer(200, "[]"), "{name}");
    }
}
