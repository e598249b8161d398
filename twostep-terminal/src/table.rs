//! Tables, laid out for the width of the terminal.

use crate::one_line;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::UnicodeWidthStr;

/// Blanks about a column.
const PADDING: usize = 2;

/// A table without lines, which `awk` can read too where standard output is no terminal: one line a row there, however long. What is in
/// it is made [`one_line`], so that nobody's text looks like a row.
///
/// On a terminal, lines that are too long are broken between words and nowhere else. Where not even that makes it fit, each row becomes
/// a list, one line a column.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    // A terminal that does not know how wide it is says 0.
    laid_out(header, rows, Table::new().width().filter(|columns| *columns > 0))
}

fn laid_out(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, columns: Option<u16>) -> String {
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let head = [header.iter().map(|name| (*name).to_owned()).collect()];
    let all = head.iter().chain(&rows);
    if let Some(lines) = lines(all.clone(), columns) {
        return lines;
    }
    let records = rows.iter().map(|row| {
        let fields = header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        let fields: Vec<Vec<String>> =
            fields.map(|(name, cell)| vec![(*name).to_owned(), cell.clone()]).collect();
        lines(fields.iter(), columns).or_else(|| lines(fields.iter(), None)).unwrap_or_default()
    });
    records.collect::<Vec<_>>().join("\n")
}

/// The lines, if they fit without a break in a word.
fn lines<'r>(rows: impl Iterator<Item = &'r Vec<String>> + Clone, columns: Option<u16>) -> Option<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.add_rows(rows.clone());
    if let Some(columns) = columns {
        let longest_word = |at: usize| {
            let cells = rows.clone().filter_map(|row| row.get(at));
            let words = cells.flat_map(|cell| cell.split_ascii_whitespace());
            words.map(UnicodeWidthStr::width).max().unwrap_or(0) + PADDING
        };
        let least: Vec<usize> = (0..table.column_count()).map(longest_word).collect();
        if least.iter().sum::<usize>() > columns.into() {
            return None;
        }
        let fixed = |width: &usize| Width::Fixed(u16::try_from(*width).unwrap_or(u16::MAX));
        table.set_constraints(least.iter().map(fixed).map(ColumnConstraint::LowerBoundary));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-03-14T15:09:26Z";

    fn row(name: &str, why: &str) -> Vec<String> {
        ["17", name, TIME, "3 days ago, submission, 2001:db8:4711:815:ffff:ffff:ffff:ffff", TIME, why]
            .map(str::to_owned)
            .to_vec()
    }

    const HEADER: [&str; 6] = ["ID", "NAME", "CREATED", "LAST USED", "UNTIL", ""];

    fn shown(rows: &[Vec<String>], columns: Option<u16>) -> String {
        laid_out(&HEADER, rows.iter().cloned(), columns)
    }

    #[test]
    fn no_width_breaks_a_word_and_80_columns_are_not_passed() {
        for (name, why) in [
            ("phone", ""),
            (
                "the old phone of the year before last, lent to a friend",
                "a sentence of some length, and a ticket",
            ),
            ("电话电话 电话电话电话电话 电话电话电话电话", "téléphone à clé"),
            (&"x".repeat(64), "SHA256:ohD8VZEXGWo6Ez8GSEJQ9WpafgLFsOfLOtGGQCQo6Og"),
        ] {
            let rows = [row(name, why), row("b", "")];
            for columns in [20, 40, 60, 79, 80, 100, 120, 132, 160, 200, 250] {
                let text = shown(&rows, Some(columns));
                for word in rows.iter().flatten().flat_map(|cell| cell.split(' ')) {
                    assert!(text.contains(word), "{word} is broken at {columns}:\n{text}");
                }
                let longest = text.lines().map(UnicodeWidthStr::width).max().unwrap();
                let allowed = if columns < 80 { 90 } else { usize::from(columns) };
                assert!(longest <= allowed, "{longest} of {columns}:\n{text}");
            }
        }
    }

    #[test]
    fn where_the_columns_do_not_fit_each_row_is_a_list() {
        let rows = [row("phone", "INC-4711"), row("tablet", "")];
        let text = shown(&rows, Some(40));
        let (first, second) = text.split_once("\n\n").unwrap();
        assert!(first.starts_with(" ID         17\n NAME       phone\n CREATED    2026-"), "{text}");
        assert!(first.ends_with("            INC-4711"), "{text}");
        assert!(second.contains("NAME       tablet\n"), "{text}");
        assert_eq!(second.lines().last().unwrap(), format!(" UNTIL      {TIME}"), "{text}");
    }

    #[test]
    fn what_fits_is_a_table_and_without_a_terminal_each_row_is_one_line() {
        let rows = [row("phone", &"word ".repeat(50)), row("tablet", "")];
        assert_eq!(shown(&rows, None).lines().count(), 3);
        let few = |columns| laid_out(&["ID", "SINCE"], [vec!["1".to_owned(), TIME.to_owned()]], columns);
        assert_eq!(few(Some(80)), format!(" ID  SINCE\n 1   {TIME}\n"));
        assert_eq!(few(None), few(Some(80)));
    }
}
