//! The one helper: a screen with people on it, keys pressed in `<CR>` notation, and what it shows.

use client::{Event, Figures, Line, Queued};
use proto::{Conversation, ConversationKind, Member, Message, Person, Relation, Role};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tui::effect::{Answer, Effect, Input};
use tui::model::Model;
use tui::update::update;
use tui::{keys, view};

pub(crate) const ME: i64 = 1;
pub(crate) const ANN: i64 = 2;
pub(crate) const BOB: i64 = 3;
pub(crate) const CHEN: i64 = 4;
pub(crate) const DORA: i64 = 5;
pub(crate) const EVE: i64 = 6;
pub(crate) const WITH_ANN: i64 = 102;
pub(crate) const WITH_BOB: i64 = 103;
pub(crate) const LUNCH: i64 = 110;
/// Friday 21 November 2025, 14:30 UTC.
pub(crate) const NOW: i64 = 1_763_735_400_000;
pub(crate) const MINUTE: i64 = 60_000;

pub(crate) struct Stage {
    pub(crate) model: Model,
    /// Since the last look.
    pub(crate) effects: Vec<Effect>,
}

/// Nobody, nothing: the first run.
pub(crate) fn empty(columns: u16, rows: u16) -> Stage {
    let mut model = Model::new(ME, NOW, jiff::tz::TimeZone::UTC, columns, rows);
    model.line = Line::Live;
    let mut stage = Stage { model, effects: Vec::new() };
    stage.answer(Answer::All {
        conversations: Vec::new(),
        people: vec![person(ME, "me.myself", "Me", Relation::None)],
        queued: Vec::new(),
    });
    stage
}

/// Friends, a group, a request; nothing is open.
pub(crate) fn friends(columns: u16, rows: u16) -> Stage {
    let mut stage = empty(columns, rows);
    // as after the first key: nothing opens by itself
    stage.model.begun = true;
    let mut ann = person(ANN, "ann", "Ann Arbor", Relation::Friend);
    ann.online = true;
    let mut bob = person(BOB, "bob", "Bob", Relation::Friend);
    bob.last_seen = NOW - 28 * MINUTE;
    let mut chen = person(CHEN, "chen", "陈", Relation::Friend);
    chen.online = true;
    let people = vec![
        person(ME, "me.myself", "Me", Relation::None),
        ann,
        bob,
        chen,
        person(DORA, "dora", "Dora", Relation::Asks),
        person(EVE, "eve", "Eve", Relation::Asked),
    ];
    let conversations = vec![
        direct(WITH_ANN, ANN, 6, 6, NOW - MINUTE),
        group(LUNCH, "lunch 👩‍👩‍👧 日本", 3, 1, NOW - 10 * MINUTE),
        direct(WITH_BOB, BOB, 5, 5, NOW - 20 * MINUTE),
    ];
    stage.answer(Answer::All { conversations, people, queued: Vec::new() });
    stage
}

pub(crate) fn person(user_id: i64, handle: &str, name: &str, relation: Relation) -> Person {
    Person {
        user_id,
        handle: handle.into(),
        name: name.into(),
        relation: relation.into(),
        ..Person::default()
    }
}

pub(crate) fn direct(conv_id: i64, friend_id: i64, last: i64, read: i64, at: i64) -> Conversation {
    Conversation {
        conv_id,
        kind: ConversationKind::Direct.into(),
        friend_id,
        last_seq: last,
        read_seq: read,
        last_at: at,
        member_count: 2,
        ..Conversation::default()
    }
}

pub(crate) fn group(conv_id: i64, title: &str, last: i64, read: i64, at: i64) -> Conversation {
    Conversation {
        conv_id,
        kind: ConversationKind::Group.into(),
        title: title.into(),
        last_seq: last,
        read_seq: read,
        last_at: at,
        member_count: 4,
        mention_seq: last,
        role: Role::Owner.into(),
        ..Conversation::default()
    }
}

pub(crate) fn message(conv_id: i64, seq: i64, sender_id: i64, at: i64, body: &str) -> Message {
    Message { conv_id, seq, sender_id, sent_at: at, body: body.into(), ..Message::default() }
}

pub(crate) fn queued(conv_id: i64, client_key: i64, body: &str, refused: &str) -> Queued {
    Queued {
        conv_id,
        client_key,
        body: body.into(),
        reply_seq: 0,
        queued_at: NOW,
        refused: refused.into(),
    }
}

pub(crate) fn member(user_id: i64, handle: &str, delivered_seq: i64, read_seq: i64) -> Member {
    Member {
        user_id,
        handle: handle.into(),
        delivered_seq,
        read_seq,
        role: Role::Member.into(),
        ..Member::default()
    }
}

impl Stage {
    pub(crate) fn input(&mut self, input: Input) -> &mut Self {
        let effects = update(&mut self.model, input);
        self.effects.extend(effects);
        self
    }

    /// Presses keys: `"fch<CR>"`.
    pub(crate) fn keys(&mut self, notation: &str) -> &mut Self {
        for key in keys::parse(notation) {
            self.input(Input::Key(key));
        }
        self
    }

    pub(crate) fn event(&mut self, event: Event) -> &mut Self {
        self.input(Input::Client(event))
    }

    pub(crate) fn answer(&mut self, answer: Answer) -> &mut Self {
        self.input(Input::Answer(answer))
    }

    pub(crate) fn tick(&mut self, ms: i64) -> &mut Self {
        let now = self.model.now + ms;
        self.input(Input::Tick { now, figures: Figures::default() })
    }

    /// The disk answers what was asked for when a conversation was opened.
    pub(crate) fn page(
        &mut self,
        conv_id: i64,
        before_seq: i64,
        messages: Vec<Message>,
    ) -> &mut Self {
        self.answer(Answer::Messages { conv_id, before_seq, messages })
    }

    fn drawn(&self) -> Terminal<TestBackend> {
        let backend = TestBackend::new(self.model.columns, self.model.rows);
        let mut terminal = Terminal::new(backend).unwrap();
        terminal.draw(|frame| view::draw(&self.model, frame)).unwrap();
        terminal
    }

    /// The column of the cursor in the message box.
    pub(crate) fn cursor_column(&self) -> u16 {
        let at = self.drawn().get_cursor_position().unwrap();
        at.x - tui::layout::panes(&self.model, self.model.area()).input.x
    }

    /// What is drawn reversed in the message box: one text for each row that has some.
    pub(crate) fn reversed(&self) -> Vec<String> {
        self.reversed_in(tui::layout::panes(&self.model, self.model.area()).input)
    }

    /// The same among the messages.
    pub(crate) fn reversed_messages(&self) -> Vec<String> {
        self.reversed_in(tui::layout::panes(&self.model, self.model.area()).messages)
    }

    fn reversed_in(&self, area: ratatui::layout::Rect) -> Vec<String> {
        use ratatui::style::Modifier;
        let drawn = self.drawn();
        let buffer = drawn.backend().buffer();
        let row = |y| -> String {
            let cells = (area.left()..area.right()).map(|x| &buffer[(x, y)]);
            let chosen = cells.filter(|cell| cell.modifier.contains(Modifier::REVERSED));
            chosen.map(|cell| cell.symbol()).collect()
        };
        let rows = (area.top()..area.bottom()).map(row);
        rows.filter(|row| !row.is_empty()).collect()
    }

    /// Every cell of the terminal, with its colours.
    pub(crate) fn cells(&self) -> Vec<ratatui::buffer::Cell> {
        let backend = TestBackend::new(self.model.columns, self.model.rows);
        let mut terminal = Terminal::new(backend).unwrap();
        let drawn = terminal.draw(|frame| view::draw(&self.model, frame)).unwrap();
        drawn.buffer.content.clone()
    }

    /// What was asked for since the last time.
    pub(crate) fn taken(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn notice(&self) -> &str {
        self.model.notice.as_ref().map_or("", |notice| &notice.text)
    }

    /// What the terminal shows, row by row.
    pub(crate) fn picture(&self) -> String {
        let backend = TestBackend::new(self.model.columns, self.model.rows);
        let mut terminal = Terminal::new(backend).unwrap();
        terminal.draw(|frame| view::draw(&self.model, frame)).unwrap();
        terminal.backend().to_string()
    }
}

/// A conversation with ann of four messages, open.
pub(crate) fn talking_with_ann(columns: u16, rows: u16) -> Stage {
    let mut stage = friends(columns, rows);
    let day = 24 * 60 * MINUTE;
    stage.keys("gt");
    stage.page(
        WITH_ANN,
        0,
        vec![
            message(WITH_ANN, 1, ANN, NOW - day, "did the gateway come back?"),
            message(WITH_ANN, 2, ME, NOW - day + MINUTE, "yes, all friends are online"),
            message(WITH_ANN, 3, ANN, NOW - 12 * MINUTE, "great. lunch at 12?"),
            message(WITH_ANN, 4, ANN, NOW - 11 * MINUTE, "日本語 works too 👩‍👩‍👧"),
            message(WITH_ANN, 5, ME, NOW - 10 * MINUTE, "see you at the corner"),
            message(WITH_ANN, 6, ME, NOW - MINUTE, "are you there?"),
        ],
    );
    let ann =
        stage.model.conversations.iter_mut().find(|c| c.conv_id == WITH_ANN).expect("ann is there");
    (ann.friend_delivered_seq, ann.friend_read_seq) = (5, 2);
    stage
}
