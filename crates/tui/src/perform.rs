//! Does what `update` asked for: the disk at once and in order, the gateway beside it.

use client::Client;
use proto::client_frame::Body as Ask_;
use proto::server_frame::Body as Got_;

use crate::effect::{Answer, Ask, Effect, Got, PersonDeed, Trouble, Who};
use crate::limits::{AROUND_MESSAGES, FOUND_PAGE, PAGE_MESSAGES};

/// An effect on this machine; None: it has no answer. Asks and what the
/// terminal does are the loop's own.
pub(crate) async fn local(client: &Client, effect: Effect) -> Option<Answer> {
    let done = match effect {
        Effect::LoadAll
        | Effect::Load { .. }
        | Effect::LoadAround { .. }
        | Effect::LoadAfter { .. }
        | Effect::LoadQueued
        | Effect::Search { .. }
        | Effect::SearchIn { .. }
        | Effect::LoadDraft { .. } => {
            return Some(read(client, effect).await.unwrap_or_else(|error| failed(&error)));
        }
        Effect::SaveDraft { conv_id, text } => client.set_draft(conv_id, &text).await,
        Effect::Send { conv_id, body, reply_seq } => {
            return Some(match client.send(conv_id, &body, reply_seq, None).await {
                Ok(_) => queued(client).await,
                Err(error) => Answer::NotQueued { conv_id, body, why: error.to_string() },
            });
        }
        Effect::Retry { client_key } => match client.retry(client_key).await {
            Ok(()) => return Some(queued(client).await),
            Err(error) => Err(error),
        },
        Effect::Unqueue { client_key } => match client.unqueue(client_key).await {
            Ok(()) => return Some(queued(client).await),
            Err(error) => Err(error),
        },
        Effect::Read { conv_id, seq } => client.read(conv_id, seq).await,
        Effect::Typing { conv_id } => {
            client.typing(conv_id);
            Ok(())
        }
        Effect::Reconnect => {
            client.reconnect();
            Ok(())
        }
        Effect::Open { url } => {
            let opened = crate::outside::open(&url);
            let failed = |error| Answer::Failed { why: format!("nothing opens links: {error}") };
            return opened.err().map(failed);
        }
        Effect::Ask(_) | Effect::Copy { .. } | Effect::Bell | Effect::Notify { .. } => Ok(()),
        Effect::Edit { .. } | Effect::Suspend | Effect::Redraw | Effect::Exit(_) => Ok(()),
    };
    done.err().map(|error| failed(&error))
}

/// What the disk has. Other effects read nothing: the outbox is as good an answer as any.
async fn read(client: &Client, effect: Effect) -> client::Result<Answer> {
    Ok(match effect {
        Effect::LoadAll => load_all(client).await?,
        Effect::Load { conv_id, before_seq } => {
            let messages = client.messages(conv_id, before_seq, PAGE_MESSAGES).await?;
            Answer::Messages { conv_id, before_seq, messages }
        }
        Effect::LoadAround { conv_id, seq } => {
            let (messages, end) = client.messages_around(conv_id, seq, AROUND_MESSAGES).await?;
            Answer::Around { conv_id, seq, messages, end }
        }
        Effect::LoadAfter { conv_id, after_seq } => {
            let (messages, end) = client.messages_after(conv_id, after_seq, PAGE_MESSAGES).await?;
            Answer::After { conv_id, after_seq, messages, end }
        }
        Effect::Search { sought, below } => {
            let found = client.search(&sought, below, FOUND_PAGE).await?;
            Answer::Found { sought, found }
        }
        Effect::SearchIn { conv_id, sought, seq, up } => {
            let seq = client.search_in(conv_id, &sought, seq, up).await?;
            Answer::FoundIn { conv_id, sought, up, seq }
        }
        Effect::LoadDraft { conv_id } => {
            Answer::Draft { conv_id, text: client.draft(conv_id).await? }
        }
        _ => Answer::Queued(client.queued().await?),
    })
}

fn failed(error: &client::Error) -> Answer {
    Answer::Failed { why: error.to_string() }
}

async fn queued(client: &Client) -> Answer {
    client.queued().await.map_or_else(|error| failed(&error), Answer::Queued)
}

async fn load_all(client: &Client) -> client::Result<Answer> {
    Ok(Answer::All {
        conversations: client.conversations().await?,
        people: client.people().await?,
        queued: client.queued().await?,
    })
}

/// A question to the gateway, to its end.
pub(crate) async fn ask(client: Client, ask: Ask) -> Answer {
    let got = asked(&client, &ask).await.map_err(|error| trouble(&ask, &error));
    Answer::Asked { ask, got }
}

/// Why there is no answer, for a person. What the server says of anything that it does not find is
/// too little where a request was answered that nobody made.
fn trouble(ask: &Ask, error: &client::Error) -> Trouble {
    match (ask, error) {
        (_, client::Error::Offline) => Trouble::Offline,
        (
            Ask::Person { deed: PersonDeed::Accept | PersonDeed::Decline, .. },
            client::Error::Refused { code: proto::ErrorCode::NotFound, .. },
        ) => Trouble::Refused(
            "there is no such friend request; the list shows those there are".into(),
        ),
        (_, error) => Trouble::Refused(error.to_string()),
    }
}

async fn asked(client: &Client, ask: &Ask) -> client::Result<Got> {
    let body = match ask.clone() {
        Ask::History { conv_id, before_seq } => {
            let more = client.fetch_history(conv_id, before_seq).await?;
            return Ok(Got::History { more });
        }
        Ask::HistoryAfter { conv_id, after_seq } => {
            let more = client.fetch_after(conv_id, after_seq).await?;
            return Ok(Got::History { more });
        }
        Ask::Notices(change) => {
            return Ok(Got::Notices(Box::new(client.notices(change).await?)));
        }
        Ask::OpenDirect { who, .. } => {
            let user_id = user_id(client, who).await?;
            Ask_::OpenDirect(proto::OpenDirect { user_id })
        }
        Ask::Person { who, deed } => person_body(user_id(client, who).await?, deed),
        Ask::CreateGroup { title, handles } => {
            let user_ids = user_ids(client, &handles).await?;
            Ask_::CreateGroup(proto::CreateGroup { title, user_ids, client_key: 0 })
        }
        Ask::Invite { conv_id, handles } => {
            let user_ids = user_ids(client, &handles).await?;
            Ask_::Invite(proto::Invite { conv_id, user_ids })
        }
        Ask::Kick { conv_id, handle } => {
            let user_id = user_id(client, Who::Handle(handle)).await?;
            Ask_::Kick(proto::Kick { conv_id, user_id })
        }
        Ask::Appoint { conv_id, handle, role } => {
            let user_id = user_id(client, Who::Handle(handle)).await?;
            Ask_::Appoint(proto::Appoint { conv_id, user_id, role: role.into() })
        }
        Ask::Search { conv_id, text, before_seq } => {
            Ask_::Search(proto::Search { conv_id, text, before_seq, limit: 0 })
        }
        Ask::Journey { conv_id, seq } => {
            Ask_::Journey(proto::Journey { conv_id, seq, hops: Vec::new() })
        }
        Ask::Members { conv_id } => Ask_::Members(proto::Members { conv_id }),
        Ask::Edit { conv_id, seq, body } => Ask_::Edit(proto::Edit { conv_id, seq, body }),
        Ask::Delete { conv_id, seq } => Ask_::Delete(proto::Delete { conv_id, seq }),
        Ask::React { conv_id, seq, emoji, remove } => {
            Ask_::React(proto::React { conv_id, seq, emoji, remove })
        }
        Ask::Find { text } => Ask_::Find(proto::Find { text, limit: 0 }),
        Ask::Leave { conv_id } => Ask_::Leave(proto::Leave { conv_id }),
        Ask::Rename { conv_id, title } => Ask_::Rename(proto::Rename { conv_id, title }),
        Ask::Mute { conv_id, until } => Ask_::Mute(proto::Mute { conv_id, until }),
    };
    Ok(match client.call(body).await? {
        Got_::Page(page) => Got::Page(page),
        Got_::Journey(journey) => Got::Journey(journey),
        Got_::Found(found) => Got::People(found.people),
        Got_::Person(person) => Got::Person(person),
        Got_::Conversation(conversation) => Got::Conversation(Box::new(conversation)),
        // what else an answer says comes as an event too
        _ => Got::Done,
    })
}

fn person_body(user_id: i64, deed: PersonDeed) -> Ask_ {
    match deed {
        PersonDeed::Befriend => Ask_::Befriend(proto::Befriend { user_id }),
        PersonDeed::Accept => Ask_::Accept(proto::Accept { user_id }),
        PersonDeed::Decline => Ask_::Decline(proto::Decline { user_id }),
        PersonDeed::Remove => Ask_::Unfriend(proto::Unfriend { user_id }),
        PersonDeed::Block => Ask_::Block(proto::Block { user_id }),
        PersonDeed::Unblock => Ask_::Unblock(proto::Unblock { user_id }),
    }
}

async fn user_id(client: &Client, who: Who) -> client::Result<i64> {
    match who {
        Who::Id(user_id) => Ok(user_id),
        Who::Handle(handle) => Ok(client.find_person(&handle).await?.user_id),
    }
}

async fn user_ids(client: &Client, handles: &[String]) -> client::Result<Vec<i64>> {
    let mut ids = Vec::with_capacity(handles.len());
    for handle in handles {
        ids.push(client.find_person(handle).await?.user_id);
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_accepts_what_nobody_asked_is_told_so() {
        let error = client::Error::Refused {
            code: proto::ErrorCode::NotFound,
            text: "there is no such thing, or it is not yours to see".into(),
            retry_after_ms: 0,
        };
        let person = |deed| Ask::Person { who: Who::Id(2), deed };
        for (deed, of) in [(PersonDeed::Accept, "friend request"), (PersonDeed::Block, "not yours")]
        {
            let Trouble::Refused(why) = trouble(&person(deed), &error) else { panic!("refused") };
            assert!(why.contains(of), "{why}");
        }
    }
}
