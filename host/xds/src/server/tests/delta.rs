//! The rules of the delta variant, one test each, with a client that is driven by hand.

use super::*;
use crate::message::ErrorDetail;

#[tokio::test]
async fn each_resource_has_its_own_version_and_unknown_names_are_removed() {
    let server = Running::serving(&seven()).await;
    let mut node = server.delta(first(CLUSTER, &[])).await;
    let clusters = node.next().await.unwrap();
    assert_eq!(seen(&clusters), [("a", "7"), ("b", "7")]);
    assert_eq!(clusters.resources[0].resource.as_ref().unwrap().value, seven()[0].value);
    node.ask(first(ENDPOINTS, &["a", "unknown"])).await;
    let of_a = node.next().await.unwrap();
    assert_eq!((seen(&of_a), of_a.removed_resources.clone()), (vec![("a", "7")], vec!["unknown".to_owned()]));
    node.ask(first(LISTENER, &["*"])).await;
    assert_eq!(seen(&node.next().await.unwrap()), [("l", "7")]);
    assert_ne!(clusters.nonce, of_a.nonce);
}

#[tokio::test]
async fn subscribing_again_is_answered_and_an_acknowledgement_is_not() {
    let server = Running::serving(&seven()).await;
    let mut node = server.delta(first(ENDPOINTS, &["a", "unknown"])).await;
    let one = node.next().await.unwrap();
    node.ask(after(&one)).await;
    server.until(|client| client.types.get(ENDPOINTS) == Some(&Told::Acknowledged)).await;
    node.ask(first(ENDPOINTS, &["a"])).await;
    let again = node.next().await.unwrap();
    assert_eq!((seen(&again), again.removed_resources.len()), (vec![("a", "7")], 0));
    node.ask(first(ENDPOINTS, &["unknown"])).await;
    let again = node.next().await.unwrap();
    assert_eq!((again.resources.len(), again.removed_resources), (0, vec!["unknown".to_owned()]));
    assert_eq!(probe(&mut node).await, ROUTE);
}

#[tokio::test]
async fn a_snapshot_is_pushed_as_what_was_added_changed_and_removed() {
    let server = Running::serving(&seven()).await;
    let mut node = server.delta(first(CLUSTER, &[])).await;
    node.next().await.unwrap();
    node.ask(first(ENDPOINTS, &["a", "c"])).await;
    node.next().await.unwrap();
    let mut changed = seven();
    changed.retain(|one| one.name != "b");
    changed[1] = endpoints("a", "8");
    changed.extend([cluster("c", "8"), endpoints("c", "8")]);
    server.serve(&changed);
    let (clusters, of_them) = (node.next().await.unwrap(), node.next().await.unwrap());
    assert_eq!((seen(&clusters), clusters.removed_resources.clone()), (vec![("c", "8")], vec!["b".to_owned()]));
    assert_eq!(seen(&of_them), [("a", "8"), ("c", "8")]);

    // A control plane that says one version of two contents does not hide the second.
    changed[0] = resource(CLUSTER, "a", "7", &[]);
    server.serve(&changed);
    assert_eq!(seen(&node.next().await.unwrap()), [("a", "7")]);

    node.ask(DeltaDiscoveryRequest { resource_names_unsubscribe: vec!["a".into()], ..first(ENDPOINTS, &[]) }).await;
    changed[1] = endpoints("a", "9");
    assert_eq!(probe(&mut node).await, ROUTE);
    server.serve(&changed);
    changed[2] = listener("l", "9", &[]);
    node.ask(first(LISTENER, &["l"])).await;
    assert_eq!(node.next().await.unwrap().type_url, LISTENER, "of what it let go nothing is pushed");
}

#[tokio::test]
async fn everything_and_names_can_be_asked_for_together_and_let_go_apart() {
    let server = Running::serving(&seven()).await;
    let mut node = server.delta(first(CLUSTER, &["*", "a"])).await;
    assert_eq!(node.next().await.unwrap().resources.len(), 2);
    node.ask(DeltaDiscoveryRequest { resource_names_unsubscribe: vec!["*".into()], ..first(CLUSTER, &[]) }).await;
    assert_eq!(probe(&mut node).await, ROUTE);
    server.serve(&of_version("8"));
    let pushed = node.next().await.unwrap();
    assert_eq!((pushed.type_url.as_str(), seen(&pushed)), (CLUSTER, vec![("a", "8")]));
}

#[tokio::test]
async fn what_a_node_brings_along_and_the_snapshot_lacks_is_removed() {
    let server = Running::serving(&[seven(), vec![cluster("old", "7")]].concat()).await;
    let mut node = server.delta(first(CLUSTER, &[])).await;
    assert_eq!(node.next().await.unwrap().resources.len(), 3);
    drop(node);
    server.gone(1).await;
    server.serve(&seven());
    let mut node = server.delta(holding(CLUSTER, &[("a", "7"), ("old", "7")])).await;
    let answer = node.next().await.unwrap();
    assert_eq!((seen(&answer), answer.removed_resources.clone()), (vec![("b", "7")], vec!["old".to_owned()]));
}

#[tokio::test]
async fn what_a_node_turns_down_is_told_and_not_sent_again() {
    let server = Running::serving(&seven()).await;
    let mut node = server.delta(first(CLUSTER, &[])).await;
    let clusters = node.next().await.unwrap();
    let detail = |message: &str| Some(ErrorDetail { code: 3, message: message.into() });
    node.ask(DeltaDiscoveryRequest { response_nonce: "stale".into(), error_detail: detail("of another"), ..after(&clusters) }).await;
    node.ask(DeltaDiscoveryRequest { error_detail: detail("no such filter"), ..after(&clusters) }).await;
    let rejected = server.until(|client| matches!(client.types.get(CLUSTER), Some(Told::Rejected(_)))).await;
    assert_eq!(rejected.types[CLUSTER], Told::Rejected("INVALID_ARGUMENT"));
    server.serve(&[seven(), vec![endpoints("c", "8")]].concat());
    assert_eq!(probe(&mut node).await, ROUTE);
}

#[tokio::test]
async fn after_a_time_without_a_snapshot_the_same_version_with_another_content_is_sent() {
    let server = Running::serving(&seven()).await;
    let mut node = server.delta(first(CLUSTER, &[])).await;
    node.next().await.unwrap();
    server.turn(Gate::Waiting);
    server.until(|client| client.state == State::Waiting).await;
    let mut changed = seven();
    changed[1] = resource(CLUSTER, "b", "7", &[]);
    server.serve(&changed);
    assert_eq!(seen(&node.next().await.unwrap()), [("b", "7")]);
}

pub fn first(type_url: &str, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: node("n1"),
        type_url: type_url.into(),
        resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

pub fn holding(type_url: &str, versions: &[(&str, &str)]) -> DeltaDiscoveryRequest {
    let versions = versions.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned()));
    DeltaDiscoveryRequest { initial_resource_versions: versions.collect(), ..first(type_url, &[]) }
}

fn after(answer: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest { response_nonce: answer.nonce.clone(), ..first(&answer.type_url, &[]) }
}

/// The type of the next answer, when that to this request is the only one due.
async fn probe(node: &mut Delta) -> String {
    node.ask(first(ROUTE, &["r"])).await;
    node.next().await.unwrap().type_url
}

fn seen(answer: &DeltaDiscoveryResponse) -> Vec<(&str, &str)> {
    answer.resources.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect()
}
