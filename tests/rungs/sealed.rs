//! Signed and encrypted, end to end: who holds the keys starts, also from its cache; who does not is stranded with the reason.

use holdover_drill::process::{Node, NodeSpec};
use holdover_plugin::snapshot::{Encryption, Trust, verify};
use holdover_tests::keygen::{Identity, Signing};
use holdover_tests::site::{Site, counted, event, why};

use crate::history::{History, after, ends_on_sigterm, serves, strands};

struct Sealed {
    history: History,
    signing: Signing,
    identity: Identity,
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_the_keys_starts_and_starts_again_from_its_cache() {
    let sealed = Sealed::published().await;
    let file = sealed.history.site.object(&sealed.history.entry(1).key).unwrap();
    let snapshot = verify(&file, &Trust::new(vec![sealed.signing.public.parse().unwrap()])).unwrap();
    assert_eq!(snapshot.signer().unwrap().to_string(), sealed.signing.id);
    assert_eq!(snapshot.manifest().encryption, Encryption::Age);
    assert!(sealed.history.entry(1).shown.is_none(), "the head says nothing of what is encrypted");

    let spec = sealed.believing("keyed", &sealed.signing).set("holdover_identity", sealed.identity.file.display());
    let mut node = Node::spawn(&spec).unwrap();
    sealed.history.serves(&mut node, 1, "storage").await;
    ends_on_sigterm(&mut node).await;

    sealed.history.site.store.stop().await;
    let mut node = Node::spawn(&spec).unwrap();
    serves(&sealed.history.site, &mut node, "cache").await;
    node.kill_9().await.unwrap();

    // The cache is verified and opened anew: without the key it is of no use.
    let spec = sealed.believing("keyed", &sealed.signing);
    let mut node = Node::spawn(&spec).unwrap();
    strands(&mut node).await;
    event(&mut node, "cache-set-aside", ("reason", "not-opened")).await;
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_other_keys_or_none_is_stranded_and_says_which_is_missing() {
    let sealed = Sealed::published().await;
    let folder = sealed.history.site.folder();
    let other = Identity::generate(folder, "other-identity");
    let stranger = Signing::generate(folder, "stranger");

    let spec = sealed.believing("other-identity-node", &sealed.signing).set("holdover_identity", other.file.display());
    refuses(spec, "snapshot-skipped", "for-others", "encrypted").await;

    let spec = sealed.believing("no-identity-node", &sealed.signing);
    refuses(spec, "snapshot-skipped", "no-key", "holdover_identity").await;

    let spec = sealed.believing("stranger-node", &stranger).set("holdover_identity", sealed.identity.file.display());
    refuses(spec, "head-refused", "untrusted-signer", &sealed.signing.id).await;
}

impl Sealed {
    async fn published() -> Self {
        let site = Site::start().await;
        let signing = Signing::generate(site.folder(), "signing");
        let identity = Identity::generate(site.folder(), "identity");
        let history = History::sealed(site, 1, |spec, _| {
            spec.set("holdover_signing_key", signing.file.display()).set("holdover_recipients", &identity.recipient)
        });
        Self { history: history.await, signing, identity }
    }

    fn believing(&self, name: &str, key: &Signing) -> NodeSpec {
        self.history.newborn(name, &[&after(1)]).set("holdover_trusted_keys", &key.public)
    }
}

/// Stranded; the reason stands in the status, on `/why`, in the log and in the count.
async fn refuses(spec: NodeSpec, name: &str, reason: &str, word: &str) {
    let mut node = Node::spawn(&spec).unwrap();
    strands(&mut node).await;
    let seen = event(&mut node, name, ("reason", reason)).await;
    let sentence = seen["sentence"].as_str().unwrap().trim_end_matches('.');
    assert!(sentence.contains(word), "{sentence}");
    let status = node.status().await.unwrap();
    assert_eq!(status["standing"], "stranded");
    let inner = sentence.split_once(": ").unwrap().1;
    assert!(status["reason"].as_str().unwrap().contains(inner), "{status:#}");
    assert!(status["last_failures"].to_string().contains(inner), "{status:#}");
    let why = why(&node).await;
    assert!(why.iter().any(|said| said.contains(inner)), "{why:#?}");
    assert!(node.log().contains(&format!("reason={reason}")), "{}", node.log());
    assert!(counted(&node, name).await >= 1);
    ends_on_sigterm(&mut node).await;
}
