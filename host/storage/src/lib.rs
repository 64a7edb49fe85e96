//! The storage capability on real storages: S3 and whatever speaks it, and a folder.
//!
//! Reader and writer are two types, made by two functions: a process that only imports constructs no writer (host-02). Knows keys,
//! bytes and marks; knows nothing of heads, snapshots or who may publish. A lost race is an answer, everything else that goes wrong
//! is one sentence with setting, value and fix, and "not there", "not allowed" and "could not look" are never the same answer (all-06).

mod file;
mod key;
mod s3;
mod url;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdover_ports::{StorageRead, StorageWrite};

use file::{FileReader, FileWriter, Folder};
pub use s3::PutConfig;
use s3::{Bucket, S3Reader, S3Settings, S3Writer};
use url::Place;
pub use url::StorageUrl;

/// The environment's variables as the caller read them. Only credential sources that name files or services of the machine
/// (profiles, container and instance roles) look at the process's own.
pub type Environment = BTreeMap<String, String>;

/// Both sides of one storage, for a process that publishes.
pub struct Opened {
    pub reader: Arc<dyn StorageRead>,
    pub writer: Arc<dyn StorageWrite>,
}

/// Opens a storage for reading and writing. Asks no network: what is wrong with the storage itself shows with the first request.
pub async fn open(url: &StorageUrl, environment: &Environment, put: PutConfig) -> Result<Opened, String> {
    match url.place() {
        Place::S3(place) => {
            let bucket = Arc::new(Bucket::open(S3Settings::from_environment(place, environment)?));
            Ok(Opened { reader: Arc::new(S3Reader::new(bucket.clone())), writer: Arc::new(S3Writer::new(bucket, put)) })
        }
        Place::Folder(folder) => {
            put.refuse_for_a_folder()?;
            let folder = Folder::new(folder.clone());
            Ok(Opened { reader: Arc::new(FileReader::new(folder.clone())), writer: Arc::new(FileWriter::new(folder)) })
        }
    }
}

/// Opens a storage for reading only.
pub async fn open_reader(url: &StorageUrl, environment: &Environment) -> Result<Arc<dyn StorageRead>, String> {
    match url.place() {
        Place::S3(place) => {
            let bucket = Bucket::open(S3Settings::from_environment(place, environment)?);
            Ok(Arc::new(S3Reader::new(Arc::new(bucket))))
        }
        Place::Folder(folder) => Ok(Arc::new(FileReader::new(Folder::new(folder.clone())))),
    }
}

/// Opens a storage for writing only.
pub async fn open_writer(url: &StorageUrl, environment: &Environment, put: PutConfig) -> Result<Arc<dyn StorageWrite>, String> {
    Ok(open(url, environment, put).await?.writer)
}
