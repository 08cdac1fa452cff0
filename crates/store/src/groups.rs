//! Groups: who may do what, and the messages that tell of it in the group's own log. The change and
//! its trace are one transaction under the conversation's lock, so `seq` stays dense.

use std::collections::{HashMap, HashSet};

use proto::limits::GROUP_MEMBERS_MAX;
use proto::{ConversationKind, Message, MessageKind, Role, id};

use crate::conversations::{member_ids, role};
use crate::engine::{Done, Link, again, each, exec, record, row, rows};
use crate::log::lock;
use crate::{Error, GroupChange, Result, Store, limits, users};

/// A group under its lock, with its members in order of joining.
struct Group {
    conv_id: i64,
    title: String,
    last_seq: i64,
    members: Vec<MemberRow>,
    me: MemberRow,
}

record! {
    #[derive(Clone)]
    struct MemberRow {
        user_id: i64,
        role: i16,
        joined_seq: i64,
        read_seq: i64,
    }
}

/// One line of the group's log: what happened, and the handle or title it happened to.
type Trace = (MessageKind, String);

impl Store {
    /// A group with `me` as its owner. People who do not exist or blocked me are passed over. A
    /// `client_key` above 0 that has made a group already is answered with that one, as it is now;
    /// it is known for seven days.
    pub async fn create_group(
        &self,
        me: i64,
        title: &str,
        user_ids: &[i64],
        client_key: i64,
        now: i64,
    ) -> Result<GroupChange> {
        again!(self.create_group_once(me, title, user_ids, client_key, now).await)
    }

    async fn create_group_once(
        &self,
        me: i64,
        title: &str,
        user_ids: &[i64],
        client_key: i64,
        now: i64,
    ) -> Result<GroupChange> {
        let invited = self.may_be_invited(me, user_ids).await?;
        refuse_crowd(1 + invited.len())?;
        for _ in 0..limits::ID_TRIES {
            // A repeated key must come to the same database.
            let key = if client_key > 0 { client_key } else { id::random_key() };
            let conv_id = id::new(id::direct_shard(me, key), now);
            let mut tx = self.begin_at(conv_id).await?;
            let link = &mut tx.link();
            if client_key > 0
                && let Some(made) = take_key(link, me, client_key, conv_id, now).await?
            {
                return repeated(link, made).await;
            }
            let made = exec!(
                link,
                "INSERT INTO conversation (conv_id, kind, title, last_at, created_at)
                 VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING",
                conv_id,
                ConversationKind::Group as i32,
                title,
                now
            )?;
            if made == 0 {
                continue;
            }
            let change = found(link, conv_id, me, title, &invited, now).await?;
            tx.commit().await?;
            return Ok(change);
        }
        Err(Error::Unavailable("no free id was found".into()))
    }

    /// Every member may invite. People who do not exist, are in already or blocked me are passed
    /// over. Limit at 1,000 members. Who comes sees the log from this invitation on.
    pub async fn invite(
        &self,
        me: i64,
        conv_id: i64,
        user_ids: &[i64],
        now: i64,
    ) -> Result<GroupChange> {
        again!(self.invite_once(me, conv_id, user_ids, now).await)
    }

    async fn invite_once(
        &self,
        me: i64,
        conv_id: i64,
        user_ids: &[i64],
        now: i64,
    ) -> Result<GroupChange> {
        let mut invited = self.may_be_invited(me, user_ids).await?;
        let mut tx = self.begin_at(conv_id).await?;
        let link = &mut tx.link();
        let mut group = lock_group(link, me, conv_id).await?;
        let members: HashSet<i64> = group.member_ids().into_iter().collect();
        invited.retain(|(user_id, _)| !members.contains(user_id));
        refuse_crowd(members.len() + invited.len())?;
        add(link, &mut group, &invited).await?;
        let traces = invited.iter().map(|(_, handle)| joined(handle)).collect();
        let messages = tell(link, &mut group, traces, now).await?;
        tx.commit().await?;
        let added = invited.into_iter().map(|(user_id, _)| user_id).collect();
        Ok(group.change(messages, Vec::new(), added))
    }

    /// When the owner leaves, the longest-standing admin, else member, becomes owner. The last one
    /// leaves an empty group.
    pub async fn leave(&self, me: i64, conv_id: i64, now: i64) -> Result<GroupChange> {
        again!(self.leave_once(me, conv_id, now).await)
    }

    async fn leave_once(&self, me: i64, conv_id: i64, now: i64) -> Result<GroupChange> {
        // The heir's handle lies in the directory, which must not be asked under the lock. So:
        // guess the heir, ask, lock, and see whether he still is.
        let mut guess = None;
        for _ in 0..limits::HEIR_TRIES {
            let handle = match guess {
                Some(heir) => users::handles(self, &[heir]).await?.remove(&heir),
                None => None,
            };
            let mut tx = self.begin_at(conv_id).await?;
            let link = &mut tx.link();
            let mut group = lock_group(link, me, conv_id).await?;
            let heir = group.heir();
            if heir != guess {
                guess = heir;
                continue;
            }
            let mut traces = Vec::new();
            if let Some(heir) = heir {
                set_role(link, &mut group, heir, Role::Owner).await?;
                traces.push((MessageKind::Appointed, handle.unwrap_or_default()));
            }
            traces.push((MessageKind::Left, String::new()));
            remove(link, &mut group, me, now).await?;
            let messages = tell(link, &mut group, traces, now).await?;
            tx.commit().await?;
            return Ok(group.change(messages, vec![me], Vec::new()));
        }
        Err(Error::Unavailable("the group changes without end".into()))
    }

    /// Admins remove members, the owner removes anybody else. NotFound if he is no member.
    pub async fn kick(&self, me: i64, conv_id: i64, user_id: i64, now: i64) -> Result<GroupChange> {
        again!(self.kick_once(me, conv_id, user_id, now).await)
    }

    async fn kick_once(
        &self,
        me: i64,
        conv_id: i64,
        user_id: i64,
        now: i64,
    ) -> Result<GroupChange> {
        if user_id == me {
            return Err(Error::Invalid("to go yourself, leave"));
        }
        let handle = users::handles(self, &[user_id]).await?.remove(&user_id);
        let mut tx = self.begin_at(conv_id).await?;
        let link = &mut tx.link();
        let mut group = lock_group(link, me, conv_id).await?;
        match (role(group.me.role), group.role_of(user_id)) {
            (_, None) => return Err(Error::NotFound),
            (Role::Owner, _) | (Role::Admin, Some(Role::Member)) => {}
            _ => return Err(Error::Forbidden),
        }
        remove(link, &mut group, user_id, now).await?;
        let traces = vec![(MessageKind::Kicked, handle.unwrap_or_default())];
        let messages = tell(link, &mut group, traces, now).await?;
        tx.commit().await?;
        Ok(group.change(messages, vec![user_id], Vec::new()))
    }

    /// Admins and the owner. The same title again leaves no trace.
    pub async fn rename(
        &self,
        me: i64,
        conv_id: i64,
        title: &str,
        now: i64,
    ) -> Result<GroupChange> {
        again!(self.rename_once(me, conv_id, title, now).await)
    }

    async fn rename_once(
        &self,
        me: i64,
        conv_id: i64,
        title: &str,
        now: i64,
    ) -> Result<GroupChange> {
        let mut tx = self.begin_at(conv_id).await?;
        let link = &mut tx.link();
        let mut group = lock_group(link, me, conv_id).await?;
        if !matches!(role(group.me.role), Role::Admin | Role::Owner) {
            return Err(Error::Forbidden);
        }
        let mut traces = Vec::new();
        if group.title != title {
            group.title = title.to_owned();
            traces.push((MessageKind::Renamed, title.to_owned()));
        }
        let messages = tell(link, &mut group, traces, now).await?;
        tx.commit().await?;
        Ok(group.change(messages, Vec::new(), Vec::new()))
    }

    /// The owner gives a role to somebody else; giving OWNER away makes him an admin. The same role
    /// again leaves no trace. NotFound if that one is no member.
    pub async fn appoint(
        &self,
        me: i64,
        conv_id: i64,
        user_id: i64,
        role: Role,
        now: i64,
    ) -> Result<GroupChange> {
        again!(self.appoint_once(me, conv_id, user_id, role, now).await)
    }

    async fn appoint_once(
        &self,
        me: i64,
        conv_id: i64,
        user_id: i64,
        role: Role,
        now: i64,
    ) -> Result<GroupChange> {
        if role == Role::Unspecified || user_id == me {
            return Err(Error::Invalid("an owner gives a role to somebody else"));
        }
        let handle = users::handles(self, &[user_id]).await?.remove(&user_id);
        let mut tx = self.begin_at(conv_id).await?;
        let link = &mut tx.link();
        let mut group = lock_group(link, me, conv_id).await?;
        if group.me.role != Role::Owner as i16 {
            return Err(Error::Forbidden);
        }
        let before = group.role_of(user_id).ok_or(Error::NotFound)?;
        let mut traces = Vec::new();
        if before != role {
            set_role(link, &mut group, user_id, role).await?;
            traces.push((MessageKind::Appointed, handle.unwrap_or_default()));
            if role == Role::Owner {
                set_role(link, &mut group, me, Role::Admin).await?;
            }
        }
        let messages = tell(link, &mut group, traces, now).await?;
        tx.commit().await?;
        Ok(group.change(messages, Vec::new(), Vec::new()))
    }

    /// Those of these people who exist, are not `me` and did not block me; with their handles, in
    /// the order given.
    async fn may_be_invited(&self, me: i64, user_ids: &[i64]) -> Result<Vec<(i64, String)>> {
        let mut handles: HashMap<i64, String> = users::handles(self, user_ids).await?;
        handles.remove(&me);
        for blocker in self.blocked_by(me, user_ids).await? {
            handles.remove(&blocker);
        }
        let invited =
            user_ids.iter().filter_map(|id| handles.remove(id).map(|handle| (*id, handle)));
        Ok(invited.collect())
    }
}

impl Group {
    fn member_ids(&self) -> Vec<i64> {
        self.members.iter().map(|member| member.user_id).collect()
    }

    fn role_of(&self, user_id: i64) -> Option<Role> {
        self.members.iter().find(|member| member.user_id == user_id).map(|member| role(member.role))
    }

    /// Who becomes owner when I leave: nobody, if I am not the owner or the last one.
    fn heir(&self) -> Option<i64> {
        if self.me.role != Role::Owner as i16 {
            return None;
        }
        let others = || self.members.iter().filter(|member| member.user_id != self.me.user_id);
        let admin = others().find(|member| member.role == Role::Admin as i16);
        admin.or_else(|| others().next()).map(|member| member.user_id)
    }

    fn change(self, messages: Vec<Message>, removed: Vec<i64>, added: Vec<i64>) -> GroupChange {
        GroupChange { conv_id: self.conv_id, messages, members: self.member_ids(), removed, added }
    }
}

fn joined(handle: &str) -> Trace {
    (MessageKind::Joined, handle.to_owned())
}

fn refuse_crowd(members: usize) -> Result<()> {
    if members > GROUP_MEMBERS_MAX as usize {
        return Err(Error::Limit("a group has at most 1,000 members"));
    }
    Ok(())
}

/// NotFound if `me` is no member; Forbidden if it is no group. All members are locked, in the order
/// in which every other transaction locks members.
async fn lock_group(link: &mut Link<'_>, me: i64, conv_id: i64) -> Result<Group> {
    let conversation = lock(link, conv_id).await?;
    let mut members: Vec<MemberRow> = rows!(
        link,
        [
            "SELECT user_id, role, joined_seq, read_seq FROM member
              WHERE conv_id = $1 AND left_at IS NULL ORDER BY user_id",
            "SELECT user_id, role, joined_seq, read_seq FROM member
              WHERE conv_id = $1 AND left_at IS NULL ORDER BY user_id FOR UPDATE"
        ],
        conv_id
    )?;
    members.sort_by_key(|member| (member.joined_seq, member.user_id));
    let mine = members.iter().find(|member| member.user_id == me).cloned();
    let me = mine.ok_or(Error::NotFound)?;
    if conversation.kind != ConversationKind::Group as i16 {
        return Err(Error::Forbidden);
    }
    let title = conversation.title.unwrap_or_default();
    Ok(Group { conv_id, title, last_seq: conversation.last_seq, members, me })
}

/// None: the key is new and now stands for `conv_id`. Else the group that it made. Of two who come
/// at once the second one waits here for the first.
async fn take_key(
    link: &mut Link<'_>,
    me: i64,
    client_key: i64,
    conv_id: i64,
    now: i64,
) -> Result<Option<i64>> {
    let fresh = exec!(
        link,
        "INSERT INTO group_key (user_id, client_key, conv_id, made_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        me,
        client_key,
        conv_id,
        now
    )?;
    if fresh == 1 {
        return Ok(None);
    }
    let made: Option<(i64,)> = row!(
        link,
        "SELECT conv_id FROM group_key WHERE user_id = $1 AND client_key = $2",
        me,
        client_key
    )?;
    let made = made.ok_or_else(|| Error::Unavailable("the key was just forgotten".into()))?;
    Ok(Some(made.0))
}

/// The group as it is, with nothing new to tell.
async fn repeated(link: &mut Link<'_>, conv_id: i64) -> Result<GroupChange> {
    Ok(GroupChange {
        conv_id,
        messages: Vec::new(),
        members: member_ids(link, conv_id).await?,
        removed: Vec::new(),
        added: Vec::new(),
    })
}

/// The members of a group whose row has just been written, and the first line of its log.
async fn found(
    link: &mut Link<'_>,
    conv_id: i64,
    me: i64,
    title: &str,
    invited: &[(i64, String)],
    now: i64,
) -> Result<GroupChange> {
    let owner = MemberRow { user_id: me, role: Role::Owner as i16, joined_seq: 0, read_seq: 0 };
    let members = Vec::new();
    let mut group = Group { conv_id, title: title.to_owned(), last_seq: 0, members, me: owner };
    // One line, however many were taken along: the list of members says who.
    let traces = vec![(MessageKind::Created, title.to_owned())];
    add(link, &mut group, invited).await?;
    add(link, &mut group, &[(me, String::new())]).await?;
    set_role(link, &mut group, me, Role::Owner).await?;
    let messages = tell(link, &mut group, traces, now).await?;
    let added = group.member_ids();
    Ok(group.change(messages, Vec::new(), added))
}

/// New and returning members begin at the end of the log as it is now, as plain members.
async fn add(link: &mut Link<'_>, group: &mut Group, invited: &[(i64, String)]) -> Result<()> {
    let mut ids: Vec<i64> = invited.iter().map(|(user_id, _)| *user_id).collect();
    ids.sort_unstable();
    let _: Done = each!(
        execute query, link, [group.conv_id, group.last_seq],
        sqlite(&ids) "SELECT value AS user_id FROM json_each($3)",
        postgres(&ids) "SELECT unnest($3::bigint[]) AS user_id",
        "INSERT INTO member (conv_id, user_id, joined_seq, delivered_seq, read_seq)
         SELECT $1, user_id, $2, $2, $2 FROM input WHERE TRUE
         ON CONFLICT (conv_id, user_id) DO UPDATE SET role = 1, left_at = NULL, muted_until = 0,
           joined_seq = excluded.joined_seq, delivered_seq = excluded.delivered_seq,
           read_seq = excluded.read_seq, mention_seq = 0, delivered_at = 0, read_at = 0,
           mailed_seq = 0, mailed_at = 0"
    )?;
    group.members.extend(ids.into_iter().map(|user_id| MemberRow {
        user_id,
        role: Role::Member as i16,
        joined_seq: group.last_seq,
        read_seq: group.last_seq,
    }));
    group.members.sort_by_key(|member| (member.joined_seq, member.user_id));
    Ok(())
}

async fn remove(link: &mut Link<'_>, group: &mut Group, user_id: i64, now: i64) -> Result<()> {
    exec!(
        link,
        "UPDATE member SET left_at = $3 WHERE conv_id = $1 AND user_id = $2",
        group.conv_id,
        user_id,
        now
    )?;
    group.members.retain(|member| member.user_id != user_id);
    Ok(())
}

async fn set_role(link: &mut Link<'_>, group: &mut Group, user_id: i64, role: Role) -> Result<()> {
    exec!(
        link,
        "UPDATE member SET role = $3 WHERE conv_id = $1 AND user_id = $2",
        group.conv_id,
        user_id,
        role as i32
    )?;
    for member in group.members.iter_mut().filter(|member| member.user_id == user_id) {
        member.role = role as i16;
    }
    Ok(())
}

/// Writes what happened into the log, in my name, and the group's new title, size and end.
async fn tell(
    link: &mut Link<'_>,
    group: &mut Group,
    traces: Vec<Trace>,
    now: i64,
) -> Result<Vec<Message>> {
    if traces.is_empty() {
        return Ok(Vec::new());
    }
    let first = group.last_seq + 1;
    group.last_seq += traces.len() as i64;
    let message = |(seq, (kind, body)): (i64, Trace)| Message {
        conv_id: group.conv_id,
        seq,
        sender_id: group.me.user_id,
        sent_at: now,
        kind: kind as i32,
        body,
        ..Message::default()
    };
    let messages: Vec<Message> = (first..).zip(traces).map(message).collect();
    insert(link, group, &messages, now).await?;
    exec!(
        link,
        "UPDATE conversation SET title = $2, member_count = $3, last_seq = $4,
                last_at = CASE WHEN last_at < $5 THEN $5 ELSE last_at END
          WHERE conv_id = $1",
        group.conv_id,
        &group.title,
        group.members.len() as i64,
        group.last_seq,
        now
    )?;
    // As with a message: one's own doing is read, if nothing unread lies before it.
    if group.me.read_seq == first - 1 {
        exec!(
            link,
            "UPDATE member SET delivered_seq = $3, read_seq = $3, delivered_at = $4, read_at = $4
              WHERE conv_id = $1 AND user_id = $2",
            group.conv_id,
            group.me.user_id,
            group.last_seq,
            now
        )?;
    }
    Ok(messages)
}

async fn insert(link: &mut Link<'_>, group: &Group, messages: &[Message], now: i64) -> Result<()> {
    let _: Done = each!(
        execute query, link, [group.conv_id, group.me.user_id, now],
        sqlite(messages.iter().map(|m| (m.seq, m.kind, m.body.as_str())).collect::<Vec<_>>())
            "SELECT value->>0 AS seq, value->>1 AS kind, value->>2 AS body FROM json_each($4)",
        postgres(
            messages.iter().map(|message| message.seq).collect::<Vec<_>>(),
            messages.iter().map(|message| message.kind as i16).collect::<Vec<_>>(),
            messages.iter().map(|message| message.body.as_str()).collect::<Vec<_>>()
        )
            "SELECT * FROM unnest($4::bigint[], $5::smallint[], $6::text[]) AS i (seq, kind, body)",
        "INSERT INTO message (conv_id, seq, sender_id, sent_at, kind, body)
         SELECT $1, seq, $2, $3, kind, body FROM input"
    )?;
    Ok(())
}
