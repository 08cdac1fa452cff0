//! One story of using the store, from beginning to end, told to every database.

use proto::history::From;
use store::Session;

use crate::support::{Home, NOW, On, person, read_up_to, say};

#[tokio::test]
async fn smoke() {
    for on in [On::Sqlite, On::Postgres, On::TwoPostgres] {
        let mut home = Home::new(on).await;
        let store = &home.store;
        let ann = person(store, "ann", "Ann Müller").await;
        let bob = person(store, "bob", "Bob").await;
        let (dm, made) = store.open_direct(ann, bob, NOW).await.unwrap();
        assert!(made);
        assert_eq!(say(store, dm, ann, "hi").await, 1);
        assert_eq!(say(store, dm, bob, "ho").await, 2);
        read_up_to(store, dm, bob, 2).await;
        store
            .create_session(&Session {
                token_hash: vec![7; 32],
                user_id: ann,
                device: "d".into(),
                created_at: NOW,
                used_at: NOW,
                expires_at: NOW + 1000,
            })
            .await
            .unwrap();
        assert!(store.use_session(&[7; 32], NOW).await.unwrap().is_some());
        let (page, more) = store.history(ann, dm, From::BeforeSeq(0), 0).await.unwrap();
        assert_eq!((page.len(), more), (2, false));
        assert_eq!(store.conversations(ann, 10).await.unwrap().len(), 1);
        assert_eq!(store.digest(ann).await.unwrap()[0].last_seq, 2);
        assert_eq!(store.people(ann, &[bob]).await.unwrap()[0].handle, "bob");
        store.block(ann, bob, NOW).await.unwrap();
        assert!(store.open_direct(bob, ann, NOW).await.is_err());
        home.reopen().await;
        assert_eq!(home.store.cursors(ann, dm).await.unwrap().len(), 2);
        home.remove().await;
    }
}
