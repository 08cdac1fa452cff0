//! Texts of others, made safe where they enter the process: one function for each noun, applied
//! once, right after decoding. And texts of our own, before they leave it.

use proto::{
    Conversation, Error, Found, Goodbye, Message, Page, Paint, Person, check, clean, client_frame,
    server_frame,
};

use crate::types;

/// A decoded body with nothing in it that could reach for the terminal.
pub(crate) fn body(body: server_frame::Body) -> server_frame::Body {
    use server_frame::Body;
    match body {
        Body::Paint(x) => Body::Paint(paint(x)),
        Body::Error(x) => Body::Error(Error { text: line(&x.text), ..x }),
        Body::Goodbye(x) => Body::Goodbye(Goodbye { text: line(&x.text), ..x }),
        Body::Message(x) => Body::Message(message(x)),
        Body::Page(x) => Body::Page(page(x)),
        Body::Person(x) => Body::Person(person(x)),
        Body::Found(x) => Body::Found(Found { people: people(x.people) }),
        Body::Conversation(x) => Body::Conversation(conversation(x)),
        // numbers only
        Body::CaughtUp(_)
        | Body::Pong(_)
        | Body::Sent(_)
        | Body::Receipt(_)
        | Body::Journey(_)
        | Body::Presence(_)
        | Body::Typing(_) => body,
    }
}

pub(crate) fn message(mut message: Message) -> Message {
    message.body = clean::text(&message.body).into_owned();
    for reaction in &mut message.reactions {
        reaction.emoji = line(&reaction.emoji);
    }
    message
}

fn paint(paint: Paint) -> Paint {
    Paint {
        me: paint.me.map(person),
        people: people(paint.people),
        conversations: paint.conversations.into_iter().map(conversation).collect(),
        ..paint
    }
}

fn page(page: Page) -> Page {
    Page { messages: page.messages.into_iter().map(message).collect(), ..page }
}

fn people(people: Vec<Person>) -> Vec<Person> {
    people.into_iter().map(person).collect()
}

fn person(mut person: Person) -> Person {
    person.handle = line(&person.handle);
    person.name = line(&person.name);
    person
}

fn conversation(mut conversation: Conversation) -> Conversation {
    conversation.title = line(&conversation.title);
    conversation.last = conversation.last.map(message);
    for member in &mut conversation.members {
        member.handle = line(&member.handle);
        member.name = line(&member.name);
    }
    conversation
}

fn line(text: &str) -> String {
    clean::line(text).into_owned()
}

/// A text of our own as it may go out: line ends are `\n`, tabs stay, no other control or hidden
/// characters.
pub(crate) fn own_text(raw: &str) -> String {
    let unix = raw.replace("\r\n", "\n").replace('\r', "\n");
    let plain: String =
        unix.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect();
    let parts: Vec<String> = plain.split('\t').map(|part| clean::text(part).into_owned()).collect();
    parts.join("\t")
}

/// A group is named `+title` wherever somebody types it; the `+` is none of its title.
fn bare_title(title: &mut String) -> Result<(), check::Refused> {
    if let Some(bare) = title.strip_prefix('+') {
        *title = bare.to_owned();
    }
    check::title(title)
}

/// A question of the program, checked by the same rules as the gateway's. Err: a sentence for a
/// person.
pub(crate) fn question(mut body: client_frame::Body) -> types::Result<client_frame::Body> {
    use client_frame::Body;
    let checked = match &mut body {
        Body::Edit(edit) => {
            edit.body = own_text(&edit.body);
            check::body(&edit.body)
        }
        Body::React(react) if !react.remove => check::emoji(&react.emoji),
        Body::CreateGroup(group) => bare_title(&mut group.title),
        Body::Rename(rename) => bare_title(&mut rename.title),
        Body::Find(find) => check::search(&find.text),
        Body::Search(search) => check::search(&search.text),
        Body::Hello(_)
        | Body::Ping(_)
        | Body::Send(_)
        | Body::Delivered(_)
        | Body::Read(_)
        | Body::Typing(_) => {
            return Err(types::Error::Invalid("the line says this one by itself".into()));
        }
        Body::Delete(_)
        | Body::React(_)
        | Body::History(_)
        | Body::Journey(_)
        | Body::Who(_)
        | Body::Befriend(_)
        | Body::Accept(_)
        | Body::Decline(_)
        | Body::Unfriend(_)
        | Body::Block(_)
        | Body::Unblock(_)
        | Body::OpenDirect(_)
        | Body::Invite(_)
        | Body::Leave(_)
        | Body::Kick(_)
        | Body::Appoint(_)
        | Body::Mute(_)
        | Body::Members(_) => Ok(()),
    };
    match checked {
        Ok(()) => Ok(body),
        Err(refused) => Err(types::Error::Invalid(refused.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_text_is_sent_without_its_tricks() {
        assert_eq!(own_text("a\r\nb\rc\td\u{1b}[31m\u{7}\u{202e}e"), "a\nb\nc\td[31me");
        assert_eq!(own_text("👩‍👩‍👧 Grüße"), "👩‍👩‍👧 Grüße");
        assert!(check::body(&own_text("x\u{9b}\0y")).is_ok());
    }

    #[test]
    fn the_plus_before_the_name_of_a_group_is_none_of_its_title() {
        let group = |title: &str| {
            let title = title.to_owned();
            question(client_frame::Body::CreateGroup(proto::CreateGroup {
                title,
                ..proto::CreateGroup::default()
            }))
        };
        let title = |title: &str| match group(title) {
            Ok(client_frame::Body::CreateGroup(made)) => made.title,
            other => panic!("{other:?}"),
        };
        assert_eq!(title("+lunch"), "lunch");
        assert_eq!(title("C++"), "C++");
        assert!(group("+").is_err(), "a title has to follow");
    }

    /// Every text of every frame, whichever field of a noun it stands in.
    #[test]
    fn no_frame_of_a_server_has_a_text_that_could_reach_for_the_terminal() {
        const ATTACK: &str = "a\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}b\r\u{e0041}c\u{0}";
        let text = || ATTACK.to_owned();
        let reactions = vec![proto::Reaction { emoji: text(), user_ids: vec![1] }];
        let message = Message { body: text(), reactions, ..Message::default() };
        let person = Person { handle: text(), name: text(), ..Person::default() };
        let member = proto::Member { handle: text(), name: text(), ..proto::Member::default() };
        let conversation = Conversation {
            title: text(),
            last: Some(message.clone()),
            members: vec![member],
            ..Conversation::default()
        };
        let people = vec![person.clone()];
        for raw in [
            server_frame::Body::Paint(Paint {
                me: Some(person.clone()),
                people: people.clone(),
                conversations: vec![conversation.clone()],
                ..Paint::default()
            }),
            server_frame::Body::Error(Error { text: text(), ..Error::default() }),
            server_frame::Body::Goodbye(Goodbye { text: text(), ..Goodbye::default() }),
            server_frame::Body::Message(message.clone()),
            server_frame::Body::Page(Page { messages: vec![message], ..Page::default() }),
            server_frame::Body::Person(person),
            server_frame::Body::Found(Found { people }),
            server_frame::Body::Conversation(conversation),
        ] {
            let frame = proto::frame::answer(1, body(raw));
            let json = proto::Codec::Json.write_server(&frame);
            let texts = texts(&serde_json::from_slice(&json).unwrap());
            assert!(texts.iter().any(|text| text.contains("owned")), "{texts:?}");
            for text in texts {
                assert_eq!(clean::line(&text), text, "{frame:?}");
            }
        }
    }

    fn texts(value: &serde_json::Value) -> Vec<String> {
        match value {
            serde_json::Value::String(text) => vec![text.replace('\n', " ")],
            serde_json::Value::Array(all) => all.iter().flat_map(texts).collect(),
            serde_json::Value::Object(fields) => fields.values().flat_map(texts).collect(),
            _ => Vec::new(),
        }
    }
}
