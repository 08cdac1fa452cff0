//! The built-in user `guide`: greets whoever is new, answers, and teaches the first keys, so that a
//! person alone sees messages, receipts and presence work. It is a client like any other, on the
//! client library.
//!
//! What it says next follows from the conversation itself, so it keeps no state of its own and may
//! be killed anywhere.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use client::{Client, Event, Login, Profile};
use proto::{Message, MessageKind, Person, Relation, client_frame, http, server_frame};

pub(crate) const HANDLE: &str = "guide";
const NAME: &str = "Your guide";

/// Logs the guide in, making its account at the first start. `data`: the server's data directory.
pub(crate) async fn login(server: &str, data: &Path) -> Result<(Profile, Login)> {
    let profile = Profile::at(data.join("guide"))?;
    let known = match profile.login()? {
        Some(login) => login,
        None => {
            // Nobody ever types this password; the session file is the guide's only key.
            let password = format!("{:x}{:x}", proto::id::random_key(), proto::id::random_key());
            let signup = http::Signup {
                handle: HANDLE.into(),
                name: Some(NAME.into()),
                password,
                email: None,
                device: Some("server".into()),
            };
            client::account::signup(server, &signup).await.context("no account for the guide")?
        }
    };
    // The address may have changed since the last start.
    let login = Login { server: server.to_owned(), ..known };
    ensure!(login.handle == HANDLE, "{} is not the guide's login", profile.dir.display());
    profile.save_login(&login)?;
    Ok((profile, login))
}

/// Lives as long as its line. Errors of one conversation end nothing: the guide goes on with the
/// next event.
pub(crate) async fn run(profile: &Profile, login: Login) -> Result<()> {
    let (client, mut events) = client::start(profile, login, client::Options::default()).await?;
    while let Some(event) = events.recv().await {
        let done = match event {
            Event::Line(client::Line::Live) => greet_all(&client).await,
            Event::Line(client::Line::SignedOut { why }) => {
                anyhow::bail!("the guide was signed out: {why}")
            }
            Event::Person(person) => greet(&client, &person).await,
            Event::New { message, .. } => answer(&client, &message).await,
            _ => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the guide could not answer");
        }
    }
    Ok(())
}

/// Those who came while the guide was away.
async fn greet_all(client: &Client) -> client::Result<()> {
    for person in client.people().await? {
        // One who cannot be greeted now must not keep the others waiting.
        if let Err(error) = greet(client, &person).await {
            tracing::warn!(%error, "somebody could not be greeted");
        }
    }
    Ok(())
}

async fn greet(client: &Client, person: &Person) -> client::Result<()> {
    let friend = match person.relation() {
        Relation::Asks => {
            let accept = client_frame::Body::Accept(proto::Accept { user_id: person.user_id });
            client.call(accept).await?;
            true
        }
        Relation::Friend => true,
        Relation::None | Relation::Asked | Relation::Blocked => false,
    };
    if !friend || person.user_id == client.me() {
        return Ok(());
    }
    // Whoever has a conversation with the guide was greeted; most are known from the own copy.
    let known = client.conversations().await?;
    if known.iter().any(|c| c.friend_id == person.user_id && c.last_seq > 0) {
        return Ok(());
    }
    let open = client_frame::Body::OpenDirect(proto::OpenDirect { user_id: person.user_id });
    let server_frame::Body::Conversation(conversation) = client.call(open).await? else {
        return Ok(());
    };
    if conversation.last_seq == 0 {
        // The key follows from the person: a greeting that is repeated after a crash is stored
        // once.
        let text = lesson(0).replace("NAME", &person.name);
        client.send(conversation.conv_id, &text, 0, Some(person.user_id)).await?;
    }
    Ok(())
}

/// The next lesson for each message of the other one, or the answer to a word it knows.
async fn answer(client: &Client, message: &Message) -> client::Result<()> {
    let from_other = message.sender_id != client.me();
    if !from_other || message.kind() != MessageKind::Text {
        return Ok(());
    }
    let direct = client.conversation(message.conv_id).await?;
    if direct.is_none_or(|c| c.kind() != proto::ConversationKind::Direct) {
        return Ok(());
    }
    client.typing(message.conv_id);
    client.read(message.conv_id, message.seq).await?;
    let text = match topic(&message.body) {
        Some(text) => text.to_owned(),
        None => {
            let said = spoken(client, message).await?;
            lesson(said).to_owned()
        }
    };
    // One answer for one message, however often this message is seen.
    let key = message.conv_id ^ (message.seq << 1) | 1;
    client.send(message.conv_id, &text, message.seq, Some(key.abs().max(1))).await?;
    Ok(())
}

/// How many messages the other one has written up to this one.
async fn spoken(client: &Client, message: &Message) -> client::Result<usize> {
    let window = LESSONS.len() as u32 * 4;
    let before = client.messages(message.conv_id, message.seq + 1, window).await?;
    Ok(before.iter().filter(|m| m.sender_id == message.sender_id).count())
}

const LESSONS: [&str; 6] = [
    "Hello NAME, I am the guide; I live in this server. Press i, write me a line, press Enter.",
    "There you are. Look at your message: ✓✓ read means that I have read it. ✓ would say that it \
     is stored and safe even if the power fails now; ✓ kept, that I am away and it waits for me.\n\
     Now press Esc until the box is left, j and k to move, and i to come back and tell me that it \
     worked.",
    "Good. f finds people: type a part of a name, Tab searches everybody on this server, Enter \
     opens a conversation, Ctrl-A asks for friendship. With more than one person here it is more \
     fun; tell them to run natter too.",
    "The keys of vim work here: gg and G, Ctrl-D and Ctrl-U, r to reply, dd on a message of yours \
     deletes it, : opens the command line. ? shows every key. Say \"groups\", \"offline\" or \
     \"scripts\" and I tell you about them.",
    "Close natter with q whenever you like: drafts stay, unsent messages go out the next time, and \
     nothing that is written to you meanwhile is lost, doubled or out of order. The figures in the \
     status line prove it.",
    "That was all I teach unasked. Words I know: keys, people, groups, offline, scripts.",
];

fn lesson(said: usize) -> &'static str {
    LESSONS[said.min(LESSONS.len() - 1)]
}

fn topic(text: &str) -> Option<&'static str> {
    let word = text.trim().trim_end_matches(['?', '!', '.']).to_lowercase();
    match word.as_str() {
        "keys" | "help" => Some(
            "i write · Esc back · j k move · gg G ends · f find people · r reply · K the way of a \
             message · : commands · ? all keys · q quit",
        ),
        "people" | "friends" | "find" => Some(
            "f opens the finder: friends first, Tab for everybody. Ctrl-A asks somebody to be your \
             friend; friends see when the other is online.",
        ),
        "groups" | "group" => Some(
            ":group Title ann bob makes a group; :invite, :kick, :rename and :leave do what they \
             say. In a group the state of your message counts: delivered 3/5 · read 2/5.",
        ),
        "offline" => Some(
            "Write even when there is no line: messages wait on your disk with … and go out once \
             when it is back. What others write waits in the server's database; your client asks \
             for exactly what it has not got.",
        ),
        "scripts" | "script" | "cli" => Some(
            "In a shell: natter send bob \"build is green\", make 2>&1 | natter send bob -, natter \
             tail --json, natter history bob, natter chats. Exit codes and fields are documented.",
        ),
        _ => None,
    }
}
