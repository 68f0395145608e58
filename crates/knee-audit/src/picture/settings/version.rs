//! The version of a runtime, as far as an image's name says it.

use crate::picture::found::Found;
use crate::picture::image::Built;
use crate::picture::program::{Runtime, is_python};

/// The version of a runtime, as its base image's tag says it.
pub(super) fn version(
    built: &Built,
    runtime: Runtime,
    command: &[String],
) -> Option<Found<String>> {
    let base = built.image.base.as_ref()?;
    let (text, place) = (base.get()?, base.place()?);
    let fits = match runtime {
        Runtime::PhpFpm | Runtime::Apache | Runtime::Octane => "php",
        Runtime::Node => "node",
        Runtime::Gunicorn
        | Runtime::Uvicorn
        | Runtime::Hypercorn
        | Runtime::Uwsgi
        | Runtime::Celery => "python",
        Runtime::Nginx => "nginx",
        Runtime::Go => "golang",
        Runtime::Worker | Runtime::Other if is_python(command) => "python",
        Runtime::Worker | Runtime::Other => return None,
    };
    Some(Found::at(said(text, fits, |name| name.contains(fits))?, place.clone()))
}

/// The version that an image's name says of what `fits`, in the tag of an image that `is` it or behind its
/// own name in the tag: `python:3.12-slim`, `wordpress:6.8-php8.4-fpm`, `python-nodejs:python3.13-nodejs22`.
pub(crate) fn said(image: &str, fits: &str, is: impl Fn(&str) -> bool) -> Option<String> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    let (name, tag) = name.split_once(':')?;
    let inner = tag.find(fits).map(|at| &tag[at..]);
    let tag = inner.or_else(|| is(name).then_some(tag))?;
    let digits: String = tag
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let version = digits.trim_end_matches('.');
    (!version.is_empty()).then(|| version.to_string())
}
