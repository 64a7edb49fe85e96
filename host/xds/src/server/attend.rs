//! Where a call of ADS becomes a session: the gate is asked before a request is read.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;
use tonic::server::StreamingService;
use tonic::{Request, Response, Status, Streaming};

use super::session::{self, Begun, Variant};
use super::{Desk, Gate};

pub(super) struct Attend<V> {
    desk: Arc<Desk>,
    ip: IpAddr,
    variant: PhantomData<fn() -> V>,
}

/// What goes back to the client.
pub(super) struct Answers<R>(pub mpsc::Receiver<Result<R, Status>>);

impl<V> Attend<V> {
    pub fn new(desk: Arc<Desk>, ip: IpAddr) -> Self {
        Self { desk, ip, variant: PhantomData }
    }
}

impl<V: Variant> StreamingService<V::Request> for Attend<V> {
    type Response = V::Response;
    type ResponseStream = Answers<V::Response>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<V::Request>>) -> Self::Future {
        let (desk, ip) = (Arc::clone(&self.desk), self.ip);
        Box::pin(async move {
            let gate = desk.offers.gate();
            if matches!(*gate.borrow(), Gate::ControlPlaneAnswers) {
                return Err(session::belongs_there());
            }
            let Ok(permit) = Arc::clone(&desk.streams).try_acquire_owned() else {
                tracing::warn!(%ip, streams = desk.limits.streams_max, "a node was turned away: there are too many streams");
                return Err(Status::resource_exhausted("there are too many streams"));
            };
            let (answers, receiver) = mpsc::channel(1);
            let stream = desk.streams_begun.fetch_add(1, Ordering::Relaxed) + 1;
            let begun = Begun { desk, stream, ip, gate, requests: request.into_inner(), answers, permit };
            tokio::spawn(session::run::<V>(begun));
            Ok(Response::new(Answers(receiver)))
        })
    }
}

impl<R> Stream for Answers<R> {
    type Item = Result<R, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
