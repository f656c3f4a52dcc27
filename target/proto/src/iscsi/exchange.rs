//! Text requests in full feature phase: what a complete text asks, and what it changes (RFC 7143 §6.4, §11.10).

use super::discovery::{Asker, Found};
use super::keys::{Entry, Key, NOT_UNDERSTOOD, Negotiated, REJECT, Rule, Senders, Use, Violation, lookup, redeclare};
use super::text::{TEXT_BYTES_MAX, parse, push};

/// The answer to a complete text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Pairs, perhaps none.
    pub text: Vec<u8>,
    /// Targets that SendTargets did not name, for want of room.
    pub left_out: usize,
}

/// Answers the complete text of a request. What it changes holds from the answer on; when one of its keys cannot be
/// taken, that key is answered with Reject and nothing changes (RFC 7143 §7.12).
pub fn answer(asker: &Asker<'_>, negotiated: &mut Negotiated, text: &[u8]) -> Result<Answer, Violation> {
    let pairs = parse(text).map_err(|bad| Violation::new("text", bad.to_string()))?;
    let (mut values, mut failed) = (negotiated.clone(), false);
    // What SendTargets finds has its own bound.
    let (mut answers, mut found) = (Vec::new(), Found::default());
    for (name, value) in pairs {
        let Some(entry) = lookup(name) else {
            push(&mut answers, name, NOT_UNDERSTOOD);
            continue;
        };
        match key(asker, &mut values, entry, value) {
            Ok(None) => {}
            Ok(Some(targets)) => found = targets,
            // To our own keys some initiators answer that they do not know them.
            Err(()) if value == NOT_UNDERSTOOD => {}
            Err(()) => {
                failed = true;
                push(&mut answers, name, REJECT);
            }
        }
    }
    if answers.len() > TEXT_BYTES_MAX {
        return Err(Violation::new("text", "so many keys that the answer would be too long"));
    }
    if !failed {
        *negotiated = values;
    }
    answers.append(&mut found.text);
    Ok(Answer { text: answers, left_out: found.left_out })
}

fn key(asker: &Asker<'_>, values: &mut Negotiated, entry: &Entry, value: &str) -> Result<Option<Found>, ()> {
    if !matches!(entry.usage, Use::FullFeature | Use::All) || entry.senders == Senders::Target {
        return Err(());
    }
    match (entry.key, &entry.rule) {
        (Key::SendTargets, _) => asker.send_targets(value).map(Some).ok_or(()),
        (Key::MaxRecvDataSegmentLength, _) => redeclare(values, value).map(|()| None).map_err(drop),
        (_, Rule::Text { max }) if value.len() <= *max => Ok(None),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::{Access, Acl, Auth, Portal, Site, Target};
    use super::*;

    fn site() -> Site {
        let target = |name: &str, access| Target {
            name: format!("iqn.2026-11.com.example:{name}"),
            alias: None,
            portals: vec![0],
            access,
            auth: Auth::None,
        };
        Site {
            portals: vec![Portal { bind: "127.0.0.1:3260".parse().unwrap(), advertise: None, tag: 1 }],
            targets: vec![
                target("a", Access::Anyone),
                target("b", Access::Initiators(vec![Acl { name: "iqn.other".into(), auth: None }])),
            ],
            discovery: Auth::None,
        }
    }

    fn ask(target: Option<&str>, values: &mut Negotiated, text: &str) -> Result<String, Violation> {
        let site = site();
        let local = "127.0.0.1:3260".parse().unwrap();
        let asker = Asker { site: &site, initiator: "iqn.me", portal: 0, local, target };
        answer(&asker, values, text.replace('|', "\0").as_bytes())
            .map(|answer| String::from_utf8(answer.text).unwrap().replace('\0', "|"))
    }

    const A: &str = "TargetName=iqn.2026-11.com.example:a|TargetAddress=127.0.0.1:3260,1|";

    #[test]
    fn asking() {
        let mut values = Negotiated::default();
        let own = Some("iqn.2026-11.com.example:a");
        assert_eq!(ask(None, &mut values, "SendTargets=All|"), Ok(A.into()));
        assert_eq!(ask(None, &mut values, "SendTargets=|"), Ok("SendTargets=Reject|".into()));
        assert_eq!(ask(own, &mut values, "SendTargets=|"), Ok(A.into()));
        assert_eq!(ask(own, &mut values, "SendTargets=All|"), Ok("SendTargets=Reject|".into()));
        assert_eq!(ask(None, &mut values, "SendTargets=All|Foo=1|"), Ok(format!("Foo=NotUnderstood|{A}")));
        assert_eq!(ask(None, &mut values, "|"), Ok(String::new()));
        assert_eq!(values, Negotiated::default());
    }

    #[test]
    fn changing() {
        let mut values = Negotiated::default();
        assert_eq!(ask(None, &mut values, "MaxRecvDataSegmentLength=65536|InitiatorAlias=me|"), Ok(String::new()));
        assert_eq!(values.send_data_segment_max, 65536);
        // One key that cannot be taken undoes the others.
        let before = values.clone();
        for (text, answer) in [
            ("MaxRecvDataSegmentLength=4096|MaxBurstLength=512|", "MaxBurstLength=Reject|"),
            ("MaxRecvDataSegmentLength=4096|HeaderDigest=CRC32C|", "HeaderDigest=Reject|"),
            ("MaxRecvDataSegmentLength=4096|TargetAlias=x|", "TargetAlias=Reject|"),
            ("MaxRecvDataSegmentLength=511|", "MaxRecvDataSegmentLength=Reject|"),
            ("CHAP_A=5|InitiatorName=x|", "CHAP_A=Reject|InitiatorName=Reject|"),
        ] {
            assert_eq!(ask(None, &mut values, text), Ok(answer.into()), "{text}");
            assert_eq!(values, before, "{text}");
        }
        assert_eq!(ask(None, &mut values, "TargetAlias=NotUnderstood|"), Ok(String::new()));
        assert!(ask(None, &mut values, "MaxRecvDataSegmentLength=4096|MaxRecvDataSegmentLength=512|").is_err());
        assert!(ask(None, &mut values, "MaxRecvDataSegmentLength=4096").is_err());
    }

    #[test]
    fn no_amplification() {
        let text: String = (0..10_000).map(|n| format!("K{n}=|")).collect();
        assert!(ask(None, &mut Negotiated::default(), &text).is_err());
    }
}
