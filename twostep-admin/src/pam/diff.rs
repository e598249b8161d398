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

/// By the longest common subsequence.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Kind, &'a str)> {
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
}
