//! What a management server may do instead of answering, and what that means to an Envoy that is born meanwhile: a row of the table for
//! each, of Envoy's first answer and of how often the configuration changed hands after it.

use std::fmt;
use std::time::Duration;

use futures::future::join_all;
use holdover_drill::OFTEN;
use holdover_tests::site::BOUND;
use tokio::time::{Instant, sleep};

use crate::door::{Behaviour, Door};
use crate::envoy::{Envoy, How, Served, Sources, Way, generation};
use crate::ground::{Ground, Place};
use crate::management::{ManagementServer, Mode};

/// For who is known not to get over it: long enough to be seen, if it did.
const IN_VAIN: Duration = Duration::from_secs(10);
/// How long a served Envoy is looked at.
const WATCH: Duration = Duration::from_secs(3);

/// What the control plane does. Only the first one is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Answers,
    Refuses,
    IsABlackHole,
    AcceptsAndIsSilent,
    OpensTheStreamAndIsSilent,
    AnswersEmpty,
    AnswersUnavailable,
}

/// What came of one Envoy.
struct Row {
    fault: Fault,
    how: How,
    served: Option<Served>,
    switches: u32,
    failed: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_is_served_whatever_its_control_plane_does_instead_of_answering() {
    let ground = Ground::start().await;
    let mut management = ManagementServer::start(ground.folder(), &ground.resources(1)).await;
    let mut door = Door::before(management.address).await;
    ground.publish(door.address, How::ALL[0].protocol).await;
    management.serve(&ground.resources(2)).await;

    let mut table = Vec::new();
    for fault in Fault::ALL {
        let (behaviour, mode) = fault.staged();
        door.behave(behaviour).await;
        management.behave(mode).await;
        if whole() {
            for how in How::ALL {
                table.push(row(&ground, &door, fault, how).await);
            }
        } else {
            table.extend(join_all(How::ALL.map(|how| row(&ground, &door, fault, how))).await);
        }
    }
    println!("| the control plane | Envoy has | first answer after | from | switches | failed |\n|---|---|---|---|---|---|");
    table.iter().for_each(|row| println!("{row}"));
    for row in &table {
        let from = row.served.map(|served| served.generation);
        assert!(from == Some(row.fault.serves()) || (from.is_none() && row.fault.may_strand(row.how.way)), "{row}");
        assert_eq!((row.switches, row.failed), (0, 0), "{row}");
    }
}

/// A node and an Envoy, both without a past and begun at once, as in a pod.
async fn row(ground: &Ground, door: &Door, fault: Fault, how: How) -> Row {
    let name = format!("{fault:?}-{how}");
    let sources = Sources { control_plane: door.address, node: Place::free() };
    let node = ground.failover(&format!("{name}-node"), sources.node, door.address, how.protocol);
    let envoy = Envoy::start(&name, sources, how, ground.folder());
    let served = envoy.is_served_within(if fault.may_strand(how.way) { IN_VAIN } else { BOUND }).await;
    let (switches, failed) = match served {
        Some(served) => watched(served).await,
        None => (0, 0),
    };
    node.end().await;
    Row { fault, how, served, switches, failed }
}

/// How often the generation changed, and how many requests failed.
async fn watched(served: Served) -> (u32, u32) {
    let (end, mut goes_by) = (Instant::now() + WATCH, served.generation);
    let (mut switches, mut failed) = (0, 0);
    while Instant::now() < end {
        match generation(served.listener).await {
            Some(generation) => switches += u32::from(std::mem::replace(&mut goes_by, generation) != generation),
            None => failed += 1,
        }
        sleep(OFTEN).await;
    }
    (switches, failed)
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::Answers,
        Self::Refuses,
        Self::IsABlackHole,
        Self::AcceptsAndIsSilent,
        Self::OpensTheStreamAndIsSilent,
        Self::AnswersEmpty,
        Self::AnswersUnavailable,
    ];

    /// What the door does, and who stands behind it.
    fn staged(self) -> (Behaviour, Mode) {
        match self {
            Self::Answers => (Behaviour::Pass, Mode::Serve),
            Self::Refuses => (Behaviour::Refuse, Mode::Serve),
            Self::IsABlackHole => (Behaviour::BlackHole, Mode::Serve),
            Self::AcceptsAndIsSilent => (Behaviour::Silent, Mode::Serve),
            Self::OpensTheStreamAndIsSilent => (Behaviour::Pass, Mode::Silent),
            Self::AnswersEmpty => (Behaviour::Pass, Mode::Empty),
            Self::AnswersUnavailable => (Behaviour::Pass, Mode::Unavailable),
        }
    }

    /// The first generation is in the store, the second one is the control plane's.
    fn serves(self) -> u32 {
        match self {
            Self::Answers => 2,
            Self::Refuses
            | Self::IsABlackHole
            | Self::AcceptsAndIsSilent
            | Self::OpensTheStreamAndIsSilent
            | Self::AnswersEmpty
            | Self::AnswersUnavailable => 1,
        }
    }

    /// Envoy's own failover asks the second server when the first one fails, and being silent or empty is no failure to it.
    fn may_strand(self, way: Way) -> bool {
        match self {
            Self::Answers | Self::Refuses | Self::IsABlackHole | Self::AnswersUnavailable => false,
            Self::AcceptsAndIsSilent | Self::OpensTheStreamAndIsSilent | Self::AnswersEmpty => way == Way::Failover,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Refuses => "refuses connections",
            Self::IsABlackHole => "answers no SYN",
            Self::AcceptsAndIsSilent => "accepts and is silent",
            Self::OpensTheStreamAndIsSilent => "opens the stream and is silent",
            Self::AnswersEmpty => "answers that there is nothing",
            Self::AnswersUnavailable => "answers UNAVAILABLE",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (after, from) = match self.served {
            Some(Served { after, generation: 1, .. }) => (format!("{} ms", after.as_millis()), "the snapshot"),
            Some(Served { after, .. }) => (format!("{} ms", after.as_millis()), "the control plane"),
            None => (format!("not within {} s", IN_VAIN.as_secs()), "-"),
        };
        write!(f, "| {} | {} | {after} | {from} | {} | {} |", self.fault.as_str(), self.how, self.switches, self.failed)
    }
}

/// `HOLDOVER_XDS=whole` asks for numbers that nothing else on the machine blurs, however long that takes.
pub fn whole() -> bool {
    std::env::var_os("HOLDOVER_XDS").is_some_and(|value| value == "whole")
}
