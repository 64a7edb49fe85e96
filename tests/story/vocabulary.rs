//! Every sentence that a story may say, and nothing else. A new word is a new arm here and one in the player or the claims.

use std::time::Duration;

use holdover_plugin::policy::Origin;
use holdover_ports::{Answer, Name, StorageFailureKind};

/// How the world is before anything happens.
pub enum Given {
    Services {
        config: String,
        services: u64,
        authenticated: u64,
    },
    Empty {
        config: String,
    },
    /// Among its services one whose host was left blank.
    Blank {
        config: String,
        services: u64,
    },
    StorageHolds {
        config: String,
    },
    Exporter {
        name: String,
    },
    Node {
        name: String,
    },
    /// It ran this until it settled, and stopped.
    CachedNode {
        name: String,
        config: String,
    },
    /// A herd: they are looked at together only.
    Nodes {
        count: u64,
        name: String,
    },
    Soak(Duration),
    Watched(u64),
    FirstFetchSpread(Duration),
    GatewaysReject {
        config: String,
    },
    SchemaForbids {
        config: String,
    },
}

pub enum Step {
    When(When),
    Expect(Claim),
}

/// What happens next.
pub enum When {
    Starts {
        name: String,
    },
    /// Every node of a group at the same moment.
    AllStart {
        group: String,
    },
    IsKilled {
        name: String,
    },
    /// It does nothing, and knows nothing of the time that passes.
    IsPaused {
        name: String,
    },
    Continues {
        name: String,
    },
    /// `anew`: what it says to whoever asks once more, when that is something else.
    Delivers {
        name: String,
        config: String,
        anew: Option<String>,
    },
    HasAnew {
        name: String,
        config: String,
    },
    GoesAway {
        name: String,
    },
    Answers {
        name: String,
        answer: Answer,
    },
    Hangs {
        name: String,
    },
    Passes(Duration),
    StorageFails(StorageFailureKind),
    StorageIsBack,
    WatchedAre {
        well: bool,
    },
    Approves {
        name: String,
    },
    Sweeps,
    /// Somebody takes office and moves the head at the very moment at which the next conditional write arrives.
    RivalPublishes {
        config: String,
    },
}

/// What can be the case. `expect` wants it where it stands, `never` at no time.
pub enum Claim {
    Serves {
        name: String,
        config: String,
        from: Option<Origin>,
    },
    AllServe {
        group: String,
        config: String,
    },
    AllServeNothing {
        group: String,
    },
    ServesNothing {
        name: String,
    },
    IsRefused {
        name: String,
    },
    Leads {
        name: String,
    },
    StandsBy {
        name: String,
    },
    HoldsItsExport {
        name: String,
    },
    Said {
        name: String,
        event: Name,
    },
    AsksTheStorage {
        name: String,
    },
    /// After its process began, the last one.
    AsksTheStorageWithin {
        name: String,
        time: Duration,
    },
    HeadNames {
        config: String,
    },
    HeadLists {
        config: String,
    },
    GivenToNewNodes {
        config: String,
    },
    HeadFalls,
    HeadNamesWhatIsNotThere,
    TwoLeadInOneEpoch,
    /// Some node says that it serves something, and its gateway runs something else or nothing.
    NodeSaysWhatIsNotSo,
    /// Some gateway ran something, and its node serves nothing any more.
    GatewayIsEmptied,
    MoreReads {
        count: u64,
        within: Duration,
    },
}

impl Given {
    pub fn read(words: &[&str]) -> Result<Self, String> {
        Ok(match words {
            ["the", "storage", "holds", config] => Self::StorageHolds { config: text(config) },
            ["exporter", name] => Self::Exporter { name: text(name) },
            ["node", name] => Self::Node { name: text(name) },
            ["node", name, "with", config, "in", "its", "cache"] => Self::CachedNode { name: text(name), config: text(config) },
            ["candidates", "soak", "for", time] => Self::Soak(duration(time)?),
            ["nodes", "spread", "their", "first", "fetch", "over", time] => Self::FirstFetchSpread(duration(time)?),
            ["every", "gateway", "rejects", config] => Self::GatewaysReject { config: text(config) },
            ["the", "operator's", "schema", "forbids", config] => Self::SchemaForbids { config: text(config) },
            [count, "watched", "nodes"] => Self::Watched(number(count)?),
            [count, "nodes", "named", name] => Self::Nodes { count: number(count)?, name: text(name) },
            [config, "has", "nothing", "in", "it"] => Self::Empty { config: text(config) },
            [config, "has", services, "services"] => Self::services(config, services, "0")?,
            [config, "has", services, "services,", authenticated, "of", "them", "authenticated"] => {
                Self::services(config, services, authenticated)?
            }
            [config, "has", services, "services", "and", "a", "blank", "field"] => {
                Self::Blank { config: text(config), services: number(services)? }
            }
            _other => return Err(unknown("given")),
        })
    }

    fn services(config: &str, services: &str, authenticated: &str) -> Result<Self, String> {
        Ok(Self::Services { config: text(config), services: number(services)?, authenticated: number(authenticated)? })
    }
}

impl Step {
    pub fn when(words: &[&str]) -> Result<Self, String> {
        When::read(words).map(Self::When)
    }
}

impl When {
    fn read(words: &[&str]) -> Result<Self, String> {
        Ok(match words {
            ["the", "control", "plane", "of", name, rest @ ..] => Self::control_plane(text(name), rest)?,
            ["the", "storage", "is", "back"] => Self::StorageIsBack,
            ["the", "storage", "fails:", kind] => Self::StorageFails(failure(kind)?),
            ["the", "watched", "nodes", "are", "well"] => Self::WatchedAre { well: true },
            ["the", "watched", "nodes", "are", "ill"] => Self::WatchedAre { well: false },
            ["the", "janitor", "sweeps"] => Self::Sweeps,
            ["an", "operator", "approves", "what", name, "holds"] => Self::Approves { name: text(name) },
            ["a", "rival", "publishes", config, "during", "the", "next", "write"] => Self::RivalPublishes { config: text(config) },
            ["all", group, "start"] => Self::AllStart { group: text(group) },
            [time, "passes"] => Self::Passes(duration(time)?),
            [name, "starts"] => Self::Starts { name: text(name) },
            [name, "is", "killed"] => Self::IsKilled { name: text(name) },
            [name, "is", "paused"] => Self::IsPaused { name: text(name) },
            [name, "continues"] => Self::Continues { name: text(name) },
            _other => return Err(unknown("when")),
        })
    }

    fn control_plane(name: String, words: &[&str]) -> Result<Self, String> {
        Ok(match words {
            ["goes", "away"] => Self::GoesAway { name },
            ["hangs"] => Self::Hangs { name },
            ["answers", word] => Self::Answers { name, answer: answer(word)? },
            ["delivers", config] => Self::Delivers { name, config: text(config), anew: None },
            ["delivers", config, "and,", "asked", "anew,", anew] => Self::Delivers { name, config: text(config), anew: Some(text(anew)) },
            ["has", config, "for", "who", "asks", "anew"] => Self::HasAnew { name, config: text(config) },
            _other => return Err(unknown("when the control plane of …")),
        })
    }
}

impl Claim {
    pub fn read(words: &[&str]) -> Result<Self, String> {
        Ok(match words {
            ["the", "head", "names", "what", "is", "not", "there"] => Self::HeadNamesWhatIsNotThere,
            ["the", "head", "names", config] => Self::HeadNames { config: text(config) },
            ["the", "head", "lists", config] => Self::HeadLists { config: text(config) },
            ["the", "head", "falls"] => Self::HeadFalls,
            ["new", "nodes", "are", "given", config] => Self::GivenToNewNodes { config: text(config) },
            ["two", "lead", "in", "one", "epoch"] => Self::TwoLeadInOneEpoch,
            ["a", "node", "says", "what", "is", "not", "so"] => Self::NodeSaysWhatIsNotSo,
            ["a", "gateway", "is", "emptied"] => Self::GatewayIsEmptied,
            ["more", "than", count, "reads", "reach", "the", "storage", "within", time] => {
                Self::MoreReads { count: number(count)?, within: duration(time)? }
            }
            ["all", group, "serve", "nothing"] => Self::AllServeNothing { group: text(group) },
            ["all", group, "serve", config] => Self::AllServe { group: text(group), config: text(config) },
            [name, "serves", "nothing"] => Self::ServesNothing { name: text(name) },
            [name, "serves", config] => Self::Serves { name: text(name), config: text(config), from: None },
            [name, "serves", config, "from", origin] => Self::Serves { name: text(name), config: text(config), from: Some(rung(origin)?) },
            [name, "is", "refused"] => Self::IsRefused { name: text(name) },
            [name, "leads"] => Self::Leads { name: text(name) },
            [name, "stands", "by"] => Self::StandsBy { name: text(name) },
            [name, "holds", "its", "export"] => Self::HoldsItsExport { name: text(name) },
            [name, "said", event] => Self::Said { name: text(name), event: self::event(event)? },
            [name, "asks", "the", "storage"] => Self::AsksTheStorage { name: text(name) },
            [name, "asks", "the", "storage", "within", time, "of", "its", "start"] => {
                Self::AsksTheStorageWithin { name: text(name), time: duration(time)? }
            }
            _other => return Err(unknown("expect and never")),
        })
    }
}

fn unknown(keyword: &str) -> String {
    format!("no sentence after '{keyword}' that tests/story/vocabulary.rs knows")
}

fn text(word: &str) -> String {
    word.to_owned()
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("'{word}' is no number"))
}

/// `500ms`, `90s`, `10m`, `2h`, `3d`.
fn duration(word: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let parsed = units.into_iter().find_map(|(unit, ms)| Some(word.strip_suffix(unit)?.parse::<u64>().ok()? * ms));
    parsed.map(Duration::from_millis).ok_or_else(|| format!("'{word}' is no time such as 90s or 10m"))
}

fn event(word: &str) -> Result<Name, String> {
    match Name::from_text(word) {
        Name::Unknown => Err(format!("'{word}' is no event of plugin/policy/events.rs")),
        name => Ok(name),
    }
}

fn rung(word: &str) -> Result<Origin, String> {
    let known = [Origin::ControlPlane, Origin::Cache, Origin::Storage, Origin::Bundle];
    known.into_iter().find(|origin| origin.as_str() == word).ok_or_else(|| format!("'{word}' is no rung"))
}

fn answer(word: &str) -> Result<Answer, String> {
    let known = [
        Answer::ConnectionRefused,
        Answer::TimedOut,
        Answer::TheirCertificate,
        Answer::ServerError,
        Answer::Silent,
        Answer::NotConfigured,
        Answer::Unauthorised,
        Answer::Forbidden,
        Answer::OurCertificate,
    ];
    known.into_iter().find(|answer| answer.reason() == word).ok_or_else(|| format!("'{word}' is no answer of a control plane"))
}

fn failure(word: &str) -> Result<StorageFailureKind, String> {
    match word {
        "credentials" => Ok(StorageFailureKind::Credentials),
        "forbidden" => Ok(StorageFailureKind::Forbidden),
        "unreachable" => Ok(StorageFailureKind::Unreachable),
        _other => Err(format!("'{word}' is no failure of a storage")),
    }
}
