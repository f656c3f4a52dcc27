//! Whole admin commands, each waiting for its end.

use mainstay_proto::nvme::Cid;

use super::command::{self, IDENTIFY_BYTES, property};
use super::identify::{self, Descriptor, Namespace};
use super::{Controller, Data, Error, Result};

impl Controller {
    /// A property; CAP is the one of eight bytes.
    pub fn property(&mut self, offset: u32) -> Result<u64> {
        let done = self.admin.run(command::property_get(offset), Data::Nothing)?;
        let result = done.completion.result;
        done.good("Property Get")?;
        Ok(if offset == property::CAP { result } else { result & 0xffff_ffff })
    }

    /// Sets a property of four bytes.
    pub fn set_property(&mut self, offset: u32, value: u32) -> Result<()> {
        self.admin.run(command::property_set(offset, value), Data::Nothing)?.good("Property Set").map(drop)
    }

    /// What Identify returns.
    pub fn identify(&mut self, cns: u8, nsid: u32) -> Result<Vec<u8>> {
        self.admin.run(command::identify(cns, nsid), Data::ToHost(IDENTIFY_BYTES))?.good("Identify")
    }

    /// A namespace.
    pub fn namespace(&mut self, nsid: u32) -> Result<Namespace> {
        let data = self.identify(0, nsid)?;
        Namespace::parse(&data).ok_or_else(|| Error::Odd(format!("Identify Namespace: {:02x?}", &data[..192])))
    }

    /// The namespaces that are active.
    pub fn namespaces(&mut self) -> Result<Vec<u32>> {
        Ok(identify::namespaces(&self.identify(2, 0)?))
    }

    /// The identifiers of a namespace.
    pub fn descriptors(&mut self, nsid: u32) -> Result<Vec<Descriptor>> {
        let data = self.identify(3, nsid)?;
        identify::descriptors(&data).ok_or_else(|| Error::Odd(format!("descriptors: {data:02x?}")))
    }

    /// `len` bytes of a log page from `offset` on; the event it belongs to is cleared.
    pub fn log(&mut self, page: u8, nsid: u32, offset: u64, len: u32) -> Result<Vec<u8>> {
        let entry = command::get_log_page(page, nsid, offset, len, false);
        self.admin.run(entry, Data::ToHost(len))?.good("Get Log Page")
    }

    /// Dword 0 of Get Features.
    pub fn feature(&mut self, feature: u8, select: u8) -> Result<u32> {
        let done = self.admin.run(command::get_features(feature, select, 0), Data::Nothing)?;
        let value = done.completion.dword();
        done.good("Get Features").map(|_| value)
    }

    /// Set Features; dword 0 of the answer.
    pub fn set_feature(&mut self, feature: u8, value: u32) -> Result<u32> {
        let done = self.admin.run(command::set_features(feature, value), Data::Nothing)?;
        let value = done.completion.dword();
        done.good("Set Features").map(|_| value)
    }

    /// Keep Alive.
    pub fn keep_alive(&mut self) -> Result<()> {
        self.admin.run(command::keep_alive(), Data::Nothing)?.good("Keep Alive").map(drop)
    }

    /// Leaves an asynchronous event request with the controller.
    pub fn listen(&mut self) -> Result<Cid> {
        self.admin.start(command::async_event_request(), Data::Nothing)
    }

    /// Waits for an event: its type, information and log page.
    pub fn event(&mut self, request: Cid) -> Result<(u8, u8, u8)> {
        let done = self.admin.wait(request)?;
        let word = done.completion.dword();
        done.good("Asynchronous Event Request")?;
        Ok((word as u8 & 7, (word >> 8) as u8, (word >> 16) as u8))
    }

    /// Abort; whether the command was aborted.
    pub fn abort(&mut self, qid: u16, cid: Cid) -> Result<bool> {
        let done = self.admin.run(command::abort(qid, cid.0), Data::Nothing)?;
        let aborted = done.completion.dword() & 1 == 0;
        done.good("Abort").map(|_| aborted)
    }
}
