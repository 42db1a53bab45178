//! `kill -9` under many concurrent writers: nothing acknowledged is lost, nothing is there by half, and the log and the
//! indexes agree with the records.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    audit::{Replica, audit},
    client::Client,
    model::{ITEMS, NOTES, Records, TAG_IDS, TAGS, collections, without_times},
    process::{DEADLINE, Server, Site},
    random::Random,
    writer::{Tally, Writer},
};

const SEED: u64 = 0x5eed_0001;
const ROUNDS: u64 = 20;
const WRITERS: u64 = 64;
/// The kill comes when so many writes of the round are acknowledged, and a little later.
const KILL_AFTER: std::ops::Range<u64> = 50..400;
const LATER_US_MAX: u64 = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    println!("seed {SEED:#x}");
    let site = Site::new();
    let mut random = Random::new(SEED);
    let mut writers: Vec<_> = (0..WRITERS).map(|number| Writer::new(number, SEED)).collect();
    let mut replica = Replica::default();
    let mut server = site.serve();
    let mut client = Client::admin(&site, &server).await;
    make_collections(&mut client).await;
    let token = client.token().unwrap();
    for round in 0..ROUNDS {
        let began = Instant::now();
        let after = KILL_AFTER.start + random.below(KILL_AFTER.end - KILL_AFTER.start);
        let later = Duration::from_micros(random.below(LATER_US_MAX));
        writers = write_until_killed(server, writers, &token, (after, later)).await;
        // Every other time it is the server that meets the file as the kill left it, else the audit.
        if round % 2 == 0 {
            let mut server = site.serve();
            settle(&server, &token, &mut writers).await;
            if random.below(2) == 0 {
                server.process.kill();
            } else {
                server.stop().success();
            }
        }
        let seq = audit(&site.data(), &mut replica).await;
        server = site.serve();
        settle(&server, &token, &mut writers).await;
        let stored: usize = writers.iter().map(Writer::count).sum();
        let took = began.elapsed();
        println!("round {round}: killed after {after} writes and {later:?}; {stored} records, seq {seq}; {took:?}");
    }
    server.stop().success();
    let seq = audit(&site.data(), &mut replica).await;
    assert_eq!(audit(&site.data(), &mut Replica::default()).await, seq, "the whole log, read once more");
    let tally: Tally = writers.iter().map(|writer| writer.tally).sum();
    println!("{tally:?}");
    assert!(tally.acknowledged >= ROUNDS * KILL_AFTER.start, "too few writes to mean anything");
    assert!(tally.stored_in_silence + tally.lost_in_silence >= ROUNDS, "too few writes in flight to mean anything");
}

async fn make_collections(client: &mut Client) {
    for collection in collections() {
        client.post("/api/v1/collections", &collection).await.expect(201);
    }
    for id in TAG_IDS {
        let tag = json!({ "id": id, "label": format!("tag {id}") });
        client.post(&format!("/api/v1/collections/{TAGS}/records"), &tag).await.expect(201);
    }
}

async fn write_until_killed(
    mut server: Server,
    writers: Vec<Writer>,
    token: &str,
    (after, later): (u64, Duration),
) -> Vec<Writer> {
    let acknowledged = Arc::new(Semaphore::new(0));
    let run = |writer: Writer| writer.run(server.address, token.to_owned(), Arc::clone(&acknowledged));
    let running: JoinSet<Writer> = writers.into_iter().map(run).collect();
    let enough = acknowledged.acquire_many(u32::try_from(after).unwrap());
    timeout(DEADLINE, enough).await.expect("acknowledged writes").unwrap().forget();
    // Not a wait for anything: right after an acknowledgement would be no random moment.
    tokio::time::sleep(later).await;
    server.process.kill();
    running.join_all().await
}

/// Compares everything that the server has with what the writers know.
async fn settle(server: &Server, token: &str, writers: &mut [Writer]) {
    let mut client = Client::try_open(server.address, Some(token.to_owned())).await.unwrap();
    let mut found = Records::new();
    for collection in [ITEMS, NOTES] {
        let records = client.records(collection).await;
        let key = |record: &serde_json::Value| (collection, record["id"].as_str().unwrap().to_owned());
        found.extend(records.into_iter().map(|record| (key(&record), without_times(record))));
    }
    for writer in writers.iter_mut() {
        writer.settle(&found);
    }
    assert_eq!(writers.iter().map(Writer::count).sum::<usize>(), found.len(), "records that nobody wrote");
}
