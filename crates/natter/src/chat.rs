//! The commands that talk: each opens the client of the profile, waits until it has caught up, does
//! one thing, and closes it. What was queued stays queued when there is no line.

use std::collections::{HashMap, VecDeque};
use std::io::Read;

use client::{Client, Event};
use proto::{Conversation, Message, Relation, SentState, client_frame, server_frame};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::output::{Names, Output, clock, clock_ms};

type Done = Result<(), Failure>;

/// An open client and where its words go.
pub(crate) struct Talk {
    pub(crate) client: Client,
    pub(crate) events: mpsc::Receiver<Event>,
    /// What happened while it caught up, and is still to be told.
    pub(crate) missed: VecDeque<Event>,
    pub(crate) output: Output,
    /// From here on nothing is waited for any more.
    pub(crate) deadline: Instant,
}

impl Talk {
    /// Waits until all that was missed is in the copy on this machine. What happens meanwhile is
    /// heard, because the line waits for who listens; the last `keep` messages of it are kept.
    pub(crate) async fn catch_up(&mut self, timeout_ms: u64, keep: usize) -> client::Result<()> {
        let client = self.client.clone();
        let caught_up = client.caught_up(timeout_ms);
        tokio::pin!(caught_up);
        loop {
            tokio::select! {
                settled = &mut caught_up => return settled,
                Some(event) = self.events.recv() => {
                    if matches!(event, Event::New { .. }) {
                        self.missed.push_back(event);
                    }
                    if self.missed.len() > keep {
                        self.missed.pop_front();
                    }
                }
            }
        }
    }

    /// The people behind `ids`, and everybody else this client knows.
    async fn names(&self, ids: &[i64]) -> Result<Names, Failure> {
        let known = self.client.people().await?;
        let mut people: HashMap<_, _> = known.into_iter().map(|p| (p.user_id, p)).collect();
        let mut unknown: Vec<i64> = ids.to_vec();
        unknown.retain(|id| *id != 0 && !people.contains_key(id));
        unknown.sort_unstable();
        unknown.dedup();
        for user_ids in unknown.chunks(proto::limits::PEOPLE_PER_FRAME_MAX) {
            let who = client_frame::Body::Who(proto::Who { user_ids: user_ids.to_vec() });
            // Without a line a number has to do.
            if let Ok(server_frame::Body::Found(found)) = self.client.call(who).await {
                people.extend(found.people.into_iter().map(|p| (p.user_id, p)));
            }
        }
        Ok(Names { people })
    }

    async fn find(&self, who: &str) -> Result<Conversation, Failure> {
        let conv_id = self.client.find_conversation(who).await?;
        let found = self.client.conversation(conv_id).await?;
        found.ok_or_else(|| Failure::new(Exit::NotFound, format!("no conversation with {who}")))
    }

    async fn ask(&self, body: client_frame::Body) -> Result<server_frame::Body, Failure> {
        Ok(self.client.call(body).await?)
    }

    /// The next thing that happens. A line that will not come back by itself ends the command.
    async fn next(&mut self) -> Result<Event, Failure> {
        if let Some(missed) = self.missed.pop_front() {
            return Ok(missed);
        }
        match self.events.recv().await {
            Some(Event::Line(client::Line::SignedOut { why })) => {
                Err(Failure::new(Exit::NotLoggedIn, why))
            }
            Some(Event::Line(client::Line::Stopped { why })) => {
                Err(Failure::new(Exit::NoLine, why))
            }
            Some(event) => Ok(event),
            None => Err(Failure::new(Exit::NoLine, "the line ended")),
        }
    }
}

// ── sending ─────────────────────────────────────────────────────────────────────────────────────

pub(crate) async fn send(talk: &mut Talk, args: &cli::Send) -> Done {
    let text = match args.text.as_str() {
        "-" => read_stdin()?,
        text => text.to_owned(),
    };
    let conversation = talk.find(&args.who).await?;
    let key = talk.client.send(conversation.conv_id, &text, args.reply, args.key).await?;
    let deadline = talk.deadline;
    let sent = match timeout_at(deadline, sent(talk, key)).await {
        Ok(sent) => sent?,
        Err(_) => {
            let text = "queued: there is no line now; it goes out the next time natter runs";
            return Err(Failure::new(Exit::NoLine, text));
        }
    };
    let state = state_of(&sent, &args.who);
    let text = format!("{state} #{}", sent.seq);
    talk.output.line(&text, &sent_json(&args.who, &sent))?;
    let Some(wait) = args.wait else { return Ok(()) };
    match timeout_at(deadline, receipt(talk, &sent, wait)).await {
        Ok(done) => done,
        Err(_) => {
            Err(Failure::new(Exit::NoLine, format!("{} has not got so far in time", args.who)))
        }
    }
}

fn read_stdin() -> Result<String, Failure> {
    let most = proto::limits::BODY_BYTES_MAX as u64;
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to know that it is too much.
    std::io::stdin().lock().take(most + 1).read_to_end(&mut bytes)?;
    let not_text = |_| Failure::new(Exit::Refused, "what came in is not UTF-8 text");
    let text = String::from_utf8(bytes).map_err(not_text)?.trim_end().to_owned();
    proto::check::body(&proto::clean::text(&text)).map_err(|e| Failure::new(Exit::Refused, e.0))?;
    Ok(text)
}

async fn sent(talk: &mut Talk, key: i64) -> Result<proto::Sent, Failure> {
    loop {
        match talk.next().await? {
            Event::Sent(sent) if sent.client_key == key => return Ok(sent),
            Event::SendRefused { client_key, text, .. } if client_key == key => {
                // Who types a command sees the refusal now; it need not wait in the outbox.
                talk.client.unqueue(key).await?;
                return Err(Failure::new(Exit::Refused, text));
            }
            _ => {}
        }
    }
}

fn state_of(sent: &proto::Sent, who: &str) -> String {
    match sent.state() {
        // The text may be another one now; what counts is what was stored under this key.
        _ if sent.repeated => "stored before".into(),
        SentState::OnItsWay | SentState::Stored => "stored".into(),
        SentState::Kept if who.starts_with('+') => format!("kept (nobody else in {who} is online)"),
        SentState::Kept => {
            let since = match sent.offline_since {
                0 => String::new(),
                since => format!(" since {}", clock(since)),
            };
            let mail = match sent.mail_at {
                0 => String::new(),
                at => format!(", mail at {}", clock(at)),
            };
            format!("kept ({who} is offline{since}{mail})")
        }
    }
}

fn sent_json(who: &str, sent: &proto::Sent) -> serde_json::Value {
    json!({
        "type": "sent",
        "who": who,
        "conv_id": sent.conv_id.to_string(),
        "seq": sent.seq,
        "client_key": sent.client_key.to_string(),
        "sent_at": sent.sent_at,
        "state": if sent.state() == SentState::Kept { "kept" } else { "stored" },
        "offline_since": (sent.offline_since > 0).then_some(sent.offline_since),
        "mail_at": (sent.mail_at > 0).then_some(sent.mail_at),
        "repeated": sent.repeated,
    })
}

/// Waits until every other member has (or has read) the message.
async fn receipt(talk: &mut Talk, sent: &proto::Sent, wait: cli::Wait) -> Done {
    let mut mailed = false;
    loop {
        let ask = client_frame::Body::Members(proto::Members { conv_id: sent.conv_id });
        let server_frame::Body::Conversation(now) = talk.ask(ask).await? else {
            continue;
        };
        let me = talk.client.me();
        let arrived = now.members.iter().filter(|m| m.user_id != me).all(|member| match wait {
            cli::Wait::Delivered => member.delivered_seq >= sent.seq,
            cli::Wait::Read => member.read_seq >= sent.seq,
        });
        if arrived {
            let word = if wait == cli::Wait::Read { "read" } else { "delivered" };
            let value =
                json!({ "type": word, "conv_id": sent.conv_id.to_string(), "seq": sent.seq });
            return Ok(talk.output.line(word, &value)?);
        }
        let news = loop {
            match talk.next().await? {
                Event::Receipt(receipt) if receipt.conv_id == sent.conv_id => break receipt,
                _ => {}
            }
        };
        if news.mailed_seq >= sent.seq && !mailed {
            mailed = true;
            let value = json!({
                "type": "mailed", "conv_id": sent.conv_id.to_string(), "seq": sent.seq,
                "at": news.mailed_at,
            });
            talk.output.line(&format!("mailed {}", clock(news.mailed_at)), &value)?;
        }
        // Somebody's cursor moved: look again.
    }
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────

pub(crate) async fn tail(talk: &mut Talk, who: Option<&str>, count: Option<u64>) -> Done {
    let only = match who {
        Some(who) => Some(talk.find(who).await?.conv_id),
        None => None,
    };
    let mut left = count.unwrap_or(u64::MAX);
    let mut names = talk.names(&[]).await?;
    while left > 0 {
        let message = match talk.next().await? {
            Event::New { message, .. } => message,
            Event::Person(person) => {
                names.people.insert(person.user_id, person);
                continue;
            }
            _ => continue,
        };
        let mine = message.sender_id == talk.client.me();
        if mine || only.is_some_and(|conv_id| conv_id != message.conv_id) {
            continue;
        }
        print_message(talk, &message, &mut names).await?;
        left -= 1;
    }
    Ok(())
}

async fn print_message(talk: &Talk, message: &Message, names: &mut Names) -> Done {
    if !names.people.contains_key(&message.sender_id) {
        *names = talk.names(&[message.sender_id]).await?;
    }
    let conversation = talk.client.conversation(message.conv_id).await?;
    let who = conversation.map(|c| names.who(&c)).unwrap_or_default();
    Ok(talk.output.message(&who, message, names)?)
}

pub(crate) async fn history(talk: &Talk, who: &str, limit: u32, before: i64) -> Done {
    let conversation = talk.find(who).await?;
    let limit = limit.clamp(1, 10_000);
    let mut before_page = before;
    // Pages come newest first; what is asked for is bounded, and so is this loop.
    loop {
        let have = talk.client.messages(conversation.conv_id, before, limit).await?;
        let oldest = have.first().map_or(before, |m| m.seq);
        if have.len() as u32 >= limit || oldest == 1 || before_page == oldest && oldest != 0 {
            break;
        }
        before_page = oldest;
        if !talk.client.fetch_history(conversation.conv_id, oldest).await? {
            break;
        }
    }
    let messages = talk.client.messages(conversation.conv_id, before, limit).await?;
    let senders: Vec<i64> = messages.iter().map(|m| m.sender_id).collect();
    let names = talk.names(&senders).await?;
    for message in messages {
        talk.output.message(who, &message, &names)?;
    }
    Ok(())
}

pub(crate) async fn chats(talk: &Talk) -> Done {
    let mut conversations = talk.client.conversations().await?;
    conversations.retain(|conversation| !conversation.left);
    let last = |c: &Conversation| c.last.as_ref().map_or(0, |m| m.sender_id);
    let named: Vec<i64> = conversations.iter().flat_map(|c| [c.friend_id, last(c)]).collect();
    let names = talk.names(&named).await?;
    for conversation in conversations {
        talk.output.conversation(&conversation, &names)?;
    }
    Ok(())
}

pub(crate) async fn read(talk: &mut Talk, who: &str) -> Done {
    let conversation = talk.find(who).await?;
    let (conv_id, seq) = (conversation.conv_id, conversation.last_seq);
    if conversation.read_seq < seq {
        talk.client.read(conv_id, seq).await?;
        let deadline = talk.deadline;
        let done = timeout_at(deadline, read_receipt(talk, conv_id, seq));
        done.await.map_err(|_| Failure::new(Exit::NoLine, "the server has not answered"))??;
    }
    let value = json!({ "type": "read", "who": who, "conv_id": conv_id.to_string(), "seq": seq });
    Ok(talk.output.line("", &value)?)
}

async fn read_receipt(talk: &mut Talk, conv_id: i64, seq: i64) -> Done {
    loop {
        if let Event::Receipt(receipt) = talk.next().await?
            && receipt.conv_id == conv_id
            && receipt.user_id == talk.client.me()
            && receipt.read_seq >= seq
        {
            return Ok(());
        }
    }
}

// ── people ──────────────────────────────────────────────────────────────────────────────────────

pub(crate) async fn find(talk: &Talk, text: &str) -> Done {
    let ask = client_frame::Body::Find(proto::Find { text: text.into(), limit: 0 });
    let server_frame::Body::Found(found) = talk.ask(ask).await? else {
        return Ok(());
    };
    if found.people.is_empty() {
        return Err(Failure::new(Exit::NotFound, format!("nobody is called like {text}")));
    }
    for person in found.people {
        talk.output.person(&person)?;
    }
    Ok(())
}

pub(crate) async fn friends(talk: &Talk) -> Done {
    for person in talk.client.people().await? {
        if person.relation() != Relation::None && person.user_id != talk.client.me() {
            talk.output.person(&person)?;
        }
    }
    Ok(())
}

pub(crate) async fn friend(talk: &Talk, action: cli::FriendAction, who: &str) -> Done {
    use cli::FriendAction;
    let user_id = talk.client.find_person(who).await?.user_id;
    let body = match action {
        FriendAction::Add => client_frame::Body::Befriend(proto::Befriend { user_id }),
        FriendAction::Accept => client_frame::Body::Accept(proto::Accept { user_id }),
        FriendAction::Decline => client_frame::Body::Decline(proto::Decline { user_id }),
        FriendAction::Remove => client_frame::Body::Unfriend(proto::Unfriend { user_id }),
        FriendAction::Block => client_frame::Body::Block(proto::Block { user_id }),
        FriendAction::Unblock => client_frame::Body::Unblock(proto::Unblock { user_id }),
    };
    if let server_frame::Body::Person(person) = talk.ask(body).await? {
        talk.output.person(&person)?;
    }
    Ok(())
}

// ── groups ──────────────────────────────────────────────────────────────────────────────────────

pub(crate) async fn group(talk: &Talk, action: &cli::Group, now: i64) -> Done {
    let body = group_body(talk, action, now).await?;
    let server_frame::Body::Conversation(conversation) = talk.ask(body).await? else {
        return Ok(());
    };
    let names = talk.names(&[conversation.friend_id]).await?;
    if matches!(action, cli::Group::Members { .. }) {
        return members(talk, &conversation);
    }
    Ok(talk.output.conversation(&conversation, &names)?)
}

async fn group_body(
    talk: &Talk,
    action: &cli::Group,
    now: i64,
) -> Result<client_frame::Body, Failure> {
    use client_frame::Body;
    Ok(match action {
        cli::Group::Create { title, who } => Body::CreateGroup(proto::CreateGroup {
            title: title.clone(),
            user_ids: user_ids(talk, who).await?,
            client_key: 0,
        }),
        cli::Group::Invite { group, who } => {
            let (conv_id, user_ids) = (group_id(talk, group).await?, user_ids(talk, who).await?);
            Body::Invite(proto::Invite { conv_id, user_ids })
        }
        cli::Group::Leave { group } => {
            Body::Leave(proto::Leave { conv_id: group_id(talk, group).await? })
        }
        cli::Group::Kick { group, who } => {
            let user_id = talk.client.find_person(who).await?.user_id;
            Body::Kick(proto::Kick { conv_id: group_id(talk, group).await?, user_id })
        }
        cli::Group::Rename { group, title } => {
            let conv_id = group_id(talk, group).await?;
            Body::Rename(proto::Rename { conv_id, title: title.clone() })
        }
        cli::Group::Members { group } => {
            Body::Members(proto::Members { conv_id: group_id(talk, group).await? })
        }
        cli::Group::Appoint { group, who, role } => {
            let role = match role {
                cli::RoleName::Member => proto::Role::Member,
                cli::RoleName::Admin => proto::Role::Admin,
                cli::RoleName::Owner => proto::Role::Owner,
            };
            let user_id = talk.client.find_person(who).await?.user_id;
            let conv_id = group_id(talk, group).await?;
            Body::Appoint(proto::Appoint { conv_id, user_id, role: role.into() })
        }
        cli::Group::Mute { group, hours } => {
            let until = if *hours == 0 { 0 } else { now + i64::from(*hours) * 3_600_000 };
            Body::Mute(proto::Mute { conv_id: group_id(talk, group).await?, until })
        }
    })
}

/// A group's title with or without its `+`.
async fn group_id(talk: &Talk, group: &str) -> Result<i64, Failure> {
    let title = group.strip_prefix('+').unwrap_or(group);
    Ok(talk.client.find_conversation(&format!("+{title}")).await?)
}

async fn user_ids(talk: &Talk, handles: &[String]) -> Result<Vec<i64>, Failure> {
    let mut ids = Vec::with_capacity(handles.len());
    for handle in handles {
        ids.push(talk.client.find_person(handle).await?.user_id);
    }
    Ok(ids)
}

fn members(talk: &Talk, conversation: &Conversation) -> Done {
    for member in &conversation.members {
        let role = member.role().as_str_name().trim_start_matches("ROLE_").to_lowercase();
        let text = format!(
            "{:<16} {role:<8} delivered {} · read {} of {}",
            member.handle, member.delivered_seq, member.read_seq, conversation.last_seq
        );
        let value = json!({
            "type": "member",
            "handle": member.handle,
            "user_id": member.user_id.to_string(),
            "name": member.name,
            "role": role,
            "delivered_seq": member.delivered_seq,
            "read_seq": member.read_seq,
        });
        talk.output.line(&text, &value)?;
    }
    Ok(())
}

// ── old messages ────────────────────────────────────────────────────────────────────────────────

pub(crate) async fn edit(talk: &Talk, who: &str, seq: i64, text: &str) -> Done {
    let conv_id = talk.find(who).await?.conv_id;
    let body = text.to_owned();
    changed(talk, who, client_frame::Body::Edit(proto::Edit { conv_id, seq, body })).await
}

pub(crate) async fn delete(talk: &Talk, who: &str, seq: i64) -> Done {
    let conv_id = talk.find(who).await?.conv_id;
    changed(talk, who, client_frame::Body::Delete(proto::Delete { conv_id, seq })).await
}

pub(crate) async fn react(talk: &Talk, who: &str, seq: i64, emoji: &str, remove: bool) -> Done {
    let conv_id = talk.find(who).await?.conv_id;
    let emoji = emoji.to_owned();
    changed(talk, who, client_frame::Body::React(proto::React { conv_id, seq, emoji, remove }))
        .await
}

async fn changed(talk: &Talk, who: &str, body: client_frame::Body) -> Done {
    if let server_frame::Body::Message(message) = talk.ask(body).await? {
        talk.output.message(who, &message, &talk.names(&[message.sender_id]).await?)?;
    }
    Ok(())
}

pub(crate) async fn journey(talk: &Talk, who: &str, seq: i64) -> Done {
    let conv_id = talk.find(who).await?.conv_id;
    let ask = client_frame::Body::Journey(proto::Journey { conv_id, seq, hops: Vec::new() });
    let server_frame::Body::Journey(journey) = talk.ask(ask).await? else {
        return Ok(());
    };
    let whose: Vec<i64> = journey.hops.iter().map(|hop| hop.user_id).collect();
    let names = talk.names(&whose).await?;
    for hop in &journey.hops {
        let kind = hop.kind().as_str_name().trim_start_matches("HOP_KIND_").to_lowercase();
        // Cursors remember only their last move: it was then or before.
        let word = match hop.kind() {
            proto::HopKind::DeliveredTo => "delivered, at the latest, to".to_owned(),
            proto::HopKind::ReadBy => "read, at the latest, by".to_owned(),
            _ => kind.clone(),
        };
        let whom = if hop.user_id == 0 { String::new() } else { names.handle(hop.user_id) };
        let after = match hop.after_us {
            0 => clock_ms(hop.at),
            us => format!("+{:.2} ms", us as f64 / 1_000.0),
        };
        let value = json!({
            "type": "hop",
            "kind": kind,
            "at": hop.at,
            "after_us": (hop.after_us != 0).then_some(hop.after_us),
            "handle": (hop.user_id != 0).then_some(&whom),
        });
        talk.output.line(&format!("{after:>12}  {word} {whom}"), &value)?;
    }
    Ok(())
}

// ── about oneself ───────────────────────────────────────────────────────────────────────────────

pub(crate) async fn status(talk: &Talk, login: &client::Login) -> Done {
    let figures = talk.client.figures();
    let queued = talk.client.queued().await?;
    let live = talk.client.line() == client::Line::Live;
    let text = format!(
        "{} on {} · {} · {} queued\ngaps {} · duplicates {} · resumed {}× · replayed {}",
        login.handle,
        login.server,
        if live { "connected" } else { "not connected" },
        queued.len(),
        figures.gaps,
        figures.duplicates,
        figures.resumed,
        figures.replayed,
    );
    let value = json!({
        "type": "status",
        "handle": login.handle,
        "user_id": login.user_id.to_string(),
        "server": login.server,
        "connected": live,
        "queued": queued.len(),
        "figures": figures,
    });
    Ok(talk.output.line(&text, &value)?)
}
