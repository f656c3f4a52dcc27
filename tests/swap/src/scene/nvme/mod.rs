//! Hosts of NVMe/TCP that stand still in the middle of something.

mod authentication;
mod command;
mod connect;
mod controller;
mod cut;
mod odd;

use super::super::ground::PATIENCE;
use super::{Scene, Stage};
use mainstay_testkit::host::{Connection, Controller, Error, Host, Result};

/// Sets one kind of scene.
pub(super) type Setter = fn(&mut Stage<'_>) -> Result<Scene>;

/// Every kind.
pub(super) const KINDS: &[(&str, Setter)] = &[
    ("nvme connect: connected, nothing said", connect::silent),
    ("nvme connect: ICReq cut", connect::request_cut),
    ("nvme connect: ICReq answered", connect::opened),
    ("nvme connect: Connect cut in its capsule", connect::capsule_cut),
    ("nvme connect: Connect cut in its data", connect::data_cut),
    ("nvme connect: I/O queue opened", connect::io_opened),
    ("nvme connect: I/O queue's Connect cut", connect::io_cut),
    ("nvme connect: controller not enabled", connect::not_enabled),
    ("nvme authentication: nothing said", authentication::silent),
    ("nvme authentication: negotiated", authentication::negotiated),
    ("nvme authentication: challenged", authentication::challenged),
    ("nvme authentication: replied", authentication::replied),
    ("nvme authentication: one proof is left", authentication::half_proven),
    ("nvme authentication: of an I/O queue", authentication::io_queue),
    ("nvme authentication: again, on a live queue", authentication::again),
    ("nvme authentication: computation pending", authentication::computing),
    ("nvme cut: command", cut::command),
    ("nvme cut: command with data", cut::command_with_data),
    ("nvme cut: H2CData", cut::data),
    ("nvme cut: admin command", cut::admin),
    ("nvme write: R2T unanswered", command::r2t),
    ("nvme write: R2T half answered", command::r2t_half),
    ("nvme write: several R2Ts", command::several_r2ts),
    ("nvme write: aborted, data late", command::aborted),
    ("nvme write: Abort unread", command::abort_unread),
    ("nvme compare: waits for data", command::compare),
    ("nvme fused: first without second", command::first_of_two),
    ("nvme fused: waits for data", command::pair),
    ("nvme deallocate: waits for its list", command::deallocate),
    ("nvme copy: waits for its list", command::copy),
    ("nvme read: data unread", command::unread),
    ("nvme read: data unread, then abort", command::unread_abort),
    ("nvme read: data unread, then reset", command::unread_reset),
    ("nvme idle", controller::idle),
    ("nvme idle: four I/O queues", controller::four_queues),
    ("nvme idle: flow control", controller::flow_control),
    ("nvme idle: events asked for", controller::listening),
    ("nvme idle: keep alive", controller::keep_alive),
    ("nvme idle: shut down", controller::shut_down),
    ("nvme discovery: listening", controller::discovery),
    ("unit: nvme, ways that are not there", odd::inaccessible),
    ("unit: nvme, blocks marked", odd::marked),
    ("unit: nvme, write protected", odd::protected),
    ("unit: nvme, static controller left", odd::kept),
];

impl Stage<'_> {
    /// How this host connects: digests by the number.
    fn host(&self, subsystem: &str) -> Host {
        let host = self.ground.host(subsystem, self.number);
        if self.number.is_multiple_of(2) { host.digests(true, true) } else { host }
    }

    /// A controller that is ready.
    fn controller(&self, host: &Host) -> Result<Controller> {
        let mut controller = host.connect(self.ground.nvme)?;
        be_patient(&mut controller);
        Ok(controller)
    }
}

fn be_patient(controller: &mut Controller) {
    controller.admin.patience = PATIENCE;
    controller.io.iter_mut().for_each(|io| io.patience = PATIENCE);
}

fn odd<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::Odd(why.into()))
}

/// The end of a whole connection: the controller is enabled, works, and is left in good order.
fn whole(host: &Host, mut admin: Connection, cntlid: u16) -> Result<()> {
    admin.patience = PATIENCE;
    let mut controller = host.start(admin.peer(), admin, cntlid)?;
    be_patient(&mut controller);
    let nsid = *controller.namespaces()?.first().ok_or_else(|| Error::Odd("no namespace".to_owned()))?;
    controller.read(nsid, 0, 8, 512)?;
    good_end(controller)
}

/// The end of most scenes: nothing uncalled for comes, and the controller is left in good order.
fn good_end(mut controller: Controller) -> Result<()> {
    for queue in controller.io.iter_mut().chain([&mut controller.admin]) {
        if queue.queue.outstanding() > 0 {
            return odd(format!("{} commands are left", queue.queue.outstanding()));
        }
    }
    controller.shut_down()
}

/// What was written is there.
fn is_there(controller: &mut Controller, nsid: u32, lba: u64, data: &[u8]) -> Result<()> {
    if controller.read(nsid, lba, (data.len() / 512) as u32, 512)? == data {
        return Ok(());
    }
    odd("not what was written")
}
