//! Tables as kubectl prints them: no lines, three spaces between columns, nothing after the last.

/// Space between columns.
const GAP: usize = 3;
/// What stands where there is nothing.
pub(crate) const NONE: &str = "<none>";

/// A table in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    widths: Vec<usize>,
}

impl Table {
    /// A table with a line of column names.
    pub(crate) fn with_header<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut table = Self::default();
        table.push(names.into_iter().map(Into::into).collect());
        table
    }

    /// Adds a row. Cells are one line each: what would break the line is replaced.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        let row: Vec<String> = row.into_iter().map(one_line).collect();
        self.widen(&row);
        self.rows.push(row);
    }

    /// Makes room for a row without printing it, so that rows that come later line up with these.
    pub(crate) fn widen(&mut self, row: &[String]) {
        for (i, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match self.widths.get_mut(i) {
                Some(widest) => *widest = width.max(*widest),
                None => self.widths.push(width),
            }
        }
    }

    /// The rows gathered so far as text; they are forgotten, the widths are kept.
    pub(crate) fn take_text(&mut self) -> String {
        let rows = std::mem::take(&mut self.rows);
        rows.iter().map(|row| self.line(row)).collect()
    }

    fn line(&self, row: &[String]) -> String {
        let mut line = String::new();
        for (i, (cell, width)) in row.iter().zip(&self.widths).enumerate() {
            line.push_str(cell);
            if i + 1 < row.len() {
                let fill = width.saturating_sub(cell.chars().count()) + GAP;
                line.extend(std::iter::repeat_n(' ', fill));
            }
        }
        let mut line = line.trim_end().to_owned();
        line.push('\n');
        line
    }
}

/// Text of others may hold line breaks and escape sequences, which must not reach a terminal.
pub(crate) fn one_line(text: String) -> String {
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    } else {
        text
    }
}

/// `text`, or [`NONE`] when it is empty.
pub(crate) fn or_none(text: impl Into<String>) -> String {
    let text = text.into();
    if text.is_empty() { NONE.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_three_spaces_apart_and_lines_end_with_text() {
        let mut table = Table::with_header(["ID", "ALIAS", "AGE"]);
        table.push(vec!["a".into(), "long-alias".into(), "1d".into()]);
        table.push(vec!["é\u{1b}[31m".into(), String::new(), String::new()]);
        let text = table.take_text();
        assert_eq!(text, "ID       ALIAS        AGE\na        long-alias   1d\né [31m\n");
    }

    #[test]
    fn later_rows_line_up_with_earlier_ones() {
        let mut table = Table::with_header(["NAME", "AGE"]);
        assert_eq!(table.take_text(), "NAME   AGE\n");
        table.push(vec!["a".into(), "1d".into()]);
        assert_eq!(table.take_text(), "a      1d\n");
    }
}
