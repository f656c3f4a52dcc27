//! States of NVMe/TCP: of queues, and of what is kept beside them.

use super::super::wire::Message;

/// A queue as saved.
pub struct Queue {
    queue: Message,
    connection: Message,
    info: Message,
    auth: Message,
    controller: Message,
}

/// Places in `queue::saved`'s messages.
mod doing {
    pub const HALF: u32 = 10;
    pub const TASK: u32 = 12;
    pub const EVENT: u32 = 16;
    pub const PROVING: u32 = 15;
}

/// States of a queue, by the number of its field.
mod state {
    pub const OPENING: u64 = 0;
    pub const CONNECTING: u64 = 1;
    pub const AUTHENTICATING: u64 = 3;
    pub const READY: u64 = 4;
}

/// States a queue can be in: name, and how it is known.
pub const CELLS: &[(&str, fn(&Queue) -> bool)] = &[
    ("nvme: nothing said yet", |q| q.is(state::OPENING) && q.head().is_empty()),
    ("nvme: ICReq cut", |q| q.is(state::OPENING) && !q.head().is_empty()),
    ("nvme: ICReq answered", |q| q.is(state::CONNECTING) && !q.is_cut()),
    ("nvme: Connect cut, header", |q| q.is(state::CONNECTING) && !q.head().is_empty()),
    ("nvme: Connect cut, data", |q| q.is(state::CONNECTING) && q.connection.has(4)),
    ("nvme: authentication due", |q| q.is(state::AUTHENTICATING) && q.auth.number(5) == 0),
    ("nvme: authentication, power of ours pending", |q| q.auth.number(5) == 1),
    ("nvme: authentication, challenge not fetched", |q| q.auth.number(5) == 2),
    ("nvme: authentication, challenged", |q| q.auth.number(5) == 3),
    ("nvme: authentication, verified", |q| q.auth.number(5) == 5),
    ("nvme: authentication, we have proven ourselves", |q| q.auth.number(5) == 6),
    ("nvme: authentication, host waits for it", |q| q.does(doing::PROVING)),
    ("nvme: authentication of an I/O queue", |q| q.is(state::AUTHENTICATING) && q.is_io()),
    ("nvme: authentication again", |q| q.auth.has(4) && (1..=6).contains(&q.auth.number(5))),
    ("nvme: authenticated", |q| q.is(state::READY) && !q.info.bytes(15).is_empty()),
    ("nvme: admin queue", |q| q.is(state::READY) && q.queue.has(4)),
    ("nvme: I/O queue", |q| q.is(state::READY) && q.is_io()),
    ("nvme: controller of discovery", |q| q.is(state::READY) && q.info.number(9) == 1),
    ("nvme: controller not enabled", |q| q.is(state::READY) && q.queue.has(4) && q.controller.number(11) & 1 == 0),
    ("nvme: controller shut down", |q| q.controller.number(14) == 1),
    ("nvme: controller with four I/O queues", |q| q.queue.message(4).messages(2).len() == 4),
    ("nvme: keep alive runs", |q| q.controller.number(16) > 0 && q.controller.has(18)),
    ("nvme: events asked for", |q| q.does(doing::EVENT)),
    ("nvme: event untold", |q| q.controller.message(15).has(2)),
    ("nvme: event told, its page unread", |q| q.controller.message(15).has(3) && !q.controller.message(15).has(2)),
    ("nvme: changed namespace untold", |q| q.controller.message(15).has(5)),
    ("nvme: errors logged", |q| q.controller.number(10) > 0),
    ("nvme: namespace reached by another way", |q| q.attached().iter().any(|one| one.bytes(5) == b"inaccessible")),
    ("nvme: namespace that is not written", |q| q.attached().iter().any(|one| one.number(3) == 1)),
    ("nvme: with digests", |q| q.transport(5) == 1 && q.transport(6) == 1),
    ("nvme: without digests", |q| q.is(state::READY) && q.transport(5) == 0 && q.transport(6) == 0),
    ("nvme: flow control", |q| q.is(state::READY) && q.is_io() && q.info.number(13) == 1),
    ("nvme: no flow control", |q| q.is(state::READY) && q.is_io() && q.info.number(13) == 0),
    ("nvme: header cut", |q| q.is(state::READY) && (1..72).contains(&q.head().len())),
    ("nvme: header digest cut", |q| q.is(state::READY) && q.head().len() > 72),
    ("nvme: in-capsule data cut, before its first byte", |q| q.capsule_cut() && q.incoming().number(10) == 0),
    ("nvme: in-capsule data cut, in its middle", |q| q.capsule_cut() && q.incoming().number(10) > 0),
    ("nvme: H2CData cut, header", |q| q.is(state::READY) && q.head().first() == Some(&6)),
    ("nvme: H2CData cut, in its middle", |q| q.data_cut() && q.incoming().number(10) > 0),
    ("nvme: data digest cut", |q| !q.incoming().bytes(13).is_empty()),
    ("nvme: data cut, with its digest begun", |q| q.incoming().has(12)),
    ("nvme: output unsent", |q| q.output().has(2)),
    ("nvme: output unsent, of payload", |q| q.output().messages(2).iter().any(|segment| segment.has(2))),
    ("nvme: R2T unanswered", |q| q.collects().iter().any(|one| one.number(4) == 1 && one.number(3) == 0)),
    ("nvme: R2T half answered", |q| q.collects().iter().any(|one| one.number(3) > 0)),
    ("nvme: several R2Ts", |q| q.transfers().iter().any(|one| one.messages(5).len() > 1)),
    ("nvme: aborted, data swallowed", |q| q.transfers().iter().any(|one| one.number(4) == 1)),
    ("nvme: first of a fused pair held", |q| q.queue.has(9) && q.does(doing::HALF)),
    ("nvme: data in a capsule kept", |q| q.slots().iter().any(|slot| slot.has(5))),
    ("nvme: command waits for output", |q| q.slots().iter().any(|slot| slot.number(6) == 1)),
    ("nvme: command: read", |q| q.task(11)),
    ("nvme: command: write", |q| q.task(12)),
    ("nvme: command: deallocate", |q| q.task(15)),
    ("nvme: command: compare", |q| q.task(16)),
    ("nvme: command: compare and write", |q| q.task(17)),
    ("nvme: command: copy", |q| q.task(18)),
];

/// What is kept beside queues (the section `associations`).
pub const KEPT_CELLS: &[(&str, fn(&Message) -> bool)] = &[
    ("nvme kept: a way that is not optimized", |kept| kept.messages(1).iter().any(|way| way.bytes(3) != b"optimized")),
    ("nvme kept: what was set at a static controller", |kept| kept.has(4)),
];

/// States of a volume that hosts of NVMe bring about.
pub const VOLUME_CELLS: &[(&str, fn(&Message) -> bool)] = &[
    ("nvme unit: blocks marked", |volume| volume.message(1).message(13).has(6)),
    ("nvme unit: write protected", |volume| volume.message(2).number(24) > 0),
];

impl Queue {
    /// Of the payload of its section.
    pub fn parse(payload: &[u8]) -> Option<Queue> {
        let queue = Message::parse(payload)?;
        let (connection, info, auth) = (queue.message(2), queue.message(3), queue.message(12));
        let controller = queue.message(4).message(1);
        Some(Queue { queue, connection, info, auth, controller })
    }

    fn is(&self, state: u64) -> bool {
        self.info.number(1) == state
    }
    fn is_io(&self) -> bool {
        self.queue.has(5)
    }
    fn head(&self) -> &[u8] {
        self.connection.bytes(3)
    }
    fn is_cut(&self) -> bool {
        !self.head().is_empty() || self.connection.has(4)
    }
    fn incoming(&self) -> Message {
        self.connection.message(4)
    }
    fn capsule_cut(&self) -> bool {
        self.is(state::READY) && !self.incoming().bytes(1).is_empty()
    }
    fn data_cut(&self) -> bool {
        self.connection.has(4) && self.incoming().bytes(1).is_empty()
    }
    fn output(&self) -> Message {
        self.connection.message(7)
    }
    fn transport(&self, tag: u32) -> u64 {
        self.connection.message(1).number(tag)
    }
    /// Commands as the transport has them.
    fn transfers(&self) -> Vec<Message> {
        self.connection.messages(9)
    }
    fn collects(&self) -> Vec<Message> {
        self.transfers().iter().flat_map(|one| one.messages(5)).collect()
    }
    fn slots(&self) -> Vec<Message> {
        self.queue.messages(7)
    }
    fn does(&self, tag: u32) -> bool {
        self.slots().iter().any(|slot| slot.has(tag))
    }
    /// A task whose state is that of field `tag`.
    fn task(&self, tag: u32) -> bool {
        self.slots().iter().any(|slot| slot.message(doing::TASK).message(1).has(tag))
    }
    /// Namespaces as its controller shows them.
    fn attached(&self) -> Vec<Message> {
        let view = if self.is_io() { self.queue.message(5).message(1) } else { self.controller.message(24) };
        view.messages(5)
    }
}
