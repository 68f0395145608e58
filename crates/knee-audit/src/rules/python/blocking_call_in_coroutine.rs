//! A call that stops the event loop, in a coroutine.

use crate::Subject;
use crate::finding::{Confidence, Finding, Label, Persona, Severity};
use crate::picture::{Program, Runtime};
use crate::source::python::{Blocking, OfMade, Reached};
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
        let reached = Reached::new(&subject.code, &subject.picture.files, program);
        for source in subject.code.python_of(program) {
            let mut told = Vec::new();
            let of_client = |made: &&OfMade| made.waits.is_none() && reached.makes_client(source, &made.maker);
            let made = source.of_made.iter().filter(of_client).map(|made| &made.call);
            for call in source.blocking.iter().chain(made) {
                let message = format!("{} blocks the event loop: meanwhile this process answers nobody", call.call);
                told.push(beside(finding(&service.name, call, message)));
            }
            for call in &source.called {
                let Some(way) = reached.waits(source, &call.call) else { continue };
                let Some((inner, between)) = way.split_last() else { continue };
                let message =
                    format!("{} blocks the event loop in {}: meanwhile this process answers nobody", call.call, inner.call);
                let mut said = finding(&service.name, call, message).beside(Some(&inner.place), "waits here");
                for step in between {
                    said = said.beside(Some(&step.place), format!("by way of {}", step.call));
                }
                told.push(beside(said));
            }
            found.extend(together(told));
        }
    }
    found
}

/// A file's findings, those outside routes as one: who mends one mends them all.
fn together(told: Vec<Finding>) -> Vec<Finding> {
    let (mut kept, others): (Vec<Finding>, Vec<Finding>) =
        told.into_iter().partition(|finding| finding.severity == Severity::High || finding.persona != Persona::Regular);
    let mut others = others.into_iter();
    if let Some(mut first) = others.next() {
        let more = others.len();
        for other in others {
            first.further.push(Label { place: other.primary.place, text: "and this one".into() });
        }
        if more > 0 {
            first.message = first.message.replacen(": meanwhile", &format!(", as {more} more in this file: meanwhile"), 1);
        }
        kept.push(first);
    }
    kept
}

fn finding(service: &str, call: &Blocking, message: String) -> Finding {
    Finding::new(RULE.name, service, &call.place, message)
        .severity(if call.in_route { Severity::High } else { Severity::Medium })
        .confidence(if call.in_route { Confidence::High } else { Confidence::Medium })
        .persona(if call.starts { Persona::Pedantic } else { Persona::Regular })
        .label("waits in a coroutine")
        .remedy("await an asynchronous client, hand it to a thread (asyncio.to_thread), or write the route with `def`, which the framework runs in a thread")
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

    #[test]
    fn clients_that_other_functions_make_and_functions_between() {
        let dockerfile = "FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD [\"uvicorn\", \"app.main:app\"]\n";
        let aws = "import boto3\ndef maker(service):\n    own = None\n    def client():\n        nonlocal own\n        own = boto3.client(service)\n        return own\n    return client\ns3 = maker('s3')\ndef files():\n    pages = s3().get_paginator('list_objects_v2')\n    return list(s3().list_objects())\ndef name():\n    return s3().get_paginator('x')\n@lru_cache\ndef once():\n    return s3().list_buckets()\n";
        let package = "import boto3\nfrom ..aws import files, s3\ndef verify(uri):\n    return files()\ndef sign():\n    return s3().generate_presigned_url('get_object')\n";
        let found = |body: &str| {
            let main = format!("from .aws import s3, name, once\nfrom .routes import verify, sign\nasync def read():\n    {body}\n");
            let files = [("Dockerfile", dockerfile), ("app/main.py", &*main), ("app/aws.py", aws), ("app/routes/__init__.py", package)];
            check(&subject(&files))
        };
        assert!(found("c = s3()\n    return c.get_object(Key='a')")[0].message.starts_with("c.get_object blocks"));
        assert_eq!(found("return s3().get_object(Key='a')").len(), 1);
        let far = found("verify('a')");
        assert!(far[0].message.starts_with("verify blocks the event loop in s3().list_objects"), "{}", far[0].message);
        assert_eq!(far[0].further[1].text, "by way of files");
        let both = found("s3().get_object()\n    verify('a')");
        assert_eq!((both.len(), &*both[0].further[1].text), (1, "and this one"));
        assert!(both[0].message.contains(", as 1 more in this file: "), "{}", both[0].message);
        for harmless in ["s3().get_paginator('a')", "name()", "sign()", "once()", "await s3().get_object(Key='a')", "other().get_object()"] {
            assert!(found(harmless).is_empty(), "{harmless}");
        }
    }
}
