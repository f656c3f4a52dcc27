//! Plain aligned tables.

use super::paint::{Paint, clean};

/// Which way a column leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lean {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table: two spaces between columns, a heading, no lines.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Lean)>,
    rows: Vec<Vec<String>>,
    spare: Vec<&'static str>,
}

impl Table {
    /// An empty one.
    pub fn new(columns: &[(&'static str, Lean)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new(), spare: Vec::new() }
    }

    /// These columns can be left out where there is no room, the first one first.
    pub fn spare(mut self, columns: &[&'static str]) -> Table {
        self.spare = columns.to_vec();
        self
    }

    /// Adds a row of as many cells as there are columns.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// The text, each line ending in a line feed; `columns_max` is the width of the terminal, if it is one.
    pub fn render(&self, paint: Paint, columns_max: Option<usize>) -> String {
        let width = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            cells.chain([self.columns[at].0.len()]).max().unwrap_or(0)
        };
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len()).map(|at| (at, width(at))).collect();
        for spare in &self.spare {
            let total: usize = shown.iter().map(|(_, width)| width + 2).sum();
            if columns_max.is_some_and(|max| total > max + 2) {
                shown.retain(|(at, _)| self.columns[*at].0 != *spare);
            }
        }
        let line = |cell: &dyn Fn(usize) -> String| {
            let padded = shown.iter().map(|&(at, width)| match self.columns[at].1 {
                Lean::Left => format!("{:<width$}", cell(at)),
                Lean::Right => format!("{:>width$}", cell(at)),
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut out = paint.bold(&line(&|at| self.columns[at].0.to_owned())) + "\n";
        for row in &self.rows {
            out += &line(&|at| row.get(at).cloned().unwrap_or_default());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_columns_go_where_there_is_no_room() {
        let mut table =
            Table::new(&[("NAME", Lean::Left), ("NOTE", Lean::Left), ("COUNT", Lean::Right)]).spare(&["NOTE"]);
        table.row(["a".to_owned(), "some\twords".to_owned(), "7".to_owned()]);
        let wide = "NAME  NOTE            COUNT\na     some\\u{9}words      7\n";
        assert_eq!(table.render(Paint(false), None), wide);
        assert_eq!(table.render(Paint(false), Some(27)), wide);
        assert_eq!(table.render(Paint(false), Some(26)), "NAME  COUNT\na         7\n");
        assert_eq!(table.render(Paint(false), Some(1)), "NAME  COUNT\na         7\n");
    }
}
