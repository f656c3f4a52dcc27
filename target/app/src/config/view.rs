//! A table of the file: checked against the table of keys, then asked for values.

use super::keys::Table;
use super::kind::{Kind, Wrong, nearest};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A remark that still knows its bytes.
#[derive(Clone, Debug)]
pub struct Finding {
    pub span: Range<usize>,
    pub key: String,
    pub what: String,
    pub right: String,
}

/// What has been found so far.
#[derive(Default)]
pub struct Findings {
    pub problems: Vec<Finding>,
    pub warnings: Vec<Finding>,
    /// Files and devices are not looked at.
    pub closed: bool,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Value<T> {
    pub is: T,
    pub span: Range<usize>,
    pub key: String,
}

impl<T> Value<T> {
    /// What is wrong here.
    pub fn finding(&self, what: impl Into<String>, right: impl Into<String>) -> Finding {
        Finding { span: self.span.clone(), key: self.key.clone(), what: what.into(), right: right.into() }
    }
}

/// A table of the file.
#[derive(Clone)]
pub struct View<'a> {
    table: &'a DeTable<'a>,
    schema: &'static Table,
    pub span: Range<usize>,
    pub key: String,
}

impl<'a> View<'a> {
    /// The whole file.
    pub fn root(table: &'a DeTable<'a>, schema: &'static Table) -> View<'a> {
        View { table, schema, span: 0..0, key: String::new() }
    }

    fn path(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }

    fn entry(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.schema.key(key).is_some(), "{key} is in no table");
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// The value of `key`, if it is there and `read` can read it.
    pub fn get<T>(&self, key: &str, read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Wrong>) -> Option<Value<T>> {
        let value = self.entry(key)?;
        let is = read(value.get_ref()).ok()?;
        Some(Value { is, span: value.span(), key: self.path(key) })
    }

    /// Whether `key` is there, readable or not.
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The table `key`.
    pub fn one(&self, key: &str) -> Option<View<'a>> {
        let Kind::One(schema) = self.schema.key(key)?.kind else { return None };
        let value = self.entry(key)?;
        let table = value.get_ref().as_table()?;
        Some(View { table, schema, span: value.span(), key: self.path(key) })
    }

    /// The tables `key`.
    pub fn many(&self, key: &str) -> Vec<View<'a>> {
        let Some(Kind::Many(schema)) = self.schema.key(key).map(|key| key.kind) else { return Vec::new() };
        let Some(list) = self.entry(key).and_then(|value| value.get_ref().as_array()) else { return Vec::new() };
        let view = |(number, value): (usize, &'a Spanned<DeValue<'a>>)| {
            let table = value.get_ref().as_table()?;
            Some(View { table, schema, span: value.span(), key: format!("{}[{number}]", self.path(key)) })
        };
        list.iter().enumerate().filter_map(view).collect()
    }

    /// What is wrong with this table as a whole.
    pub fn finding(&self, what: impl Into<String>, right: impl Into<String>) -> Finding {
        Finding { span: self.span.clone(), key: self.key.clone(), what: what.into(), right: right.into() }
    }

    /// What is wrong with `key`, be it there or not.
    pub fn finding_at(&self, key: &str, what: impl Into<String>, right: impl Into<String>) -> Finding {
        let span = self.entry(key).map_or(self.span.clone(), Spanned::span);
        Finding { span, key: self.path(key), what: what.into(), right: right.into() }
    }

    /// Checks this table and all in it against the table of keys: names and types. `hidden` gets where secrets are.
    pub fn check(&self, problems: &mut Vec<Finding>, hidden: &mut Vec<Range<usize>>) {
        for (name, value) in self.table {
            let key = self.path(name.get_ref());
            let Some(known) = self.schema.key(name.get_ref()) else {
                problems.push(self.unknown(name, key));
                // It may be a secret under a misspelled key.
                if self.schema.holds_secrets() {
                    hidden.push(value.span());
                }
                continue;
            };
            if matches!(known.kind, Kind::Secret) {
                hidden.push(value.span());
            }
            if let Err(Wrong { what, right }) = known.kind.check(value.get_ref()) {
                if let Kind::One(table) | Kind::Many(table) = known.kind
                    && table.may_hold_secrets()
                {
                    hidden.push(value.span());
                }
                problems.push(Finding { span: value.span(), key, what, right });
                continue;
            }
            if let Some(view) = self.one(known.name) {
                view.check(problems, hidden);
            }
            for view in self.many(known.name) {
                view.check(problems, hidden);
            }
        }
    }

    fn unknown(&self, name: &Spanned<std::borrow::Cow<'_, str>>, key: String) -> Finding {
        let given: &str = name.get_ref();
        let known: Vec<&str> = self.schema.keys.iter().map(|key| key.name).collect();
        let right = match nearest(given, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match elsewhere(given) {
                Some(header) => format!("that key belongs into {header}"),
                None => format!("the keys here are {}", known.join(", ")),
            },
        };
        Finding { span: name.span(), key, what: format!("there is no key `{given}` here"), right }
    }
}

/// The header of a table that has the key `name`.
fn elsewhere(name: &str) -> Option<&'static str> {
    fn collect(table: &'static Table, homes: &mut BTreeMap<&'static str, Vec<&'static str>>) {
        for key in table.keys {
            homes.entry(key.name).or_default().push(if table.header.is_empty() {
                "the top of the file, before the first [table]"
            } else {
                table.header
            });
            if let Kind::One(inner) | Kind::Many(inner) = key.kind {
                collect(inner, homes);
            }
        }
    }
    let mut homes = BTreeMap::new();
    collect(&super::keys::FILE, &mut homes);
    homes.get(name).and_then(|homes| homes.first().copied())
}
