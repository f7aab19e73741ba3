//! Tables for people: columns as wide as what is in them, states in colour on a terminal.

use std::io::IsTerminal;

/// Rows under their heads.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(str::to_owned).into()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The table without a line break at its end, as standard output shall have it.
    pub(crate) fn text(&self) -> String {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        self.laid_out(colour)
    }

    fn laid_out(&self, colour: bool) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let lines: Vec<String> =
            self.rows.iter().map(|row| self::line(row, &widths, colour)).collect();
        lines.join("\n")
    }
}

fn line(row: &[String], widths: &[usize], colour: bool) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        // Nothing follows the last cell, so it needs no blanks.
        let is_last = column + 1 == row.len();
        let blanks = if is_last { 0 } else { width - cell.chars().count() + 2 };
        match colour.then(|| colour_of(cell)).flatten() {
            Some(code) => line.push_str(&format!("\u{1b}[{code}m{cell}\u{1b}[0m")),
            None => line.push_str(cell),
        }
        line.extend(std::iter::repeat_n(' ', blanks));
    }
    line.trim_end().to_owned()
}

/// Green for what is well, red for what is not, yellow for what is under way.
fn colour_of(cell: &str) -> Option<u8> {
    match cell {
        "HEALTHY" | "RUNNING" | "FINISHED" | "SUCCEEDED" | "COMPLETED" | "DEPLOYABLE"
        | "created" => Some(32),
        "UNHEALTHY" | "BROKEN" | "ERRORED" | "FAILED" | "REJECTED" | "TIMED_OUT"
        | "DISCONNECTED" | "conflict" | "failed" => Some(31),
        "ACTIVE" | "QUEUED" | "IN_PROGRESS" | "REQUESTED" => Some(33),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["DEVICE", "STATUS", "NOTE"]);
        table.row(["pump-é".to_owned(), "HEALTHY".to_owned(), String::new()]);
        table.row(["a".to_owned(), "UNHEALTHY".to_owned(), "since noon".to_owned()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_have_no_blanks_at_the_end() {
        let lines = "DEVICE  STATUS     NOTE\n\
                     pump-é  HEALTHY\n\
                     a       UNHEALTHY  since noon";
        assert_eq!(table().laid_out(false), lines);
    }

    #[test]
    fn colours_do_not_move_columns() {
        let line = table().laid_out(true).lines().nth(2).unwrap().to_owned();
        assert_eq!(line, "a       \u{1b}[31mUNHEALTHY\u{1b}[0m  since noon");
    }
}
