//! People: who they are, and what a login is checked against. All of it in the directory.

use proto::{Person, Relation};

use crate::engine::{Link, each, exec, record, row};
use crate::{Credential, Error, Job, NewUser, Result, Store, limits, outbox, words};

record! {
    pub(crate) struct PersonRow {
        pub(crate) user_id: i64,
        pub(crate) handle: String,
        pub(crate) name: String,
        /// 0 where it is hidden from everybody.
        pub(crate) last_seen: i64,
        /// As the viewer sees the person …
        pub(crate) mine: i16,
        pub(crate) since: i64,
        /// … and as the person sees the viewer.
        pub(crate) theirs: i16,
    }
}

impl PersonRow {
    /// `last_seen` is shown to friends, and only as long as the friendship stands on both sides:
    /// one who was blocked still sees a friend, but learns nothing new of him.
    pub(crate) fn into_person(self) -> Person {
        let friend = Relation::Friend as i16;
        let friends = self.mine == friend && self.theirs == friend;
        Person {
            user_id: self.user_id,
            handle: self.handle,
            name: self.name,
            relation: i32::from(self.mine),
            since: self.since,
            online: false,
            last_seen: if friends { self.last_seen } else { 0 },
        }
    }
}

impl Store {
    /// With an address, the job to confirm it is written down in the same transaction.
    ///
    /// `Taken("handle")` or `Taken("email")` if somebody has it already; `Taken("number")` if the
    /// user_id is in use (draw another).
    pub async fn create_user(&self, user: &NewUser, now: i64) -> Result<()> {
        self.create_users(std::slice::from_ref(user), now).await
    }

    /// Many at once, in one transaction: all of them, or with an error none.
    pub async fn create_users(&self, users: &[NewUser], now: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        for user in users {
            create(link, user, now).await?;
        }
        tx.commit().await
    }

    pub async fn credential(&self, handle: &str) -> Result<Option<Credential>> {
        let mut reader = self.directory().reader().await?;
        let found: Option<(i64, String)> = row!(
            &mut reader.link(),
            "SELECT user_id, pass_hash FROM app_user WHERE handle = $1",
            handle
        )?;
        Ok(found.map(|(user_id, pass_hash)| Credential { user_id, pass_hash }))
    }

    pub async fn credential_of(&self, user_id: i64) -> Result<Option<Credential>> {
        let mut reader = self.directory().reader().await?;
        let found: Option<(String,)> =
            row!(&mut reader.link(), "SELECT pass_hash FROM app_user WHERE user_id = $1", user_id)?;
        Ok(found.map(|(pass_hash,)| Credential { user_id, pass_hash }))
    }

    /// `NotFound` if there is no such person.
    pub async fn set_password(&self, user_id: i64, pass_hash: &str) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        let changed = exec!(
            &mut tx.link(),
            "UPDATE app_user SET pass_hash = $2 WHERE user_id = $1",
            user_id,
            pass_hash
        )?;
        tx.commit().await?;
        if changed == 1 { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Unknown ids are left out. `relation` and `since` as `viewer` sees them; `last_seen` only of
    /// friends.
    pub async fn people(&self, viewer: i64, ids: &[i64]) -> Result<Vec<Person>> {
        let mut reader = self.directory().reader().await?;
        let link = &mut reader.link();
        let mut people = Vec::with_capacity(ids.len());
        for slice in ids.chunks(limits::IDS_AT_ONCE) {
            people.extend(people_rows(link, viewer, slice).await?);
        }
        people.sort_unstable_by_key(|person| person.user_id);
        people.dedup_by_key(|person| person.user_id);
        Ok(people.into_iter().map(PersonRow::into_person).collect())
    }

    /// Handles that nobody has are left out; in no particular order.
    pub async fn user_ids(&self, handles: &[&str]) -> Result<Vec<i64>> {
        if handles.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.directory().reader().await?;
        let ids: Vec<(i64,)> = each!(
            fetch_all query_as, &mut reader.link(), [],
            sqlite(handles) "SELECT value AS handle FROM json_each($1)",
            postgres(handles) "SELECT unnest($1::text[]) AS handle",
            "SELECT u.user_id FROM input JOIN app_user u ON u.handle = input.handle"
        )?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }

    /// Called when the last connection of a user has ended.
    pub async fn set_last_seen(&self, user_id: i64, now: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        exec!(
            &mut tx.link(),
            "UPDATE app_user SET last_seen = $2 WHERE user_id = $1 AND last_seen < $2",
            user_id,
            now
        )?;
        tx.commit().await
    }
}

async fn create(link: &mut Link<'_>, user: &NewUser, now: i64) -> Result<()> {
    let made = exec!(
        link,
        "INSERT INTO app_user (user_id, handle, name, email, pass_hash, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        user.user_id,
        &user.handle,
        &user.name,
        &user.email,
        &user.pass_hash,
        now
    )?;
    if made == 0 {
        return Err(what_is_taken(link, user).await?);
    }
    for word in words::of_person(&user.handle, &user.name) {
        exec!(
            link,
            "INSERT INTO user_word (word, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            word,
            user.user_id
        )?;
    }
    if user.email.is_some() {
        let user_id = user.user_id;
        outbox::put(link, &Job::Confirm { user_id }, now).await?;
    }
    Ok(())
}

async fn what_is_taken(link: &mut Link<'_>, user: &NewUser) -> Result<Error> {
    let handle: Option<(i64,)> =
        row!(link, "SELECT user_id FROM app_user WHERE handle = $1", &user.handle)?;
    if handle.is_some() {
        return Ok(Error::Taken("handle"));
    }
    let email: Option<(i64,)> =
        row!(link, "SELECT user_id FROM app_user WHERE email = $1", &user.email)?;
    Ok(Error::Taken(if email.is_some() { "email" } else { "number" }))
}

pub(crate) async fn people_rows(
    link: &mut Link<'_>,
    viewer: i64,
    ids: &[i64],
) -> Result<Vec<PersonRow>> {
    each!(
        fetch_all query_as, link, [viewer],
        sqlite(ids) "SELECT value AS user_id FROM json_each($2)",
        postgres(ids) "SELECT unnest($2::bigint[]) AS user_id",
        "SELECT u.user_id, u.handle, u.name,
                CASE WHEN u.hides = 1 THEN 0 ELSE u.last_seen END AS last_seen,
                CAST(COALESCE(mine.state, 0) AS SMALLINT) AS mine, COALESCE(mine.since, 0) AS since,
                CAST(COALESCE(theirs.state, 0) AS SMALLINT) AS theirs
           FROM input JOIN app_user u ON u.user_id = input.user_id
           LEFT JOIN contact mine ON mine.owner_id = $1 AND mine.peer_id = u.user_id
           LEFT JOIN contact theirs ON theirs.owner_id = u.user_id AND theirs.peer_id = $1"
    )
}

/// The handle of each of these people who exists.
pub(crate) async fn handles(
    store: &Store,
    ids: &[i64],
) -> Result<std::collections::HashMap<i64, String>> {
    let mut reader = store.directory().reader().await?;
    let found: Vec<(i64, String)> = each!(
        fetch_all query_as, &mut reader.link(), [],
        sqlite(ids) "SELECT value AS user_id FROM json_each($1)",
        postgres(ids) "SELECT unnest($1::bigint[]) AS user_id",
        "SELECT u.user_id, u.handle FROM input JOIN app_user u ON u.user_id = input.user_id"
    )?;
    Ok(found.into_iter().collect())
}
