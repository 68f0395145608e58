//! A call that stops the event loop, in a coroutine.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Program, Runtime};
use crate::source::python::{Blocking, Source, Waits};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("blocking-call-in-coroutine", include_str!("blocking_call_in_coroutine.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    let asynchronous = |program: &Program| {
        matches!(program.runtime, Runtime::Uvicorn | Runtime::Hypercorn)
            || program.word("gunicorn.worker_class").is_some_and(|c| c.contains("Uvicorn") || c == "asgi" || c.contains("aiohttp"))
    };
    for (service, container, program) in programs(subject, |r| matches!(r, Runtime::Uvicorn | Runtime::Hypercorn | Runtime::Gunicorn)) {
        if !asynchronous(program) {
            continue;
        }
        let beside = |finding: Finding| finding.beside(Some(start(container, program)), "one event loop for each process");
        for source in subject.code.python_of(program) {
            for call in &source.blocking {
                let message = format!("{} blocks the event loop: meanwhile this process answers nobody", call.call);
                found.push(beside(finding(&service.name, call, message)));
            }
            for call in &source.called {
                let Some(inner) = waits(subject, program, source, &call.call) else { continue };
                let message =
                    format!("{} blocks the event loop in {}: meanwhile this process answers nobody", call.call, inner.call);
                found.push(beside(finding(&service.name, call, message).beside(Some(&inner.place), "waits here")));
            }
        }
    }
    found
}

fn finding(service: &str, call: &Blocking, message: String) -> Finding {
    Finding::new(RULE.name, service, &call.place, message)
        .severity(if call.in_route { Severity::High } else { Severity::Medium })
        .confidence(if call.in_route { Confidence::High } else { Confidence::Medium })
        .persona(if call.starts { Persona::Pedantic } else { Persona::Regular })
        .label("waits in a coroutine")
        .remedy("await an asynchronous client, hand it to a thread (asyncio.to_thread), or write the route with `def`, which the framework runs in a thread")
}

/// The function or method that is called by this name in a file, its own or an imported one, if it waits.
fn waits<'s>(subject: &'s Subject, program: &'s Program, source: &'s Source, name: &str) -> Option<&'s Waits> {
    let of = |source: &'s Source, name: &str| source.waits.iter().find(|own| own.name == name);
    let (first, method) = name.split_once('.').map_or((name, None), |(class, method)| (class, Some(method)));
    match source.imports.iter().find(|import| import.alias == first) {
        Some(import) => {
            let name = method.map_or(import.name.clone(), |method| format!("{}.{method}", import.name));
            of(imported(subject, program, source, &import.module)?, &name)
        }
        None => of(source, name),
    }
}

/// The module that a file imports by this name: beside the file or above it, as many folders as the name has
/// dots before it; without dots the nearest.
fn imported<'s>(subject: &'s Subject, program: &'s Program, source: &Source, module: &str) -> Option<&'s Source> {
    let path = |source: &Source| format!("/{}", subject.picture.files.get(source.file).path);
    let name = module.trim_start_matches('.');
    let dots = module.len() - name.len();
    let file = format!("/{}.py", name.replace('.', "/"));
    let there = |folder: &str| subject.code.python_of(program).find(|other| path(other) == format!("{folder}{file}"));
    let own = path(source);
    let mut folders = own.match_indices('/').rev().map(|(at, _)| &own[..at]);
    match dots {
        0 => folders.find_map(there),
        up => folders.nth(up - 1).and_then(there),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn a_function_of_another_module_that_waits() {
        let dockerfile = "FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD [\"uvicorn\", \"main:app\"]\n";
        let store = "import boto3\ntable = boto3.resource('dynamodb').Table('t')\nclient = boto3.client('s3')\ndef load(key):\n    return client.get_object(Key=key)\ndef name():\n    return 'x'\n";
        let found = |body: &str| {
            let main = format!("from fastapi import FastAPI\nfrom store import load as get, name\napp = FastAPI()\n@app.get('/')\nasync def read():\n    {body}\n");
            check(&subject(&[("Dockerfile", dockerfile), ("main.py", &main), ("store.py", store)]))
        };
        let both = found("return get('a')");
        assert_eq!(both.len(), 1);
        assert_eq!(both[0].further[0].text, "waits here");
        assert!(both[0].message.starts_with("get blocks the event loop in client.get_object"), "{}", both[0].message);
        assert!(found("return await asyncio.to_thread(get, 'a')").is_empty());
        assert!(found("return name()").is_empty());
    }

    #[test]
    fn of_modules_of_one_name_the_one_that_is_meant() {
        let dockerfile = "FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD [\"uvicorn\", \"shop.main:app\"]\n";
        let waits = "import requests\ndef load(key):\n    return requests.get(key)\n";
        let found = |import: &str, at: &str| {
            let main = format!("from {import} import load\nasync def read():\n    return load('a')\n");
            check(&subject(&[("Dockerfile", dockerfile), ("shop/main.py", &main), ("shop/api/v.py", &main), (at, waits)])).len()
        };
        assert_eq!((found(".store", "shop/store.py"), found("..store", "shop/store.py")), (1, 1), "one of two files each");
        assert_eq!(found("shop.store", "shop/store.py"), 2);
        assert_eq!((found(".store", "store.py"), found("store", "other/store.py")), (0, 0));
    }
}
