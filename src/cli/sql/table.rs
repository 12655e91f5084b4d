//! Rows for people: a line a row, or a block a row where the lines would be too wide to be read.
//!
//! In: rows. Out: lines no wider than the screen, without anything that steers it. The first rows decide how wide each column is, so
//! that memory does not grow with their number; what is longer ends with `…`.

use super::{Form, Rows, forms::real};
use crate::cli::{
    terminal::{Screen, Tone, cut, fit, fit_right, inert, width},
    wiring::Cell,
};
use std::io::{self, Write};

/// Rows that decide about the layout.
const SAMPLE_ROWS: usize = 500;
/// Bytes of them.
const SAMPLE_BYTES: usize = 1 << 20;
/// A column that is no wider than a time is cut only when it does not help to cut the others down to [`LONG_MIN`] places.
const SHORT_MAX: usize = "2026-07-07T16:35:14.123456Z".len();
const LONG_MIN: usize = 8;
/// Then all columns may be cut down to this many places; when that is not enough, each row is a block.
const COLUMN_MIN: usize = 12;
/// Between two columns.
const GAP: &str = "  ";

/// A cell as it is shown.
struct Shown {
    text: String,
    is_number: bool,
}

/// A column of lines.
struct Column {
    width: usize,
    is_right: bool,
}

impl Column {
    fn fit(&self, text: &str) -> String {
        if self.is_right { fit_right(text, self.width) } else { fit(text, self.width) }
    }
}

enum Layout {
    Lines(Vec<Column>),
    /// Places of the longest name.
    Blocks(usize),
}

/// Writes a table.
pub struct Table<W: Write> {
    out: W,
    screen: Screen,
    names: Vec<String>,
    sample: Vec<Vec<Shown>>,
    sample_bytes: usize,
    layout: Option<Layout>,
    rows: u64,
}

impl<W: Write> Table<W> {
    /// To `out`, which is a screen like this.
    pub fn new(out: W, screen: Screen) -> Self {
        Self { out, screen, names: Vec::new(), sample: Vec::new(), sample_bytes: 0, layout: None, rows: 0 }
    }

    fn shown(&self, cell: &Cell<'_>) -> Shown {
        let text = |text: String| Shown { text, is_number: false };
        match cell {
            Cell::Null => text(String::new()),
            Cell::Integer(number) => Shown { text: number.to_string(), is_number: true },
            Cell::Real(number) => Shown { text: real(*number), is_number: true },
            Cell::Text(long) => text(self.short(long)),
            Cell::Blob(bytes) => text(self.short(&hex::encode(&bytes[..bytes.len().min(self.screen.width)]))),
        }
    }

    /// As much of a text as a line can hold, inert.
    fn short(&self, text: &str) -> String {
        // Some letters have no width; a few of them are enough.
        let letters = text.char_indices().nth(self.screen.width * 4).map_or(text.len(), |(at, _)| at);
        cut(&inert(&text[..letters]), self.screen.width)
    }

    fn lay_out(&self) -> Layout {
        let mut columns: Vec<Column> =
            self.names.iter().map(|name| Column { width: width(name), is_right: true }).collect();
        for row in &self.sample {
            for (column, shown) in columns.iter_mut().zip(row) {
                column.width = column.width.max(width(&shown.text));
                column.is_right &= shown.is_number || shown.text.is_empty();
            }
        }
        let gaps = GAP.len() * columns.len().saturating_sub(1);
        let room = self.screen.width.saturating_sub(gaps);
        let cut_to = |most: usize, kept: usize| {
            columns.iter().map(|it| if it.width <= kept { it.width } else { it.width.min(most) }).collect::<Vec<_>>()
        };
        let fits = |widths: &Vec<usize>| widths.iter().sum::<usize>() <= room;
        let long = (LONG_MIN..=room).rev().map(|most| cut_to(most, SHORT_MAX)).find(fits);
        match long.or_else(|| (COLUMN_MIN..=room).rev().map(|most| cut_to(most, 0)).find(fits)) {
            Some(widths) => {
                columns.iter_mut().zip(widths).for_each(|(column, width)| column.width = width);
                Layout::Lines(columns)
            }
            None => {
                let longest = self.names.iter().map(|name| width(name)).max().unwrap_or(0);
                Layout::Blocks(longest.min(self.screen.width / 2))
            }
        }
    }

    /// Decides about the layout and writes the rows that it was decided by.
    fn begin(&mut self) -> io::Result<Layout> {
        let layout = self.lay_out();
        if let Layout::Lines(columns) = &layout {
            let line = |cells: Vec<String>| cells.join(GAP).trim_end().to_owned();
            let names = line(columns.iter().zip(&self.names).map(|(column, name)| column.fit(name)).collect());
            let rule = line(columns.iter().map(|column| "─".repeat(column.width)).collect());
            writeln!(self.out, "{}", self.screen.paint(Tone::Strong, &names))?;
            writeln!(self.out, "{}", self.screen.paint(Tone::Quiet, &rule))?;
        }
        for row in std::mem::take(&mut self.sample) {
            self.write(&layout, &row)?;
        }
        Ok(layout)
    }

    fn write(&mut self, layout: &Layout, row: &[Shown]) -> io::Result<()> {
        self.rows += 1;
        match layout {
            Layout::Lines(columns) => {
                let cells: Vec<String> =
                    columns.iter().zip(row).map(|(column, shown)| column.fit(&shown.text)).collect();
                writeln!(self.out, "{}", cells.join(GAP).trim_end())
            }
            Layout::Blocks(longest) => {
                let head = format!("── {}", self.rows);
                writeln!(self.out, "{}", self.screen.paint(Tone::Quiet, &head))?;
                let room = self.screen.width.saturating_sub(longest + GAP.len());
                for (name, shown) in self.names.iter().zip(row) {
                    let name = fit(name, *longest);
                    let value = cut(&shown.text, room);
                    let end = if value.is_empty() { String::new() } else { format!("{GAP}{value}") };
                    let name = if end.is_empty() { name.trim_end() } else { &name };
                    writeln!(self.out, "{}{end}", self.screen.paint(Tone::Strong, name))?;
                }
                Ok(())
            }
        }
    }
}

impl<W: Write> Rows for Table<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.names = names.iter().map(|name| self.short(name)).collect();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let row: Vec<Shown> = cells.iter().map(|cell| self.shown(cell)).collect();
        let layout = match self.layout.take() {
            Some(layout) => {
                self.write(&layout, &row)?;
                layout
            }
            None => {
                self.sample_bytes += row.iter().map(|shown| shown.text.len()).sum::<usize>();
                self.sample.push(row);
                if self.sample.len() < SAMPLE_ROWS && self.sample_bytes < SAMPLE_BYTES {
                    return Ok(());
                }
                self.begin()?
            }
        };
        self.layout = Some(layout);
        Ok(())
    }
}

impl<W: Write> Form for Table<W> {
    fn finish(&mut self) -> io::Result<()> {
        if self.layout.is_none() {
            if self.sample.is_empty() {
                writeln!(self.out, "No rows.")?;
            } else {
                self.layout = Some(self.begin()?);
            }
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(screen: Screen, names: &[&str], rows: &[Vec<Cell<'_>>]) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out, screen);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        table.columns(&names).expect("columns");
        rows.iter().for_each(|row| table.row(row).expect("a row"));
        table.finish().expect("an end");
        String::from_utf8(out).expect("UTF-8")
    }

    fn rows() -> Vec<Vec<Cell<'static>>> {
        let text = |text: &'static str| Cell::Text(text.into());
        vec![
            vec![
                text("brave_otter"),
                Cell::Integer(12),
                text("2026-07-06T09:10:00Z"),
                text(r#"{"status":"SUCCESSFUL","taskType":"reconnect"}"#),
            ],
            vec![text("日本語"), Cell::Integer(-1_200), Cell::Null, text("a\u{1b}[2Jb\nc\u{202e}d")],
            vec![Cell::Null, Cell::Null, Cell::Null, Cell::Blob(&[0xca, 0xfe])],
        ]
    }

    const NAMES: [&str; 4] = ["connection_id", "n", "created", "data"];

    #[test]
    fn a_row_is_a_line_or_a_block() {
        insta::assert_snapshot!("lines", table(Screen { width: 100, colour: false }, &NAMES, &rows()));
        let mut wide = rows();
        wide.iter_mut().for_each(|row| row.extend(row.clone()));
        let names = [NAMES, ["d", "e", "f", "a_long_name_of_a_column"]].concat();
        insta::assert_snapshot!("blocks", table(Screen { width: 60, colour: false }, &names, &wide));
        insta::assert_snapshot!("cut", table(Screen { width: 60, colour: false }, &NAMES, &rows()));
        assert_eq!(table(Screen { width: 60, colour: false }, &NAMES, &[]), "No rows.\n");
        let coloured = table(Screen { width: 80, colour: true }, &NAMES, &rows());
        assert!(coloured.contains("\u{1b}[1m") && !coloured.contains("\u{1b}[2J"), "{coloured}");
    }

    #[test]
    fn the_first_rows_decide_and_later_ones_are_cut() {
        let mut rows = vec![vec![Cell::Text("short".into())]; SAMPLE_ROWS];
        rows.push(vec![Cell::Text("a text that is longer than those".into())]);
        let text = table(Screen { width: 80, colour: false }, &["t"], &rows);
        assert_eq!(text.lines().count(), SAMPLE_ROWS + 3);
        assert_eq!(text.lines().last(), Some("a te…"));
    }

    proptest::proptest! {
        /// Names and values come from anywhere.
        #[test]
        fn nothing_steers_the_terminal_or_is_wider_than_it(
            texts in proptest::collection::vec(proptest::prelude::any::<String>(), 1..9),
            columns in 60_usize..160,
        ) {
            let names: Vec<&str> = texts.iter().map(String::as_str).collect();
            let row: Vec<Cell<'_>> = texts.iter().map(|text| Cell::Text(text.into())).collect();
            for line in table(Screen { width: columns, colour: false }, &names, &[row]).lines() {
                proptest::prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
                proptest::prop_assert!(width(line) <= columns, "{} {:?}", columns, line);
            }
        }
    }
}
