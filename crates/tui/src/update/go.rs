//! Ways from one place to another: conversations, panes, popups, out.

use proto::{Conversation, ConversationKind};

use super::{again, compose, fields, jumps, leave};
use crate::commands::Go;
use crate::effect::{Ask, Effect};
use crate::layout;
use crate::line_edit::LineEdit;
use crate::model::{
    Asked, Chat, CommandLine, Finder, Help, ListRow, Model, Newer, Older, Over, Place, Target,
    Tone, Unseen, unread,
};
use crate::settings::QQuits;

pub(super) fn run(
    model: &mut Model,
    way: Go,
    count: Option<usize>,
    asked: Option<Asked>,
) -> Vec<Effect> {
    match way {
        Go::Find => model.over = Some(Over::Finder(Finder::default())),
        Go::CommandLine => model.over = Some(Over::CommandLine(CommandLine::default())),
        Go::Search => match &mut model.over {
            Some(Over::Help(help)) => help.line = Some(LineEdit::default()),
            _ => model.over = Some(Over::Search(LineEdit::default())),
        },
        Go::Replied => jumps::to_replied(model),
        Go::JumpedFrom => return jumps::back(model, true),
        Go::OlderJump => return jumps::back(model, false),
        Go::NewerJump => return jumps::on_again(model),
        Go::Menu => model.which_key = true,
        Go::QuitNow => return leave(model),
        Go::Suspend => return vec![Effect::Suspend],
        Go::Redraw => return vec![Effect::Redraw],
        Go::Again => return again::repeat(model, asked),
        Go::Undo => return again::undo(model),
        Go::LineAgain => return fields::line_again(model),
        Go::Help => model.over = Some(Over::Help(Help::default())),
        Go::Close => match &mut model.over {
            Some(Over::Help(help)) if help.line.is_some() => help.line = None,
            _ => model.over = None,
        },
        Go::Quit => return quit(model, asked),
        Go::NextConversation => return step(model, count, 1),
        Go::PreviousConversation => return step(model, count, -1),
        Go::OtherConversation => match model.other {
            Some(conv_id) => return open(model, conv_id),
            None => model.tell(Tone::Dim, "no other conversation was open yet"),
        },
        Go::NextUnread => return to_unread(model, true),
        Go::PreviousUnread => return to_unread(model, false),
        Go::OtherPane if model.place == Place::List => model.place = Place::Messages,
        Go::OtherPane | Go::List => to_list(model),
        Go::Messages => model.place = Place::Messages,
    }
    Vec::new()
}

fn to_list(model: &mut Model) {
    match layout::panes(model, model.area()).list.width {
        0 => model.tell(Tone::Dim, "the list needs 70 columns; f finds, gt and gT go on"),
        _ => model.place = Place::List,
    }
}

fn quit(model: &mut Model, asked: Option<Asked>) -> Vec<Effect> {
    let unsent = model.queued.len();
    let asks = unsent > 0 || model.settings.q_quits == QQuits::Ask;
    if model.settings.q_quits == QQuits::No {
        model.tell(Tone::Dim, "q does not quit here, as you have set it: :q does");
        return Vec::new();
    }
    if !asks || asked == Some(Asked::Quit) {
        return leave(model);
    }
    model.asked = Some(Asked::Quit);
    let what = match unsent {
        0 => "nothing is lost".into(),
        1 => "1 message is not sent yet; it will be sent next time".into(),
        several => format!("{several} messages are not sent yet; they will be sent next time"),
    };
    model.tell(Tone::Warn, format!("{what}. q again to quit"));
    Vec::new()
}

/// The next conversation of the list, around its ends; with a count and forwards, the n-th.
fn step(model: &mut Model, count: Option<usize>, direction: isize) -> Vec<Effect> {
    let total = model.conversations.len();
    if total == 0 {
        model.tell(Tone::Dim, "no conversations yet: f finds people");
        return Vec::new();
    }
    let here = position(model);
    let to = match (count, here) {
        (Some(number), _) if direction > 0 => number.clamp(1, total) - 1,
        (_, None) => 0,
        (times, Some(here)) => {
            let by = direction * times.unwrap_or(1) as isize;
            (here as isize + by).rem_euclid(total as isize) as usize
        }
    };
    let conv_id = model.conversations[to].conv_id;
    open(model, conv_id)
}

fn position(model: &Model) -> Option<usize> {
    let here = model.chat.as_ref()?.conv_id;
    model.conversations.iter().position(|conversation| conversation.conv_id == here)
}

fn to_unread(model: &mut Model, forwards: bool) -> Vec<Effect> {
    let total = model.conversations.len();
    let here = position(model).unwrap_or(0);
    let at = |step: usize| match forwards {
        true => (here + step) % total,
        false => (here + total - step) % total,
    };
    let found = (1..total).map(at).find(|at| unread(&model.conversations[*at]) > 0);
    match found {
        Some(at) => {
            let conv_id = model.conversations[at].conv_id;
            open(model, conv_id)
        }
        None => {
            model.tell(Tone::Dim, "nothing unread elsewhere");
            Vec::new()
        }
    }
}

/// Shows a conversation; what was in the box stays with the one before.
pub(crate) fn open(model: &mut Model, conv_id: i64) -> Vec<Effect> {
    model.begun = true;
    model.place = Place::Messages;
    model.over = None;
    model.list_cursor = Some(ListRow::Conversation(conv_id));
    if model.chat.as_ref().is_some_and(|chat| chat.conv_id == conv_id) {
        return Vec::new();
    }
    let Some(conversation) = model.conversation(conv_id) else {
        model.tell(Tone::Warn, "this conversation is not here any more");
        return Vec::new();
    };
    let group = conversation.kind() == ConversationKind::Group;
    let new = (unread(conversation) > 0)
        .then_some(Unseen { after: conversation.read_seq, up_to: conversation.last_seq });
    let mut effects = compose::put_away(model);
    model.other = model.chat.as_ref().map(|chat| chat.conv_id).or(model.other);
    model.target = Target::New;
    model.chat = Some(Chat {
        conv_id,
        messages: Vec::new(),
        cursor: None,
        bottom: None,
        new,
        older: Older::OnDisk,
        newer: Newer::Nothing,
        goal: None,
        hunt: None,
        code_left: 0,
        selected: None,
        loaded: false,
        read_told: 0,
    });
    effects.push(Effect::Load { conv_id, before_seq: 0 });
    effects.push(Effect::LoadDraft { conv_id });
    if group {
        effects.push(Effect::Ask(Ask::Members { conv_id }));
    }
    effects
}

/// The conversation is gone: nothing is open.
pub(super) fn close(model: &mut Model, conv_id: i64) {
    if model.chat.as_ref().is_some_and(|chat| chat.conv_id == conv_id) {
        model.chat = None;
        model.composer.clear();
        model.target = Target::New;
        model.draft = crate::model::Draft::default();
        if model.place == Place::Compose {
            model.place = Place::Messages;
        }
    }
    if model.other == Some(conv_id) {
        model.other = None;
    }
}

/// Opens the direct conversation with a person if there is one.
pub(super) fn direct_with(model: &Model, user_id: i64) -> Option<i64> {
    let with = |c: &&Conversation| c.kind() == ConversationKind::Direct && c.friend_id == user_id;
    model.conversations.iter().find(with).map(|conversation| conversation.conv_id)
}
