//! Edits of nginx's configuration: a directive set where it stands, added to its blocks, or put
//! beside another that it serves.

use super::{Directive, Nginx, literal, mark};
use crate::text::{Edit, indent, newline};

impl Nginx<'_> {
    /// The edits that give the directive a value in every block of that name that HTTP has: in
    /// place, else on a line of its own at the end of the block. None where the file has no such
    /// block.
    pub fn set(&self, context: &str, name: &str, value: &str) -> Vec<Edit> {
        let new = format!("{name} {};", literal(value));
        if context == self.top {
            let there = self.find(context, name).map(|entry| entry.set(self.text, value));
            return vec![there.unwrap_or_else(|| self.insert_at_top(&new))];
        }
        let blocks = self.directives.iter().enumerate();
        let blocks = blocks.filter(|(_, d)| d.name == context && d.block.is_some());
        // `upstream` of a `stream` has no `keepalive`.
        let blocks = blocks.filter(|(_, d)| !self.around(d).any(|outer| outer.name == "stream"));
        let set = |(block, _): (usize, &Directive)| {
            let inside = |d: &&Directive| d.within == Some(block);
            match self.anywhere(name).find(inside).and_then(|d| d.args.first()) {
                Some(word) => Some(word.replace(self.text, value)),
                None => self.insert_in(block, &new),
            }
        };
        blocks.filter_map(set).collect()
    }

    /// The edits that put a directive where each `beside` that passes requests to one of these
    /// upstreams takes it from: its own block, or the block around it that holds others of the
    /// name, as one block's hide those of the blocks around it.
    pub fn accompany(&self, beside: &str, upstreams: &[String], directive: &[&str]) -> Vec<Edit> {
        let Some((name, args)) = directive.split_first() else { return Vec::new() };
        let passes = self.anywhere(beside).filter(|d| {
            let target = d.args.first().map_or("", |word| word.text.as_str());
            let target = target.split_once("://").map_or(target, |(_, host)| host);
            let target = target.split(['/', ':']).next().unwrap_or_default();
            upstreams.iter().any(|upstream| upstream == target)
        });
        let mut edits: Vec<Edit> = Vec::new();
        for pass in passes {
            let edit = self.beside(pass, name, args);
            edits.extend(edit.filter(|edit| !edits.contains(edit)));
        }
        edits
    }

    /// The names of the upstreams that the file defines.
    pub fn upstreams(&self) -> impl Iterator<Item = String> {
        let blocks = self.anywhere("upstream").filter(|d| d.block.is_some());
        blocks.filter_map(|d| Some(d.args.first()?.text.clone()))
    }

    fn beside(&self, pass: &Directive, name: &str, args: &[&str]) -> Option<Edit> {
        let words: Vec<String> = args.iter().map(|arg| literal(arg)).collect();
        let new = format!("{name} {};", words.join(" "));
        let mut level = pass.within;
        loop {
            let here: Vec<&Directive> = self.anywhere(name).filter(|d| d.within == level).collect();
            if let Some(last) = here.last() {
                // One value each, or one value for each first argument.
                let same = here.iter().find(|d| args.len() < 2 || is(d, args[0]));
                return match (same, args) {
                    (Some(found), [value]) => Some(found.args.first()?)
                        .filter(|word| word.text != *value)
                        .map(|word| word.replace(self.text, value)),
                    (Some(_), _) => None,
                    (None, _) => Some(self.insert_behind(last, &new)),
                };
            }
            match level {
                Some(block) => level = self.directives[block].within,
                None => return Some(self.insert_behind(pass, &new)),
            }
        }
    }

    /// The blocks around a directive, innermost first.
    fn around<'s>(&'s self, directive: &'s Directive) -> impl Iterator<Item = &'s Directive> {
        let outer = |d: &&'s Directive| d.within.map(|block| &self.directives[block]);
        std::iter::successors(outer(&directive), move |d| outer(d))
    }

    fn insert_in(&self, block: usize, new: &str) -> Option<Edit> {
        let inside = self.directives[block].block.clone()?;
        let last = self.directives.iter().rfind(|d| d.within == Some(block));
        Some(match last {
            Some(last) => self.insert_behind(last, new),
            None if self.text[inside.clone()].contains('\n') => {
                let outer = indent(self.text, self.directives[block].range.start);
                Edit::insert(inside.start, format!("{}{outer}    {new}", newline(self.text)))
            }
            None => Edit::insert(inside.start, format!(" {new} ")),
        })
    }

    /// Behind the last simple directive, as blocks come last by habit.
    fn insert_at_top(&self, new: &str) -> Edit {
        match self.directives.iter().rfind(|d| d.within.is_none() && d.block.is_none()) {
            Some(last) => self.insert_behind(last, new),
            None => Edit::insert(mark(self.text), format!("{new}{}", newline(self.text))),
        }
    }

    /// On the line behind the directive, or on its own where something follows it there.
    fn insert_behind(&self, directive: &Directive, new: &str) -> Edit {
        let end = directive.range.end;
        // Other white space than this is a word to nginx.
        const BLANK: [char; 3] = [' ', '\t', '\r'];
        let rest = self.text[end..].split('\n').next().unwrap_or_default();
        let rest = rest.trim_end_matches(BLANK);
        if rest.is_empty() || rest.trim_start_matches(BLANK).starts_with('#') {
            let indent = indent(self.text, directive.range.start);
            return Edit::insert(end + rest.len(), format!("{}{indent}{new}", newline(self.text)));
        }
        Edit::insert(end, format!(" {new}"))
    }
}

fn is(directive: &Directive, first: &str) -> bool {
    directive.args.first().is_some_and(|word| word.text.eq_ignore_ascii_case(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::apply_all;

    const FRONT: &str = "\
http {
    proxy_set_header Host $host;
    upstream a { server 127.0.0.1:1; }
    upstream b {
        server 127.0.0.1:2;
        keepalive 4; # few
    }
    server {
        location / { proxy_pass http://a; }
        location /b {
            proxy_http_version 1.0;
            proxy_set_header connection close;
            proxy_pass http://b/x;
        }
        location /c {
            proxy_pass http://elsewhere;
        }
    }
}
stream {
    upstream s { server 127.0.0.1:3; }
}
";

    #[test]
    fn every_upstream_is_set() {
        let file = Nginx::parse(FRONT, "main").unwrap();
        let edited = apply_all(FRONT, file.set("upstream", "keepalive", "16"));
        let expected = FRONT
            .replace("127.0.0.1:1; }", "127.0.0.1:1; keepalive 16; }")
            .replace("keepalive 4; # few", "keepalive 16; # few");
        assert_eq!(edited, expected);
        assert!(file.set("geo", "x", "1").is_empty());
    }

    #[test]
    fn a_companion_stands_where_it_is_inherited_from() {
        let file = Nginx::parse(FRONT, "main").unwrap();
        let upstreams: Vec<String> = file.upstreams().collect();
        assert_eq!(upstreams, ["a", "b", "s"]);
        let edited = |directive: &[&str]| {
            apply_all(FRONT, file.accompany("proxy_pass", &upstreams, directive))
        };
        assert_eq!(
            edited(&["proxy_http_version", "1.1"]),
            FRONT
                .replace("http://a; }", "http://a; proxy_http_version 1.1; }")
                .replace("version 1.0", "version 1.1")
        );
        assert_eq!(
            edited(&["proxy_set_header", "Connection", ""]),
            FRONT.replace("$host;\n", "$host;\n    proxy_set_header Connection \"\";\n")
        );
        assert!(
            file.accompany("fastcgi_pass", &upstreams, &["fastcgi_keep_conn", "on"]).is_empty()
        );
    }
}
