//! Protobuf as numbers and bytes: just enough to look into a snapshot without the target's own messages.

/// A message's fields, in the order they stand.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<(u32, Field)>);

/// One field.
#[derive(Clone, Debug)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    /// The message in `bytes`; none when they are no message.
    pub fn parse(bytes: &[u8]) -> Option<Message> {
        let (mut rest, mut fields) = (bytes, Vec::new());
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            let field = match key & 7 {
                0 => Field::Number(varint(&mut rest)?),
                1 => Field::Number(u64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?)),
                2 => {
                    let len = usize::try_from(varint(&mut rest)?).ok()?;
                    Field::Bytes(take(&mut rest, len)?.to_vec())
                }
                5 => Field::Number(u64::from(u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?))),
                _ => return None,
            };
            fields.push((u32::try_from(key >> 3).ok()?, field));
        }
        Some(Message(fields))
    }

    /// A number; 0 when it is not there, as in protobuf.
    pub fn number(&self, tag: u32) -> u64 {
        self.numbers(tag).next().unwrap_or(0)
    }

    /// Whether the field is there.
    pub fn has(&self, tag: u32) -> bool {
        self.0.iter().any(|(number, _)| *number == tag)
    }

    fn numbers(&self, tag: u32) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().filter_map(move |(number, field)| match field {
            Field::Number(value) if *number == tag => Some(*value),
            _ => None,
        })
    }

    /// A string or bytes; empty when it is not there.
    pub fn bytes(&self, tag: u32) -> &[u8] {
        self.all(tag).next().unwrap_or_default()
    }

    fn all(&self, tag: u32) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter_map(move |(number, field)| match field {
            Field::Bytes(bytes) if *number == tag => Some(bytes.as_slice()),
            _ => None,
        })
    }

    /// Every message with that tag.
    pub fn messages(&self, tag: u32) -> Vec<Message> {
        self.all(tag).filter_map(Message::parse).collect()
    }

    /// The first message with that tag, or one of nothing.
    pub fn message(&self, tag: u32) -> Message {
        self.all(tag).next().and_then(Message::parse).unwrap_or_default()
    }
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}
