//! `grpc.health.v1`: the gate, told to whoever routes by it.
//!
//! By no name, or by the discovery service's own, it is SERVING exactly while a fresh node would be served. By the name `control-plane`
//! it is SERVING while the control plane answers: the same verdict from the other side, so that both can be checked at this one port.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tonic::server::{ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};

use super::attend::Answers;
use super::{Desk, Gate};
use crate::message::{HealthCheckRequest, HealthCheckResponse, ServingStatus};

pub(super) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(super) const WATCH: &str = "/grpc.health.v1.Health/Watch";

const ADS: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
const CONTROL_PLANE: &str = "control-plane";

pub(super) struct Check(pub Arc<Desk>);

pub(super) struct Watch(pub Arc<Desk>);

#[derive(Clone, Copy)]
enum Service {
    ThisServer,
    ControlPlane,
    Unknown,
}

impl Service {
    fn named(name: &str) -> Self {
        match name {
            "" | ADS => Self::ThisServer,
            CONTROL_PLANE => Self::ControlPlane,
            _ => Self::Unknown,
        }
    }

    fn status(self, gate: &Gate) -> ServingStatus {
        match (self, gate) {
            (Self::Unknown, _) => ServingStatus::ServiceUnknown,
            (Self::ThisServer, Gate::Serving(_)) | (Self::ControlPlane, Gate::ControlPlaneAnswers) => ServingStatus::Serving,
            (Self::ThisServer, Gate::Waiting | Gate::ControlPlaneAnswers) | (Self::ControlPlane, Gate::Waiting | Gate::Serving(_)) => {
                ServingStatus::NotServing
            }
        }
    }
}

impl UnaryService<HealthCheckRequest> for Check {
    type Response = HealthCheckResponse;
    type Future = std::future::Ready<Result<Response<HealthCheckResponse>, Status>>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        let status = Service::named(&request.get_ref().service).status(&self.0.offers.gate().borrow());
        std::future::ready(match status {
            ServingStatus::ServiceUnknown => Err(Status::not_found("there is no such service here")),
            ServingStatus::Serving | ServingStatus::NotServing | ServingStatus::Unknown => Ok(Response::new(said(status))),
        })
    }
}

impl ServerStreamingService<HealthCheckRequest> for Watch {
    type Response = HealthCheckResponse;
    type ResponseStream = Answers<HealthCheckResponse>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        let service = Service::named(&request.get_ref().service);
        let gate = self.0.offers.gate();
        let permit = Arc::clone(&self.0.streams).try_acquire_owned();
        Box::pin(async move {
            let permit = permit.map_err(|_| Status::resource_exhausted("there are too many streams"))?;
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(tell(service, gate, sender, permit));
            Ok(Response::new(Answers(receiver)))
        })
    }
}

/// The verdict, and each change of it, until nobody listens.
async fn tell(
    service: Service,
    mut gate: watch::Receiver<Gate>,
    sender: mpsc::Sender<Result<HealthCheckResponse, Status>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut told = None;
    loop {
        let status = service.status(&gate.borrow_and_update());
        if told != Some(status) && sender.send(Ok(said(status))).await.is_err() {
            return;
        }
        told = Some(status);
        tokio::select! {
            () = sender.closed() => return,
            changed = gate.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

fn said(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: i32::from(status) }
}
