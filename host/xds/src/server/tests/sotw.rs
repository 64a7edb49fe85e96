//! The rules of the state-of-the-world variant, one test each, with a client that is driven by hand.

use super::*;
use crate::message::ErrorDetail;

#[tokio::test]
async fn the_first_request_of_each_type_is_answered_whole_or_by_name() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(first(CLUSTER, &[])).await;
    let clusters = node.next().await.unwrap();
    assert_eq!((names(&clusters), clusters.version_info.as_str()), (vec!["a", "b"], "7"));
    node.ask(first(ENDPOINTS, &["b"])).await;
    let of_b = node.next().await.unwrap();
    assert_eq!((names(&of_b), of_b.type_url.as_str()), (vec!["b"], ENDPOINTS));
    // As gRPC asks for listeners.
    node.ask(first(LISTENER, &["l"])).await;
    assert_eq!(names(&node.next().await.unwrap()), ["l"]);
    node.ask(first(ROUTE, &["*"])).await;
    let routes = node.next().await.unwrap();
    assert_eq!(names(&routes), ["r"]);
    assert_eq!(routes.resources[0].value, seven()[5].value, "bytes as they are");
    let nonces: std::collections::BTreeSet<_> = [&clusters, &of_b, &routes].map(|answer| answer.nonce.clone()).into();
    assert_eq!(nonces.len(), 3);
}

#[tokio::test]
async fn a_request_is_answered_again_only_if_it_asks_for_more_with_the_right_nonce() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(first(ENDPOINTS, &["a"])).await;
    let one = node.next().await.unwrap();
    node.ask(after(&one, &["a"])).await;
    node.ask(DiscoveryRequest { response_nonce: "stale".into(), ..after(&one, &["a", "b"]) }).await;
    node.ask(DiscoveryRequest { response_nonce: String::new(), ..after(&one, &["b"]) }).await;
    quiet(&mut node).await;
    node.ask(after(&one, &["a", "b"])).await;
    let two = node.next().await.unwrap();
    assert_eq!((names(&two).len(), two.type_url.as_str()), (2, ENDPOINTS));
    // Fewer names are no question, as after a cluster was removed.
    node.ask(after(&two, &["b"])).await;
    node.ask(after(&two, &[])).await;
    assert_eq!(probe(&mut node, ROUTE, "r").await, ROUTE);
    node.ask(after(&two, &["b"])).await;
    assert_eq!(names(&node.next().await.unwrap()), ["b"], "what was let go is answered when it is asked for again");
}

#[tokio::test]
async fn there_is_never_an_answer_without_clusters_or_listeners() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(first(LISTENER, &["unknown"])).await;
    quiet(&mut node).await;
    node.ask(first(ENDPOINTS, &["unknown"])).await;
    let none = node.next().await.unwrap();
    assert_eq!((none.type_url.as_str(), none.resources.len()), (ENDPOINTS, 0));
    assert!(!none.version_info.is_empty());
    let with_it = [seven(), vec![listener("unknown", "8", &[])]].concat();
    server.serve(&with_it);
    let pushed = node.next().await.unwrap();
    assert_eq!((pushed.type_url.as_str(), names(&pushed)), (LISTENER, vec!["unknown"]));
    // It goes again, which a node is not told by an answer without listeners.
    server.serve(&seven());
    assert_eq!(probe(&mut node, ROUTE, "r").await, ROUTE);
}

#[tokio::test]
async fn what_a_node_turns_down_is_told_once_without_its_words_and_not_sent_again() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(first(CLUSTER, &[])).await;
    let clusters = node.next().await.unwrap();
    let detail = ErrorDetail { code: 3, message: "e".repeat(10_000) };
    let turned_down = DiscoveryRequest { version_info: String::new(), error_detail: Some(detail), ..after(&clusters, &[]) };
    node.ask(turned_down.clone()).await;
    node.ask(turned_down).await;
    let told = |client: &Client| matches!(client.types.get(CLUSTER), Some(Told::Rejected(_)));
    let rejected = server.until(told).await;
    assert_eq!(rejected.types[CLUSTER], Told::Rejected("INVALID_ARGUMENT"));
    assert_eq!(probe(&mut node, ROUTE, "r").await, ROUTE);
    assert_eq!(server.shelf.clients.borrow().iter().filter(|client| told(client) && client.types.len() == 1).count(), 1);

    // What is pushed for the sake of another type does not bring it again.
    server.serve(&[seven(), vec![endpoints("c", "8")]].concat());
    assert_eq!(probe(&mut node, LISTENER, "l").await, LISTENER);
    // Corrected, by a control plane that always says the same version.
    let same_version =
        [vec![resource(CLUSTER, "b", "7", &[(ENDPOINTS, "x")])], seven().into_iter().filter(|one| one.name != "b").collect()];
    server.serve(&same_version.concat());
    let corrected = node.next().await.unwrap();
    assert_eq!((corrected.type_url.as_str(), corrected.version_info.as_str(), names(&corrected)), (CLUSTER, "7", vec!["a", "b"]));
}

#[tokio::test]
async fn after_a_time_without_a_snapshot_what_differs_is_sent_and_what_was_asked_for_meanwhile() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(first(CLUSTER, &[])).await;
    node.next().await.unwrap();
    node.ask(first(ENDPOINTS, &["a"])).await;
    let of_a = node.next().await.unwrap();
    server.turn(Gate::Waiting);
    server.until(|client| client.state == State::Waiting).await;
    node.ask(after(&of_a, &["a", "b"])).await;
    server.until(|client| client.state == State::Waiting && client.types.get(ENDPOINTS) == Some(&Told::Acknowledged)).await;
    let mut changed = seven();
    changed[1] = resource(CLUSTER, "b", "7", &[]);
    server.serve(&changed);
    let (clusters, both) = (node.next().await.unwrap(), node.next().await.unwrap());
    assert_eq!((clusters.type_url.as_str(), clusters.version_info.as_str()), (CLUSTER, "7"), "the same version, another content");
    assert_eq!((both.type_url.as_str(), names(&both)), (ENDPOINTS, vec!["a", "b"]));

    server.turn(Gate::Waiting);
    server.serve(&changed);
    assert_eq!(probe(&mut node, ROUTE, "r").await, ROUTE, "nothing differs");
}

#[tokio::test]
async fn an_acknowledgement_is_seen() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(first(CLUSTER, &[])).await;
    let clusters = node.next().await.unwrap();
    node.ask(after(&clusters, &[])).await;
    server.until(|client| client.types.get(CLUSTER) == Some(&Told::Acknowledged)).await;
}

#[tokio::test]
async fn where_versions_differ_an_answer_has_one_that_stands_for_all_and_a_node_comes_back_with_it() {
    let mut mixed = seven();
    mixed[0].version = "6".into();
    let server = Running::serving(&mixed).await;
    let mut node = server.sotw(first(CLUSTER, &[])).await;
    let version = node.next().await.unwrap().version_info;
    assert!(version.starts_with("mixed-"), "{version}");
    drop(node);
    let mut node = server.sotw(DiscoveryRequest { version_info: version.clone(), ..first(CLUSTER, &[]) }).await;
    assert_eq!(node.next().await.unwrap().version_info, version);
}

#[tokio::test]
async fn a_new_snapshot_is_pushed_type_by_type_where_it_differs() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(first(LISTENER, &[])).await;
    node.next().await.unwrap();
    node.ask(first(CLUSTER, &[])).await;
    node.next().await.unwrap();
    node.ask(first(ENDPOINTS, &["a"])).await;
    node.next().await.unwrap();
    let mut changed = seven();
    changed.retain(|one| one.name != "b");
    changed.push(cluster("c", "8"));
    changed[2] = listener("l", "8", &["r"]);
    server.serve(&changed);
    let (clusters, listeners) = (node.next().await.unwrap(), node.next().await.unwrap());
    assert_eq!((names(&clusters), clusters.type_url.as_str()), (vec!["a", "c"], CLUSTER), "clusters come first");
    assert_eq!((listeners.version_info.as_str(), listeners.type_url.as_str()), ("8", LISTENER));
    assert_eq!(probe(&mut node, ROUTE, "r").await, ROUTE, "endpoints of a are the same");
    assert_ne!(clusters.nonce, listeners.nonce);
}

pub fn first(type_url: &str, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        node: node("n1"),
        type_url: type_url.into(),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DiscoveryRequest::default()
    }
}

/// As it acknowledges.
fn after(answer: &DiscoveryResponse, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info: answer.version_info.clone(),
        response_nonce: answer.nonce.clone(),
        node: None,
        ..first(&answer.type_url, names)
    }
}

/// The type of the next answer, when that to this request is the only one due.
async fn probe(node: &mut Sotw, type_url: &str, name: &str) -> String {
    node.ask(DiscoveryRequest { node: None, ..first(type_url, &[name]) }).await;
    node.next().await.unwrap().type_url
}

/// Nothing is due: the answer to a type of its own is the next.
async fn quiet(node: &mut Sotw) {
    let type_url = "type.googleapis.com/quiet";
    assert_eq!(probe(node, type_url, "q").await, type_url);
}

fn names(answer: &DiscoveryResponse) -> Vec<&str> {
    answer.resources.iter().map(|any| std::str::from_utf8(&any.value).unwrap().lines().next().unwrap()).collect()
}
