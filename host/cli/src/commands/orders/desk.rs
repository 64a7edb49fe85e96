//! The desk: reads head and orders of the first storage, adds one order, and writes it by compare and swap. What may be ordered is the
//! policy's to say (`plugin/policy/orders.rs`); whose signature counts, the settings'. Then it looks on until a leader obeys.

use std::time::{Duration, Instant};

use holdover_keys::SigningKey;
use holdover_node::settings::Environment;
use holdover_plugin::policy::orders::{Order, give};
use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::orders::{Act, ORDERS_BYTES_MAX, Orders};
use holdover_plugin::snapshot::{KeyId, Purpose, Trust, keys};
use holdover_ports::{Etag, StorageFailureKind, Swap};
use holdover_storage::Opened;

use super::standing::{Standing, Unread, standing};
use crate::args::{OperatorArguments, StorageArguments};
use crate::commands::opening::Opener;
use crate::commands::storages::{Asked, Heads, settings};
use crate::commands::{now, warn};
use crate::exit::{Exit, Failure};
use crate::wire;

/// How often it is tried against orders that others give meanwhile.
const ROUNDS_MAX: u32 = 4;
const LOOK_EVERY: Duration = Duration::from_millis(500);
const TEXT_BYTES_MAX: usize = 1024;

pub struct Desk {
    pub asked: Asked,
    first: Opened,
    signer: Option<SigningKey>,
    operators: Trust,
}

/// An order that stands.
pub struct Given {
    pub orders: Orders,
    pub what: String,
    pub act: Act,
    pub storage: String,
    pub signer: Option<KeyId>,
}

impl Desk {
    pub async fn open(arguments: &OperatorArguments) -> Result<Self, Failure> {
        let environment = Environment::of_process();
        let StorageArguments { files, storage, cluster, gateway_version, keys } = &arguments.storages;
        let settings = settings(files, &environment, storage.is_empty())?;
        let opener = Opener::new(settings.as_ref(), keys)?;
        let storages = match (storage.as_slice(), &settings) {
            ([], Some(settings)) => settings.storages.as_slice(),
            (named, _) => named,
        };
        let first = wire::first_writable(storages, settings.as_ref(), &environment).await?;
        let operators = settings.as_ref().map(|settings| settings.policy.operators.clone()).unwrap_or_default();
        let signer = signer(arguments, &operators)?;
        let cluster = cluster.clone().or_else(|| settings.as_ref().map(|settings| settings.policy.cluster.clone()));
        let readers = vec![first.reader.clone()];
        let asked = Asked { settings, readers, opener, cluster, only_version: gateway_version.clone() };
        Ok(Self { asked, first, signer, operators })
    }

    /// Adds the order that `order` makes of the head.
    pub async fn give(&self, act: Act, order: impl Fn(&Heads, &Asked) -> Result<Order, Failure>) -> Result<Given, Failure> {
        // Of the last try: its answer may have been lost, or belong to a repetition that found our own first try there.
        let (mut tried, mut is_lost): (Option<String>, bool) = (None, false);
        for _ in 0..ROUNDS_MAX {
            let heads = self.asked.heads().await?;
            let head = heads.leading.head.clone();
            let (mut orders, etag) = self.stand(&head).await?;
            let stands = orders.audit.iter().find(|audited| audited.act == act && Some(&audited.what) == tried.as_ref());
            if let Some(audited) = stands {
                let what = audited.what.clone();
                return Ok(self.given(orders, what, act));
            }
            let what = give(&mut orders, &head, order(&heads, &self.asked)?, act.clone());
            let what = what.map_err(|why| Failure::new(Exit::Invalid, why))?;
            match self.first.writer.swap(keys::ORDERS, etag.as_ref(), self.signed(&orders)?.into()).await {
                Ok(Swap::Swapped) => return Ok(self.given(orders, what, act)),
                Ok(Swap::Stale) => {}
                Err(failure) if failure.kind == StorageFailureKind::UnknownOutcome => is_lost = true,
                Err(failure) => return Err(Failure::not_opened(format!("the order was not given: {}", failure.detail))),
            }
            tried = Some(what);
        }
        let sentence = match is_lost {
            false => "the order was not given: others gave theirs meanwhile, at every try; `holdover history --audit` shows them",
            true => "whether the order was given is not known, for the storage's answers are lost; `holdover history --audit` will tell",
        };
        Err(Failure::not_opened(sentence))
    }

    /// Looks on until a leader has obeyed orders of this number. `None`: not in time. What cannot be seen meanwhile is looked at again.
    pub async fn obeyed(&self, number: u64, patience: Duration) -> Option<Head> {
        let began = Instant::now();
        loop {
            if let Ok(heads) = self.asked.heads().await
                && heads.leading.head.orders >= number
            {
                return Some(heads.leading.head);
            }
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return None;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }

    fn given(&self, orders: Orders, what: String, act: Act) -> Given {
        let storage = self.first.reader.name().to_owned();
        Given { orders, what, act, storage, signer: self.signer.as_ref().map(SigningKey::id) }
    }

    async fn stand(&self, head: &Head) -> Result<(Orders, Option<Etag>), Failure> {
        let name = self.first.reader.name();
        match standing(&*self.first.reader, &self.operators).await {
            Ok(None) => Ok((Orders::none(head.cluster.clone(), head.lineage), None)),
            Ok(Some(Standing { is_signed: true, .. })) if self.signer.is_none() => Err(Failure::settings(format!(
                "--operator-key: the orders in {name} are signed, and leaders that ask for signatures would publish nothing after orders \
                 without one; give the file of your key"
            ))),
            Ok(Some(Standing { etag: None, .. })) => Err(Failure::not_opened(format!(
                "{name} does not say which version of the orders it gave, so they cannot be changed without losing what others ordered; \
                 use a storage with ETags"
            ))),
            Ok(Some(Standing { orders, etag, .. })) => Ok((orders, etag)),
            Err(Unread::Unseen(sentence)) => Err(Failure::not_opened(sentence)),
            Err(Unread::Refused(refused)) => Err(Failure::new(
                Exit::Invalid,
                format!(
                    "the orders in {name} are not believed: {refused}. While they stand, leaders publish nothing. If no operator gave them, \
                     remove the object {} there and give your order again",
                    keys::ORDERS
                ),
            )),
        }
    }

    fn signed(&self, orders: &Orders) -> Result<Vec<u8>, Failure> {
        let unmade = |why: String| Failure::not_opened(format!("the order cannot be written: {why}"));
        let lines = orders.lines().map_err(unmade)?;
        let signature = self.signer.as_ref().map(|key| key.sign(Purpose::Orders, lines.digest()));
        let file = lines.sign(signature.as_slice());
        // What a leader would refuse is not handed out.
        Orders::read(&file, &self.operators).map_err(|refusal| unmade(refusal.to_string()))?;
        if file.len() as u64 > ORDERS_BYTES_MAX {
            return Err(unmade(format!("the orders would have more than {ORDERS_BYTES_MAX} bytes; wait until what is to be restored is")));
        }
        Ok(file)
    }
}

/// The key that signs, when a leader would believe it.
fn signer(arguments: &OperatorArguments, operators: &Trust) -> Result<Option<SigningKey>, Failure> {
    let Some(path) = &arguments.operator_key else {
        return match operators.is_configured() {
            false => Ok(None),
            true => Err(Failure::settings(
                "--operator-key: holdover_operator_keys is set, so leaders obey only what one of these keys signed; give the file of yours",
            )),
        };
    };
    let key = SigningKey::read(path).map_err(|why| Failure::not_opened(format!("--operator-key {}: {why}", path.display())))?;
    if operators.is_configured() && !operators.keys().contains(&key.public()) {
        let sentence = format!(
            "--operator-key {}: its public key, {}, is not in holdover_operator_keys, so no leader would obey; give a key that is",
            path.display(),
            key.public()
        );
        return Err(Failure::settings(sentence));
    }
    if !operators.is_configured() {
        warn("no holdover_operator_keys are known here: whoever may write the storage may give orders");
    }
    Ok(Some(key))
}

/// Who, when and why, as it will stand in the audit.
pub fn act(by: Option<&str>, why: Option<&str>) -> Result<Act, Failure> {
    let by = match by {
        Some(by) => legible_text("--by", by)?,
        None => myself(&Environment::of_process()),
    };
    let why = why.map(|why| legible_text("--why", why)).transpose()?.unwrap_or_default();
    Ok(Act { by, at: now(), why })
}

fn legible_text(flag: &str, text: &str) -> Result<String, Failure> {
    let text = text.trim();
    match text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        true => Err(Failure::settings(format!(
            "{flag}: write 1 to {TEXT_BYTES_MAX} bytes in one line; whoever reads of it later has nothing else to go by"
        ))),
        false => Ok(text.to_owned()),
    }
}

fn myself(environment: &Environment) -> String {
    let user = environment.variable("USER").or_else(|| environment.variable("LOGNAME")).unwrap_or("somebody");
    format!("{user}@{}", environment.hostname().unwrap_or("localhost"))
}
