//! Text that fits the terminal.

pub use console::measure_text_width as wide;

/// The text, with an ellipsis where it is longer than `width`.
pub fn cut(text: &str, width: usize) -> String {
    if wide(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The text in lines of at most `width` columns, each with `indent` blanks before it. A word
/// that is longer stands on a line of its own.
pub fn wrap(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is a line");
        if last.is_empty() {
            last.push_str(word);
        } else if wide(last) + 1 + wide(word) <= room {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    let blank = " ".repeat(indent);
    lines.iter().map(|line| format!("{blank}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 2, 9), "  one two\n  three");
        assert_eq!(wrap("extraordinary one", 0, 5), "extraordinary\none");
        assert_eq!(cut("one two", 5), "one …");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_sticks_out(text in "[a-zé]{1,9}( [a-zé]{1,9}){0,20}", width in 9usize..60) {
            let wrapped = wrap(&text, 0, width);
            prop_assert!(wrapped.lines().all(|line| wide(line) <= width));
            prop_assert_eq!(wrapped.replace('\n', " "), text);
        }
    }
}
