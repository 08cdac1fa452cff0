//! People and messages by the thousand, written by the store's own code while no server runs:
//! what a benchmark of growth and of searching finds in the database.

use std::path::Path;

use proto::id;
use store::{Batch, NewMessage, NewUser, Store};

use crate::{Result, clock, limits, say, text};

const FIRST: [&str; 20] = [
    "Ada", "Ben", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jana", "Karl", "Lena",
    "Milo", "Nora", "Otto", "Pia", "Quin", "Rosa", "Sven", "Tara",
];
const LAST: [&str; 20] = [
    "Abel", "Berg", "Costa", "Duval", "Engel", "Frost", "Grau", "Holm", "Ilic", "Jung", "Kern",
    "Lind", "Moss", "Novak", "Olsen", "Petit", "Quist", "Rossi", "Stern", "Toth",
];

/// The display name of person `n`: 400 different ones.
pub(crate) fn name(n: usize) -> String {
    format!("{} {}", FIRST[n % FIRST.len()], LAST[n / FIRST.len() % LAST.len()])
}

pub(crate) async fn open(database: &Path) -> Result<Store> {
    let url = format!("sqlite:{}", database.display());
    Ok(Store::open(&[url], &store::Options::default()).await?)
}

/// Signs up `count` people who never log in; their ids.
pub(crate) async fn people(store: &Store, count: usize) -> Result<Vec<i64>> {
    let (now, run) = (clock::now_ms(), rand::random::<u32>());
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let upto = count.min(ids.len() + limits::ROWS_AT_ONCE);
        let users: Vec<NewUser> = (ids.len()..upto)
            .map(|n| NewUser {
                // Ids of one millisecond are few.
                user_id: id::new(0, now - n as i64),
                handle: format!("crowd-{run:08x}-{n}"),
                name: name(n),
                email: None,
                pass_hash: "nobody logs in here".to_owned(),
            })
            .collect();
        store.create_users(&users, now).await?;
        ids.extend(users.iter().map(|user| user.user_id));
        tell(ids.len(), count, "people");
    }
    Ok(ids)
}

/// Writes `count` messages of `sender_id` to each of these conversations in turn.
pub(crate) async fn messages(store: &Store, convs: &[(i64, i64)], count: u64) -> Result<()> {
    let now = clock::now_ms();
    let mut written = 0;
    while written < count {
        let upto = count.min(written + limits::ROWS_AT_ONCE as u64);
        let sends = (written..upto).map(|n| {
            let (conv_id, sender_id) = convs[n as usize % convs.len()];
            NewMessage {
                conv_id,
                sender_id,
                client_key: id::random_key(),
                reply_seq: 0,
                body: text::line(n),
                mentions: Vec::new(),
            }
        });
        let batch = Batch { sends: sends.collect(), moves: Vec::new() };
        store.commit(0, &batch, now).await?;
        written = upto;
        tell(written as usize, count as usize, "messages");
    }
    Ok(())
}

fn tell(done: usize, of: usize, what: &str) {
    if done.is_multiple_of(limits::ROWS_TOLD_EVERY) && done < of {
        say(&format!("  {done} of {of} {what} are written"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child;

    #[tokio::test]
    async fn a_crowd_has_the_people_and_the_messages_that_were_asked_for() -> anyhow::Result<()> {
        let directory = child::directory_on_disk()?;
        let store = open(&directory.path().join("natter.db")).await?;
        let ids = people(&store, 1_003).await?;
        assert_eq!(ids.len(), 1_003);
        let (conv_id, _) = store.open_direct(ids[0], ids[1], 1).await?;
        let (other, _) = store.open_direct(ids[0], ids[2], 1).await?;
        messages(&store, &[(conv_id, ids[0]), (other, ids[2])], 1_500).await?;
        let standings = store.digest(ids[0]).await?.found;
        assert_eq!(
            standings.iter().map(|standing| standing.last_seq).collect::<Vec<_>>(),
            [750, 750]
        );
        store.close().await;
        Ok(())
    }
}
