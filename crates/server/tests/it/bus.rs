//! Several servers on one Redis behave like one.

use std::sync::atomic::{AtomicUsize, Ordering};

use bench::proxy::Proxy;
use bench::redis::{Redis, RedisCluster};
use proto::client_frame::Body as Say;
use proto::server_frame::Body as Hear;
use proto::{CloseCode, Presence, SentState, Typing};

use crate::harness::{Client, Cluster, Host, PATIENCE, User};

/// Signs up on one server and connects on it.
async fn user(host: &Host, handle: &str) -> User {
    host.pinned_user(handle).await
}

async fn presence(line: &mut Client, user: i64) -> Presence {
    match line.until(|b| matches!(b, Hear::Presence(p) if p.user_id == user)).await {
        Hear::Presence(presence) => presence,
        _ => unreachable!(),
    }
}

/// What two people on two gateways do in a minute.
async fn chat(cluster: &Cluster) {
    let [first, second, ..] = &cluster.hosts[..] else { panic!("two servers") };
    let mut ann = user(first, "ann").await;
    let mut bob = user(second, "bob").await;
    ann.befriend(&mut bob).await;
    let chat = ann.open(bob.id).await;
    let sent = ann.line.send(chat, "from one gateway to the other").await;
    assert_eq!(sent.state(), SentState::OnItsWay);
    assert_eq!(bob.line.message(chat).await.body, "from one gateway to the other");
    bob.line.say(Say::Delivered(proto::Delivered { conv_id: chat, seq: 1 })).await;
    ann.line.receipt(bob.id, 1, 0).await;
    bob.line.say(Say::Typing(Typing { conv_id: chat, user_id: 0 })).await;
    ann.line.until(|b| matches!(b, Hear::Typing(_))).await;

    drop(bob.line);
    assert!(!presence(&mut ann.line, bob.id).await.online);
    assert_eq!(ann.line.send(chat, "you are away").await.state(), SentState::Kept);
    let mut bob = first.pinned(&bob.granted).await;
    assert!(presence(&mut ann.line, bob.id).await.online);
    let mut twice = second.pinned(&bob.granted).await;
    ann.line.send(chat, "two devices on two gateways").await;
    for line in [&mut bob.line, &mut twice.line] {
        assert_eq!(line.message(chat).await.body, "two devices on two gateways");
    }
    // A session that is ended on one server loses its lines on all.
    let ended = second.call("POST", "/v1/logout", &bob.granted.token, "").await;
    assert_eq!(ended.status, 204);
    assert_eq!(bob.line.closed().await.0, CloseCode::Revoked);
    assert_eq!(twice.line.closed().await.0, CloseCode::Revoked);
}

#[tokio::test]
async fn two_gateways_on_one_redis_are_one() {
    let redis = Redis::start().unwrap();
    let cluster = Cluster::start(2, &[redis.url()], |_| {}).await;
    chat(&cluster).await;
    cluster.end().await;
}

#[tokio::test]
async fn two_gateways_on_a_redis_cluster_are_one() {
    let redis = RedisCluster::start().unwrap();
    let cluster = Cluster::start(2, &redis.urls(), |_| {}).await;
    chat(&cluster).await;
    cluster.end().await;
}

#[tokio::test]
async fn a_ticket_that_is_used_on_two_gateways_at_once_opens_one_of_them() {
    let redis = Redis::start().unwrap();
    let generous = |config: &mut server::Config| {
        config.rates.tickets = server::Rate { burst: 2_000, per_minute: 60_000 };
    };
    let cluster = Cluster::start(2, &[redis.url()], generous).await;
    let granted = cluster.hosts[0].signup("ann").await;
    for _ in 0..1_000 {
        let (_, ticket) = cluster.hosts[0].redirect(&granted.token).await;
        let open = |host: usize| cluster.hosts[host].open(&ticket, proto::Codec::Protobuf);
        let opened = tokio::join!(open(0), open(1));
        match opened {
            (Ok(_), Err(401)) | (Err(401), Ok(_)) => {}
            (one, other) => panic!("{:?} {:?}", one.err(), other.err()),
        }
    }
    cluster.end().await;
}

#[tokio::test]
async fn what_was_said_while_redis_was_dead_arrives_when_it_lives() {
    let mut redis = Redis::start().unwrap();
    let cluster = Cluster::start(2, &[redis.url()], |_| {}).await;
    let mut ann = user(&cluster.hosts[0], "ann").await;
    let mut eve = user(&cluster.hosts[0], "eve").await;
    let mut bob = user(&cluster.hosts[1], "bob").await;
    let chat = ann.open(bob.id).await;
    let near = ann.open(eve.id).await;
    ann.line.send(chat, "before").await;
    assert_eq!(bob.line.message(chat).await.body, "before");
    redis.kill();
    for n in 0..10 {
        let sent = ann.line.send(chat, &format!("unheard {n}")).await;
        assert_eq!(sent.state(), SentState::Kept, "nobody can be asked where bob is");
        assert_eq!(ann.line.send(near, "near").await.state(), SentState::OnItsWay);
        assert_eq!(eve.line.message(near).await.body, "near");
    }
    redis.restart().unwrap();
    let mut missing = 10;
    while missing > 0 {
        match bob.line.until(|b| matches!(b, Hear::Page(_) | Hear::Message(_))).await {
            Hear::Page(page) => missing -= page.messages.len(),
            _ => missing -= 1,
        }
    }
    let live_again = async {
        loop {
            let sent = ann.line.send(chat, "after").await;
            if sent.state() == SentState::OnItsWay {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, live_again).await.expect("the bus is whole again");
    cluster.end().await;
}

#[tokio::test]
async fn a_redis_that_hangs_delays_no_answer_for_long() {
    let redis = Redis::start().unwrap();
    let cluster = Cluster::start(2, &[redis.url()], |_| {}).await;
    let mut ann = user(&cluster.hosts[0], "ann").await;
    let mut bob = user(&cluster.hosts[1], "bob").await;
    let chat = ann.open(bob.id).await;
    redis.pause();
    let since = std::time::Instant::now();
    for n in 0..100 {
        ann.line.send(chat, &format!("hanging {n}")).await;
    }
    let took = since.elapsed();
    redis.resume();
    // One answer waits a quarter of a second, the others not at all.
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    for n in 0..100 {
        let said = match bob.line.until(|b| matches!(b, Hear::Page(_) | Hear::Message(_))).await {
            Hear::Page(page) => page.messages.last().unwrap().body.clone(),
            Hear::Message(message) => message.body,
            _ => unreachable!(),
        };
        if said == "hanging 99" {
            break;
        }
        assert!(n < 99, "the last one came");
    }
    cluster.end().await;
}

#[tokio::test]
async fn who_is_put_out_of_a_group_on_one_gateway_cannot_write_on_the_other() {
    let redis = Redis::start().unwrap();
    let cluster = Cluster::start(2, &[redis.url()], |_| {}).await;
    let mut ann = user(&cluster.hosts[0], "ann").await;
    let mut bob = user(&cluster.hosts[1], "bob").await;
    let create =
        proto::CreateGroup { title: "garden".into(), user_ids: vec![bob.id], client_key: 0 };
    let Hear::Conversation(garden) = ann.line.ask(Say::CreateGroup(create)).await else {
        panic!("no group")
    };
    let garden = garden.conv_id;
    bob.line.conversation(garden).await;
    bob.line.send(garden, "hello").await;
    ann.line.ask(Say::Kick(proto::Kick { conv_id: garden, user_id: bob.id })).await;
    let is_out = |b: &Hear| matches!(b, Hear::Conversation(c) if c.conv_id == garden && c.left);
    bob.line.until(is_out).await;
    let send = crate::harness::send(garden, "still here", 1);
    assert_eq!(bob.line.refused(Say::Send(send)).await, proto::ErrorCode::Forbidden);

    let chat = ann.open(bob.id).await;
    ann.line.ask(Say::Block(proto::Block { user_id: bob.id })).await;
    let send = crate::harness::send(chat, "blocked?", 2);
    let said = bob.line.ask(Say::Send(send)).await;
    assert!(!matches!(said, Hear::Sent(_)), "{said:?}");
    cluster.end().await;
}

#[tokio::test]
async fn a_redis_that_is_emptied_logs_nobody_out_and_is_told_everything_again() {
    let redis = Redis::start().unwrap();
    let quick = |config: &mut server::Config| config.timers.lease_ms = 600;
    let cluster = Cluster::start(2, &[redis.url()], quick).await;
    let mut ann = user(&cluster.hosts[0], "ann").await;
    let mut bob = user(&cluster.hosts[1], "bob").await;
    let chat = ann.open(bob.id).await;
    let (_, unused) = cluster.hosts[0].redirect(&ann.granted.token).await;
    redis.ask(&["FLUSHALL"]).unwrap();
    let refused = cluster.hosts[0].open(&unused, proto::Codec::Protobuf).await;
    assert_eq!(refused.err(), Some(401), "what nobody knows opens nothing");
    assert_eq!(ann.line.send(chat, "still here").await.state(), SentState::OnItsWay);
    assert_eq!(bob.line.message(chat).await.body, "still here");
    let told_again = async {
        loop {
            let listed = redis.ask(&["HLEN", "natter:{gateways}"]).unwrap();
            let keys = redis.ask(&["KEYS", "natter:{gateways}:users:*"]).unwrap();
            if listed.trim() == "2" && keys.lines().count() == 2 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told_again).await.expect("gateways and users are written again");
    cluster.hosts[0].pinned(&ann.granted).await;
    cluster.end().await;
}

#[tokio::test]
async fn a_link_that_redis_cuts_is_made_again_and_nothing_is_missing() {
    let redis = Redis::start().unwrap();
    let cluster = Cluster::start(2, &[redis.url()], |_| {}).await;
    let mut ann = user(&cluster.hosts[0], "ann").await;
    let mut bob = user(&cluster.hosts[1], "bob").await;
    let chat = ann.open(bob.id).await;
    let mut shown = Vec::new();
    for n in 0..200 {
        if n % 50 == 25 {
            // As Redis does with a listener that does not keep up.
            redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
        }
        ann.line.send(chat, &format!("message {n}")).await;
    }
    while shown.len() < 200 {
        match bob.line.until(|b| matches!(b, Hear::Page(_) | Hear::Message(_))).await {
            Hear::Page(page) => shown.extend(page.messages.into_iter().map(|m| m.seq)),
            Hear::Message(message) => shown.push(message.seq),
            _ => unreachable!(),
        }
    }
    assert_eq!(shown, (1..=200).collect::<Vec<_>>(), "each once, in order");
    assert!(cluster.hosts[1].metric("natter_bus_links_total").await >= 2, "the link was cut");
    cluster.end().await;
}

#[tokio::test]
async fn a_gateway_over_the_output_limit_catches_up_and_the_others_notice_nothing() {
    let redis = Redis::start().unwrap();
    let cluster = Cluster::start(3, &[redis.url()], |_| {}).await;
    let mut ann = user(&cluster.hosts[0], "ann").await;
    let mut bob = user(&cluster.hosts[1], "bob").await;
    let mut eve = user(&cluster.hosts[2], "eve").await;
    let (to_bob, to_eve) = (ann.open(bob.id).await, ann.open(eve.id).await);
    let limit = "pubsub 65536 0 0";
    redis.ask(&["CONFIG", "SET", "client-output-buffer-limit", limit]).unwrap();
    // More than the limit in one moment: nobody could read that fast.
    let flood = "for _ = 1, 64 do
        redis.call('SPUBLISH', KEYS[1], string.rep('x', 16384)) end";
    let channel = format!("natter:u:{}", bob.id);
    for n in 0..30 {
        if n % 10 == 5 {
            redis.ask(&["EVAL", flood, "1", &channel]).unwrap();
        }
        ann.line.send(to_bob, &format!("message {n}")).await;
        ann.line.send(to_eve, &format!("message {n}")).await;
    }
    let mut shown = Vec::new();
    while shown.len() < 30 {
        match bob.line.until(|b| matches!(b, Hear::Page(_) | Hear::Message(_))).await {
            Hear::Page(page) => shown.extend(page.messages.into_iter().map(|m| m.seq)),
            Hear::Message(message) => shown.push(message.seq),
            _ => unreachable!(),
        }
    }
    assert_eq!(shown, (1..=30).collect::<Vec<_>>(), "each once, in order");
    for seq in 1..=30 {
        assert_eq!(eve.line.message(to_eve).await.seq, seq);
    }
    let links = async |host: usize| cluster.hosts[host].metric("natter_bus_links_total").await;
    let cut_off = async { while links(1).await < 2 {} };
    tokio::time::timeout(PATIENCE, cut_off).await.expect("bob's gateway was cut off");
    assert_eq!((links(0).await, links(2).await), (1, 1), "and the others were not");
    cluster.end().await;
}

#[tokio::test]
async fn a_line_to_redis_that_swallows_everything_is_noticed() {
    let redis = Redis::start().unwrap();
    let proxy = Proxy::start(&format!("127.0.0.1:{}", redis.port())).await.unwrap();
    let through = [format!("redis://{}", proxy.address)];
    let cluster = Cluster::start(2, &through, |_| {}).await;
    let mut ann = user(&cluster.hosts[0], "ann").await;
    let mut bob = user(&cluster.hosts[1], "bob").await;
    let chat = ann.open(bob.id).await;
    proxy.down().cut(true);
    ann.line.send(chat, "swallowed").await;
    // Both gateways hang up when a heartbeat stays without an answer.
    let noticed = async {
        while redis.ask(&["CLIENT", "LIST"]).unwrap().contains(" name=natter-") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, noticed).await.expect("the heartbeat finds it");
    proxy.down().cut(false);
    let said = match bob.line.until(|b| matches!(b, Hear::Page(_) | Hear::Message(_))).await {
        Hear::Page(page) => page.messages[0].body.clone(),
        Hear::Message(message) => message.body,
        _ => unreachable!(),
    };
    assert_eq!(said, "swallowed");
    cluster.end().await;
}

/// Everybody who has a nudge.
async fn nudged(host: &Host) -> Vec<i64> {
    host.server.store.nudge_claim(i64::MAX - 1, 1, 50).await.unwrap()
}

/// A row for each message to somebody who reads it on another gateway would be a tenth of what the
/// database does; a nudge that is missing would be a mail that never comes.
#[tokio::test]
async fn who_reads_on_another_gateway_costs_no_nudge_and_who_has_just_gone_gets_his() {
    let redis = Redis::start().unwrap();
    // Nobody is told to be gone in time, so nobody else writes the nudge.
    let slow = |config: &mut server::Config| config.timers.presence_grace_ms = 600_000;
    let cluster = Cluster::start(2, &[redis.url()], slow).await;
    let [first, second] = &cluster.hosts[..] else { panic!("two servers") };
    let mut ann = user(first, "ann").await;
    let mut bob = user(second, "bob").await;
    let chat = ann.open(bob.id).await;
    // That he hears of the conversation has told that he is there.
    for _ in 0..3 {
        assert_eq!(ann.line.send(chat, "he is there").await.state(), SentState::OnItsWay);
        bob.line.message(chat).await;
    }
    assert!(nudged(first).await.is_empty());

    drop(bob.line);
    while ann.line.send(chat, "are you there?").await.state() != SentState::Kept {}
    let told = async {
        while nudged(first).await != [bob.id] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("a nudge for who had just gone");
    cluster.end().await;
}

/// A gateway whose line to Redis was dead for longer than its lease is taken for dead, and its
/// users' friends are told that they are gone. When it is there again, they are told who is.
#[tokio::test]
async fn a_gateway_that_was_taken_for_dead_tells_anew_who_is_there() {
    let redis = Redis::start().unwrap();
    let hasty = |config: &mut server::Config| config.timers.lease_ms = 1_000;
    let cluster = Cluster::start(2, &[redis.url()], hasty).await;
    let [first, second] = &cluster.hosts[..] else { panic!("two servers") };
    let mut ann = user(first, "ann").await;
    let mut bob = user(second, "bob").await;
    ann.befriend(&mut bob).await;
    // What is left of a gateway on the list when another one has buried it.
    redis.ask(&["DEL", "natter:{gateways}"]).unwrap();
    assert!(presence(&mut ann.line, bob.id).await.online, "he has been here all the time");
    cluster.end().await;
}

/// So many gateways, each with a line of its own to Redis.
async fn behind_lines(redis: &Redis, size: usize, lease_ms: u64) -> (Cluster, Vec<Proxy>) {
    let mut lines = Vec::new();
    for _ in 0..size {
        lines.push(Proxy::start(&format!("127.0.0.1:{}", redis.port())).await.unwrap());
    }
    let next = AtomicUsize::new(0);
    let change = |config: &mut server::Config| {
        let line = &lines[next.fetch_add(1, Ordering::Relaxed)];
        config.redis = vec![format!("redis://{}", line.address).as_str().into()];
        config.timers.lease_ms = lease_ms;
        config.timers.position_check_ms = 500;
    };
    (Cluster::start(size, &[redis.url()], change).await, lines)
}

/// What a gateway does not hear while its line to Redis is dead, its clients learn when the line is
/// back, and not only when they come again.
#[tokio::test]
async fn who_came_and_went_while_a_gateway_was_cut_off_is_seen_when_its_line_is_back() {
    let redis = Redis::start().unwrap();
    let (cluster, lines) = behind_lines(&redis, 2, 1_000).await;
    let [first, second] = &cluster.hosts[..] else { panic!("two servers") };
    let mut ann = user(first, "ann").await;
    let (mut bob, mut eve) = (user(second, "bob").await, user(second, "eve").await);
    let mut guy = user(second, "guy").await;
    for friend in [&mut bob, &mut eve, &mut guy] {
        ann.befriend(friend).await;
    }
    drop(eve.line);
    assert!(!presence(&mut ann.line, eve.id).await.online);
    ann.line.settled().await;

    lines[0].close(true);
    listeners(&redis, ann.id, 0).await;
    drop(bob.line);
    listeners(&redis, bob.id, 0).await;
    let _eve = second.pinned(&eve.granted).await;
    while second.server.store.people(ann.id, &[bob.id]).await.unwrap()[0].last_seen == 0 {
        tokio::task::yield_now().await;
    }
    lines[0].close(false);
    let news = news_until(&mut ann.line, |news| news.len() == 2).await;
    assert_eq!(news, [(eve.id, true), (bob.id, false)], "and nothing of guy");
    cluster.end().await;
}

/// When Redis was away, gateways find it again one after the other. Whom the last one has must not
/// be taken for gone by the first.
#[tokio::test]
async fn whose_gateway_finds_redis_later_is_not_told_to_be_gone() {
    let redis = Redis::start().unwrap();
    let (cluster, lines) = behind_lines(&redis, 3, 15_000).await;
    let [first, second, third] = &cluster.hosts[..] else { panic!("three servers") };
    let (mut ann, mut bob) = (user(first, "ann").await, user(second, "bob").await);
    let mut eve = user(third, "eve").await;
    ann.befriend(&mut bob).await;
    ann.befriend(&mut eve).await;
    drop(eve.line);
    assert!(!presence(&mut ann.line, eve.id).await.online);
    ann.line.settled().await;

    lines[0].close(true);
    lines[1].close(true);
    listeners(&redis, ann.id, 0).await;
    listeners(&redis, bob.id, 0).await;
    let _eve = third.pinned(&eve.granted).await;
    lines[0].close(false);
    let is_eve = |news: &[(i64, bool)]| news.iter().any(|(user_id, _)| *user_id == eve.id);
    let news = news_until(&mut ann.line, is_eve).await;
    assert_eq!(news, [(eve.id, true)], "bob is somewhere all the time");
    cluster.end().await;
}

/// Who came and who went, in the order in which this line is told.
async fn news_until(
    line: &mut Client,
    enough: impl Fn(&[(i64, bool)]) -> bool,
) -> Vec<(i64, bool)> {
    let mut news = Vec::new();
    while !enough(&news) {
        if let Hear::Presence(told) = line.until(|b| matches!(b, Hear::Presence(_))).await {
            news.push((told.user_id, told.online));
        }
    }
    news
}

/// Waits until so many gateways listen for a user.
async fn listeners(redis: &Redis, user_id: i64, count: usize) {
    let channel = format!("natter:u:{user_id}");
    let listening = async {
        loop {
            let said = redis.ask(&["PUBSUB", "SHARDNUMSUB", &channel]).unwrap();
            if said.lines().last().and_then(|last| last.trim().parse().ok()) == Some(count) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, listening).await.expect("Redis counts them");
}
