//! What breaking natter has shown to be wrong, and the test that has held it since.

/// How it came to light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A scene of this room, long, short or at random.
    Chaos,
    /// A seed of the simulation, `docs/simulation.md`.
    Simulation,
    /// Random bytes at a decoder or the editor.
    Fuzzing,
    /// A figure that was too bad to be true.
    Bench,
}

#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub by: By,
    pub what: &'static str,
    /// Below the root of the repository, and the name of the function there.
    pub held_by: (&'static str, &'static str),
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            Self::Chaos => "chaos",
            Self::Simulation => "simulation",
            Self::Fuzzing => "fuzzing",
            Self::Bench => "bench",
        }
    }
}

pub const FOUND: &[Found] = &[
    Found {
        by: By::Chaos,
        what: "22: a line to Redis that was dead one way for longer than the lease made the other \
               gateway bury this one, and nobody told the friends afterwards that its users had \
               been there all the time",
        held_by: (
            "crates/server/tests/it/bus.rs",
            "a_gateway_that_was_taken_for_dead_tells_anew_who_is_there",
        ),
    },
    Found {
        by: By::Chaos,
        what: "33, on a machine with five times as much to do as it can: a transaction that idled \
               too long was taken for a bad one; its messages were tried one by one, and those \
               behind the first that failed overtook it",
        held_by: (
            "crates/server/src/gateway/writer.rs",
            "beside_a_bad_message_nothing_overtakes_what_the_database_takes_later",
        ),
    },
    Found {
        by: By::Chaos,
        what: "33: the client repeated a message by itself after a fault of the server's, behind \
               what it had sent after it",
        held_by: (
            "crates/client/src/tests/queue.rs",
            "after_a_fault_of_the_server_a_message_does_not_go_out_behind_later_ones",
        ),
    },
    Found {
        by: By::Simulation,
        what: "seed 2: all lines broke at once; who was painted while a friend was not back yet \
               saw him as gone until he really left",
        held_by: (
            "crates/server/tests/it/presence.rs",
            "who_was_painted_while_a_friend_was_in_his_grace_sees_him_come_back",
        ),
    },
    Found {
        by: By::Fuzzing,
        what: "the editor's cursor stood within a letter of several bytes, and Enter broke the \
               line there",
        held_by: (
            "crates/vim/tests/it/properties.rs",
            "appending_to_one_selected_letter_of_several_bytes_survives_a_line_break",
        ),
    },
    Found {
        by: By::Fuzzing,
        what: "a macro that calls itself over a long text ran for twenty seconds, and for thirty \
               under the fuzzer with its first limit",
        held_by: (
            "crates/vim/tests/it/properties.rs",
            "an_endless_macro_over_a_long_text_ends_sooner_than_over_a_short_one",
        ),
    },
    Found {
        by: By::Bench,
        what: "a command of somebody who had missed more than 4,096 messages waited for itself",
        held_by: (
            "crates/natter/tests/it/commands.rs",
            "a_command_after_a_long_absence_does_not_wait_for_itself",
        ),
    },
    Found {
        by: By::Bench,
        what: "who invited many in a row into a large group was taken for slow and cut off",
        held_by: (
            "crates/server/tests/it/groups.rs",
            "who_invites_many_in_a_row_is_not_taken_for_slow",
        ),
    },
];
