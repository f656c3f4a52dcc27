//! Targets, their LUNs, and who may log in.

use super::kind;
use super::name;
use super::portal::Portal;
use super::secret;
use super::view::{Findings, Value, View};
use super::volume::Volumes;
use mainstay_proto::auth::{Credential, Hash, SECRET_BYTES_ADVISED, Secret};
use std::path::Path;

/// What initiators log in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its iSCSI name.
    pub name: String,
    /// A name for people.
    pub alias: Option<String>,
    /// Indices of its portals; never empty.
    pub portals: Vec<usize>,
    /// By number.
    pub luns: Vec<Lun>,
    /// Who may log in.
    pub access: Access,
    /// What they must prove.
    pub auth: Auth,
}

/// A volume under a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lun {
    /// Logical unit number, below 2^14.
    pub number: u16,
    /// Index of the volume.
    pub volume: usize,
    /// None: as the volume.
    pub read_only: Option<bool>,
}

/// Who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Anyone,
    /// Only these.
    Initiators(Vec<Acl>),
}

/// An initiator that may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Its iSCSI name.
    pub name: String,
    /// What it must prove, if not what the target says.
    pub auth: Option<Auth>,
}

/// What must be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    None,
    /// Knowledge of a secret.
    Chap(Chap),
}

/// CHAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chap {
    /// Those accepted; never empty.
    pub algorithms: Vec<Hash>,
    /// What the initiator proves.
    pub incoming: Credential,
    /// What we prove in turn.
    pub outgoing: Option<Credential>,
}

/// What reading a target needs to know of the rest.
pub(super) struct Rest<'a> {
    pub folder: &'a Path,
    pub prefix: &'a str,
    pub portals: &'a [Portal],
    pub volumes: &'a Volumes,
}

pub(super) fn read(root: &View<'_>, rest: &Rest<'_>, findings: &mut Findings) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut names: Vec<Value<String>> = Vec::new();
    for view in root.many("target") {
        let name = target_name(&view, rest.prefix, findings);
        if let Some(name) = &name {
            if let Some(first) = names.iter().find(|other| other.is == name.is) {
                let what = format!("{} is {} already", first.key.trim_end_matches(".name"), name.is);
                findings.problems.push(name.finding(what, "choose another name, or put the LUNs into one target"));
            }
            names.push(name.clone());
        }
        let auth = chap(&view, rest.folder, findings);
        let access = access(&view, rest.folder, findings);
        let portals = portals(&view, rest.portals, findings);
        // With a list, each entry without a proof of its own is as open as the target.
        let proof_missing = match &access {
            Access::Anyone => auth == Auth::None,
            Access::Initiators(list) => auth == Auth::None && list.iter().any(|acl| acl.auth.is_none()),
        };
        if proof_missing
            && !view.has("chap")
            && let Some(open) = portals.iter().filter_map(|&at| rest.portals.get(at)).find(|portal| !portal.is_local())
        {
            let (who, right) = match access {
                Access::Anyone => {
                    ("anyone who reaches", "add [target.chap], or [[target.initiator]] on a closed network")
                }
                Access::Initiators(_) => ("anyone who claims a listed name on", "add [target.chap]"),
            };
            let what = format!("{who} {} may use this target", open.bind);
            findings.warnings.push(view.finding(what, right));
        }
        targets.push(Target {
            name: name.map(|name| name.is).unwrap_or_default(),
            alias: view.get("alias", |value| kind::alias(value, 255)).map(|value| value.is.to_owned()),
            portals,
            luns: luns(&view, rest.volumes, findings),
            access,
            auth,
        });
    }
    targets
}

fn target_name(view: &View<'_>, prefix: &str, findings: &mut Findings) -> Option<Value<String>> {
    if !view.has("name") {
        let right = "write name = \"disk\" for the name_prefix and a colon before it, or the full name";
        findings.problems.push(view.finding("this target has no `name`", right));
    }
    let mut given = view.get("name", |value| kind::text(value).map(str::to_owned))?;
    let short = given.is.clone();
    if !name::is_full(&given.is) {
        given.is = format!("{prefix}:{short}");
    }
    if let Err(wrong) = name::check(&given.is) {
        // The advice of `check` is about the whole name.
        let right = match name::is_full(&short) || short.len() > name::NAME_BYTES_MAX / 2 {
            true => wrong.right,
            false => format!("write {:?}", name::tidied(&short)),
        };
        findings.problems.push(given.finding(wrong.what, right));
        return None;
    }
    Some(given)
}

fn portals(view: &View<'_>, portals: &[Portal], findings: &mut Findings) -> Vec<usize> {
    let Some(names) = view.get("portals", kind::labels) else { return (0..portals.len()).collect() };
    let mut chosen = Vec::new();
    for name in &names.is {
        match portals.iter().position(|portal| portal.name == *name) {
            Some(at) if chosen.contains(&at) => {
                findings.problems.push(names.finding(format!("{name:?} is listed twice"), "once is enough"));
            }
            Some(at) => chosen.push(at),
            None => {
                let right = kind::suggest(name, portals.iter().map(|portal| portal.name.as_str()), "");
                findings.problems.push(names.finding(format!("no portal is called {name:?}"), right));
            }
        }
    }
    chosen.sort_unstable();
    chosen
}

fn luns(view: &View<'_>, volumes: &Volumes, findings: &mut Findings) -> Vec<Lun> {
    let mut luns: Vec<(Lun, String)> = Vec::new();
    let views = view.many("lun");
    if views.is_empty() && (!view.has("lun") || view.get("lun", empty_list).is_some()) {
        let right = "add [[target.lun]] with number = 0 and volume = \"NAME\"";
        findings.problems.push(view.finding("this target has no LUN: there is nothing to log in for", right));
    }
    for view in views {
        for key in ["number", "volume"] {
            if !view.has(key) {
                let right = if key == "number" { "write number = 0, for example" } else { "write volume = \"NAME\"" };
                findings.problems.push(view.finding(format!("this LUN has no `{key}`"), right));
            }
        }
        let number = view.get("number", |value| kind::integer(value, 0, 16_383));
        if let Some(number) = &number
            && let Some((_, first)) = luns.iter().find(|(lun, _)| i64::from(lun.number) == number.is)
        {
            let free = (0..).find(|free| luns.iter().all(|(lun, _)| lun.number != *free)).unwrap_or_default();
            let what = format!("{first} has the number {} already", number.is);
            findings.problems.push(number.finding(what, format!("{free} is free")));
        }
        let read_only = view.get("read_only", kind::bool);
        let named = volumes.named(&view, findings);
        if let Some(named) = &named {
            if let Some((_, first)) = luns.iter().find(|(lun, _)| lun.volume == named.is) {
                let what = format!("{first} is this volume already");
                let right = "under two numbers of one target a disk would look like two; leave one of them out";
                findings.problems.push(named.finding(what, right));
            }
            let volume = &volumes.list[named.is];
            if let Some(read_only) = read_only.as_ref().filter(|read_only| !read_only.is && volume.read_only) {
                let what = format!("the volume {:?} is read-only, so this LUN cannot be writable", volume.name);
                findings.problems.push(read_only.finding(what, "leave this out, or `read_only` of the volume"));
            }
        }
        let lun = Lun {
            number: number.map_or(0, |number| number.is as u16),
            volume: named.map_or(usize::MAX, |named| named.is),
            read_only: read_only.map(|read_only| read_only.is),
        };
        luns.push((lun, view.key.clone()));
    }
    if !luns.is_empty() && luns.iter().all(|(lun, _)| lun.number != 0) {
        findings.warnings.push(view.finding("this target has no LUN 0", "some initiators look no further than LUN 0"));
    }
    let mut luns: Vec<Lun> = luns.into_iter().map(|(lun, _)| lun).collect();
    luns.sort_by_key(|lun| lun.number);
    luns
}

fn empty_list(value: &toml::de::DeValue<'_>) -> Result<(), kind::Wrong> {
    match value.as_array() {
        Some(list) if list.is_empty() => Ok(()),
        _ => Err(kind::Wrong { what: String::new(), right: String::new() }),
    }
}

fn access(view: &View<'_>, folder: &Path, findings: &mut Findings) -> Access {
    let mut list: Vec<Acl> = Vec::new();
    for view in view.many("initiator") {
        if !view.has("name") {
            let right = "write name = \"iqn…\": `cat /etc/iscsi/initiatorname.iscsi` shows it on a Linux initiator";
            findings.problems.push(view.finding("this initiator has no `name`", right));
        }
        let name = view.get("name", kind::iscsi_name);
        if let Some(name) = &name
            && list.iter().any(|acl| acl.name == name.is)
        {
            findings.problems.push(name.finding("this initiator is listed already", "once is enough"));
        }
        let auth = view.has("chap").then(|| chap(&view, folder, findings));
        list.push(Acl { name: name.map(|name| name.is).unwrap_or_default(), auth });
    }
    match view.has("initiator") {
        true if list.is_empty() && view.get("initiator", empty_list).is_some() => {
            let right = "list the initiators that may, or leave the key out to let everyone";
            findings.problems.push(view.finding_at("initiator", "nobody may log in to this target", right));
            Access::Initiators(list)
        }
        true => Access::Initiators(list),
        false => Access::Anyone,
    }
}

/// What `chap` in `view` says.
pub(super) fn chap(view: &View<'_>, folder: &Path, findings: &mut Findings) -> Auth {
    let Some(view) = view.one("chap") else { return Auth::None };
    let mutual = view.one("mutual");
    let one_way = ["user", "secret", "secret_file"].iter().any(|key| view.has(key));
    if let Some(mutual) = &mutual
        && !one_way
    {
        let what = "mutual CHAP without one-way CHAP: an initiator asks for proof only where it gives one";
        findings.problems.push(mutual.finding(what, format!("add `user` and `secret` to {}", view.key)));
    }
    let incoming = if one_way || mutual.is_none() { credential(&view, folder, findings) } else { None };
    let outgoing = mutual.as_ref().and_then(|mutual| credential(mutual, folder, findings));
    if let (Some(mutual), Some(incoming), Some(outgoing)) = (&mutual, &incoming, &outgoing)
        && incoming.secret == outgoing.secret
    {
        let key = if mutual.has("secret") { "secret" } else { "secret_file" };
        let what = "the same secret in both directions: whoever hears one proof could give the other";
        findings.problems.push(mutual.finding_at(key, what, "choose another secret for one of them (RFC 7143 §9.2.1)"));
    }
    let algorithms = view.get("algorithms", kind::hashes).map_or_else(|| Hash::ALL.to_vec(), |value| value.is);
    // Where it cannot be read there is a problem, and nothing will be served.
    let incoming = incoming.unwrap_or(Credential { name: String::new(), secret: Secret::default() });
    Auth::Chap(Chap { algorithms, incoming, outgoing })
}

fn credential(view: &View<'_>, folder: &Path, findings: &mut Findings) -> Option<Credential> {
    if !view.has("user") {
        findings.problems.push(view.finding("a `user` is missing here", "write user = \"NAME\""));
    }
    let (inline, from_file) = (view.has("secret"), view.has("secret_file"));
    if inline && from_file {
        let what = "there is a `secret` already";
        findings.problems.push(view.finding_at("secret_file", what, "leave one of `secret` and `secret_file` out"));
        return None;
    }
    if !inline && !from_file {
        let right = "write secret = \"…\", or secret_file = \"PATH\" to keep it in a file of its own";
        findings.problems.push(view.finding("a secret is missing here", right));
    }
    let mut found = view.get("secret", kind::secret).map(|text| Value {
        is: Secret::new(text.is.as_bytes()),
        span: text.span.clone(),
        key: text.key.clone(),
    });
    if let Some(path) = view.get("secret_file", kind::path) {
        match secret::read(&folder.join(path.is)) {
            Ok(secret) => found = Some(Value { is: secret, span: path.span, key: path.key }),
            Err((what, right)) => findings.problems.push(path.finding(what, right)),
        }
    }
    let secret = found?;
    let (len, least) = (secret.is.as_bytes().len(), *SECRET_BYTES_ADVISED.start());
    if len < least {
        let what = format!("this secret has only {len} bytes");
        let right = format!("use at least {least}, drawn at random: whoever hears a login can try out short ones");
        findings.warnings.push(secret.finding(what, right));
    }
    let user = view.get("user", |value| kind::alias(value, 255))?;
    Some(Credential { name: user.is.to_owned(), secret: secret.is })
}
