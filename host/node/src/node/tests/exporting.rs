//! The exporter's worker in the loop: what it is handed, what it keeps, and how it ends.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_exporter_that_is_busy_gets_the_newest_delivery_only() {
    let each = ["two", "three", "four"].map(|text| (s(10), Ok(config(text))));
    let deliveries = std::iter::once((s(0), Ok(config("one")))).chain(each).collect();
    let story = Story::new([Dialled::Connects(s(0), deliveries)]);
    let publisher = Publisher::new(s(100), []);
    let running = tokio::spawn(story.exporting(publisher.clone()).await.run(std::future::pending()));
    sleep(s(500)).await;
    assert_eq!(publisher.calls(), ["tick nothing", "received four"]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lost_export_is_tried_again_with_the_newest_delivery() {
    let story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one"))), (s(200), Ok(config("two")))])]);
    // Lost after the second delivery came, so that the first is overtaken.
    let publisher = Publisher::new(s(150), [Fate::Ends, Fate::Lost]);
    let running = tokio::spawn(story.exporting(publisher.clone()).await.run(std::future::pending()));
    sleep(s(1000)).await;
    assert_eq!(publisher.calls(), ["tick nothing", "received one", "received two"]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_pending_export_is_handed_back_when_its_time_has_come() {
    let story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one")))])]);
    let publisher = Publisher::new(s(0), [Fate::Ends, Fate::Pending]);
    let node = story.exporting(publisher.clone()).await;
    let status = node.status();
    let running = tokio::spawn(node.run(std::future::pending()));
    eventually(|| status.report().export.unwrap().pending).await;
    assert!(status.report().export.unwrap().next_try_unix_ms.is_some());
    eventually(|| publisher.calls().len() == 3).await;
    assert_eq!(publisher.calls(), ["tick nothing", "received one", "tick one"]);
    eventually(|| !status.report().export.unwrap().pending).await;
    sleep(s(1000)).await;
    assert_eq!(publisher.calls().len(), 3);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_is_on_disk_before_the_policy_sees_it_and_until_it_lets_go() {
    let mut story = Story::new([Dialled::Connects(s(1), vec![(s(0), Ok(config("one")))])]);
    // The process ends within the episode that was delivered to.
    let killed = Publisher::new(s(0), [Fate::Ends, Fate::Hangs]);
    let running = tokio::spawn(story.exporting(killed.clone()).await.run(std::future::pending()));
    eventually(|| killed.calls() == ["tick nothing", "received one"]).await;
    running.abort();
    assert!(running.await.is_err_and(|ended| ended.is_cancelled()));
    story.next_process([]);
    let next = Publisher::new(s(0), []);
    story.exporting(next.clone()).await.run(sleep(s(10))).await;
    assert_eq!(next.calls(), ["tick one", "stop nothing"]);
    story.next_process([]);
    let later = Publisher::new(s(0), []);
    story.exporting(later.clone()).await.run(sleep(s(10))).await;
    assert_eq!(later.calls(), ["tick nothing", "stop nothing"], "the policy let go of it");
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_is_stopped_in_the_middle_of_a_delivery_is_handed_it_once_more() {
    let mut story = Story::new([Dialled::Connects(s(1), vec![(s(0), Ok(config("one")))])]);
    let stopped = Publisher::new(s(0), [Fate::Ends, Fate::Hangs, Fate::Pending]);
    let began = Instant::now();
    story.exporting(stopped.clone()).await.run(sleep(s(10))).await;
    assert_eq!(stopped.calls(), ["tick nothing", "received one", "received one, stopping"]);
    assert_eq!(began.elapsed().as_secs(), 10);
    story.next_process([]);
    let next = Publisher::new(s(0), [Fate::Pending, Fate::Hangs]);
    let began = Instant::now();
    story.exporting(next.clone()).await.run(sleep(s(10))).await;
    assert_eq!(next.calls(), ["tick one", "stop one"], "it was still on disk");
    assert_eq!(began.elapsed().as_secs(), 15, "nobody holds an end up for more than five seconds");
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_asks_for_it_is_delivered_to_by_a_session_of_its_own_time() {
    let session = |text: &'static str| Dialled::Connects(s(1), vec![(s(0), Ok(config(text)))]);
    let story = Story::new([session("one"), session("two")]);
    let publisher = Publisher::new(s(0), [Fate::Ends, Fate::Refreshes]);
    let node = story.exporting(publisher.clone()).await;
    let status = node.status();
    let running = tokio::spawn(node.run(std::future::pending()));
    eventually(|| publisher.calls().len() == 3).await;
    assert_eq!(publisher.calls(), ["tick nothing", "received one", "received two"]);
    eventually(|| status.serving().is_some_and(|serving| serving.digest == config("two").digest())).await;
    running.abort();
}
