//! A table that fits the terminal: what matters least is left out first.

use crate::render::text::{cut, wide};

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// What stands above it.
    pub title: String,
    /// Whether its cells are numbers, aligned to the right.
    pub number: bool,
    /// 0 is never left out; of the others the largest goes first.
    pub spare: u8,
}

impl Column {
    /// A column of numbers.
    pub fn number(title: impl Into<String>, spare: u8) -> Column {
        Column { title: title.into(), number: true, spare }
    }

    /// A column of words.
    pub fn words(title: impl Into<String>, spare: u8) -> Column {
        Column { title: title.into(), number: false, spare }
    }
}

/// Columns and rows of the same length.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What stands in each column.
    pub columns: Vec<Column>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

const GAP: usize = 2;
/// What a last column of words needs at least.
const FLEXIBLE: usize = 20;

impl Table {
    /// Whether that width shows every column.
    pub fn fits(&self, width: usize) -> bool {
        self.width(&(0..self.columns.len()).collect::<Vec<_>>()) <= width
    }

    /// The title line and a line per row, none longer than `width`. A last column of words may
    /// be cut before another column is left out.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        while self.width(&kept) > width {
            let spare = |at: &usize| self.columns[kept[*at]].spare;
            let Some(least) = (0..kept.len()).filter(|at| spare(at) > 0).max_by_key(spare) else {
                break;
            };
            kept.remove(least);
        }
        let titles: Vec<&str> = self.columns.iter().map(|c| c.title.as_str()).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(String::as_str).collect());
        let line = |cells: Vec<&str>| cut(&self.line(&kept, &cells), width);
        std::iter::once(titles).chain(rows).map(line).collect()
    }

    /// The least width that shows these columns.
    fn width(&self, kept: &[usize]) -> usize {
        let gaps = GAP * kept.len().saturating_sub(1);
        let last = kept.last().filter(|column| !self.columns[**column].number);
        let needed = |column: &usize| match self.column_width(*column) {
            wide if Some(column) == last => wide.min(FLEXIBLE),
            wide => wide,
        };
        kept.iter().map(needed).sum::<usize>() + gaps
    }

    fn column_width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| wide(&row[column]));
        cells.chain([wide(&self.columns[column].title)]).max().unwrap_or(0)
    }

    fn line(&self, kept: &[usize], cells: &[&str]) -> String {
        let pad = |column: &usize| {
            let blank = " ".repeat(self.column_width(*column) - wide(cells[*column]));
            let number = self.columns[*column].number;
            if number { blank + cells[*column] } else { cells[*column].to_owned() + &blank }
        };
        let padded: Vec<String> = kept.iter().map(pad).collect();
        padded.join(&" ".repeat(GAP)).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            columns: vec![
                Column::number("trial", 0),
                Column::words("class", 2),
                Column::number("capacity", 0),
                Column::words("gave out", 1),
            ],
            rows: vec![
                vec!["1".into(), "sync".into(), "62.1/s".into(), "worker pool".into()],
                vec!["2".into(), "gthread".into(), "104/s".into(), "CPU quota".into()],
            ],
        }
    }

    #[test]
    fn numbers_stand_right_and_words_left() {
        assert_eq!(
            table().lines(80),
            [
                "trial  class    capacity  gave out",
                "    1  sync       62.1/s  worker pool",
                "    2  gthread     104/s  CPU quota",
            ]
        );
    }

    #[test]
    fn what_matters_least_goes_first_and_no_line_is_too_long() {
        assert_eq!(table().lines(30)[1], "    1    62.1/s  worker pool");
        assert_eq!(table().lines(16), ["trial  capacity", "    1    62.1/s", "    2     104/s"]);
        assert_eq!(table().lines(8)[0], "trial  …");
        for width in 1..60 {
            assert!(table().lines(width).iter().all(|line| wide(line) <= width));
        }
    }
}
