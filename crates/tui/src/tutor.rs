//! `:tutor`: a few minutes of lessons over the conversation. Each says what to press and looks
//! whether it was done; nothing is asked twice, and nothing is in the way of other keys.

use crate::commands::{Command, Deed, Go, Jump, Layer, Move};
use crate::effect::Effect;
use crate::model::{Model, Over};

/// One lesson.
#[derive(Debug)]
pub struct Lesson {
    pub text: &'static str,
    pub done: Done,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Done {
    /// The keys are here now.
    In(Layer),
    /// This command was run.
    Ran(fn(Command) -> bool),
    /// A message was sent.
    Sent,
    /// One was sent that replies to another.
    Replied,
    /// Something is searched for.
    Searching,
    /// Messages of all conversations are listed.
    Results,
    /// The last page: it ends with `:tutor off`.
    Never,
}

pub static LESSONS: &[Lesson] = &[
    Lesson {
        text: "Welcome. Outside of the message box letters are verbs; in the box everything is \
               vim. Press i to go into the box.",
        done: Done::In(Layer::Insert),
    },
    Lesson { text: "Write a few words and press Enter: that sends them.", done: Done::Sent },
    Lesson {
        text: "✓ says that your message is stored, ✓✓ that it is there, ✓✓ read that it was read. \
               Press Esc to leave the box.",
        done: Done::In(Layer::Messages),
    },
    Lesson {
        text: "k goes up from message to message and j comes down. Press k.",
        done: Done::Ran(|command| command == Command::Move(Move::Up)),
    },
    Lesson {
        text: "K tells everything about the message under the cursor: who has it, who has read \
               it, the way it went. Press K.",
        done: Done::In(Layer::Details),
    },
    Lesson { text: "q closes it, as it closes everything here.", done: Done::In(Layer::Messages) },
    Lesson {
        text: "r replies to the message under the cursor: press r, write, and press Enter.",
        done: Done::Replied,
    },
    Lesson {
        text: "In the box Esc first leads to NORMAL, where f, q, @ and all the rest are vim's: \
               write a word and press Esc.",
        done: Done::In(Layer::Normal),
    },
    Lesson {
        text: "dd deletes the line and u brings it back; drafts are kept. Delete it with dd, then \
               leave the box with Esc.",
        done: Done::In(Layer::Messages),
    },
    Lesson {
        text: "G leads to the newest message, gg to the first. Press G.",
        done: Done::Ran(|command| command == Command::Move(Move::Last)),
    },
    Lesson {
        text: "/ searches this conversation upwards: type /guide and Enter. What was found stands \
               out.",
        done: Done::Searching,
    },
    Lesson {
        text: "n goes on to the next one above, N comes back. Press n.",
        done: Done::Ran(|command| command == Command::Jump(Jump::SearchOn)),
    },
    Lesson {
        text: "A line that begins with : is a command. Type :search guide and Enter; it searches \
               all conversations.",
        done: Done::Results,
    },
    Lesson {
        text: "Enter opens a result, q closes the list. Press q.",
        done: Done::In(Layer::Messages),
    },
    Lesson {
        text: "yy copies a message as it was written, p puts it into the box. Press yy.",
        done: Done::Ran(|command| command == Command::Message(Deed::Copy)),
    },
    Lesson {
        text: "f finds people: a part of a name, Tab for everybody on this server, Enter opens. \
               Press f; Esc comes back.",
        done: Done::In(Layer::Finder),
    },
    Lesson {
        text: "Last: ? shows every key, and / searches them. Press ?.",
        done: Done::Ran(|command| command == Command::Go(Go::Help)),
    },
    Lesson {
        text: "That was the tutor. q closes the help; :tutor off takes this away. ]u leads to what \
               is unread, :mentions to what mentions you, q quits.",
        done: Done::Never,
    },
];

/// What the tutor says now; None: nobody is being taught.
pub(crate) fn text(model: &Model) -> Option<&'static str> {
    Some(LESSONS[model.tutor?].text)
}

/// Something has happened: the lesson may be done by it.
pub(crate) fn watch(model: &mut Model, effects: &[Effect]) {
    let ran = model.ran.take();
    let Some(at) = model.tutor else {
        return;
    };
    let done = match LESSONS[at].done {
        Done::In(layer) => model.layer() == layer,
        Done::Ran(fits) => ran.is_some_and(fits),
        Done::Sent => effects.iter().any(|effect| matches!(effect, Effect::Send { .. })),
        Done::Replied => effects
            .iter()
            .any(|effect| matches!(effect, Effect::Send { reply_seq, .. } if *reply_seq > 0)),
        Done::Searching => model.search.is_some(),
        Done::Results => matches!(model.over, Some(Over::Results(_))),
        Done::Never => false,
    };
    if done {
        model.tutor = Some(at + 1);
        model.stale = true;
    }
}
