//! A call that stops the event loop, in a coroutine.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{Program, Runtime};
use crate::source::python::{Blocking, Source};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("blocking-call-in-coroutine", include_str!("blocking_call_in_coroutine.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    let asynchronous = |program: &Program| {
        program.runtime == Runtime::Uvicorn
            || program.word("gunicorn.worker_class").is_some_and(|c| c.contains("Uvicorn") || c == "asgi" || c.contains("aiohttp"))
    };
    for (service, container, program) in programs(subject, |r| matches!(r, Runtime::Uvicorn | Runtime::Gunicorn)) {
        if !asynchronous(program) {
            continue;
        }
        for source in subject.code.python_of(program) {
            for call in &source.blocking {
                let message = format!("{} blocks the event loop: meanwhile this process answers nobody", call.call);
                found.push(finding(&service.name, call, message).beside(Some(start(container, program)), "one event loop for each process"));
            }
            for call in &source.called {
                let Some(inner) = waits(subject, program, source, &call.call) else { continue };
                let message = format!("{} blocks the event loop in {inner}: meanwhile this process answers nobody", call.call);
                found.push(finding(&service.name, call, message).beside(Some(start(container, program)), "one event loop for each process"));
            }
        }
    }
    found
}

fn finding(service: &str, call: &Blocking, message: String) -> Finding {
    Finding::new(RULE.name, service, &call.place, message)
        .severity(if call.in_route { Severity::High } else { Severity::Medium })
        .confidence(if call.in_route { Confidence::High } else { Confidence::Medium })
        .persona(if call.in_route { Persona::Regular } else { Persona::Pedantic })
        .label("waits in a coroutine")
        .remedy("await an asynchronous client, hand it to a thread (asyncio.to_thread), or write the route with `def`, which the framework runs in a thread")
}

/// What a function waits in that is called by this name in a file: its own, or an imported one.
fn waits(subject: &Subject, program: &Program, source: &Source, name: &str) -> Option<String> {
    let of = |source: &Source, name: &str| source.waits.iter().find(|(own, _)| own == name).map(|(_, call)| call.clone());
    if let Some((_, module, own)) = source.imports.iter().find(|(alias, _, _)| alias == name) {
        let end = format!("/{}.py", module.trim_start_matches('.').replace('.', "/"));
        let there = |other: &&Source| format!("/{}", subject.picture.files.get(other.file).path).ends_with(&end);
        return of(subject.code.python_of(program).find(there)?, own);
    }
    of(source, name)
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
            check(&subject(&[("Dockerfile", dockerfile), ("main.py", &main), ("store.py", store)])).len()
        };
        assert_eq!(found("return get('a')"), 1);
        assert_eq!(found("return await asyncio.to_thread(get, 'a')"), 0);
        assert_eq!(found("return name()"), 0);
    }
}
