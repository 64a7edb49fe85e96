//! Messages to and from gRPC's frames. What cannot be decoded says so by its type, so that it is not taken for the other side's word.
//!
//! Two bytes of a frame can become a resource of a hundred, so a frame's fields are counted before anything is made of them.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{DecodeBuf, EncodeBuf};

use crate::RESOURCES_MAX;

/// Sends `Out`, receives `In`.
pub(crate) struct Codec<Out, In>(PhantomData<(Out, In)>);

pub(crate) struct Encoder<Out>(PhantomData<Out>);

pub(crate) struct Decoder<In>(PhantomData<In>);

/// The source of a status that this side made of bytes that are no message.
#[derive(Debug)]
pub(crate) enum Unreadable {
    NoMessage(prost::DecodeError),
    TooMany { fields_max: usize },
}

impl<Out, In> Codec<Out, In> {
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<Out, In> tonic::codec::Codec for Codec<Out, In>
where
    Out: Message + 'static,
    In: Message + Default + 'static,
{
    type Encode = Out;
    type Decode = In;
    type Encoder = Encoder<Out>;
    type Decoder = Decoder<In>;

    fn encoder(&mut self) -> Encoder<Out> {
        Encoder(PhantomData)
    }

    fn decoder(&mut self) -> Decoder<In> {
        Decoder(PhantomData)
    }
}

impl<Out: Message> tonic::codec::Encoder for Encoder<Out> {
    type Item = Out;
    type Error = Status;

    fn encode(&mut self, message: Out, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(format!("a message has no room ({error})")))
    }
}

impl<In: Message + Default> tonic::codec::Decoder for Decoder<In> {
    type Item = In;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<In>, Status> {
        let frame = buffer.copy_to_bytes(buffer.remaining());
        read(frame, RESOURCES_MAX).map(Some).map_err(|unreadable| {
            let mut status = match &unreadable {
                Unreadable::NoMessage(_) => Status::invalid_argument(unreadable.to_string()),
                Unreadable::TooMany { .. } => Status::resource_exhausted(unreadable.to_string()),
            };
            status.set_source(Arc::new(unreadable));
            status
        })
    }
}

fn read<In: Message + Default>(frame: Bytes, fields_max: usize) -> Result<In, Unreadable> {
    if fields(&frame, fields_max) > fields_max {
        return Err(Unreadable::TooMany { fields_max });
    }
    In::decode(frame).map_err(Unreadable::NoMessage)
}

/// How many fields a message has, of which each element of a list is one; beyond the bound it is not counted on. Where this finds no field
/// any more a decoder finds none either.
fn fields(mut frame: &[u8], fields_max: usize) -> usize {
    let mut count = 0;
    while count <= fields_max
        && let Some(rest) = after_field(frame)
    {
        frame = rest;
        count += 1;
    }
    count
}

fn after_field(mut frame: &[u8]) -> Option<&[u8]> {
    // A key is an integer as a length is, and says in three bits how long its field is.
    let key = prost::decode_length_delimiter(&mut frame).ok()?;
    let bytes = match key & 0b111 {
        0 => prost::decode_length_delimiter(&mut frame).ok().map(|_| 0)?,
        1 => 8,
        2 => prost::decode_length_delimiter(&mut frame).ok()?,
        // Groups begin and end so. What is between them counts as well.
        3 | 4 => 0,
        5 => 4,
        _ => return None,
    };
    frame.get(bytes..)
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMessage(error) => write!(f, "a message cannot be read ({error})"),
            Self::TooMany { fields_max } => write!(f, "a message has more than {fields_max} fields"),
        }
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Any, DeltaDiscoveryResponse, DeltaResource, DiscoveryResponse};

    #[test]
    fn a_message_of_more_fields_than_the_bound_is_not_decoded() {
        let answer = |resources: usize| {
            let resources = vec![Any::default(); resources];
            Bytes::from(DiscoveryResponse { resources, nonce: "n".into(), ..DiscoveryResponse::default() }.encode_to_vec())
        };
        assert_eq!(read::<DiscoveryResponse>(answer(9), 10).unwrap().resources.len(), 9);
        assert!(matches!(read::<DiscoveryResponse>(answer(10), 10), Err(Unreadable::TooMany { fields_max: 10 })));
        // What is broken later is counted as far as it can be decoded.
        let broken = Bytes::from([answer(10), Bytes::from_static(b"\x07")].concat());
        assert!(matches!(read::<DiscoveryResponse>(broken, 10), Err(Unreadable::TooMany { .. })));
        assert!(matches!(read::<DiscoveryResponse>(Bytes::from_static(b"\x0a\x05x"), 10), Err(Unreadable::NoMessage(_))));
    }

    #[test]
    fn every_kind_of_field_counts_once() {
        let kinds: [(&[u8], usize); 6] = [
            (b"", 0),
            (b"\x08\x96\x01", 1),
            (b"\x09\0\0\0\0\0\0\0\0", 1),
            (b"\x0d\0\0\0\0", 1),
            (b"\x0b\x08\x01\x0c", 3),
            (b"\x0a\x02xx\x0a", 1),
        ];
        for (frame, count) in kinds {
            assert_eq!(fields(frame, 10), count, "{frame:?}");
        }
        let (resources, removed) = (vec![DeltaResource::default(); 3], vec![String::new(); 4]);
        let answer =
            DeltaDiscoveryResponse { resources, removed_resources: removed, type_url: "t".into(), ..DeltaDiscoveryResponse::default() };
        assert_eq!(fields(&answer.encode_to_vec(), 100), 8);
    }
}
