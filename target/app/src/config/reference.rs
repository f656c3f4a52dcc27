//! The reference of the configuration file, from the table of keys.

use super::keys::{Key, Table};
use super::kind::Kind;
use super::read::tables;

/// The reference, in Markdown.
pub fn reference() -> String {
    let mut text = String::from("# Configuration\n");
    for table in tables() {
        if !table.header.is_empty() {
            text += &format!("\n## `{}`\n", table.header);
        }
        text += &format!("\n{}\n\n| key | value | default | meaning |\n|---|---|---|---|\n", table.text);
        for key in table.keys {
            let default = if key.default.is_empty() { "—" } else { key.default };
            text +=
                &format!("| `{}` | {} | {} | {} |\n", key.name, kind(key, "`").replace('|', "\\|"), default, key.text);
        }
    }
    text
}

/// The same as the manual page mainstay.toml(5), in roff.
pub fn manual() -> String {
    let mut page = format!(".TH MAINSTAY.TOML 5 \"\" \"mainstay {}\"\n", env!("CARGO_PKG_VERSION"));
    page += ".SH NAME\nmainstay.toml \\- what mainstay serves, and to whom\n.SH DESCRIPTION\n";
    page += &format!(
        "{}\n.PP\n{}\n",
        roff(
            "A configuration file of `mainstay serve --config FILE`, in TOML. `mainstay check FILE` finds what is wrong in it."
        ),
        roff(tables()[0].text)
    );
    for Table { header, text, keys } in tables() {
        match *header {
            "" => page += ".SH TOP OF THE FILE\n",
            header => page += &format!(".SH {}\n{}\n", roff(header), roff(text)),
        }
        for key in *keys {
            page +=
                &format!(".TP\n\\fB{}\\fR = \\fI{}\\fR\n{}\n", roff(key.name), roff(&kind(key, "")), roff(key.text));
            if !key.default.is_empty() {
                page += &format!("Default: {}.\n", roff(key.default));
            }
        }
    }
    page += ".SH SEE ALSO\n.BR mainstay (1),\n.BR mainstay-check (1)\n";
    page
}

/// What a value may be, with the header of its table between `quotes`.
fn kind(key: &Key, quotes: &str) -> String {
    match key.kind {
        Kind::One(table) | Kind::Many(table) => format!("{}, {quotes}{}{quotes}", key.kind.describe(), table.header),
        _ => key.kind.describe(),
    }
}

/// `text` as roff reads it: nothing in it is a command, and what is code is bold.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let mut out = String::new();
    for (at, part) in escaped.split('`').enumerate() {
        out += &if at % 2 == 1 { format!("\\fB{part}\\fR") } else { part.to_owned() };
    }
    // A line that begins with a full stop would be a command.
    if out.starts_with('.') { format!("\\&{out}") } else { out }
}
