//! Tables: one definition that becomes a page, a TSV file or JSON, filtered and sorted by the address.

use std::cmp::Ordering;

use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::form::{Ask, BadAsk};

/// A column: its key in addresses and JSON, its title.
pub(crate) type Column = (&'static str, &'static str);

/// A cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// What TSV and JSON say, and what is searched.
    text: String,
    /// What the page shows instead of the text.
    shown: Option<Markup>,
    /// What it is sorted by instead of the text.
    number: Option<i64>,
}

impl Cell {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            shown: None,
            number: None,
        }
    }

    /// A number.
    pub(crate) fn number(number: i64) -> Self {
        Self {
            number: Some(number),
            ..Self::text(number.to_string())
        }
    }

    /// A moment: sorted and exported exactly, shown as an age.
    pub(crate) fn time(at: Option<jiff::Timestamp>, now: jiff::Timestamp) -> Self {
        let shown = at.map(|at| html! { time datetime=(at) title=(at) { (crate::words::when(at, now)) } });
        Self {
            number: Some(at.map_or(i64::MIN, jiff::Timestamp::as_millisecond)),
            shown: Some(shown.unwrap_or_default()),
            ..Self::text(at.map(|at| at.to_string()).unwrap_or_default())
        }
    }

    /// The same, shown like this on the page.
    pub(crate) fn shown(mut self, shown: Markup) -> Self {
        self.shown = Some(shown);
        self
    }

    /// The same, sorted by this.
    pub(crate) fn by(mut self, number: i64) -> Self {
        self.number = Some(number);
        self
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.number, other.number) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => self.text.to_lowercase().cmp(&other.text.to_lowercase()),
        }
    }
}

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) columns: &'static [Column],
    pub(crate) rows: Vec<Vec<Cell>>,
    /// What is said when there are no rows.
    pub(crate) empty: &'static str,
}

impl Table {
    /// The rows that contain the words of `q`, in the order of `sort` (a column's key, `-key` for the other way round).
    pub(crate) fn view(mut self, ask: &Ask) -> Result<Self, BadAsk> {
        let words: Vec<String> = ask.get("q").split_whitespace().map(str::to_lowercase).collect();
        self.rows.retain(|row| {
            let has = |word: &String| row.iter().any(|cell| cell.text.to_lowercase().contains(word));
            words.iter().all(has)
        });
        let sort = ask.get("sort");
        let (key, down) = sort.strip_prefix('-').map_or((sort, false), |key| (key, true));
        if key.is_empty() {
            return Ok(self);
        }
        let Some(at) = self.columns.iter().position(|(known, _)| *known == key) else {
            let known: Vec<&str> = self.columns.iter().map(|(key, _)| *key).collect();
            return Err(BadAsk {
                field: "sort",
                rule: format!(
                    "must be one of {}, with - in front for the other way round",
                    known.join(", ")
                ),
                value: sort.to_owned(),
            });
        };
        self.rows.sort_by(|a, b| match (a.get(at), b.get(at)) {
            (Some(a), Some(b)) if down => b.compare(a),
            (Some(a), Some(b)) => a.compare(b),
            _ => Ordering::Equal,
        });
        Ok(self)
    }

    /// Tab-separated, with a line of titles; tabs and line ends within cells become spaces.
    pub(crate) fn tsv(&self) -> String {
        let clean = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let titles: Vec<&str> = self.columns.iter().map(|(_, title)| *title).collect();
        let mut out = titles.join("\t") + "\n";
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| clean(&cell.text)).collect();
            out.push_str(&cells.join("\t"));
            out.push('\n');
        }
        out
    }

    /// A list of objects with the keys of the columns.
    pub(crate) fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let pairs = self.columns.iter().zip(row).map(|((key, _), cell)| {
                let number = cell.number.filter(|number| number.to_string() == cell.text);
                (
                    (*key).to_owned(),
                    number.map_or_else(|| Value::from(cell.text.clone()), Value::from),
                )
            });
            Value::Object(pairs.collect::<Map<_, _>>())
        });
        Value::Array(rows.collect())
    }

    /// On a page; the titles sort.
    pub(crate) fn html(&self, ask: &Ask) -> Markup {
        if self.rows.is_empty() {
            return html! { p.none { (self.empty) } };
        }
        let sort = ask.get("sort");
        html! {
            div.scroll tabindex="0" {
                table {
                    thead { tr {
                        @for (key, title) in self.columns {
                            @let down = format!("-{key}");
                            @let (next, order) = if sort == *key { (down.as_str(), "ascending") } else if sort == down { ("", "descending") } else { (*key, "none") };
                            th scope="col" aria-sort=(order) { a href=(ask.with("sort", next)) { (title) } }
                        }
                    } }
                    tbody {
                        @for row in &self.rows {
                            tr { @for cell in row { td { @match &cell.shown { Some(shown) => (shown), None => (cell.text) } } } }
                        }
                    }
                }
            }
        }
    }

    /// On a page where the address does not sort it.
    pub(crate) fn plain(&self) -> Markup {
        if self.rows.is_empty() {
            return html! { p.none { (self.empty) } };
        }
        html! {
            div.scroll tabindex="0" {
                table {
                    thead { tr { @for (_, title) in self.columns { th scope="col" { (title) } } } }
                    tbody {
                        @for row in &self.rows {
                            tr { @for cell in row { td { @match &cell.shown { Some(shown) => (shown), None => (cell.text) } } } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |name: &str, nodes: i64| vec![Cell::text(name), Cell::number(nodes)];
        Table {
            columns: &[("name", "Name"), ("nodes", "Nodes")],
            rows: vec![row("b\tc", 10), row("a", 9), row("A2", 100)],
            empty: "",
        }
    }

    #[test]
    fn the_address_filters_and_sorts() {
        for (address, expected) in [
            ("/", "Name\tNodes\nb c\t10\na\t9\nA2\t100\n"),
            ("/?sort=nodes", "Name\tNodes\na\t9\nb c\t10\nA2\t100\n"),
            ("/?sort=-name", "Name\tNodes\nb c\t10\nA2\t100\na\t9\n"),
            ("/?q=a&sort=-nodes", "Name\tNodes\nA2\t100\na\t9\n"),
        ] {
            let table = table().view(&Ask::of(&address.parse().unwrap())).unwrap();
            assert_eq!(table.tsv(), expected, "{address}");
        }
        let refused = table().view(&Ask::of(&"/?sort=age".parse().unwrap())).unwrap_err();
        assert!(
            refused.to_string().starts_with("sort: must be one of name, nodes"),
            "{refused}"
        );
    }

    #[test]
    fn json_has_numbers_as_numbers() {
        let json = table().view(&Ask::of(&"/?q=a2".parse().unwrap())).unwrap().json();
        assert_eq!(json, serde_json::json!([{"name": "A2", "nodes": 100}]));
    }
}
