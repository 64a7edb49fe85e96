//! The storage capability on real storages: S3 and whatever speaks it, a folder, and a mirror that is only read.
//!
//! Reader, writer and deleter are three types, made by functions of their own: a process that only imports constructs no writer
//! (host-02), and a janitor none either. Knows keys, bytes and marks; knows nothing of heads, snapshots or who may publish. A lost race is an answer, everything else that goes wrong
//! is one sentence with setting, value and fix, and "not there", "not allowed" and "could not look" are never the same answer (all-06).

mod body;
mod date;
mod failure;
mod file;
mod key;
mod mirror;
mod options;
mod s3;
mod shared;
mod url;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdover_ports::{StorageDelete, StorageRead, StorageWrite};

use file::{FileDeleter, FileReader, FileWriter, Folder};
use mirror::MirrorReader;
pub use options::{Addressing, Options};
pub use s3::PutConfig;
use s3::{Bucket, S3Deleter, S3Reader, S3Settings, S3Writer};
pub use shared::shared;
use url::Place;
pub use url::StorageUrl;

/// The environment's variables as the caller read them. Only profile files and the container's role look at the process's own.
pub type Environment = BTreeMap<String, String>;

/// What a listing brings at once: as many as S3 does.
const PAGE_OBJECTS_MAX: usize = 1000;

/// All sides of one storage, for a process that publishes and sweeps.
pub struct Opened {
    pub reader: Arc<dyn StorageRead>,
    pub writer: Arc<dyn StorageWrite>,
    pub deleter: Arc<dyn StorageDelete>,
}

/// Opens a storage for reading and writing. Asks no network: what is wrong with the storage itself shows with the first request.
pub async fn open(url: &StorageUrl, environment: &Environment, put: PutConfig) -> Result<Opened, String> {
    open_with(url, environment, put, &Options::from_environment(environment)?).await
}

/// The same, with what the settings say besides the environment.
pub async fn open_with(url: &StorageUrl, environment: &Environment, put: PutConfig, options: &Options) -> Result<Opened, String> {
    match url.place() {
        Place::S3(place) => {
            let bucket = Arc::new(Bucket::open(S3Settings::new(place, environment, options)?)?);
            Ok(Opened {
                reader: Arc::new(S3Reader::new(bucket.clone())),
                writer: Arc::new(S3Writer::new(bucket.clone(), put)),
                deleter: Arc::new(S3Deleter::new(bucket)),
            })
        }
        Place::Folder(folder) => {
            put.refuse_for_a_folder()?;
            let folder = Folder::new(folder.clone());
            Ok(Opened {
                reader: Arc::new(FileReader::new(folder.clone())),
                writer: Arc::new(FileWriter::new(folder.clone())),
                deleter: Arc::new(FileDeleter::new(folder)),
            })
        }
        Place::Mirror(_) => Err(format!(
            "cluster_fallback_config_storage = {url}: a mirror is only read; name a storage that can be written, as in s3://bucket/prefix, \
             or set cluster_fallback_config_export = off"
        )),
    }
}

/// Opens a storage for reading only.
pub async fn open_reader(url: &StorageUrl, environment: &Environment) -> Result<Arc<dyn StorageRead>, String> {
    open_reader_with(url, environment, &Options::from_environment(environment)?).await
}

/// The same, with what the settings say besides the environment.
pub async fn open_reader_with(url: &StorageUrl, environment: &Environment, options: &Options) -> Result<Arc<dyn StorageRead>, String> {
    match url.place() {
        Place::S3(place) => {
            let bucket = Bucket::open(S3Settings::new(place, environment, options)?)?;
            Ok(Arc::new(S3Reader::new(Arc::new(bucket))))
        }
        Place::Folder(folder) => Ok(Arc::new(FileReader::new(Folder::new(folder.clone())))),
        Place::Mirror(place) => Ok(Arc::new(MirrorReader::open(place, options)?)),
    }
}

/// Opens a storage for writing only.
pub async fn open_writer(url: &StorageUrl, environment: &Environment, put: PutConfig) -> Result<Arc<dyn StorageWrite>, String> {
    Ok(open(url, environment, put).await?.writer)
}

/// Opens a storage for listing and deleting only, for a janitor.
pub async fn open_deleter_with(url: &StorageUrl, environment: &Environment, options: &Options) -> Result<Arc<dyn StorageDelete>, String> {
    match url.place() {
        Place::S3(place) => {
            let bucket = Bucket::open(S3Settings::new(place, environment, options)?)?;
            Ok(Arc::new(S3Deleter::new(Arc::new(bucket))))
        }
        Place::Folder(folder) => Ok(Arc::new(FileDeleter::new(Folder::new(folder.clone())))),
        Place::Mirror(_) => Err(format!(
            "cluster_fallback_config_storage = {url}: a mirror is only read; name the storage that it mirrors, as in s3://bucket/prefix, \
             and let the janitor sweep there"
        )),
    }
}
