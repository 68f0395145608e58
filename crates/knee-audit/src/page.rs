//! The page of a rule: Markdown whose examples are the rule's tests.
//!
//! A code block in the sections `Bad` and `Good` names its file behind the language:
//! ` ```json task-definition.json`. The blocks of a section are one repository.

/// A rule's page.
#[derive(Clone, Copy, Debug)]
pub struct Page(pub &'static str);

/// A file of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example<'a> {
    /// Path relative to the root.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
    /// How many such files there are; a `*` in the path is then the number.
    pub copies: usize,
}

impl Page {
    /// The first paragraph: what the rule finds.
    pub fn what(&self) -> &'static str {
        let below = self.0.split_once("\n\n").map_or("", |(_, rest)| rest);
        below.split("\n\n").next().unwrap_or_default().trim()
    }

    /// The text of the section of that name; empty where there is none.
    pub fn section(&self, name: &str) -> &'static str {
        let sections = self.0.split("\n## ").skip(1);
        let named = |s: &&'static str| s.lines().next().is_some_and(|title| title.trim() == name);
        sections
            .into_iter()
            .find(named)
            .map_or("", |s| s.split_once('\n').map_or("", |(_, rest)| rest))
    }

    /// The repository of the bad example.
    pub fn bad(&self) -> Vec<Example<'static>> {
        self.example("Bad")
    }

    /// The repository of the good example: the bad one's, with the files of the section `Good` in
    /// the place of those of the same name.
    pub fn good(&self) -> Vec<Example<'static>> {
        let good = self.example("Good");
        let kept = |bad: &Example| good.iter().all(|g| g.path != bad.path);
        let bad: Vec<_> = self.bad().into_iter().filter(kept).collect();
        bad.into_iter().chain(good).collect()
    }

    /// The files of the example in that section.
    fn example(&self, name: &str) -> Vec<Example<'static>> {
        let blocks = self.section(name).split("\n```").collect::<Vec<_>>();
        // Text and blocks alternate: the odd ones stand between two fences.
        let blocks = blocks.into_iter().enumerate().filter(|(at, _)| at % 2 == 1).map(|(_, b)| b);
        blocks
            .filter_map(|block| {
                let (head, text) = block.split_once('\n')?;
                let mut head = head.split_whitespace().skip(1);
                let path = head.next()?;
                Some(Example {
                    path,
                    text,
                    copies: head.next().and_then(|n| n.parse().ok()).unwrap_or(1),
                })
            })
            .collect()
    }

    /// Addresses that the page rests on.
    pub fn sources(&self) -> Vec<&'static str> {
        let words = self.section("Sources").split_whitespace();
        words.filter(|word| word.starts_with("https://")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_its_examples() {
        let page = Page(
            "# a\n\nWhat it finds.\n\nMore.\n\n## Bad\n\nText.\n\n```json a/b.json\n{\n}\n```\n```sh c.sh\nx\n```\n\n## Sources\n\n- https://example.com\n",
        );
        assert_eq!(page.what(), "What it finds.");
        let bad = page.example("Bad");
        assert_eq!(bad[0], Example { path: "a/b.json", text: "{\n}", copies: 1 });
        assert_eq!(bad[1], Example { path: "c.sh", text: "x", copies: 1 });
        assert_eq!(page.sources(), ["https://example.com"]);
        assert!(page.example("Good").is_empty());
    }
}
