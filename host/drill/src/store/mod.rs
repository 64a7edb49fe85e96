//! An S3 server in this process, in memory: real SigV4, real conditional writes, and faults on demand.
//!
//! Promised: read after write; `If-None-Match: *` and `If-Match` decided under one lock, so one of many writers wins; listings in
//! pages of a thousand, in the order of keys; signatures checked; each access key may do what its [`Permission`] says, and no more;
//! `AccessDenied` instead of `NoSuchKey` for identities that may not list. What was asked is recorded with its headers, so that a
//! test sees which parameters a write carried, and what was answered is counted by operation.
//! Faults, all of them at run time through [`Store`] and [`Faults`]: refused connections · slow answers · a budget of requests per
//! second, and `SlowDown` beyond it · S3 errors of any code, with or without `Retry-After` and a wrong `Date` · bodies that end early ·
//! lost answers to writes and deletions that happened · ignored conditions · reads of what was overwritten · bits that rot in the store.
//!
//! Here the promise ends: one bucket, no versions, no conditions on deletions, no multipart, no checksums besides the signature's, no half-written request, no
//! TLS. What is stored dies with the [`Store`].

mod access;
mod budget;
mod door;
mod faults;
mod objects;
mod requests;
mod service;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use s3s::service::S3ServiceBuilder;

use access::{Identities, Permissions};
use door::Door;
pub use faults::Faults;
use objects::Objects;
use requests::Requests;
pub use requests::{Answered, Operation, Request};
use service::Service;

/// A running server. Dropping it closes every connection.
pub struct Store {
    bucket: String,
    objects: Arc<Objects>,
    faults: Faults,
    requests: Arc<Requests>,
    door: Door,
}

#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub bucket: String,
    pub keys: Vec<AccessKey>,
}

/// An identity and what it may do.
#[derive(Clone)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    pub permission: Permission,
    /// Without it, S3 answers 403 to a GET of an absent object.
    pub may_list: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// s3:GetObject alone, and by GET alone: no HEAD, no list, nothing of the bucket.
    GetOnly,
    /// GET and HEAD.
    Read,
    /// What an exporter needs: it can delete nothing.
    ReadPut,
    /// What a janitor needs, if it may list as well: it can write nothing.
    ReadDelete,
    /// Everything.
    ReadWrite,
}

impl Store {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(options: StoreOptions) -> io::Result<Self> {
        let identities: BTreeMap<_, _> = options.keys.iter().map(|key| (key.id.clone(), key.clone())).collect();
        let identities = Arc::new(identities);
        let (objects, faults, requests) = (Arc::new(Objects::default()), Faults::default(), Arc::new(Requests::default()));
        let mut builder = S3ServiceBuilder::new(Service::new(&options.bucket, objects.clone(), faults.clone(), identities.clone()));
        builder.set_auth(Identities(identities.clone()));
        builder.set_access(Permissions(identities));
        let served = door::Served::new(&options.bucket, builder.build(), faults.clone(), requests.clone());
        let door = Door::open(served)?;
        Ok(Self { bucket: options.bucket, objects, faults, requests, door })
    }

    /// `http://127.0.0.1:port`, the same while the store lives.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.door.address())
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Cuts every connection and refuses further ones. The port stays taken, so that nobody else answers there.
    pub async fn stop(&self) {
        self.door.close().await;
    }

    /// Listens again, with what was stored before.
    pub async fn resume(&self) -> io::Result<()> {
        self.door.reopen()
    }

    /// Everything asked so far, in the order of the answers.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.all()
    }

    /// Of these, the writes that were done.
    pub fn writes(&self) -> Vec<Request> {
        let done = |request: &Request| request.method == "PUT" && request.status == Some(200);
        self.requests().into_iter().filter(done).collect()
    }

    /// How many requests of a kind were answered so far, and how.
    pub fn answered(&self, operation: Operation) -> Answered {
        self.requests.answered(operation)
    }

    /// A look behind the server's back.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.objects.get(key).map(|object| object.bytes)
    }

    pub fn keys(&self) -> Vec<String> {
        self.objects.keys()
    }

    /// Flips the lowest bit of one stored byte; its ETag stays. `false` when there is no such byte.
    pub fn corrupt(&self, key: &str, offset: usize) -> bool {
        self.objects.flip(key, offset)
    }
}

impl AccessKey {
    pub fn read_write(id: &str, secret: &str) -> Self {
        Self { id: id.into(), secret: secret.into(), permission: Permission::ReadWrite, may_list: true }
    }

    pub fn read_only(id: &str, secret: &str) -> Self {
        Self { permission: Permission::Read, ..Self::read_write(id, secret) }
    }

    pub fn read_put(id: &str, secret: &str) -> Self {
        Self { permission: Permission::ReadPut, ..Self::read_write(id, secret) }
    }

    pub fn read_delete(id: &str, secret: &str) -> Self {
        Self { permission: Permission::ReadDelete, ..Self::read_write(id, secret) }
    }

    pub fn only_gets(id: &str, secret: &str) -> Self {
        Self { permission: Permission::GetOnly, may_list: false, ..Self::read_write(id, secret) }
    }

    pub fn without_list(self) -> Self {
        Self { may_list: false, ..self }
    }
}

/// The secret half is never printed.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessKey({}, {:?}, may_list: {})", self.id, self.permission, self.may_list)
    }
}
