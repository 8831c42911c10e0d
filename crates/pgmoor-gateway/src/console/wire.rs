//! Tables as backend messages, as text or in PostgreSQL's binary formats.

use pgmoor_wire::tag;

use crate::table::{Cell, Column, Kind, Table};

/// How a column is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Binary,
}

/// The formats of a Bind message's result columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Formats(Vec<Format>);

impl Formats {
    pub(super) fn text() -> Self {
        Self(Vec::new())
    }

    fn of(&self, column: usize) -> Format {
        match self.0.as_slice() {
            [] => Format::Text,
            [all] => *all,
            each => each.get(column).copied().unwrap_or(Format::Text),
        }
    }
}

/// Reads what follows the names in a Bind message: no parameters, and the formats of the result.
pub(super) fn bind(mut rest: &[u8]) -> Result<Formats, &'static str> {
    let mut number = || -> Option<i16> {
        let (bytes, after) = rest.split_first_chunk()?;
        rest = after;
        Some(i16::from_be_bytes(*bytes))
    };
    let cut = "the Bind message is cut off";
    let parameter_formats = number().ok_or(cut)?;
    for _ in 0..parameter_formats {
        number().ok_or(cut)?;
    }
    if number().ok_or(cut)? != 0 {
        return Err("commands of the admin database take no parameters");
    }
    let count = number().ok_or(cut)?;
    let mut formats = Vec::new();
    for _ in 0..count {
        formats.push(match number().ok_or(cut)? {
            0 => Format::Text,
            1 => Format::Binary,
            _ => return Err("unknown result format"),
        });
    }
    Ok(Formats(formats))
}

fn message(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn count(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes()
}

pub(super) fn no_parameters(out: &mut Vec<u8>) {
    message(out, tag::PARAMETER_DESCRIPTION, |out| {
        out.extend_from_slice(&count(0));
    });
}

pub(super) fn row_description(out: &mut Vec<u8>, columns: &[Column], formats: &Formats) {
    message(out, tag::ROW_DESCRIPTION, |out| {
        out.extend_from_slice(&count(columns.len()));
        for (index, column) in columns.iter().enumerate() {
            out.extend_from_slice(column.name.as_bytes());
            // The name's end; of no table, and no column of it.
            out.extend_from_slice(&[0; 7]);
            let (oid, length): (u32, i16) = match column.kind {
                Kind::Text => (25, -1),
                Kind::Int4 => (23, 4),
                Kind::Int8 => (20, 8),
            };
            out.extend_from_slice(&oid.to_be_bytes());
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            out.extend_from_slice(match formats.of(index) {
                Format::Text => &[0, 0],
                Format::Binary => &[0, 1],
            });
        }
    });
}

pub(super) fn rows(out: &mut Vec<u8>, table: &Table, formats: &Formats) {
    for row in &table.rows {
        message(out, tag::DATA_ROW, |out| {
            out.extend_from_slice(&count(row.len()));
            for (index, (cell, column)) in row.iter().zip(table.columns).enumerate() {
                match value(cell, column.kind, formats.of(index)) {
                    Some(value) => {
                        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                        out.extend_from_slice(&length.to_be_bytes());
                        out.extend_from_slice(&value);
                    }
                    None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                }
            }
        });
    }
}

fn value(cell: &Cell, kind: Kind, format: Format) -> Option<Vec<u8>> {
    match (cell, kind, format) {
        (Cell::Int(number), Kind::Int4, Format::Binary) => {
            let number = i32::try_from(*number).unwrap_or(i32::MAX);
            Some(number.to_be_bytes().to_vec())
        }
        (Cell::Int(number), Kind::Int8, Format::Binary) => Some(number.to_be_bytes().to_vec()),
        // The binary format of text is the text.
        _ => cell.to_text().map(String::into_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_with_parameters_is_refused_and_without_gives_its_formats() {
        assert_eq!(bind(&[0, 0, 0, 0, 0, 0]), Ok(Formats::text()));
        let binary = bind(&[0, 0, 0, 0, 0, 1, 0, 1]).expect("one format for all");
        assert_eq!(binary.of(7), Format::Binary);
        assert!(bind(&[0, 0, 0, 1, 0, 0]).is_err());
        assert!(bind(&[0]).is_err());
    }
}
