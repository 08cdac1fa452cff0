//! States as words: what became of a message, how the line is, who somebody is, when something was.

use client::{Line, Queued};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proto::{
    Conversation, ConversationKind, Hop, HopKind, Member, Message, MessageKind, Relation, Role,
};

use crate::model::{Chat, Item, Model, Tone};
use crate::wrap;

/// A state in words, and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub text: String,
    pub tone: Tone,
}

fn words(tone: Tone, text: impl Into<String>) -> Words {
    Words { text: text.into(), tone }
}

/// `14:02`, by the clock of the user's place.
pub fn time(at: i64, zone: &TimeZone) -> String {
    zoned(at, zone).map_or_else(|| "--:--".into(), |at| at.strftime("%H:%M").to_string())
}

/// `14:02:33`.
pub fn clock(at: i64, zone: &TimeZone) -> String {
    zoned(at, zone).map_or_else(|| "--:--:--".into(), |at| at.strftime("%H:%M:%S").to_string())
}

/// `Friday 21 November`; with the year where it is not this one.
pub fn day(at: i64, now: i64, zone: &TimeZone) -> String {
    let (Some(at), Some(now)) = (zoned(at, zone), zoned(now, zone)) else {
        return "some day".into();
    };
    let form = if at.year() == now.year() { "%A %-d %B" } else { "%A %-d %B %Y" };
    at.strftime(form).to_string()
}

/// The two moments lie on the same day at the user's place.
pub fn same_day(a: i64, b: i64, zone: &TimeZone) -> bool {
    match (zoned(a, zone), zoned(b, zone)) {
        (Some(a), Some(b)) => a.date() == b.date(),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// `14:02` today, else `21 Nov 14:02`.
pub fn moment(at: i64, now: i64, zone: &TimeZone) -> String {
    if same_day(at, now, zone) {
        return time(at, zone);
    }
    zoned(at, zone).map_or_else(|| "--:--".into(), |at| at.strftime("%-d %b %H:%M").to_string())
}

/// `4m`, `3h`, `12d`: how long ago, in at most three characters where that is honest.
pub fn ago(at: i64, now: i64) -> String {
    let minutes = now.saturating_sub(at) / 60_000;
    match minutes {
        ..1 => "now".into(),
        1..60 => format!("{minutes}m"),
        60..1_440 => format!("{}h", minutes / 60),
        1_440..525_600 => format!("{}d", minutes / 1_440),
        _ => format!("{}y", minutes / 525_600),
    }
}

fn zoned(at: i64, zone: &TimeZone) -> Option<jiff::Zoned> {
    Some(Timestamp::from_millisecond(at).ok()?.to_zoned(zone.clone()))
}

/// `0.9 ms`, `41 ms`: how long something took, to two digits or the millisecond.
pub fn milliseconds(us: u64) -> String {
    match us {
        ..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{} ms", us / 1_000),
    }
}

/// The connection.
pub fn line(line: &Line, now: i64) -> Words {
    match line {
        Line::Connecting => words(Tone::Warn, "◌ connecting"),
        Line::CatchingUp => words(Tone::Good, "● catching up"),
        Line::Live => words(Tone::Good, "● connected"),
        Line::Waiting { until, .. } => {
            let seconds = (until.saturating_sub(now).max(0) + 999) / 1_000;
            words(Tone::Warn, format!("◌ reconnecting in {seconds} s"))
        }
        Line::SignedOut { .. } => words(Tone::Bad, "✗ signed out"),
        Line::Stopped { .. } => words(Tone::Bad, "✗ stopped"),
    }
}

/// What the server says about others is true now.
pub fn is_connected(line: &Line) -> bool {
    matches!(line, Line::CatchingUp | Line::Live)
}

/// Why there is no line; empty where there is one.
pub fn line_trouble(line: &Line) -> &str {
    match line {
        Line::Connecting | Line::CatchingUp | Line::Live => "",
        Line::Waiting { why, .. } | Line::SignedOut { why } | Line::Stopped { why } => why,
    }
}

/// How many messages wait for the line, and how many for a word of their writer.
pub fn outbox(model: &Model) -> (usize, usize) {
    let refused = model.queued.iter().filter(|queued| !queued.refused.is_empty()).count();
    (model.queued.len() - refused, refused)
}

/// Where a text was wanted from a register that has none.
pub fn nothing_in(register: char) -> String {
    match register {
        '+' | '*' => "the clipboard is not read: paste with the terminal's own key".into(),
        name => format!("nothing is in register {name}"),
    }
}

/// The handle, which is short ASCII; the number of somebody unknown.
pub fn handle(model: &Model, user_id: i64) -> String {
    match model.people.get(&user_id) {
        Some(person) => person.handle.clone(),
        None => format!("#{user_id}"),
    }
}

/// `ann`, or `+title` of a group. Not steady: of the title any character may be wide.
pub fn title(model: &Model, conversation: &Conversation) -> String {
    match conversation.kind() {
        ConversationKind::Group => format!("+{}", conversation.title),
        ConversationKind::Direct | ConversationKind::Unspecified => {
            handle(model, conversation.friend_id)
        }
    }
}

/// `●` online, `○` offline; a blank where it is not known, as while there is no line.
pub fn presence(model: &Model, user_id: i64) -> Words {
    if !is_connected(&model.line) {
        return words(Tone::Dim, "·");
    }
    match model.people.get(&user_id) {
        Some(person) if person.relation() != Relation::Friend => words(Tone::Dim, " "),
        Some(person) if person.online => words(Tone::Good, "●"),
        Some(_) => words(Tone::Dim, "○"),
        None => words(Tone::Dim, " "),
    }
}

/// What stands beside the title of the open conversation.
pub fn about(model: &Model, conversation: &Conversation) -> String {
    let about = match conversation.kind() {
        ConversationKind::Group if conversation.member_count == 1 => "1 member".into(),
        ConversationKind::Group => format!("{} members", conversation.member_count),
        ConversationKind::Direct | ConversationKind::Unspecified => {
            about_friend(model, conversation)
        }
    };
    match (conversation.muted_until > model.now, about.as_str()) {
        (true, "") => "muted".into(),
        (true, _) => format!("{about}, muted"),
        (false, _) => about,
    }
}

fn about_friend(model: &Model, conversation: &Conversation) -> String {
    match model.people.get(&conversation.friend_id) {
        Some(person) if person.relation() == Relation::Blocked => "blocked".into(),
        Some(person) if person.relation() == Relation::Asks => {
            format!("wants to be your friend: :accept {}", person.handle)
        }
        Some(person) if person.relation() == Relation::Asked => "asked to be a friend".into(),
        Some(person) if person.relation() != Relation::Friend => "not a friend".into(),
        // who is online is not known while we are not
        Some(_) if !is_connected(&model.line) => String::new(),
        Some(person) if person.online => "● online".into(),
        Some(person) if person.last_seen > 0 => {
            format!("○ offline since {}", moment(person.last_seen, model.now, &model.zone))
        }
        Some(_) => "○ offline".into(),
        None => String::new(),
    }
}

/// What became of a message of mine; None for the messages of others.
pub fn state(model: &Model, chat: &Chat, item: &Item<'_>) -> Option<Words> {
    match item {
        Item::Queued(queued) => Some(queued_state(queued)),
        Item::Stored(message) if message.sender_id != model.me => None,
        Item::Stored(message) => match message.kind() {
            MessageKind::Text => stored_state(model, chat, message),
            _ => None,
        },
    }
}

fn queued_state(queued: &Queued) -> Words {
    match queued.refused.as_str() {
        "" => words(Tone::Dim, "… queued"),
        _ => words(Tone::Bad, "✗ not sent — R retry"),
    }
}

fn stored_state(model: &Model, chat: &Chat, message: &Message) -> Option<Words> {
    let conversation = model.conversation(chat.conv_id)?;
    if conversation.kind() == ConversationKind::Group {
        return Some(group_state(model, conversation, message.seq));
    }
    Some(if conversation.friend_read_seq >= message.seq {
        words(Tone::Good, "✓✓ read")
    } else if conversation.friend_delivered_seq >= message.seq {
        words(Tone::Plain, "✓✓ delivered")
    } else if conversation.friend_mailed_seq >= message.seq {
        let at = moment(conversation.friend_mailed_at, model.now, &model.zone);
        words(Tone::Warn, format!("✓ mailed {at}"))
    } else if let Some(since) = offline_since(model, conversation, message.seq) {
        let who = handle(model, conversation.friend_id);
        let since = match since {
            0 => String::new(),
            since => format!(" since {}", moment(since, model.now, &model.zone)),
        };
        let mail = match mail_at(model, conversation, message.seq) {
            0 => String::new(),
            at => format!(", mail at {}", moment(at, model.now, &model.zone)),
        };
        words(Tone::Warn, format!("✓ kept ({who} is offline{since}{mail})"))
    } else {
        words(Tone::Plain, "✓ stored")
    })
}

/// The friend is known to be away: since when, 0 = not known. Presence is newer than what Sent
/// said.
fn offline_since(model: &Model, conversation: &Conversation, seq: i64) -> Option<i64> {
    let kept = model.kept.get(&conversation.conv_id).filter(|sent| sent.seq >= seq);
    let person = model.people.get(&conversation.friend_id);
    match (person, kept) {
        (Some(person), _) if person.relation() == Relation::Friend => {
            (!person.online).then_some(person.last_seen)
        }
        (_, Some(sent)) => Some(sent.offline_since),
        (_, None) => None,
    }
}

/// When a mail will tell the friend; 0 = none is planned, or its time has passed.
fn mail_at(model: &Model, conversation: &Conversation, seq: i64) -> i64 {
    let kept = model.kept.get(&conversation.conv_id).filter(|sent| sent.seq >= seq);
    kept.map(|sent| sent.mail_at).filter(|at| *at > model.now).unwrap_or(0)
}

fn group_state(model: &Model, conversation: &Conversation, seq: i64) -> Words {
    let kept = model.kept.get(&conversation.conv_id).is_some_and(|sent| sent.seq >= seq);
    let stored = match kept {
        true => words(Tone::Warn, "✓ kept (nobody is online)"),
        false => words(Tone::Plain, "✓ stored"),
    };
    let Some(members) = model.members.get(&conversation.conv_id) else {
        return stored;
    };
    let others = || members.iter().filter(|member| member.user_id != model.me);
    let all = others().count();
    let delivered = others().filter(|member| member.delivered_seq >= seq).count();
    let read = others().filter(|member| member.read_seq >= seq).count();
    match (delivered, read) {
        (0, 0) => stored,
        (_, read) if read == all => words(Tone::Good, format!("✓✓ read {read}/{all}")),
        (_, 0) => words(Tone::Plain, format!("✓✓ delivered {delivered}/{all}")),
        (_, read) => {
            words(Tone::Plain, format!("✓✓ delivered {delivered}/{all} · read {read}/{all}"))
        }
    }
}

/// What happened in a group, as a sentence; None for a message of text.
pub fn event(model: &Model, message: &Message) -> Option<String> {
    let who = handle(model, message.sender_id);
    let what = &message.body;
    Some(match message.kind() {
        MessageKind::Text => return None,
        MessageKind::Joined => format!("{who} added {what}"),
        MessageKind::Left => format!("{who} left"),
        MessageKind::Renamed => format!("{who} named the group “{what}”"),
        MessageKind::Kicked => format!("{who} removed {what}"),
        MessageKind::Created => format!("{who} made the group “{what}”"),
        MessageKind::Appointed => format!("{who} gave {what} another role"),
        MessageKind::Deleted => format!("{who} deleted a message"),
    })
}

/// Who wrote a message that was found, and where: `ann`, `me → ann`, `bob +lunch`.
pub fn found_in(model: &Model, message: &Message) -> String {
    let who = match message.sender_id == model.me {
        true => "me".into(),
        false => handle(model, message.sender_id),
    };
    match model.conversation(message.conv_id) {
        Some(conversation) if conversation.kind() == ConversationKind::Group => {
            // something stands to the right of this: no character of disputed width
            format!("{who} {}", wrap::cut(&wrap::steady(&title(model, conversation)), 16))
        }
        Some(conversation) if message.sender_id == model.me => {
            format!("me → {}", handle(model, conversation.friend_id))
        }
        Some(_) | None => who,
    }
}

/// One row of a text, for quotes and previews.
pub fn excerpt(text: &str, columns: usize) -> String {
    wrap::cut(&proto::clean::line(text), columns)
}

/// `ann is typing…`; empty where nobody is.
pub fn typing(model: &Model) -> String {
    let Some(chat) = &model.chat else {
        return String::new();
    };
    let here = model.typing.iter().filter(|typist| typist.conv_id == chat.conv_id);
    let names: Vec<String> = here.map(|typist| handle(model, typist.user_id)).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("{one} is typing…"),
        [one, two] => format!("{one} and {two} are typing…"),
        [one, others @ ..] => format!("{one} and {} others are typing…", others.len()),
    }
}

/// The journey of a message, a line for each hop.
pub fn journey(model: &Model, hops: &[Hop]) -> Vec<String> {
    let hop = |hop: &Hop| {
        let who = || handle(model, hop.user_id);
        let what = match hop.kind() {
            HopKind::Unspecified => "something this program does not know".into(),
            HopKind::Received => "the gateway took it".into(),
            HopKind::Batched => "the writer took it into a batch".into(),
            HopKind::Committed => "committed to the database".into(),
            HopKind::Published => "given to the bus for every member".into(),
            HopKind::Waiting => format!("waits in the database: {} is offline", who()),
            HopKind::DeliveredTo => format!("on a device of {}", who()),
            HopKind::MailedTo => format!("a mail told {}", who()),
            HopKind::ReadBy => format!("read by {}", who()),
        };
        let after = match hop.after_us {
            0 => String::new(),
            us => format!("+{}.{:03} ms", us / 1_000, us % 1_000),
        };
        format!("{:>12}  {after:>12}  {what}", moment_ms(hop.at, model))
    };
    hops.iter().map(hop).collect()
}

fn moment_ms(at: i64, model: &Model) -> String {
    match zoned(at, &model.zone) {
        Some(_) if at == 0 => String::new(),
        Some(at) => at.strftime("%H:%M:%S%.3f").to_string(),
        None => String::new(),
    }
}

/// Columns of the longest handle of these.
pub fn handle_columns(members: &[Member]) -> usize {
    members.iter().map(|member| wrap::width(&member.handle)).max().unwrap_or(0)
}

/// What somebody is in a group.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Unspecified | Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

/// The role that is called so.
pub fn role_named(name: &str) -> Option<Role> {
    [Role::Member, Role::Admin, Role::Owner].into_iter().find(|one| role(*one) == name)
}

/// Where each member of a group is, for one message.
pub fn members_state(model: &Model, members: &[Member], seq: i64) -> Vec<String> {
    let columns = handle_columns(members);
    let of = |member: &Member| {
        let state = match (member.read_seq >= seq, member.delivered_seq >= seq) {
            (true, _) => "✓✓ read",
            (false, true) => "✓✓ delivered",
            (false, false) => "✓ not yet delivered",
        };
        format!("{:<columns$}  {state}", member.handle)
    };
    members.iter().filter(|member| member.user_id != model.me).map(of).collect()
}
