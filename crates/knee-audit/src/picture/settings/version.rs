//! The version of a runtime, as far as an image says it.

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
    let name = text.split('@').next()?.rsplit('/').next()?;
    let (name, tag) = name.split_once(':')?;
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
    // `wordpress:6.8-php8.4-fpm`, `python-nodejs:python3.13-nodejs22`
    let inner = tag.find(fits).map(|at| &tag[at..]);
    let tag = inner.unwrap_or(tag);
    let digits: String = tag
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let version = digits.trim_end_matches('.').to_string();
    ((name.contains(fits) || inner.is_some()) && !version.is_empty())
        .then(|| Found::at(version, place.clone()))
}
