//! From byte offsets to lines and columns, in Go's way of counting.

/// Line (from 1) and column of a byte offset. Go counts columns in bytes from 0, and operators compare its messages with ours.
pub(crate) fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = source.as_bytes().get(..offset.min(source.len())).unwrap_or_default();
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    let column = match before.iter().rposition(|b| *b == b'\n') {
        Some(newline) => before.len() - newline - 1,
        None => before.len(),
    };
    (line, column)
}

/// The byte offset of a line (from 1) and a column in characters (from 1), which is how `gotmpl` reports its errors.
pub(crate) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for (number, content) in text.split('\n').enumerate() {
        if number + 1 == line {
            let within = content
                .char_indices()
                .nth(column.saturating_sub(1))
                .map_or(content.len(), |(at, _)| at);
            return start + within;
        }
        start += content.len() + 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_bytes_from_zero() {
        assert_eq!(line_and_column("ab\ncd", 0), (1, 0));
        assert_eq!(line_and_column("ab\ncd", 4), (2, 1));
        assert_eq!(line_and_column("é\nß!", 5), (2, 2));
        assert_eq!(line_and_column("ab", 99), (1, 2));
    }

    #[test]
    fn offsets_come_back_from_characters() {
        assert_eq!(offset_of("ab\ncd", 2, 2), 4);
        assert_eq!(offset_of("éé", 1, 2), 2);
        assert_eq!(offset_of("a", 9, 9), 1);
    }
}
