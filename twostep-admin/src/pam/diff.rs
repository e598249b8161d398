//! A unified diff of two short texts.

/// Lines around a change.
const CONTEXT: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Same,
    Out,
    In,
}

/// How `new` differs from `old`, as diff -u tells it.
pub(crate) fn unified(path: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let lines = edits(&old, &new);
    let near = |at: usize| {
        let around = at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(lines.len());
        lines.get(around).is_some_and(|lines| lines.iter().any(|(kind, _)| *kind != Kind::Same))
    };
    let mut text = format!("--- {path}\n+++ {path}\n");
    let (mut at, mut before, mut after) = (0, 1, 1);
    while at < lines.len() {
        let hunk: Vec<_> =
            lines.iter().enumerate().skip(at).take_while(|(at, _)| near(*at)).map(|(_, line)| line).collect();
        if hunk.is_empty() {
            at += 1;
            before += 1;
            after += 1;
            continue;
        }
        let count = |without: Kind| hunk.iter().filter(|(kind, _)| *kind != without).count();
        let (out, into) = (count(Kind::In), count(Kind::Out));
        text.push_str(&format!("@@ -{before},{out} +{after},{into} @@\n"));
        for (kind, line) in &hunk {
            let sign = match kind {
                Kind::Same => ' ',
                Kind::Out => '-',
                Kind::In => '+',
            };
            text.push_str(&format!("{sign}{line}\n"));
        }
        at += hunk.len();
        before += out;
        after += into;
    }
    text
}

/// The most cells of the table of common subsequences: some 30 MiB. Beyond that all is told as replaced.
const CELLS_MAX: usize = 4 << 20;

/// By the longest common subsequence of what is between the first and the last change.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Kind, &'a str)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_middle, old_tail) = old_rest.split_at(old_rest.len() - tail);
    let new_middle = &new_rest[..new_rest.len() - tail];
    let mark = |kind: Kind, lines: &[&'a str]| lines.iter().map(|line| (kind, *line)).collect::<Vec<_>>();
    let middle = if (old_middle.len() + 1).saturating_mul(new_middle.len() + 1) > CELLS_MAX {
        [mark(Kind::Out, old_middle), mark(Kind::In, new_middle)].concat()
    } else {
        common(old_middle, new_middle)
    };
    [mark(Kind::Same, &old[..head]), middle, mark(Kind::Same, old_tail)].concat()
}

fn common<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Kind, &'a str)> {
    let mut longest = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            longest[i][j] =
                if a == b { longest[i + 1][j + 1] + 1 } else { longest[i + 1][j].max(longest[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((Kind::Same, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push((Kind::Out, old[i]));
            i += 1;
        } else {
            lines.push((Kind::In, new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_a_change_is_shown() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\nj\nk\nl\nm\n";
        let expected = "--- x\n+++ x\n@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n@@ -10,3 +10,4 @@\n j\n k\n l\n+m\n";
        assert_eq!(unified("x", old, new), expected);
    }

    #[test]
    fn a_long_text_is_compared_without_a_table_of_all_its_lines() {
        let old: String = (0..200_000).map(|number| format!("{number}\n")).collect();
        let new = old.replacen("\n100000\n", "\nother\n", 1);
        let told = unified("x", &old, &new);
        assert!(told.ends_with(" 99999\n-100000\n+other\n 100001\n 100002\n 100003\n"), "{told}");
        let other: String = old.lines().map(|line| format!("{line}.\n")).collect();
        assert_eq!(unified("x", &old, &other).lines().filter(|line| line.starts_with('-')).count(), 200_001);
    }
}
