//! What a saved queue is about, in a line for people: nothing of what was said in it, no secrets.

use super::State;
use super::info::CNTLID_ANY;
use super::saved::{DoingV1, KIND, QueueV1, Unreadable, VERSION};
use mainstay_base::snapshot::Section;
use prost::Message;

/// The line about a section of a queue.
///
/// # Errors
/// It is none.
pub fn outline(section: &Section) -> Result<String, Unreadable> {
    if *section.kind != *KIND || section.version != VERSION {
        return Err(Unreadable::Section { kind: section.kind.to_string(), version: section.version });
    }
    let saved = QueueV1::decode(section.payload.clone())?;
    let mut parts = vec![who(&saved)];
    let mut say = |that: bool, what: &dyn Fn() -> String| {
        if that {
            parts.push(what());
        }
    };
    say(saved.auth.is_some(), &|| {
        let phase = saved.auth.as_ref().map_or(0, |auth| auth.phase);
        let of = ["idle", "raising", "ready", "challenged", "sharing", "verified", "proven", "failing", "over"];
        format!("authentication: {}", of.get(phase as usize).unwrap_or(&"?"))
    });
    say(saved.admin.is_some(), &|| {
        let queues = saved.admin.as_ref().map_or(0, |admin| admin.queues.len());
        format!("{queues} I/O queues")
    });
    say(saved.half.is_some(), &|| "first of a fused pair held".into());
    for (name, count) in doings(&saved) {
        say(count > 0, &|| format!("{count} {name}"));
    }
    let count = |want| saved.slots.iter().filter(|slot| slot.want == want).count();
    for (want, name) in [(1, "the output"), (2, "memory"), (3, "a range")] {
        say(count(want) > 0, &|| format!("{} wait for {name}", count(want)));
    }
    let aborted = saved.slots.iter().filter(|slot| slot.aborted).count();
    say(aborted > 0, &|| format!("{aborted} end early"));
    let capsules = saved.slots.iter().filter(|slot| slot.capsule.is_some()).count();
    say(capsules > 0, &|| format!("{capsules} with data in the capsule"));
    say(saved.ending, &|| "ending".into());
    Ok(parts.join("; "))
}

fn who(saved: &QueueV1) -> String {
    let info = saved.info.clone().unwrap_or_default();
    let state = State::ALL.get(info.state as usize).map_or("?", |state| state.name());
    let host = if info.host.is_empty() { "somebody" } else { &info.host };
    let to = if info.subnqn.is_empty() { "a subsystem not said" } else { &info.subnqn };
    let queue = match info.cntlid {
        cntlid if cntlid == u32::from(CNTLID_ANY) => "no controller".to_owned(),
        cntlid => format!("controller {cntlid}, queue {} of {}", info.qid, info.sqsize.saturating_add(1)),
    };
    format!("{}: {state}; {host} at {} to {to}, {queue}", saved.id, info.peer)
}

fn doings(saved: &QueueV1) -> Vec<(&'static str, usize)> {
    let names = [
        "fused halves",
        "led by their second",
        "I/O commands",
        "collecting",
        "deciding",
        "proving",
        "events held",
        "aborts",
        "leaving",
        "flushing",
        "answers going out",
    ];
    let mut counts = names.map(|name| (name, 0));
    for slot in &saved.slots {
        let at = match slot.doing {
            None => continue,
            Some(DoingV1::Half(_)) => 0,
            Some(DoingV1::Led(_)) => 1,
            Some(DoingV1::Io(_)) => 2,
            Some(DoingV1::Collecting(_)) => 3,
            Some(DoingV1::Deciding(_)) => 4,
            Some(DoingV1::Proving(_)) => 5,
            Some(DoingV1::Event(_)) => 6,
            Some(DoingV1::Aborting(_)) => 7,
            Some(DoingV1::Leaving(_)) => 8,
            Some(DoingV1::Flushing(_)) => 9,
            Some(DoingV1::Answer(_)) => 10,
        };
        counts[at].1 += 1;
    }
    counts.to_vec()
}
