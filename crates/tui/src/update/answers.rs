//! What came of the effects.

use proto::{Conversation, Journey, Message, Page};

use super::{compose, events, fields, go, jumps, moves};
use crate::effect::{Answer, Ask, Effect, Got, Trouble};
use crate::limits::{CHAT_MESSAGES_MAX, FOUND_ROWS_MAX};
use crate::model::{Item, ItemId, Model, Older, Over, Tone};
use crate::{rows, scroll, words};

pub(super) fn take(model: &mut Model, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::All { conversations, people, queued } => {
            model.people.extend(people.into_iter().map(|person| (person.user_id, person)));
            model.conversations = conversations;
            model.queued = queued;
        }
        Answer::Queued(queued) => model.queued = queued,
        Answer::Messages { conv_id, before_seq, messages } => {
            put_page(model, conv_id, before_seq, messages);
        }
        Answer::Draft { conv_id, text } => {
            let here = model.chat.as_ref().is_some_and(|chat| chat.conv_id == conv_id);
            if here && model.composer.text.is_empty() {
                model.composer.set_text(&text);
            }
        }
        Answer::NotQueued { conv_id, body, why } => {
            let here = model.chat.as_ref().is_some_and(|chat| chat.conv_id == conv_id);
            if here && model.composer.text.is_empty() {
                return give_back(model, &body, &why);
            }
            model.tell(Tone::Bad, format!("not written to the disk: {why}"));
        }
        Answer::Asked { ask, got: Ok(got) } => return answered(model, &ask, got),
        Answer::Asked { ask, got: Err(trouble) } => refused(model, &ask, &trouble),
        Answer::Failed { why } => model.tell(Tone::Bad, why),
    }
    Vec::new()
}

fn give_back(model: &mut Model, body: &str, why: &str) -> Vec<Effect> {
    let effects = compose::paste(model, body);
    model.tell(Tone::Bad, format!("not written to the disk: {why}. The text is in the box again"));
    effects
}

/// A page from the disk: the newest messages, or older ones in front.
fn put_page(model: &mut Model, conv_id: i64, before_seq: i64, page: Vec<Message>) {
    let Some(chat) = &mut model.chat else {
        return;
    };
    if chat.conv_id != conv_id {
        return;
    }
    let empty = page.is_empty();
    let first = !chat.loaded;
    chat.loaded = true;
    merge(&mut chat.messages, page);
    let first_seq = chat.messages.first().map_or(0, |message| message.seq);
    let full = chat.messages.len() >= CHAT_MESSAGES_MAX;
    let fetched = match chat.older {
        Older::Fetched { more } => Some(more),
        _ => None,
    };
    if before_seq > 0 || first || empty || fetched.is_some() {
        chat.older = match (fetched, empty) {
            _ if first_seq == 1 || full => Older::Nothing,
            // the server has just filled the disk: what is still not there does not exist
            (Some(false), _) | (Some(true), true) => Older::Nothing,
            (None, true) => Older::OnServer,
            (_, false) => Older::OnDisk,
        };
    }
    if first {
        show_first_new(model);
    }
    go_on_seeking(model);
}

/// Both in seq order; the page is newer where both have a message.
fn merge(messages: &mut Vec<Message>, page: Vec<Message>) {
    let all_before = match (page.last(), messages.first()) {
        (Some(last), Some(first)) => last.seq < first.seq,
        (None, _) => return,
        (_, None) => true,
    };
    if all_before && page.is_sorted_by_key(|message| message.seq) {
        messages.splice(..0, page);
        return;
    }
    for message in page {
        match messages.binary_search_by_key(&message.seq, |other| other.seq) {
            Ok(at) => messages[at] = message,
            Err(at) => messages.insert(at, message),
        }
    }
}

/// Opens at the first unread message where not all of them fit.
fn show_first_new(model: &mut Model) {
    let Some(chat) = &model.chat else {
        return;
    };
    let Some(index) = rows::first_new(model, chat) else {
        return;
    };
    scroll::show_at(model, index, scroll::At::Top);
    if model.chat.as_ref().is_some_and(|chat| chat.bottom.is_some()) {
        let id = model.item(index).map(|item| item.id());
        if let Some(chat) = &mut model.chat {
            chat.cursor = id;
        }
    }
}

fn go_on_seeking(model: &mut Model) {
    jumps::search_on(model);
    let Some(chat) = &mut model.chat else {
        return;
    };
    let Some(goal) = chat.goal else {
        return;
    };
    if chat.older == Older::Nothing && model.index_of(ItemId::Seq(goal)).is_none() {
        if let Some(chat) = &mut model.chat {
            chat.goal = None;
        }
        model.tell(Tone::Warn, "this message is not here");
        return;
    }
    fields::seek(model, goal);
}

fn answered(model: &mut Model, ask: &Ask, got: Got) -> Vec<Effect> {
    match got {
        Got::Done => {}
        Got::History { more } => return history_came(model, ask, more),
        Got::Page(page) => put_results(model, page),
        Got::Journey(journey) => put_journey(model, &journey),
        Got::People(people) => put_people(model, ask, people),
        Got::Person(person) => {
            let text = events::relation_words(model, &person);
            model.people.insert(person.user_id, person);
            model.tell(Tone::Good, text);
        }
        Got::Conversation(conversation) => return put_conversation(model, ask, *conversation),
    }
    Vec::new()
}

/// The page is on the disk now; a conversation without any more begins where its loaded part does.
fn history_came(model: &mut Model, ask: &Ask, more: bool) -> Vec<Effect> {
    let Ask::History { conv_id, before_seq } = ask else {
        return Vec::new();
    };
    let Some(chat) = model.chat.as_mut().filter(|chat| chat.conv_id == *conv_id) else {
        return Vec::new();
    };
    chat.older = Older::Fetched { more };
    vec![Effect::Load { conv_id: *conv_id, before_seq: *before_seq }]
}

fn put_results(model: &mut Model, page: Page) {
    let Some(Over::Results(results)) = &mut model.over else {
        return;
    };
    if results.conv_id != page.conv_id {
        return;
    }
    results.searching = false;
    results.scanned_to = page.scanned_to;
    results.messages.extend(page.messages);
    results.messages.truncate(FOUND_ROWS_MAX);
}

fn put_journey(model: &mut Model, journey: &Journey) {
    let about = (journey.conv_id, journey.seq);
    let mut lines = vec![String::new()];
    lines.extend(words::journey(model, &journey.hops));
    if journey.hops.is_empty() {
        lines.push("the server does not remember the way it went".into());
    }
    if let Some(members) = model.members.get(&journey.conv_id) {
        lines.push(String::new());
        lines.extend(words::members_state(model, members, journey.seq));
    }
    if let Some(Over::Details(details)) = &mut model.over
        && details.about == Some(about)
    {
        details.lines.pop();
        details.lines.extend(lines);
        details.about = None;
    }
}

fn put_people(model: &mut Model, ask: &Ask, people: Vec<proto::Person>) {
    let ids: Vec<i64> = people.iter().map(|person| person.user_id).collect();
    model.people.extend(people.into_iter().map(|person| (person.user_id, person)));
    let Ask::Find { text } = ask else {
        return;
    };
    let mut nobody = false;
    if let Some(Over::Finder(finder)) = &mut model.over {
        finder.searching = false;
        nobody = ids.is_empty();
        finder.everybody = Some((text.clone(), ids));
    }
    if nobody {
        model.tell(Tone::Dim, format!("nobody is called {text}"));
    }
}

fn put_conversation(model: &mut Model, ask: &Ask, conversation: Conversation) -> Vec<Effect> {
    let conv_id = conversation.conv_id;
    let left = conversation.left;
    let open = matches!(ask, Ask::OpenDirect { .. } | Ask::CreateGroup { .. });
    // a conversation that is here already is told better by the events
    if left || open || model.conversation(conv_id).is_none() {
        events::put_conversation(model, conversation);
    } else if !conversation.members.is_empty() {
        model.members.insert(conv_id, conversation.members);
    }
    if !open {
        return Vec::new();
    }
    let mut effects = go::open(model, conv_id);
    if let Ask::OpenDirect { text, .. } = ask
        && !text.is_empty()
    {
        effects.push(Effect::Send { conv_id, body: text.clone(), reply_seq: 0 });
    }
    effects
}

fn refused(model: &mut Model, ask: &Ask, trouble: &Trouble) {
    match ask {
        Ask::History { conv_id, .. } => {
            if let Some(chat) = model.chat.as_mut().filter(|chat| chat.conv_id == *conv_id) {
                chat.older = Older::Offline;
                if chat.goal.take().is_some() {
                    model.tell(Tone::Warn, "this message is not on this machine");
                }
            }
            return;
        }
        // who is in a group is asked for without being told to: no complaint
        Ask::Members { .. } => return,
        Ask::Journey { .. } => {
            if let Some(Over::Details(details)) = &mut model.over {
                details.lines.pop();
            }
        }
        Ask::Find { .. } => {
            if let Some(Over::Finder(finder)) = &mut model.over {
                finder.searching = false;
            }
        }
        Ask::Search { .. } => {
            if let Some(Over::Results(results)) = &mut model.over {
                results.searching = false;
            }
        }
        Ask::Edit { seq, body, .. } => return edit_refused(model, *seq, body, trouble),
        _ => {}
    }
    model.tell(Tone::Bad, trouble_words(trouble));
}

/// A text that was written must not be lost because the line was away.
fn edit_refused(model: &mut Model, seq: i64, body: &str, trouble: &Trouble) {
    let at = model.index_of(ItemId::Seq(seq));
    if let Some(at) = at.filter(|at| matches!(model.item(*at), Some(Item::Stored(_)))) {
        moves::choose(model, at);
        compose::begin_edit(model, seq, body);
    }
    model.tell(Tone::Bad, trouble_words(trouble));
}

fn trouble_words(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Offline => "this needs the connection; try again when it is back".into(),
        Trouble::Refused(why) => why.clone(),
    }
}
