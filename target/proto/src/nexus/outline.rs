//! What a saved nexus is about, in a line for people: nothing of what was said in it, no secrets.

use super::saved::{KIND, NexusV1, Unreadable, VERSION};
use crate::iscsi::saved::{BodyV1, ConnectionV1, InfoV1};
use mainstay_base::snapshot::Section;
use prost::Message;

const PHASES: [&str; 5] = ["logs in", "waits for its session", "full feature", "closes", "closed"];

/// The line about a section of a nexus.
///
/// # Errors
/// It is none.
pub fn outline(section: &Section) -> Result<String, Unreadable> {
    if *section.kind != *KIND || section.version != VERSION {
        return Err(Unreadable::Section { kind: section.kind.to_string(), version: section.version });
    }
    let saved = NexusV1::decode(section.payload.clone())?;
    let connection = saved.connection.unwrap_or_default();
    let info = connection.info.clone().unwrap_or_default();
    let mut parts = vec![who(saved.id, &info)];
    let mut say = |that: bool, what: &dyn Fn() -> String| {
        if that {
            parts.push(what());
        }
    };
    say(connection.login.is_some(), &|| {
        let login = connection.login.as_ref();
        let state = login.and_then(|login| login.security.as_ref()).map_or(0, |security| security.state);
        let of = ["no proof yet", "CHAP agreed on", "CHAP challenged", "no proof asked for", "CHAP passed"];
        let stage = if login.is_some_and(|login| login.stage == 0) { "security" } else { "operational" };
        format!("login: {stage} stage, {}", of.get(state as usize).unwrap_or(&"?"))
    });
    say(connection.header_digest, &|| "header digest".into());
    say(connection.data_digest, &|| "data digest".into());
    say(!connection.head.is_empty(), &|| format!("{} bytes of a header read", connection.head.len()));
    say(connection.body.is_some(), &|| within(connection.body.as_deref()));
    say(!connection.pending.is_empty(), &|| format!("{} bytes read ahead", connection.pending.len()));
    let (plain, payload) = unsent(&connection);
    say(plain + payload > 0, &|| format!("{plain} bytes and {payload} of payload unsent"));
    say(connection.text.is_some(), &|| "text exchange open".into());
    say(connection.timers.as_ref().is_some_and(|timers| timers.ping_ttt.is_some()), &|| "pinged".into());
    say(!connection.tasks.is_empty(), &|| tasks(&connection));
    let held =
        connection.window.as_ref().map_or(0, |window| window.held.iter().filter(|h| **h != Default::default()).count());
    say(held > 0, &|| format!("{held} ahead of their turn"));
    say(!saved.tasks.is_empty(), &|| {
        let count = |phase| saved.tasks.iter().filter(|task| task.phase == phase).count();
        format!("tasks: {} dormant, {} enabled, {} aborting", count(0), count(1), count(2))
    });
    say(!saved.management.is_empty(), &|| format!("{} task management functions wait", saved.management.len()));
    say(connection.starved, &|| "waits for memory".into());
    say(saved.ending, &|| "ending".into());
    Ok(parts.join("; "))
}

fn who(id: u64, info: &InfoV1) -> String {
    let phase = PHASES.get(info.phase as usize).unwrap_or(&"?");
    let to = info.target_name.as_deref().unwrap_or("discovery or not said");
    let initiator = if info.initiator.is_empty() { "somebody" } else { &info.initiator };
    format!("{id}: {phase}; {initiator} at {} to {to}, TSIH {}", info.peer, info.tsih)
}

fn within(body: Option<&BodyV1>) -> String {
    let Some(body) = body else { return String::new() };
    let opcode = body.bhs.first().copied().unwrap_or_default() & 0x3f;
    let to = if body.place.is_some() { ", into payload" } else { "" };
    format!("within a PDU with opcode {opcode:#04x}, {} bytes of its data read{to}", body.at)
}

fn unsent(connection: &ConnectionV1) -> (u64, u64) {
    let output = connection.output.clone().unwrap_or_default();
    let payload = output.segments.iter().filter(|segment| segment.place.is_some());
    let payload = payload.map(|segment| u64::from(segment.end.saturating_sub(segment.start))).sum();
    (output.bytes.len() as u64, payload)
}

fn tasks(connection: &ConnectionV1) -> String {
    let (all, mut asked, mut unsolicited, mut undelivered) = (connection.tasks.len(), 0, 0, 0);
    for task in &connection.tasks {
        asked += task.r2ts.len();
        unsolicited += usize::from(task.first.as_ref().is_some_and(|first| first.open));
        undelivered += usize::from(!task.delivered);
    }
    format!("commands: {all}, {undelivered} not delivered; {asked} R2Ts, {unsolicited} with unsolicited data to come")
}
