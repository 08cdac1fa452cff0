//! Who is told that somebody came or went. Being online is being subscribed to the bus; this is
//! only the news of it, with a grace so that a reconnect is no flicker.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::server_frame::Body;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use super::Gateway;
use crate::listen::announced;
use crate::outbound::Event;
use crate::{clock, limits};

/// Users whose last connection has ended, and when that is told.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    leaving: Mutex<HashMap<i64, Instant>>,
    /// Users who are here and of whom others may have been told that they are gone.
    staying: Mutex<Vec<i64>>,
    /// Users who went with something unread while no database took their nudge.
    owed: Mutex<BTreeSet<i64>>,
    wake: Notify,
}

impl Presence {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Instant>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn staying(&self) -> MutexGuard<'_, Vec<i64>> {
        self.staying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owed(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection of the user has subscribed.
pub(crate) async fn arrived(gateway: &Gateway, user_id: i64, was_offline: bool) {
    gateway.presence.lock().remove(&user_id);
    // Within the grace, too: nobody was told that he had gone, but whoever was painted meanwhile
    // has seen it.
    if was_offline {
        tell(gateway, user_id, true).await;
    }
}

/// This gateway was taken for dead, or forgotten with everything else: friends may have been told
/// that its users are gone. They are told anew who is here.
pub(super) fn stayed(gateway: &Gateway) {
    *gateway.presence.staying() = gateway.bus.users_here();
    gateway.presence.wake.notify_one();
}

/// A connection of the user has unsubscribed.
pub(crate) async fn left(gateway: &Gateway, user_id: i64, was_last: bool) {
    if !was_last {
        return;
    }
    let grace = Duration::from_millis(gateway.config.timers.presence_grace_ms);
    let has_room = {
        let mut leaving = gateway.presence.lock();
        let has_room = leaving.len() < limits::LEAVING_MAX;
        if has_room {
            leaving.insert(user_id, Instant::now() + grace);
        }
        has_room
    };
    match has_room {
        true => gateway.presence.wake.notify_one(),
        false => tell_gone(gateway, user_id).await,
    }
}

/// Tells of those whose grace is over; at the end of the process, of all.
pub(crate) async fn run(gateway: Arc<Gateway>, mut finish: watch::Receiver<bool>) {
    let mut again = tokio::time::interval(Duration::from_millis(limits::NUDGE_OWED_MS));
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = gateway.presence.lock().values().min().copied();
        let owing = !gateway.presence.owed().is_empty();
        let staying = gateway.presence.staying().pop();
        if let Some(user_id) = staying.filter(|user_id| gateway.bus.is_here(*user_id)) {
            tell(&gateway, user_id, true).await;
        }
        let ending = tokio::select! {
            biased;
            () = announced(&mut finish) => true,
            () = at(next), if next.is_some() => false,
            _ = again.tick(), if owing => {
                pay(&gateway).await;
                continue;
            }
            // The next of them, and who leaves is served between two.
            () = std::future::ready(()), if staying.is_some() => continue,
            () = gateway.presence.wake.notified() => continue,
        };
        let now = Instant::now();
        let over = |due: &Instant| ending || *due <= now;
        let gone: Vec<i64> =
            gateway.presence.lock().extract_if(|_, due| over(due)).map(|(id, _)| id).collect();
        for user_id in gone {
            if !gateway.bus.online(&[user_id]).await[0] {
                tell_gone(&gateway, user_id).await;
            }
        }
        if ending {
            pay(&gateway).await;
            return;
        }
    }
}

async fn at(moment: Option<Instant>) {
    if let Some(moment) = moment {
        tokio::time::sleep_until(moment.into()).await;
    }
}

pub(super) async fn tell_gone(gateway: &Gateway, user_id: i64) {
    let now = clock::now();
    if let Err(error) = gateway.store.set_last_seen(user_id, now).await {
        tracing::warn!(%error, user_id, "when somebody was last seen could not be written");
    }
    // What came while he was there and was not read has no nudge yet.
    nudge(gateway, user_id).await;
    tell(gateway, user_id, false).await;
    // Whoever came back while this was told may have been told before it.
    if gateway.bus.online(&[user_id]).await[0] {
        tell(gateway, user_id, true).await;
    }
}

/// Nudges somebody who is not there and has something unread. `false`: the database does not take
/// it now, and it is tried again until it does or he comes back.
pub(super) async fn nudge(gateway: &Gateway, user_id: i64) -> bool {
    let Err(error) = gateway.store.nudge_left(user_id, clock::now()).await else {
        return true;
    };
    tracing::warn!(%error, user_id, "a nudge has to wait for the database");
    let mut owed = gateway.presence.owed();
    if owed.len() < limits::NUDGES_OWED_MAX {
        owed.insert(user_id);
    }
    drop(owed);
    gateway.presence.wake.notify_one();
    false
}

/// Tries what is owed once more, up to the first that has to wait again.
async fn pay(gateway: &Gateway) {
    let mut owed = std::mem::take(&mut *gateway.presence.owed());
    while let Some(user_id) = owed.pop_first() {
        // Who has come back is nudged when he goes again.
        if !gateway.bus.online(&[user_id]).await[0] && !nudge(gateway, user_id).await {
            break;
        }
    }
    gateway.presence.owed().append(&mut owed);
}

/// Tells the friends who are there. A fault costs the news and nothing else: the next Paint tells
/// how it is.
async fn tell(gateway: &Gateway, user_id: i64, online: bool) {
    let (friends, hides) = match gateway.store.friends_and_hides(user_id).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, user_id, "friends could not be told who came or went");
            return;
        }
    };
    if friends.is_empty() {
        return;
    }
    let presence = proto::Presence { user_id, online, last_seen: shown(hides) };
    let event = Event::new(Body::Presence(presence), 0);
    gateway.bus.publish(&friends, &event).await;
}

/// The moment that is told with the news; 0 where somebody hides it.
pub(crate) fn shown(hides: bool) -> i64 {
    if hides { 0 } else { clock::now() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use store::{Batch, NewMessage, NewUser, Options, Store};

    use super::*;
    use crate::bus::Subscriber;
    use crate::gateway::{Footing, tamper};
    use crate::harness;
    use crate::outbound::{Item, Outbound};
    use crate::tasks::Tasks;

    /// As long as the sequence `away` is there, this PostgreSQL takes no nudge.
    const NO_NUDGE: &str = "
        CREATE SEQUENCE away;
        CREATE FUNCTION no_nudge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF to_regclass('away') IS NOT NULL THEN
            RAISE EXCEPTION 'away' USING ERRCODE = '57P03';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER no_nudge BEFORE INSERT ON nudge FOR EACH ROW EXECUTE FUNCTION no_nudge()";

    #[tokio::test]
    async fn who_leaves_while_the_database_is_away_is_nudged_when_it_is_back() {
        let url = harness::create_database().await;
        let store = Store::open(std::slice::from_ref(&url), &Options::default()).await.unwrap();
        let (ann, bob) = ann_and_bob(&store).await;
        let (conv_id, _) = store.open_direct(ann, bob, 1).await.unwrap();
        let send = NewMessage {
            conv_id,
            sender_id: ann,
            client_key: 1,
            reply_seq: 0,
            body: "are you there?".to_owned(),
            mentions: Vec::new(),
        };
        let batch = Batch { sends: vec![send], moves: Vec::new() };
        store.commit_and_nudge(0, &batch, &|_| true, clock::now()).await.unwrap();
        tamper(&url, NO_NUDGE).await;
        let (footing, _drain) = Footing::alone(store);
        let mut tasks = Tasks::default();
        let running = super::super::start(&mut tasks, footing);
        let (gateway, later) = (&running.gateway, clock::now() + 24 * 3_600_000);
        tell_gone(gateway, bob).await;
        let nudged = async || gateway.store.nudge_claim(later, later, 10).await.unwrap();
        assert!(nudged().await.is_empty(), "nothing takes it");
        tamper(&url, "DROP SEQUENCE away").await;
        let paid = async {
            while nudged().await != [bob] {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), paid).await.expect("bob is nudged");
        assert_eq!(gateway.presence.owed().len(), 0);
        gateway.store.close().await;
        harness::drop_database(&url).await;
    }

    async fn ann_and_bob(store: &Store) -> (i64, i64) {
        for (user_id, handle) in [(1, "ann"), (2, "bob")] {
            let user = NewUser {
                user_id,
                handle: handle.to_owned(),
                name: handle.to_owned(),
                email: None,
                pass_hash: "no password".to_owned(),
            };
            store.create_user(&user, 1).await.unwrap();
        }
        (1, 2)
    }

    #[tokio::test]
    async fn who_comes_back_while_his_going_is_told_is_seen_online_in_the_end() {
        let dir = std::env::temp_dir().join(format!("natter-{}", proto::id::random_key()));
        std::fs::create_dir_all(&dir).unwrap();
        let url = format!("sqlite:{}", dir.join("natter.db").display());
        let store = Store::open(&[url], &Options::default()).await.unwrap();
        ann_and_bob(&store).await;
        store.befriend(1, 2, 1).await.unwrap();
        store.accept(2, 1, 1).await.unwrap();
        let (footing, _drain) = Footing::alone(store);
        let mut tasks = Tasks::default();
        let running = super::super::start(&mut tasks, footing);
        let gateway = &running.gateway;
        let seen_by_bob = Arc::new(Outbound::default());
        for (user_id, queue) in [(1_i64, Arc::default()), (2, Arc::clone(&seen_by_bob))] {
            let subscriber = Subscriber {
                connection: user_id.unsigned_abs(),
                session: [0; 8],
                brief: false,
                queue,
            };
            gateway.bus.subscribe(user_id, subscriber).await;
        }
        // Ann has subscribed after the look whether she is there.
        tell_gone(gateway, 1).await;
        let told = seen_by_bob.take().items.into_iter();
        let told: Vec<bool> = told
            .filter_map(|item| match item {
                Item::Event(event) => match &event.body {
                    Body::Presence(presence) => Some(presence.online),
                    _ => None,
                },
                Item::Settled(_) => None,
            })
            .collect();
        let _ = std::fs::remove_dir_all(&dir);
        assert_eq!(told, [false, true]);
    }
}
