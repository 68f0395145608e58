//! Directives of nginx in uWSGI's file.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{FileId, Found, Place, Runtime};
use crate::rules::Rule;
use crate::rules::reading::programs;
use knee_files::formats::unit;
use std::collections::BTreeSet;

/// The rule.
pub static RULE: Rule = Rule::new("uwsgi-option-unknown", include_str!("uwsgi_option_unknown.md"), check);

/// What nginx' directives begin with: <https://nginx.org/en/docs/http/ngx_http_uwsgi_module.html>.
const OF_NGINX: [&str; 3] = ["uwsgi_", "proxy_", "client_"];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Uwsgi) {
        let places = program.settings.values().filter_map(Found::place);
        let files: BTreeSet<FileId> = places.map(|place| place.file).filter(|id| subject.picture.files.get(*id).path.ends_with(".ini")).collect();
        for id in files.into_iter().filter(|id| seen.insert(*id)) {
            let text = &subject.picture.files.get(id).text;
            let sections = unit::parse(text, id.0);
            let keys = sections.iter().filter(|section| section.name == "uwsgi").flat_map(|section| &section.keys);
            // What is no option may be a name for other lines to use.
            let unused = |key: &str| !text.contains(&format!("%({key})"));
            let mut unknown = keys.filter(|(key, _)| OF_NGINX.iter().any(|start| key.starts_with(start)) && unused(key));
            let Some((key, node)) = unknown.next() else { continue };
            let message = format!("`{key}` is a directive of nginx: uWSGI does not know it, and passes over it without a word");
            let place = |range: std::ops::Range<usize>| Place::new(id, range);
            let finding = Finding::new(RULE.name, &service.name, &place(node.span.range.clone()), message)
                .severity(Severity::Low)
                .label("without effect here")
                .remedy("write it into nginx' location; what ends a request in uWSGI is harakiri, and `strict = true` makes such lines errors");
            found.push(unknown.fold(finding, |finding, (_, node)| finding.beside(Some(&place(node.span.range.clone())), "nor this one")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn a_name_that_other_lines_use() {
        let found = |more: &str| {
            let ini = format!("[uwsgi]\nclient_folder = /srv/app\nmodule = app\n{more}\n");
            let dockerfile = "FROM python:3.13\nCOPY . .\nCMD [\"uwsgi\", \"--ini\", \"uwsgi.ini\"]\n";
            check(&subject(&[("Dockerfile", dockerfile), ("uwsgi.ini", &ini)])).len()
        };
        assert_eq!((found("processes = 2"), found("processes = 2\nchdir = %(client_folder)")), (1, 0));
    }
}
