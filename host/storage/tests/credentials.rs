//! Every source of credentials against a stand-in of its service: what is asked, what comes of it, and how long a silent one is
//! waited for. The environment is a map; only the container's role, which the SDK takes from the process, has a process of its own.

// A test stops at the first thing that is not as it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::process::Command;
use std::time::{Duration, Instant};

use holdover_ports::{StorageFailure, StorageFailureKind as Kind};
use holdover_storage::{Environment, StorageUrl};
use stand_in::{Asked, Reply, StandIn};

const ROLE: &str = "arn:aws:iam::123456789012:role/holdover-importer";
const SECRET: &str = "secret-of-the-role-0b1c";
const SESSION: &str = "session-of-the-role-77";

#[tokio::test]
async fn a_web_identity_is_exchanged_at_sts_for_the_roles_credentials() {
    let sts = StandIn::start(|_| Reply::new(200, sts_answer()).with("content-type", "text/xml"));
    let (home, store) = (tempfile::tempdir().unwrap(), store());
    let token = home.path().join("token");
    std::fs::write(&token, "token-of-the-pod\n").unwrap();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ROLE_SESSION_NAME", "node-7"),
        ("AWS_ENDPOINT_URL_STS", &sts.address()),
    ];
    assert_eq!(get(&store, &variables).await.unwrap_err().kind, Kind::Absent);
    let asked = sts.asked();
    assert_eq!((asked.len(), asked[0].method.as_str()), (1, "POST"));
    for part in
        ["Action=AssumeRoleWithWebIdentity", "RoleSessionName=node-7", "WebIdentityToken=token-of-the-pod", "role%2Fholdover-importer"]
    {
        assert!(asked[0].body.contains(part), "{part} is not in {}", asked[0].body);
    }
    assert!(!asked[0].body.contains("%0A") && !asked[0].headers.contains_key("authorization"));
    signed_by_the_role(&store);
}

#[tokio::test]
async fn a_token_that_sts_refuses_and_one_that_is_not_there_are_named() {
    let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>token-of-the-pod</Message></Error></ErrorResponse>";
    let sts = StandIn::start(move |_| Reply::new(400, refusal).with("content-type", "text/xml"));
    let (home, store) = (tempfile::tempdir().unwrap(), store());
    let token = home.path().join("token");
    let variables =
        [("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()), ("AWS_ROLE_ARN", ROLE), ("AWS_ENDPOINT_URL_STS", &sts.address())];
    expect(&get(&store, &variables).await.unwrap_err(), "AWS_WEB_IDENTITY_TOKEN_FILE");
    assert!(sts.asked().is_empty());
    std::fs::write(&token, "token-of-the-pod").unwrap();
    let failure = get(&store, &variables).await.unwrap_err();
    expect(&failure, "InvalidIdentityToken");
    assert!(failure.detail.contains(ROLE) && !failure.detail.contains("token-of-the-pod"), "{}", failure.detail);
    assert!(store.asked().is_empty());
}

#[tokio::test]
async fn an_sts_that_is_away_or_silent_is_waited_for_within_a_bound() {
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("token");
    std::fs::write(&token, "token-of-the-pod").unwrap();
    let silent = StandIn::start(|_| Reply::new(200, "").after(Duration::from_secs(3600)));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (address, named) in
        [(silent.address(), "web identity did not answer within 5 s"), (format!("http://127.0.0.1:{closed}"), "STS did not answer")]
    {
        let store = store();
        let variables =
            [("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()), ("AWS_ROLE_ARN", ROLE), ("AWS_ENDPOINT_URL_STS", &*address)];
        let began = Instant::now();
        expect(&get(&store, &variables).await.unwrap_err(), named);
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert!(store.asked().is_empty());
    }
}

#[tokio::test]
async fn an_instances_role_is_asked_for_with_a_token_and_by_name() {
    let metadata = StandIn::start(instance);
    let store = store();
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*metadata.address())];
    assert_eq!(ask_in(&store, &variables).await.unwrap_err().kind, Kind::Absent);
    let asked: Vec<_> = metadata.asked().into_iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect();
    let role = "GET /latest/meta-data/iam/security-credentials/";
    assert_eq!(asked, ["PUT /latest/api/token", role, &format!("{role}holdover-importer")]);
    assert!(metadata.asked()[0].headers.contains_key("x-aws-ec2-metadata-token-ttl-seconds"));
    assert!(metadata.asked()[1..].iter().all(|asked| asked.header("x-aws-ec2-metadata-token") == "imds-token"));
    signed_by_the_role(&store);
}

#[tokio::test]
async fn an_instance_without_a_role_and_a_silent_metadata_service_end_within_a_bound() {
    let services = [
        StandIn::start(|asked| if asked.method == "PUT" { token() } else { Reply::new(404, "") }),
        StandIn::start(|_| Reply::new(200, "").after(Duration::from_secs(3600))),
        StandIn::start(|_| Reply::new(500, "")),
    ];
    for metadata in services {
        let (store, began) = (store(), Instant::now());
        let failure = ask_in(&store, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*metadata.address())]).await.unwrap_err();
        expect(&failure, "instance role");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert!(store.asked().is_empty());
    }
}

#[test]
fn a_containers_role_is_asked_for_with_the_token_of_its_file() {
    let agent = StandIn::start(|_| Reply::new(200, container_answer()).with("content-type", "application/json"));
    let (home, store) = (tempfile::tempdir().unwrap(), store());
    let token = home.path().join("token");
    std::fs::write(&token, "token-of-the-container").unwrap();
    let mut child = in_a_process_of_its_own(&store);
    child.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", agent.address()));
    child.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    assert_eq!(kind_told_by(child), "Absent");
    let asked = agent.asked();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].target.as_str()), (1, "GET", "/v1/credentials"));
    assert_eq!(asked[0].header("authorization"), "token-of-the-container");
    signed_by_the_role(&store);
}

#[test]
fn a_container_agent_that_is_silent_is_waited_for_within_a_bound() {
    let agent = StandIn::start(|_| Reply::new(200, "").after(Duration::from_secs(3600)));
    let (store, began) = (store(), Instant::now());
    let mut child = in_a_process_of_its_own(&store);
    child.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", agent.address()));
    assert_eq!(kind_told_by(child), "Credentials");
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(store.asked().is_empty());
}

#[tokio::test]
#[ignore = "run by the tests of the container's role, in a process whose environment is theirs"]
async fn tells_the_kind_of_a_get() {
    let Ok(address) = std::env::var("HOLDOVER_TEST_STORE") else { panic!("run by itself") };
    let variables = [("AWS_EC2_METADATA_DISABLED", "true")];
    println!("kind: {:?}.", ask_at(&address, &variables).await.unwrap_err().kind);
}

fn in_a_process_of_its_own(store: &StandIn) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "tells_the_kind_of_a_get", "--ignored", "--nocapture"]);
    child.env("HOLDOVER_TEST_STORE", store.address());
    child
}

fn kind_told_by(mut child: Command) -> String {
    let told = child.output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let kind = told.split("kind: ").nth(1).and_then(|rest| rest.split('.').next());
    kind.unwrap_or_else(|| panic!("no kind in: {told}")).to_owned()
}

fn store() -> StandIn {
    StandIn::start(|_| Reply::s3(404, "NoSuchKey"))
}

async fn get(store: &StandIn, variables: &[(&str, &str)]) -> Result<(), StorageFailure> {
    let mut variables = variables.to_vec();
    // Else a source that fails would be followed by one that leaves the machine.
    variables.push(("AWS_EC2_METADATA_DISABLED", "true"));
    ask_in(store, &variables).await
}

async fn ask_in(store: &StandIn, variables: &[(&str, &str)]) -> Result<(), StorageFailure> {
    ask_at(&store.address(), variables).await
}

async fn ask_at(address: &str, variables: &[(&str, &str)]) -> Result<(), StorageFailure> {
    let environment: Environment = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let url = StorageUrl::parse(&format!("{address}/bucket/p")).unwrap();
    let reader = holdover_storage::open_reader(&url, &environment).await.unwrap();
    reader.get("holdover/head", 1000).await.map(|_| ())
}

fn signed_by_the_role(store: &StandIn) {
    let asked = store.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].header("authorization").contains("Credential=ASIAHOLDOVERROLE0001/"), "{:?}", asked[0]);
    assert_eq!(asked[0].header("x-amz-security-token"), SESSION);
}

#[track_caller]
fn expect(failure: &StorageFailure, named: &str) {
    assert_eq!(failure.kind, Kind::Credentials, "{failure:?}");
    assert!(failure.detail.contains(named), "'{named}' is not in: {}", failure.detail);
    assert!(!failure.detail.contains('\n') && failure.detail.len() < 600, "{}", failure.detail);
}

fn instance(asked: &Asked) -> Reply {
    match (asked.method.as_str(), asked.target.as_str()) {
        ("PUT", "/latest/api/token") => token(),
        ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::new(200, "holdover-importer"),
        ("GET", "/latest/meta-data/iam/security-credentials/holdover-importer") => Reply::new(200, instance_answer()),
        _ => Reply::new(404, ""),
    }
}

fn token() -> Reply {
    Reply::new(200, "imds-token").with("x-aws-ec2-metadata-token-ttl-seconds", "21600")
}

fn instance_answer() -> String {
    let container = container_answer();
    format!(r#"{{"Code": "Success", "LastUpdated": "2020-01-01T00:00:00Z", "Type": "AWS-HMAC", {}"#, container.trim_start_matches('{'))
}

fn container_answer() -> String {
    format!(
        r#"{{"AccessKeyId": "ASIAHOLDOVERROLE0001", "SecretAccessKey": "{SECRET}", "Token": "{SESSION}", "Expiration": "2120-01-01T00:00:00Z"}}"#
    )
}

fn sts_answer() -> String {
    format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
        <Credentials><AccessKeyId>ASIAHOLDOVERROLE0001</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>
        <SessionToken>{SESSION}</SessionToken><Expiration>2120-01-01T00:00:00Z</Expiration></Credentials>
        <AssumedRoleUser><AssumedRoleId>AROA:node-7</AssumedRoleId><Arn>{ROLE}</Arn></AssumedRoleUser>
        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#
    )
}
