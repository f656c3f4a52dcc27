//! The reference of the configuration file, from the table of keys.

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
            let kind = match key.kind {
                Kind::One(table) | Kind::Many(table) => format!("{}, `{}`", key.kind.describe(), table.header),
                _ => key.kind.describe(),
            };
            let default = match key.default {
                "" => "—",
                default => default,
            };
            text += &format!("| `{}` | {} | {} | {} |\n", key.name, kind.replace('|', "\\|"), default, key.text);
        }
    }
    text
}
