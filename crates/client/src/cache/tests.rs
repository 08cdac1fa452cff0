//! The copy on disk: what can be found in it, and what becomes of older ones.

use proptest::prelude::*;
use proto::{Message, MessageKind, server_frame};
use sqlx::Connection;

use super::{Cache, Position, bytes};
use crate::limits;
use crate::pen::{Copy, Write};
use crate::search::{Query, Sought};

const ME: i64 = 1;
const ANN: i64 = 2;

async fn cache() -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), ME).await.unwrap();
    (dir, cache)
}

fn message(conv_id: i64, seq: i64, body: &str) -> Message {
    let sent_at = 1_000 * seq + conv_id;
    Message { conv_id, seq, sender_id: ANN, sent_at, body: body.into(), ..Message::default() }
}

async fn put(cache: &Cache, messages: Vec<Message>) {
    let mut positions: Vec<Position> = Vec::new();
    for message in &messages {
        let (conv_id, seq) = (message.conv_id, message.seq);
        positions.push(Position { conv_id, seq, rev: 0, read_seq: 0 });
    }
    let copy = Copy { messages, positions, ..Copy::default() };
    cache.write(Write::Copy(Box::new(copy))).await.unwrap();
}

fn words(text: &str) -> Sought {
    Sought::Text(Query::words(text).unwrap())
}

/// What a search everywhere finds, newest first.
async fn found(cache: &Cache, sought: &Sought) -> Vec<(i64, i64)> {
    let found = cache.search(sought, None, 1_000).await.unwrap();
    assert_eq!(found.below, None);
    found.messages.iter().map(|message| (message.conv_id, message.seq)).collect()
}

#[tokio::test]
async fn every_script_is_found_by_any_part_of_it() {
    let (_dir, cache) = cache().await;
    let texts = [
        "see you at the corner",
        "日本語でいいですか",
        "พบกันที่มุมถนน",
        "אני בפינה",
        "ÄRGER im Großraumbüro",
        "👩‍👩‍👧 family",
    ];
    let of = |(seq, text): (i64, &&str)| message(7, seq, text);
    put(&cache, (1..).zip(&texts).map(of).collect()).await;
    for (sought, seq) in [
        ("orne", 1),
        ("CORNER", 0),
        ("you see", 1),
        ("r", 0),
        ("日", 2),
        ("本語", 2),
        ("本語で", 2),
        ("มุม", 3),
        ("บก", 3),
        ("בפינה", 4),
        ("ärger", 5),
        ("raumb", 5),
        ("👩‍👧", 6),
    ] {
        let wanted: Vec<(i64, i64)> = match (sought, seq) {
            ("r", _) => vec![(7, 5), (7, 1)],
            (_, 0) => Vec::new(),
            (_, seq) => vec![(7, seq)],
        };
        assert_eq!(found(&cache, &words(sought)).await, wanted, "{sought}");
    }
}

#[tokio::test]
async fn an_edited_message_is_found_by_its_new_text_and_a_deleted_one_not_at_all() {
    let (_dir, cache) = cache().await;
    put(&cache, vec![message(7, 1, "before"), message(7, 2, "stays")]).await;
    let edited = Message { rev: 1, ..message(7, 1, "afterwards") };
    // the same round may bring both versions, and in the wrong order
    put(&cache, vec![edited.clone(), message(7, 1, "before")]).await;
    assert_eq!(found(&cache, &words("before")).await, []);
    assert_eq!(found(&cache, &words("after")).await, [(7, 1)]);
    let kind = MessageKind::Deleted.into();
    put(&cache, vec![Message { rev: 2, kind, ..message(7, 1, "") }]).await;
    put(&cache, vec![edited]).await;
    assert_eq!(found(&cache, &words("after")).await, []);
    assert_eq!(found(&cache, &words("st")).await, [(7, 2)]);
}

#[tokio::test]
async fn the_newest_of_all_conversations_come_first_and_the_rest_when_asked_for() {
    let (_dir, cache) = cache().await;
    let both = (1..=40).flat_map(|seq| [message(7, seq, "needle"), message(8, seq, "needle")]);
    put(&cache, both.collect()).await;
    let sought = words("needle");
    let mut all = Vec::new();
    let mut below = None;
    loop {
        let page = cache.search(&sought, below, 33).await.unwrap();
        all.extend(page.messages.iter().map(|message| (message.seq, message.conv_id)));
        below = page.below;
        if below.is_none() {
            break;
        }
    }
    let wanted: Vec<(i64, i64)> = (1..=40).rev().flat_map(|seq| [(seq, 8), (seq, 7)]).collect();
    assert_eq!(all, wanted);
}

#[tokio::test]
async fn one_conversation_is_searched_up_and_down() {
    let (_dir, cache) = cache().await;
    let text = |seq: i64| if seq % 10 == 0 { "a needle, @mia!" } else { "hay" };
    put(&cache, (1..=1_300).map(|seq| message(7, seq, text(seq))).collect()).await;
    put(&cache, (1..=50).map(|seq| message(8, seq, "needle")).collect()).await;
    let mention = Sought::Mention { handle: "mia".into(), me: ME };
    for sought in [words("needle"), words("e,"), mention] {
        let next = |seq, up| cache.search_in(7, &sought, seq, up);
        assert_eq!(next(1_300, true).await.unwrap(), Some(1_290), "{sought:?}");
        assert_eq!(next(15, true).await.unwrap(), Some(10), "{sought:?}");
        assert_eq!(next(10, true).await.unwrap(), None, "{sought:?}");
        assert_eq!(next(15, false).await.unwrap(), Some(20), "{sought:?}");
        assert_eq!(next(1_300, false).await.unwrap(), None, "{sought:?}");
    }
    assert_eq!(cache.search_in(7, &words("nothing"), 1_300, true).await.unwrap(), None);
    let ann = cache.search_in(7, &Sought::Sender(ANN), 9, true).await.unwrap();
    let me = cache.search_in(7, &Sought::Sender(ME), 9, true).await.unwrap();
    assert_eq!((ann, me), (Some(8), None));
}

#[tokio::test]
async fn what_lies_after_a_message_is_read_up_to_the_first_hole() {
    let (_dir, cache) = cache().await;
    let of = |seq| message(7, seq, "text");
    put(&cache, (1..=10).chain(15..=20).map(of).collect()).await;
    let seqs = async |after, limit| {
        let (messages, end) = cache.messages_after(7, after, limit).await.unwrap();
        (messages.iter().map(|message| message.seq).collect::<Vec<_>>(), end)
    };
    assert_eq!(seqs(7, 100).await, (vec![8, 9, 10], false));
    assert_eq!(seqs(10, 100).await, (vec![], false));
    assert_eq!(seqs(16, 2).await, (vec![17, 18], false));
    assert_eq!(seqs(18, 100).await, (vec![19, 20], true));
}

#[tokio::test]
async fn what_is_too_old_to_be_kept_is_not_found_either() {
    let (_dir, cache) = cache().await;
    put(&cache, vec![message(7, 1, "old words"), message(7, 2, "young words")]).await;
    put(&cache, vec![message(7, limits::CACHED_MESSAGES_MAX + 1, "the end")]).await;
    assert_eq!(found(&cache, &words("words")).await, [(7, 2)]);
}

#[tokio::test]
async fn a_copy_of_the_version_before_can_be_searched_after_the_first_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache.db");
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let mut before = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for sql in [
        "CREATE TABLE meta (user_id INTEGER NOT NULL PRIMARY KEY)",
        "INSERT INTO meta VALUES (1)",
        "CREATE TABLE conversation (conv_id INTEGER NOT NULL PRIMARY KEY, \
         last_at INTEGER NOT NULL, frame BLOB NOT NULL)",
        "CREATE TABLE person (user_id INTEGER NOT NULL PRIMARY KEY, handle TEXT NOT NULL, \
         frame BLOB NOT NULL)",
        "CREATE TABLE message (conv_id INTEGER NOT NULL, seq INTEGER NOT NULL, \
         rev INTEGER NOT NULL, frame BLOB NOT NULL, PRIMARY KEY (conv_id, seq)) WITHOUT ROWID",
        "CREATE TABLE position (conv_id INTEGER NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, \
         rev INTEGER NOT NULL, read_seq INTEGER NOT NULL)",
        "INSERT INTO position VALUES (7, 2500, 0, 3)",
        "PRAGMA user_version = 1",
    ] {
        sqlx::query(sql).execute(&mut before).await.unwrap();
    }
    for seq in 1..=2_500 {
        let frame = bytes(server_frame::Body::Message(message(7, seq, &format!("number {seq}."))));
        sqlx::query("INSERT INTO message VALUES (7, $1, 0, $2)")
            .bind(seq)
            .bind(frame)
            .execute(&mut before)
            .await
            .unwrap();
    }
    before.close().await.unwrap();
    for _ in 0..2 {
        let cache = Cache::open(dir.path(), ME).await.unwrap();
        assert_eq!(found(&cache, &words("number 2499.")).await, [(7, 2_499)]);
        let newest = cache.messages(7, 0, 1_000).await.unwrap();
        assert!(newest.iter().map(|message| message.seq).eq(1_501..=2_500));
        cache.close().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..Default::default()
    })]

    /// Letters of few kinds, so that much is found; scripts whose folding changes lengths.
    #[test]
    fn the_index_finds_what_comparing_every_message_finds(
        texts in proptest::collection::vec("[aAbß日İ \"*]{0,12}", 1..40),
        sought in "[aAbß日İ \"*]{1,5}",
    ) {
        let Some(query) = Query::words(&sought) else {
            return Ok(());
        };
        let sought = Sought::Text(query);
        let messages: Vec<Message> =
            (1..).zip(&texts).map(|(seq, text)| message(7, seq, text)).collect();
        let wanted = messages.iter().rev().filter(|message| sought.finds(message));
        let wanted: Vec<(i64, i64)> = wanted.map(|message| (7, message.seq)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_dir, cache) = cache().await;
            put(&cache, messages).await;
            prop_assert_eq!(found(&cache, &sought).await, wanted);
            Ok(())
        })?;
    }
}
