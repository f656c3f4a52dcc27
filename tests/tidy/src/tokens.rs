//! As much of Rust's grammar as the rules need: words, punctuation, and which paths a file names.

/// A word or a punctuation character of the code; comments are left out, texts are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Line, from 1.
    pub line: usize,
    /// The word, `::`, one character, or `""` for a text.
    pub text: String,
}

/// The tokens of `code`.
pub fn tokens(code: &str) -> Vec<Token> {
    let bytes: Vec<char> = code.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    let peek = |at: usize| bytes.get(at).copied().unwrap_or('\0');
    while at < bytes.len() {
        let (start, start_line) = (at, line);
        let c = bytes[at];
        let mut text = String::new();
        if c == '/' && peek(at + 1) == '/' {
            while at < bytes.len() && bytes[at] != '\n' {
                at += 1;
            }
            continue;
        } else if c == '/' && peek(at + 1) == '*' {
            at = past_block_comment(&bytes, at);
        } else if let Some(end) = past_text(&bytes, at) {
            at = end;
            text = "\"\"".into();
        } else if c == '\'' {
            at = past_character_or_lifetime(&bytes, at);
        } else if c.is_alphabetic() || c == '_' || c.is_ascii_digit() {
            while peek(at).is_alphanumeric() || peek(at) == '_' {
                at += 1;
            }
            text = bytes[start..at].iter().collect();
        } else if c == ':' && peek(at + 1) == ':' {
            at += 2;
            text = "::".into();
        } else {
            at += 1;
            if !c.is_whitespace() {
                text = c.into();
            }
        }
        line += bytes[start..at.min(bytes.len())].iter().filter(|c| **c == '\n').count();
        if !text.is_empty() {
            tokens.push(Token { line: start_line, text });
        }
    }
    tokens
}

fn past_block_comment(code: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < code.len() {
        match (code[at], code.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) if depth == 1 => return at + 2,
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// Past a text that begins at `at`: plain, raw, of bytes.
fn past_text(code: &[char], at: usize) -> Option<usize> {
    let mut start = at;
    while matches!(code.get(start), Some('b' | 'c' | 'r')) && start - at < 2 {
        start += 1;
    }
    let raw = code[at..start].contains(&'r');
    let mut hashes = 0;
    while raw && code.get(start + hashes) == Some(&'#') {
        hashes += 1;
    }
    if code.get(start + hashes) != Some(&'"') {
        return None;
    }
    let mut at = start + hashes + 1;
    while at < code.len() {
        if code[at] == '\\' && !raw {
            at += 2;
        } else if code[at] == '"' && code[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return Some(at + 1 + hashes);
        } else {
            at += 1;
        }
    }
    Some(code.len())
}

fn past_character_or_lifetime(code: &[char], at: usize) -> usize {
    match (code.get(at + 1), code.get(at + 2)) {
        (Some('\\'), _) => code[at + 3..].iter().position(|c| *c == '\'').map_or(code.len(), |end| at + 3 + end + 1),
        (_, Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// A path that a file names, like `crate::unit::Op`, with the modules that are written in that file around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Line, from 1.
    pub line: usize,
    /// Its parts, groups spelled out.
    pub parts: Vec<String>,
    /// The modules in the file that it stands in.
    pub inside: Vec<String>,
}

/// All paths of two or more parts in `code`, and all in `use`.
pub fn paths(code: &str) -> Vec<Named> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut modules: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let word = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        match word(at) {
            "mod" if word(at + 2) == "{" => {
                modules.push((word(at + 1).to_owned(), depth));
                depth += 1;
                at += 3;
                continue;
            }
            "{" => depth += 1,
            "}" => {
                depth = usize::saturating_sub(depth, 1);
                if modules.last().is_some_and(|(_, opened)| *opened == depth) {
                    modules.pop();
                }
            }
            first if is_word(first) && (word(at + 1) == "::" || (at > 0 && word(at - 1) == "use")) => {
                let inside: Vec<String> = modules.iter().map(|(name, _)| name.clone()).collect();
                let mut lists = Vec::new();
                let end = path(&tokens, at, &mut Vec::new(), &mut lists);
                found.extend(lists.into_iter().map(|(line, parts)| Named { line, parts, inside: inside.clone() }));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads a path from `at`, after `before`; gives what comes after it.
fn path(tokens: &[Token], mut at: usize, before: &mut Vec<String>, found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let base = before.len();
    let word = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let line = tokens[at].line;
    loop {
        match word(at) {
            "{" => {
                at += 1;
                while !matches!(word(at), "}" | "") {
                    if word(at) == "," {
                        at += 1;
                    } else if is_word(word(at)) || word(at) == "{" {
                        let count = before.len();
                        at = path(tokens, at, before, found);
                        before.truncate(count);
                    } else {
                        at += 1;
                    }
                }
                before.truncate(base);
                return at + 1;
            }
            "<" | "*" => break,
            text if is_word(text) => {
                before.push(text.to_owned());
                at += 1;
            }
            _ => break,
        }
        if word(at) != "::" {
            break;
        }
        at += 1;
    }
    if before.len() > base {
        found.push((line, before.clone()));
    }
    before.truncate(base);
    if word(at) == "as" { at + 2 } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_no_code() {
        let code = r##"a /* b /* c */ d */ "e \" f" r#"g " h"# b'i' '\'' 'j 'k' l // m"##;
        let words: Vec<_> = tokens(code).into_iter().map(|token| token.text).collect();
        assert_eq!(words, ["a", "\"\"", "\"\"", "b", "j", "l"]);
    }

    #[test]
    fn paths_are_spelled_out() {
        let code =
            "use crate::{a, b::{c, self}, d as e};\nmod m {\n use super::x::*;\n}\nfn f() { std::fs::read(g::h) }";
        let found: Vec<_> = paths(code).iter().map(|named| (named.line, named.parts.join("::"))).collect();
        let expected = [
            (1, "crate::a"),
            (1, "crate::b::c"),
            (1, "crate::b::self"),
            (1, "crate::d"),
            (3, "super::x"),
            (5, "std::fs::read"),
            (5, "g::h"),
        ];
        assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
        assert_eq!(paths(code)[4].inside, ["m"]);
        assert!(paths(code)[5].inside.is_empty());
    }
}
