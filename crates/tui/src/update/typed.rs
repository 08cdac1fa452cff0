//! The `:` commands.

use proto::{ConversationKind, check};

use super::{compose, deeds, fields, go, leave, show};
use crate::commands::{Go, Typed, find_typed};
use crate::effect::{Ask, Effect, Exit, PersonDeed, Who};
use crate::line_edit::LineEdit;
use crate::model::{Details, Finder, Help, Model, Over, Tone};
use crate::words;

const MUTE_HOURS_DEFAULT: i64 = 8;
const MUTE_HOURS_MAX: i64 = 24 * 365;
const HOUR_MS: i64 = 3_600_000;

pub(super) fn run(model: &mut Model, line: &str) -> Vec<Effect> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let (name, forced) = match name.strip_suffix('!') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let command = match find_typed(name) {
        Ok(row) => row.command,
        Err(why) => {
            model.tell(Tone::Warn, why);
            return Vec::new();
        }
    };
    match execute(model, command, rest, forced) {
        Ok(effects) => effects,
        Err(why) => {
            model.tell(Tone::Warn, why);
            Vec::new()
        }
    }
}

fn execute(
    model: &mut Model,
    command: Typed,
    rest: &str,
    forced: bool,
) -> Result<Vec<Effect>, String> {
    let person = |deed| {
        let who = Who::Handle(one_handle(rest)?);
        Ok(vec![Effect::Ask(Ask::Person { who, deed })])
    };
    match command {
        Typed::Quit => Ok(leave(model)),
        Typed::Send => Ok(compose::send(model)),
        Typed::SendAndQuit => Ok(send_and_quit(model)),
        Typed::Find | Typed::Friends => {
            let friends_only = command == Typed::Friends;
            let line = LineEdit::with(rest);
            model.over = Some(Over::Finder(Finder { line, friends_only, ..Finder::default() }));
            Ok(Vec::new())
        }
        Typed::Add => person(PersonDeed::Befriend),
        Typed::Accept => person(PersonDeed::Accept),
        Typed::Decline => person(PersonDeed::Decline),
        Typed::Remove => person(PersonDeed::Remove),
        Typed::Block => person(PersonDeed::Block),
        Typed::Unblock => person(PersonDeed::Unblock),
        Typed::Msg => message(model, rest),
        Typed::Group => group(rest),
        Typed::Invite => Ok(vec![Effect::Ask(Ask::Invite {
            conv_id: open_group(model)?,
            handles: handles(rest)?,
        })]),
        Typed::Leave => leave_group(model, forced),
        Typed::Kick => Ok(vec![Effect::Ask(Ask::Kick {
            conv_id: open_group(model)?,
            handle: one_handle(rest)?,
        })]),
        Typed::Appoint => appoint(model, rest),
        Typed::Members => show::members(model, open_group(model)?),
        Typed::Rename => rename(model, rest),
        Typed::Mute => mute(model, rest),
        Typed::Notices => show::notices(model, rest),
        Typed::Retry => Ok(retry(model)),
        Typed::Reconnect => Ok(vec![Effect::Reconnect]),
        Typed::LogOut => log_out(model, forced),
        Typed::Status => {
            model.over = Some(Over::Details(status(model)));
            Ok(Vec::new())
        }
        Typed::Log => {
            show::log(model);
            Ok(Vec::new())
        }
        Typed::Search if forced => Ok(fields::search_server(model, rest)),
        Typed::Search => Ok(fields::search(model, rest)),
        Typed::Open => show::open(model, rest),
        Typed::Next => Ok(go::run(model, Go::NextConversation, None, None)),
        Typed::Previous => Ok(go::run(model, Go::PreviousConversation, None, None)),
        Typed::Conversations => {
            show::conversations(model);
            Ok(Vec::new())
        }
        Typed::Read => read(model),
        Typed::Set => show::set(model, rest).map(|()| Vec::new()),
        Typed::Map => show::map(model, rest).map(|()| Vec::new()),
        Typed::Unmap => show::unmap(model, rest).map(|()| Vec::new()),
        Typed::Theme => show::theme(model, rest).map(|()| Vec::new()),
        Typed::Mentions => Ok(fields::mentions(model)),
        Typed::Tutor => tutor(model, rest),
        Typed::Help => {
            model.over = Some(Over::Help(Help::default()));
            Ok(Vec::new())
        }
    }
}

fn log_out(model: &mut Model, forced: bool) -> Result<Vec<Effect>, String> {
    if !model.queued.is_empty() && !forced {
        let count = model.queued.len();
        return Err(format!(
            "{count} not sent yet, and kept for your next login. :logout! ends it"
        ));
    }
    let mut effects = compose::put_away(model);
    effects.push(Effect::Exit(Exit::LogOut));
    Ok(effects)
}

/// What cannot be sent stays, and so does the screen.
fn send_and_quit(model: &mut Model) -> Vec<Effect> {
    let mut effects = match model.composer.text.trim().is_empty() {
        true => Vec::new(),
        false => compose::send(model),
    };
    if model.composer.text.trim().is_empty() {
        effects.extend(leave(model));
    }
    effects
}

/// Says so whatever the setting of receipts is.
fn read(model: &mut Model) -> Result<Vec<Effect>, String> {
    let conv_id = model.chat.as_ref().ok_or("open a conversation first")?.conv_id;
    let open = model.conversations.iter_mut().find(|open| open.conv_id == conv_id);
    let open = open.ok_or("this conversation is not here any more")?;
    open.read_seq = open.last_seq;
    let seq = open.last_seq;
    if let Some(chat) = &mut model.chat {
        chat.read_told = seq;
    }
    Ok(vec![Effect::Read { conv_id, seq }])
}

/// Begins the lessons, with the guide where there is one, or ends them.
fn tutor(model: &mut Model, rest: &str) -> Result<Vec<Effect>, String> {
    model.tutor = match rest {
        "" => Some(0),
        "off" => None,
        _ => return Err(":tutor begins, :tutor off ends".into()),
    };
    let guide = model.people.values().find(|person| person.handle == "guide");
    let with_guide = guide.and_then(|guide| go::direct_with(model, guide.user_id));
    match with_guide.filter(|_| model.tutor.is_some()) {
        Some(conv_id) => Ok(go::open(model, conv_id)),
        None => Ok(Vec::new()),
    }
}

/// A handle, with or without its `@`.
fn handle(word: &str) -> Result<String, String> {
    let word = word.strip_prefix('@').unwrap_or(word).to_lowercase();
    check::handle(&word).map_err(|refused| format!("{word}: {refused}"))?;
    Ok(word)
}

fn one_handle(rest: &str) -> Result<String, String> {
    match rest.split_whitespace().collect::<Vec<&str>>().as_slice() {
        [] => Err("whom? a handle must follow".into()),
        [one] => handle(one),
        _ => Err("one handle only".into()),
    }
}

fn handles(rest: &str) -> Result<Vec<String>, String> {
    let all: Vec<String> = rest.split_whitespace().map(handle).collect::<Result<_, _>>()?;
    match all.is_empty() {
        true => Err("whom? handles must follow".into()),
        false => Ok(all),
    }
}

fn message(model: &mut Model, rest: &str) -> Result<Vec<Effect>, String> {
    let (who, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let who = one_handle(who)?;
    let text = text.trim().to_string();
    if !text.is_empty() {
        check::body(&text).map_err(|refused| refused.to_string())?;
    }
    let known = model.people.values().find(|person| person.handle == who).map(|p| p.user_id);
    match known.and_then(|user_id| Some((user_id, go::direct_with(model, user_id)?))) {
        Some((user_id, _)) if text.is_empty() => Ok(deeds::open_direct(model, user_id)),
        Some((_, conv_id)) => {
            let mut effects = go::open(model, conv_id);
            effects.push(Effect::Send { conv_id, body: text, reply_seq: 0 });
            Ok(effects)
        }
        None => Ok(vec![Effect::Ask(Ask::OpenDirect { who: Who::Handle(who), text })]),
    }
}

/// `title handle…`; a title of several words stands in quotes.
fn group(rest: &str) -> Result<Vec<Effect>, String> {
    let (title, others) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("the title's second \" is missing")?,
        None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
    };
    check::title(title).map_err(|refused| refused.to_string())?;
    let handles = others.split_whitespace().map(handle).collect::<Result<_, _>>()?;
    Ok(vec![Effect::Ask(Ask::CreateGroup { title: title.to_string(), handles })])
}

fn appoint(model: &Model, rest: &str) -> Result<Vec<Effect>, String> {
    let conv_id = open_group(model)?;
    let (who, role) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let role = words::role_named(role.trim())
        .ok_or("as what? a handle, and member, admin or owner must follow")?;
    Ok(vec![Effect::Ask(Ask::Appoint { conv_id, handle: one_handle(who)?, role })])
}

fn open_group(model: &Model) -> Result<i64, String> {
    match model.open_conversation() {
        Some(conversation) if conversation.kind() == ConversationKind::Group => {
            Ok(conversation.conv_id)
        }
        _ => Err("open a group first; :group makes one".into()),
    }
}

fn leave_group(model: &Model, forced: bool) -> Result<Vec<Effect>, String> {
    let conv_id = open_group(model)?;
    match forced {
        true => Ok(vec![Effect::Ask(Ask::Leave { conv_id })]),
        false => Err("you would have to be invited again. :leave! leaves this group".into()),
    }
}

fn rename(model: &Model, title: &str) -> Result<Vec<Effect>, String> {
    let conv_id = open_group(model)?;
    check::title(title).map_err(|refused| refused.to_string())?;
    Ok(vec![Effect::Ask(Ask::Rename { conv_id, title: title.to_string() })])
}

fn mute(model: &Model, rest: &str) -> Result<Vec<Effect>, String> {
    let conv_id = model.chat.as_ref().ok_or("open a conversation first")?.conv_id;
    let hours = match rest {
        "off" => 0,
        "" => MUTE_HOURS_DEFAULT,
        number => match number.parse::<i64>() {
            Ok(hours) if (1..=MUTE_HOURS_MAX).contains(&hours) => hours,
            _ => return Err(format!("hours are 1 to {MUTE_HOURS_MAX}, or off")),
        },
    };
    let until = if hours == 0 { 0 } else { model.now + hours * HOUR_MS };
    Ok(vec![Effect::Ask(Ask::Mute { conv_id, until })])
}

fn retry(model: &mut Model) -> Vec<Effect> {
    let refused = model.queued.iter().filter(|queued| !queued.refused.is_empty());
    let effects: Vec<Effect> =
        refused.map(|queued| Effect::Retry { client_key: queued.client_key }).collect();
    if effects.is_empty() {
        model.tell(Tone::Dim, "nothing was refused; what is queued goes out by itself");
    }
    effects
}

/// The connection and its figures, explained.
fn status(model: &Model) -> Details {
    let figures = model.figures;
    let (waiting, refused) = words::outbox(model);
    let mut lines = vec![words::line(&model.line, model.now).text];
    let trouble = words::line_trouble(&model.line);
    if !trouble.is_empty() {
        lines.push(format!("because: {trouble}"));
    }
    let count =
        |name: &str, number: u64, meaning: &str| format!("{name:<12}{number:>8}   {meaning}");
    lines.extend([
        String::new(),
        count("queued", waiting as u64, "messages that wait on this machine"),
        count("not sent", refused as u64, "messages that were refused, and wait for you: R, dd"),
        count("gaps", figures.gaps, "holes in the numbering that were seen, and asked for"),
        count("still open", figures.gaps_open, "of these; more than 0 only for moments"),
        count("duplicates", figures.duplicates, "messages that came twice and were dropped"),
        count("resumed", figures.resumed, "connections that went on where the last one ended"),
        count("replayed", figures.replayed, "messages that came while catching up"),
        count("resent", figures.resent, "sends repeated, because the line broke before the answer"),
    ]);
    let last_send = match figures.last_send_us {
        0 => "-".into(),
        us => words::milliseconds(us),
    };
    lines.push(format!(
        "{:<12}{last_send:>8}   {}",
        "last send", "from sending to stored and answered"
    ));
    lines.push(String::new());
    lines.push("Counted since this program was started. Gaps that stay open are lost".into());
    lines.push("messages; there should never be one.".into());
    Details { title: "status".into(), lines, scroll: 0, about: None }
}
