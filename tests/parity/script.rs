//! A world as a scenario scripts it: what control plane and storage do, by the time at which they are asked. The gateway is the
//! module's own: the routing table says what it can run.
//!
//! It does what HTTP can say and nothing else, so that whatever is recorded here can be played to a module behind Envoy's clusters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use holdover_plugin::model::Digest;
use holdover_plugin::routing::{Table, Unenforced};
use holdover_ports::{Answer, Random, StorageFailureKind};
use holdover_tests::virtual_world::{Published, SeededRandom, World};

use crate::source::{Reply, Source};
use crate::trace::{Got, Heard, Told, Written};

/// Never the same as any other wait, so that no two things happen in one millisecond.
const CONTROL_PLANE_TAKES: Duration = Duration::from_millis(2);
const STORAGE_TAKES: Duration = Duration::from_millis(3);
/// Envoy's own clock ends a call a little after its caller would have.
const LATE: Duration = Duration::from_millis(5);

/// What is played, and from when on.
pub struct Scenario {
    pub name: &'static str,
    pub says: &'static str,
    pub told: Told,
    pub lasts_ms: u64,
    pub is_ordered_by_chance: bool,
    pub control_plane: Vec<(u64, Does)>,
    pub storage: Vec<(u64, Holds)>,
}

#[derive(Clone)]
pub enum Does {
    Delivers(Vec<u8>),
    Answers(Answer),
    /// Neither a word nor an end: Envoy's timer ends it.
    Hangs,
}

#[derive(Clone)]
pub enum Holds {
    These(BTreeMap<String, Vec<u8>>),
    Fails(StorageFailureKind),
}

pub struct Scripted {
    control_plane: Vec<(u64, Does)>,
    storage: Vec<(u64, Holds)>,
    random: Arc<SeededRandom>,
    bodies: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Holds {
    pub fn nothing() -> Self {
        Self::These(BTreeMap::new())
    }

    /// What an exporter leaves there.
    pub fn published(published: &Published) -> Self {
        let world = World::new(1);
        published.put_on(world.storage());
        let storage = world.storage();
        Self::These(storage.keys().into_iter().map(|key| (key.clone(), storage.object(&key).unwrap().to_vec())).collect())
    }

    pub fn with(self, key: &str, object: &[u8]) -> Self {
        let mut objects = self.objects();
        objects.insert(key.to_owned(), object.to_vec());
        Self::These(objects)
    }

    pub fn without(self, key: &str) -> Self {
        let mut objects = self.objects();
        assert!(objects.remove(key).is_some(), "{key} is not there to be lost");
        Self::These(objects)
    }

    fn objects(self) -> BTreeMap<String, Vec<u8>> {
        match self {
            Self::These(objects) => objects,
            Self::Fails(kind) => panic!("a storage that fails ({kind:?}) shows no objects"),
        }
    }
}

impl Scripted {
    pub fn of(scenario: &Scenario) -> Self {
        // A seed of its own for each, and the same at every recording.
        let seed = u64::from_le_bytes(Digest::of(scenario.name.as_bytes()).as_bytes()[..8].try_into().unwrap());
        Self {
            control_plane: scenario.control_plane.clone(),
            storage: scenario.storage.clone(),
            random: World::seeded(0, seed).random,
            bodies: Mutex::default(),
        }
    }

    /// Every body that was handed out.
    pub fn bodies(&self) -> BTreeMap<String, Written> {
        self.bodies.lock().unwrap().iter().map(|(name, bytes)| (name.clone(), Written::of(bytes))).collect()
    }

    fn hand_out(&self, bytes: &[u8]) -> String {
        let name = Digest::of(bytes).short();
        self.bodies.lock().unwrap().insert(name.clone(), bytes.to_vec());
        name
    }
}

impl Source for Scripted {
    fn heard(&self, at: Duration, patience: Duration) -> Reply<Heard> {
        let answer = |after, answer: Answer| Reply { after: Some(after), what: Heard::Answer(answer.reason().into()) };
        match current(&self.control_plane, at) {
            Does::Delivers(document) => Reply { after: Some(CONTROL_PLANE_TAKES), what: Heard::Delivery(self.hand_out(&document)) },
            Does::Answers(what) => answer(CONTROL_PLANE_TAKES, what),
            Does::Hangs => answer(patience + LATE, Answer::TimedOut),
        }
    }

    fn got(&self, at: Duration, key: &str) -> Reply<Got> {
        let failure = |kind: StorageFailureKind| Got::Failure(kind.reason().into());
        let what = match current(&self.storage, at) {
            Holds::These(objects) => match objects.get(key) {
                Some(object) => Got::Object(self.hand_out(object)),
                None => failure(StorageFailureKind::Absent),
            },
            Holds::Fails(kind) => failure(kind),
        };
        Reply { after: Some(STORAGE_TAKES), what }
    }

    fn takes(&self, config: &[u8]) -> bool {
        Table::build(config, &Unenforced::default()).is_ok()
    }

    fn number(&self) -> u64 {
        self.random.random()
    }

    fn body(&self, name: &str) -> Bytes {
        Bytes::from(self.bodies.lock().unwrap().get(name).cloned().expect("it was handed out"))
    }
}

fn current<T: Clone>(turns: &[(u64, T)], at: Duration) -> T {
    let begun = turns.iter().take_while(|(from_ms, _)| Duration::from_millis(*from_ms) <= at);
    begun.last().map(|(_, turn)| turn.clone()).expect("a script begins at 0")
}
