//! Rows for programs: CSV by RFC 4180, a JSON list, a JSON object a line.
//!
//! In: rows. Out: text, a row at a time. Bytes are written in hexadecimal, in every form. In CSV nothing is an empty cell, and a text
//! that a spreadsheet would run gets an apostrophe in front, as in every CSV of ours. In JSON a column whose name came before
//! gets a number behind it, so that no member is lost.

use super::{Form, Rows};
use crate::{
    cli::wiring::Cell,
    query::cell::{inert, put_line},
};
use serde::Serialize as _;
use std::{
    borrow::Cow,
    collections::HashSet,
    io::{self, Write},
};

/// A number that is not whole, as short as it can be read back; with a dot or an exponent, so that it stays one.
pub(super) fn real(number: f64) -> String {
    format!("{number:?}")
}

/// Writes CSV.
pub struct Csv<W: Write>(W);

impl<W: Write> Csv<W> {
    /// To `out`.
    pub fn new(out: W) -> Self {
        Self(out)
    }

    fn line(&mut self, cells: &[Cow<'_, str>]) -> io::Result<()> {
        let mut line = Vec::new();
        match cells {
            // An empty line would be no row.
            [only] if only.is_empty() => line.extend_from_slice(b"\"\"\r\n"),
            cells => put_line(&mut line, cells.iter().map(|cell| &**cell)),
        }
        self.0.write_all(&line)
    }
}

impl<W: Write> Rows for Csv<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.line(&names.iter().map(|name| inert(name)).collect::<Vec<_>>())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let text = |cell| match cell {
            &Cell::Null => Cow::Borrowed(""),
            &Cell::Integer(number) => Cow::Owned(number.to_string()),
            &Cell::Real(number) => Cow::Owned(real(number)),
            Cell::Text(text) => inert(text),
            Cell::Blob(bytes) => Cow::Owned(hex::encode(bytes)),
        };
        self.line(&cells.iter().map(text).collect::<Vec<_>>())
    }
}

impl<W: Write> Form for Csv<W> {
    fn finish(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes JSON.
pub struct Json<W: Write> {
    out: W,
    is_list: bool,
    /// The names, quoted.
    names: Vec<String>,
    is_first: bool,
}

impl<W: Write> Json<W> {
    /// One list.
    pub fn list(out: W) -> Self {
        Self { out, is_list: true, names: Vec::new(), is_first: true }
    }

    /// An object a line.
    pub fn lines(out: W) -> Self {
        Self { is_list: false, ..Self::list(out) }
    }

    fn cell(&mut self, cell: &Cell<'_>) -> io::Result<()> {
        let mut json = serde_json::Serializer::new(&mut self.out);
        let written = match cell {
            Cell::Null => ().serialize(&mut json),
            Cell::Integer(number) => number.serialize(&mut json),
            Cell::Real(number) => number.serialize(&mut json),
            Cell::Text(text) => text.serialize(&mut json),
            Cell::Blob(bytes) => hex::encode(bytes).serialize(&mut json),
        };
        Ok(written?)
    }
}

impl<W: Write> Rows for Json<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        let mut taken: HashSet<String> = HashSet::new();
        for name in names {
            let mut own = name.clone();
            let mut number = 2;
            while !taken.insert(own.clone()) {
                own = format!("{name}_{number}");
                number += 1;
            }
            self.names.push(serde_json::to_string(&own)?);
        }
        if self.is_list { self.out.write_all(b"[") } else { Ok(()) }
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        if self.is_list {
            self.out.write_all(if self.is_first { b"\n" } else { b",\n" })?;
        }
        self.is_first = false;
        for (at, cell) in cells.iter().enumerate() {
            self.out.write_all(if at == 0 { b"{" } else { b"," })?;
            let name = self.names.get(at).map_or("\"\"", String::as_str);
            self.out.write_all(name.as_bytes())?;
            self.out.write_all(b":")?;
            self.cell(cell)?;
        }
        self.out.write_all(if self.is_list { b"}" } else { b"}\n" })
    }
}

impl<W: Write> Form for Json<W> {
    fn finish(&mut self) -> io::Result<()> {
        if self.is_list {
            self.out.write_all(if self.is_first { b"]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(form: &mut dyn Form) {
        form.columns(&["id".into(), "=n".into(), "id".into()]).expect("columns");
        form.row(&[Cell::Integer(-7), Cell::Null, Cell::Real(1.0)]).expect("a row");
        let text = Cell::Text("=1+1, \"x\"\r\n\u{1b}[2J".into());
        form.row(&[text, Cell::Blob(&[0xca, 0xfe]), Cell::Real(f64::INFINITY)]).expect("a row");
        form.finish().expect("an end");
    }

    #[test]
    fn csv_quotes_and_runs_nothing() {
        let mut out = Vec::new();
        write(&mut Csv::new(&mut out));
        let expected = "id,'=n,id\r\n-7,,1.0\r\n\"'=1+1, \"\"x\"\"\r\n\u{1b}[2J\",cafe,inf\r\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
        let mut out = Vec::new();
        let mut csv = Csv::new(&mut out);
        csv.columns(&["a".into()]).expect("columns");
        csv.row(&[Cell::Null]).expect("a row");
        assert_eq!(out, b"a\r\n\"\"\r\n", "a row of nothing is no empty line");
    }

    #[test]
    fn json_keeps_every_column() {
        let (mut list, mut lines) = (Vec::new(), Vec::new());
        write(&mut Json::list(&mut list));
        write(&mut Json::lines(&mut lines));
        let first = r#"{"id":-7,"=n":null,"id_2":1.0}"#;
        let second = r#"{"id":"=1+1, \"x\"\r\n\u001b[2J","=n":"cafe","id_2":null}"#;
        assert_eq!(String::from_utf8(list).expect("UTF-8"), format!("[\n{first},\n{second}\n]\n"));
        assert_eq!(String::from_utf8(lines).expect("UTF-8"), format!("{first}\n{second}\n"));
        let mut none = Vec::new();
        let mut json = Json::list(&mut none);
        json.columns(&["a".into()]).expect("columns");
        json.finish().expect("an end");
        assert_eq!(none, b"[]\n");
    }
}
