//! The storage behind Envoy: a real SeaweedFS, and what an exporter puts into it.

use std::sync::OnceLock;

use bytes::Bytes;
use holdover_keys::{Recipient, SigningKey};
use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Epoch, Generation, Lineage, Position, UnixMs};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::{About, Publication, Purpose, Snapshot, keys, seal};
use holdover_ports::{PutNew, Swap};
use holdover_storage::{Environment, Opened, PutConfig, StorageUrl};
use holdover_tests::third_party::{Identity, SeaweedFs};
use tokio::sync::OnceCell;

pub const CLUSTER: &str = "production";
pub const VERSION: &str = "3.9.1";
const EXPORTER: (&str, &str) = ("exporter", "secret-of-the-exporter-51c8");
pub const ENVOY: (&str, &str) = ("envoy", "secret-of-envoy-0d3e");

/// One storage for all tests, a prefix for each. It ends with the process.
pub async fn seaweed() -> &'static SeaweedFs {
    static SEAWEED: OnceCell<SeaweedFs> = OnceCell::const_new();
    let identity = |(access_key, secret_key): (&str, &str), may_write| Identity {
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        may_write,
    };
    SEAWEED.get_or_init(async || SeaweedFs::start(&[identity(EXPORTER, true), identity(ENVOY, false)]).await).await
}

/// Who seals what the node trusts.
pub fn exporter_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate().unwrap())
}

/// One prefix of the bucket, as an exporter sees it.
pub struct Published {
    place: Opened,
    snapshot: String,
}

impl Published {
    /// What somebody does who may write to the bucket: the snapshot is another one, under the same key.
    pub async fn change_a_byte(&self) {
        let Opened { reader, writer, .. } = &self.place;
        let fetched = reader.get(&self.snapshot, 1 << 20).await.unwrap();
        let mut bytes = fetched.bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(writer.swap(&self.snapshot, fetched.etag.as_ref(), Bytes::from(bytes)).await, Ok(Swap::Swapped));
    }
}

/// What an exporter does: body first, head second.
pub async fn publish(seaweed: &SeaweedFs, prefix: &str, configuration: String) -> Published {
    publish_as(seaweed, prefix, configuration, exporter_key(), None).await
}

/// Signed by this key, and for this reader's eyes only, if there is one.
pub async fn publish_as(
    seaweed: &SeaweedFs,
    prefix: &str,
    configuration: String,
    key: &SigningKey,
    reader: Option<&Recipient>,
) -> Published {
    let url = StorageUrl::parse(&format!("{}/{}/{prefix}", seaweed.endpoint(), SeaweedFs::BUCKET)).unwrap();
    let environment: Environment =
        [("AWS_ACCESS_KEY_ID", EXPORTER.0), ("AWS_SECRET_ACCESS_KEY", EXPORTER.1)].map(|(name, value)| (name.into(), value.into())).into();
    let place = holdover_storage::open(&url, &environment, PutConfig::default()).await.unwrap();
    let (snapshot, head) = sealed(configuration, key, reader);
    let stored = head.newest(&VERSION.parse().unwrap()).unwrap().key.clone();
    assert_eq!(place.writer.put_new(&stored, Bytes::from(snapshot.into_bytes())).await, Ok(PutNew::Created));
    let lines = head.lines().unwrap();
    let signature = key.sign(Purpose::Head, lines.digest());
    assert_eq!(place.writer.swap(keys::HEAD, None, Bytes::from(lines.sign(&[signature]))).await, Ok(Swap::Swapped));
    Published { place, snapshot: stored }
}

fn sealed(configuration: String, key: &SigningKey, reader: Option<&Recipient>) -> (Snapshot, Head) {
    let valid = config::validate(configuration.into_bytes(), Format::Kong, Strictness::HandWritten).unwrap();
    let (version, lineage, now) = (VERSION.parse().unwrap(), Lineage::from_random(1, 2), UnixMs(1_700_000_000_000));
    let position = Position { epoch: Epoch(1), generation: Generation(1) };
    let about = About {
        cluster: CLUSTER.parse().unwrap(),
        gateway_version: VERSION.parse().unwrap(),
        publication: Some(Publication { lineage, epoch: position.epoch, generation: position.generation }),
        captured_at: now,
        sealed_at: now,
        sealed_by: "tests/envoy.rs".into(),
    };
    let wrapping = reader.map(|reader| holdover_keys::wrap(std::slice::from_ref(reader)).unwrap());
    let unsigned = seal(valid, &about, wrapping.as_ref()).unwrap();
    let signature = key.sign(Purpose::Snapshot, unsigned.digest());
    let snapshot = unsigned.sign(&[signature]).unwrap();
    let entry = Entry::of(&snapshot, String::new()).unwrap();
    let mut head = Head::first(CLUSTER.parse().unwrap(), lineage);
    (head.epoch, head.generation, head.confirmed_at) = (position.epoch, position.generation, now);
    head.publish(version, entry);
    (snapshot, head)
}
