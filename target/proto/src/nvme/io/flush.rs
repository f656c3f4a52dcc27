//! Flush (base §7.1): of one namespace, or of all that the host sees.

use super::fault;
use super::task::{Cx, Ending, Job, Step, reachable};
use crate::nvme::Action;
use mainstay_base::unit::{Done, Fault, Op};

/// A Flush in progress.
#[derive(Debug)]
pub struct Flush {
    /// The namespace to be flushed next, or the first one behind it; none: all that was asked for is.
    pub next: Option<u32>,
    /// All namespaces (NSID FFFFFFFFh).
    pub all: bool,
}

impl Flush {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if job.flying > 0 {
            return Step::Do(Action::Wait);
        }
        while let Some(nsid) = self.next {
            let at = cx.view.namespaces.partition_point(|namespace| namespace.nsid < nsid);
            let Some(namespace) = cx.view.namespaces.get(at).filter(|found| self.all || found.nsid == nsid) else {
                break;
            };
            self.next = namespace.nsid.checked_add(1).filter(|_| self.all);
            if let Err(status) = reachable(namespace) {
                return Step::End(status.into());
            }
            if cx.disks.disk(namespace.volume).is_some_and(|disk| !disk.behaviour.read_only) {
                job.volume = namespace.volume;
                return job.submit(0, Op::Flush);
            }
        }
        Step::End(Ending::OK)
    }

    pub fn stored(&self, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map(|_| ()).map_err(|fault| fault::status(fault, false).into())
    }
}
