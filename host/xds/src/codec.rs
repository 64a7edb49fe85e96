//! Messages to and from gRPC's frames. What cannot be decoded says so by its type, so that it is not taken for the other side's word.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use prost::Message;
use tonic::Status;
use tonic::codec::{DecodeBuf, EncodeBuf};

/// Sends `Out`, receives `In`.
pub(crate) struct Codec<Out, In>(PhantomData<(Out, In)>);

pub(crate) struct Encoder<Out>(PhantomData<Out>);

pub(crate) struct Decoder<In>(PhantomData<In>);

/// The source of a status that this side made of bytes that are no message.
#[derive(Debug)]
pub(crate) struct Unreadable(prost::DecodeError);

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
        In::decode(buffer).map(Some).map_err(|error| {
            let mut status = Status::invalid_argument(format!("a message cannot be read ({error})"));
            status.set_source(Arc::new(Unreadable(error)));
            status
        })
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message cannot be read ({})", self.0)
    }
}

impl std::error::Error for Unreadable {}
