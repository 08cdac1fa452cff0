//! What came of the effects.

use proto::{Conversation, Journey, Message, Page};

use super::{compose, events, go, jumps, moves, show};
use crate::effect::{Answer, Ask, Effect, Got, Trouble};
use crate::limits::{AROUND_MESSAGES, CHAT_MESSAGES_LET_GO, CHAT_MESSAGES_MAX, FOUND_ROWS_MAX};
use crate::model::{GoalAsked, Item, ItemId, Model, Newer, Older, Over, ResultsFrom, Tone};
use crate::{rows, scroll, words};
use client::Found;
use client::search::Sought;

/// The answer to what opens a conversation: whether it is open now.
pub(super) fn opened(answer: &Answer) -> Option<bool> {
    match answer {
        Answer::Asked { ask: Ask::OpenDirect { .. }, got } => Some(got.is_ok()),
        _ => None,
    }
}

pub(super) fn take(model: &mut Model, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::All { conversations, people, queued } => {
            model.people.extend(people.into_iter().map(|person| (person.user_id, person)));
            model.conversations = conversations;
            model.conversations.retain(|conversation| !conversation.left);
            model.queued = queued;
        }
        Answer::Queued(queued) => model.queued = queued,
        Answer::Messages { conv_id, before_seq, messages } => {
            put_page(model, conv_id, before_seq, messages);
        }
        Answer::Around { conv_id, seq, messages, end } => {
            return put_around(model, conv_id, seq, messages, end);
        }
        Answer::After { conv_id, after_seq, messages, end } => {
            put_after(model, conv_id, after_seq, messages, end);
        }
        Answer::Found { sought, found } => put_found(model, &sought, found),
        Answer::FoundIn { conv_id, sought, up, seq } => {
            jumps::hunted(model, conv_id, &sought, up, seq);
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
        Answer::Edited { text } => return compose::edited(model, text),
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
    // the newest do not join what is loaded far above them
    if before_seq == 0 && !chat.at_end() {
        return;
    }
    // asked for before the loaded part was another one
    let joins = |last: &Message| chat.messages.first().is_none_or(|m| m.seq <= last.seq + 1);
    if before_seq > 0 && !page.last().is_none_or(joins) {
        return;
    }
    chat.loaded = true;
    merge(&mut chat.messages, page);
    let first_seq = chat.messages.first().map_or(0, |message| message.seq);
    if before_seq > 0 && chat.messages.len() > CHAT_MESSAGES_MAX {
        chat.messages.truncate(CHAT_MESSAGES_MAX - CHAT_MESSAGES_LET_GO);
        chat.newer = Newer::OnDisk;
    }
    let fetched = match chat.older {
        Older::Fetched { more } => Some(more),
        _ => None,
    };
    if before_seq > 0 || first || empty || fetched.is_some() {
        chat.older = match (fetched, empty) {
            _ if first_seq == 1 => Older::Nothing,
            // the server has just filled the disk: what is still not there does not exist
            (Some(false), _) | (Some(true), true) => Older::Nothing,
            (None, true) => Older::OnServer,
            (_, false) => Older::OnDisk,
        };
    }
    if first {
        show_first_new(model);
    }
}

/// A message that was gone to, with what stands around it.
fn put_around(
    model: &mut Model,
    conv_id: i64,
    seq: i64,
    page: Vec<Message>,
    end: bool,
) -> Vec<Effect> {
    let Some(chat) = model.chat.as_mut().filter(|chat| chat.conv_id == conv_id) else {
        return Vec::new();
    };
    let Some(goal) = chat.goal.as_mut().filter(|goal| goal.seq == seq) else {
        return Vec::new();
    };
    if page.is_empty() && goal.asked == GoalAsked::Disk {
        goal.asked = GoalAsked::Server;
        let before_seq = seq.saturating_add(i64::from(AROUND_MESSAGES) / 4);
        return vec![Effect::Ask(Ask::History { conv_id, before_seq })];
    }
    chat.goal = None;
    let Some(first) = page.first() else {
        model.tell(Tone::Warn, "this message is not here");
        return Vec::new();
    };
    let loaded = chat.messages.first().zip(chat.messages.last());
    let overlaps = loaded.is_some_and(|(from, to)| {
        first.seq <= to.seq + 1 && page.last().is_some_and(|last| last.seq + 1 >= from.seq)
    });
    if !overlaps {
        chat.messages.clear();
        chat.older = if first.seq == 1 { Older::Nothing } else { Older::OnDisk };
    }
    if !overlaps || !chat.at_end() {
        chat.newer = if end { Newer::Nothing } else { Newer::OnDisk };
    }
    merge(&mut chat.messages, page);
    (chat.loaded, chat.bottom, chat.cursor) = (true, None, Some(ItemId::Seq(seq)));
    if let Some(index) = model.index_of(ItemId::Seq(seq)) {
        moves::choose(model, index);
        scroll::show_at(model, index, scroll::At::Middle);
    }
    Vec::new()
}

/// What comes after the loaded part.
fn put_after(model: &mut Model, conv_id: i64, after_seq: i64, page: Vec<Message>, end: bool) {
    scroll::hold(model);
    let Some(chat) = model.chat.as_mut().filter(|chat| chat.conv_id == conv_id) else {
        return;
    };
    let last = chat.messages.last().map(|message| message.seq);
    if chat.newer != Newer::Asking || last != Some(after_seq) {
        return;
    }
    chat.newer = match (end, page.is_empty()) {
        (true, _) => Newer::Nothing,
        (false, true) => Newer::OnServer,
        (false, false) => Newer::OnDisk,
    };
    chat.messages.extend(page);
    if chat.messages.len() > CHAT_MESSAGES_MAX {
        let over = chat.messages.len() - CHAT_MESSAGES_MAX + CHAT_MESSAGES_LET_GO;
        chat.messages.drain(..over);
        chat.older = Older::OnDisk;
    }
}

fn put_found(model: &mut Model, sought: &Sought, found: Found) {
    let Some(Over::Results(results)) = &mut model.over else {
        return;
    };
    match &mut results.from {
        ResultsFrom::Here { sought: wanted, below } if wanted == sought => *below = found.below,
        _ => return,
    }
    results.searching = false;
    results.messages.extend(found.messages);
    results.messages.truncate(FOUND_ROWS_MAX);
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
        Got::Notices(notices) => show::notices_came(model, &notices),
        Got::Conversation(conversation) => return put_conversation(model, ask, *conversation),
    }
    Vec::new()
}

/// The page is on the disk now; a conversation without any more begins where its loaded part does.
fn history_came(model: &mut Model, ask: &Ask, more: bool) -> Vec<Effect> {
    let (conv_id, before_seq) = match ask {
        Ask::History { conv_id, before_seq } => (conv_id, before_seq),
        Ask::HistoryAfter { conv_id, after_seq } => return after_came(model, *conv_id, *after_seq),
        _ => return Vec::new(),
    };
    let Some(chat) = model.chat.as_mut().filter(|chat| chat.conv_id == *conv_id) else {
        return Vec::new();
    };
    if let Some(goal) = chat.goal.as_mut().filter(|goal| goal.asked == GoalAsked::Server) {
        goal.asked = GoalAsked::DiskAgain;
        return vec![Effect::LoadAround { conv_id: *conv_id, seq: goal.seq }];
    }
    chat.older = Older::Fetched { more };
    vec![Effect::Load { conv_id: *conv_id, before_seq: *before_seq }]
}

/// The hole below the loaded part is filled as far as one page goes.
fn after_came(model: &mut Model, conv_id: i64, after_seq: i64) -> Vec<Effect> {
    match &model.chat {
        Some(chat) if chat.conv_id == conv_id && chat.newer == Newer::Asking => {
            vec![Effect::LoadAfter { conv_id, after_seq }]
        }
        _ => Vec::new(),
    }
}

fn put_results(model: &mut Model, page: Page) {
    let Some(Over::Results(results)) = &mut model.over else {
        return;
    };
    match &mut results.from {
        ResultsFrom::Server { conv_id, scanned_to, .. } if *conv_id == page.conv_id => {
            *scanned_to = page.scanned_to;
        }
        _ => return,
    }
    results.searching = false;
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
    if let Ask::Mute { until, .. } = ask {
        let text = match *until > model.now {
            true => format!("muted until {}", words::moment(*until, model.now, &model.zone)),
            false => "not muted any more".into(),
        };
        model.tell(Tone::Good, text);
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
                let sought = chat.goal.take_if(|goal| goal.asked == GoalAsked::Server);
                if sought.is_some() {
                    model.tell(Tone::Warn, "this message is not on this machine");
                } else {
                    chat.older = Older::Offline;
                }
            }
            return;
        }
        Ask::HistoryAfter { conv_id, .. } => {
            if let Some(chat) = model.chat.as_mut().filter(|chat| chat.conv_id == *conv_id) {
                chat.newer = Newer::Offline;
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
        Ask::Notices(_) => show::notices_refused(model),
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
