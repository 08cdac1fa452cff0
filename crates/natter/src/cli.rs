//! The words of the command line. One enum says everything that `natter` can be asked to do.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Chat for people who live in a terminal. Without a command: opens the screen.
#[derive(Parser)]
#[command(name = "natter", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Which account of this machine; each has its own login, copy and outbox
    #[arg(long, global = true, env = "NATTER_PROFILE", default_value = "default")]
    pub(crate) profile: String,
    /// http(s)://HOST[:PORT]; without it the server of the last login, else this machine's own
    #[arg(long, global = true, env = "NATTER_SERVER")]
    pub(crate) server: Option<String>,
    /// Print one JSON object a line (fields: docs/cli.md)
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Give up after so many seconds where an answer is waited for
    #[arg(long, global = true, default_value_t = 30, value_name = "SECONDS")]
    pub(crate) timeout: u64,
    /// Print the settings of the screen as they are without a file, explained (docs/client.md)
    #[arg(long)]
    pub(crate) print_config: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 not logged in · \
4 no server or no line (what was queued stays queued) · 5 the server said no · \
6 nobody or nothing of that name";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an account and log in
    Signup(Signup),
    /// Log in on this profile
    Login(Credentials),
    /// Log out and forget the login of this profile
    Logout,
    /// List the logins of this account, or end one
    Sessions {
        /// End the login with this id
        #[arg(long, value_name = "ID")]
        end: Option<String>,
    },
    /// Give the account an address for mail, or ask for its link once more
    Address {
        /// Where mails go when its link was followed; an old address is not used any more
        address: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change the password; ends all other logins
    Password {
        /// Read the old and the new password from standard input, a line each
        #[arg(long)]
        password_stdin: bool,
    },
    /// Show or change how you are told of what stays unread while you are away
    Notices(NoticeArgs),
    /// Send a message and wait until the server has stored it
    Send(Send),
    /// Print what arrives, live
    Tail {
        /// Only this conversation: a handle or +title
        who: Option<String>,
        /// End after so many messages
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Print the messages of a conversation, oldest first
    History {
        /// A handle or +title
        who: String,
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only messages before this number
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        before: i64,
    },
    /// List conversations: unread, last message
    Chats,
    /// Mark a conversation as read
    Read {
        /// A handle or +title
        who: String,
    },
    /// Find people by handle or name, misspelt too
    Find { text: String },
    /// List friends and requests
    Friends,
    /// Change how you stand to a person
    Friend {
        action: FriendAction,
        /// A handle
        who: String,
    },
    /// Groups: create, invite, leave, kick, rename, members, appoint, mute
    #[command(subcommand)]
    Group(Group),
    /// Replace the text of a message of yours
    Edit {
        who: String,
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        seq: i64,
        text: String,
    },
    /// Empty a message of yours
    Delete {
        who: String,
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        seq: i64,
    },
    /// Put a reaction on a message, or take it away
    React {
        who: String,
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        seq: i64,
        emoji: String,
        #[arg(long)]
        remove: bool,
    },
    /// The way of one message, hop by hop
    Journey {
        who: String,
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        seq: i64,
    },
    /// Login, connection, outbox and the continuity figures
    Status,
    /// Say what is wrong with the configuration before anything starts
    Check(Settings),
    /// List the mails that a server without a mail server has kept, or show one
    Mail {
        /// The number of a mail in the list; 1 is the newest
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        number: Option<u32>,
        /// The data directory of the server; without it this machine's own
        #[arg(long, env = "NATTER_DATA", value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Measure how fast and how small natter is here, beside what is physically there
    Bench(BenchArgs),
    /// The limit beside the benchmark; it is started by it
    #[command(hide = true)]
    BenchEcho,
    /// A program in a terminal of its own; it is started by the benchmark
    #[command(hide = true)]
    BenchTerminal {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Be a server
    Serve(ServeArgs),
    /// What an operator does with a cluster that runs
    #[command(subcommand)]
    Admin(Admin),
    /// This machine's own server, which runs in the background
    Server { action: ServerAction },
}

#[derive(Args)]
pub(crate) struct Signup {
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// The name that others see
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// An address for mail: notices while you are away, a forgotten password. It gets a link that
    /// confirms it
    #[arg(long)]
    pub(crate) email: Option<String>,
}

#[derive(Args)]
pub(crate) struct Credentials {
    /// 3 to 32 of a-z 0-9 . _ -
    pub(crate) handle: String,
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Args)]
pub(crate) struct Send {
    /// A handle or +title
    pub(crate) who: String,
    /// The text; `-` reads it from standard input
    pub(crate) text: String,
    /// Wait until the recipient has it, or has read it
    #[arg(long, value_enum)]
    pub(crate) wait: Option<Wait>,
    /// A number above 0 that names this message: repeating it stores nothing twice
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) key: Option<i64>,
    /// Reply to this message
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) reply: i64,
}

/// Without a flag: shows what is set. What is not named stays as it is.
#[derive(Args)]
pub(crate) struct NoticeArgs {
    /// Tell me nothing
    #[arg(long, conflicts_with_all = ["mail", "webhook", "push"])]
    pub(crate) off: bool,
    /// By mail, to the confirmed address
    #[arg(long, conflicts_with_all = ["webhook", "push"])]
    pub(crate) mail: bool,
    /// By a signed call of a program of your own
    #[arg(long, value_name = "URL", conflicts_with = "push")]
    pub(crate) webhook: Option<String>,
    /// By a push server that speaks like ntfy; the URL of the topic
    #[arg(long, value_name = "URL")]
    pub(crate) push: Option<String>,
    /// How much a notice tells
    #[arg(long, value_enum)]
    pub(crate) preview: Option<PreviewName>,
    /// Nothing between these hours, in UTC; the same twice: at any time
    #[arg(long, value_name = "HH:MM-HH:MM")]
    pub(crate) quiet: Option<String>,
    /// Others see neither since when you are offline nor that a mail went out
    #[arg(long, value_name = "true|false")]
    pub(crate) hide: Option<bool>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum PreviewName {
    /// Who wrote, and what
    Full,
    /// Who wrote
    Names,
    /// Only that there is something
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    Delivered,
    Read,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum FriendAction {
    Add,
    Accept,
    Decline,
    Remove,
    Block,
    Unblock,
}

#[derive(Subcommand)]
pub(crate) enum Group {
    /// Make a group
    Create { title: String, who: Vec<String> },
    /// Add people
    Invite { group: String, who: Vec<String> },
    /// Leave it
    Leave { group: String },
    /// Remove somebody
    Kick { group: String, who: String },
    /// Give it another title
    Rename { group: String, title: String },
    /// Who is in, and how far each has it
    Members { group: String },
    /// Give somebody a role
    Appoint { group: String, who: String, role: RoleName },
    /// No bell from it for so many hours; 0 = unmute
    Mute { group: String, hours: u32 },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    Member,
    Admin,
    Owner,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ServerAction {
    Status,
    Stop,
    Log,
    /// Run it here; `natter` does this by itself
    #[value(hide = true)]
    Run,
}

#[derive(Subcommand)]
pub(crate) enum NotifyAction {
    /// What was given up and why, then what waits
    List,
    /// Give one that was given up, or all of them, another set of tries
    Retry {
        id: Option<i64>,
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Throw one that was given up, or all of them, away
    Drop {
        id: Option<i64>,
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// What to measure; `--server A,B` measures servers that run already and are one system
    pub(crate) scenario: Scenario,
    /// Connections of `idle` (1,000), arrivals of a round of `connect` (200), members of the group
    /// of `fanout` (100), most idle connections of `grow` (1,000)
    #[arg(long, value_name = "N")]
    pub(crate) connections: Option<usize>,
    /// Pairs of people who write to each other
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) pairs: usize,
    /// Messages of one pair under way; several, separated by commas, one after the other
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,16")]
    pub(crate) window: Vec<usize>,
    /// Messages a second of all pairs in an open loop; several, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1000")]
    pub(crate) rate: Vec<u32>,
    /// How long each measurement takes
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Messages that `catchup` missed
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) messages: u32,
    /// Separated by commas, from small to large: messages and people of `grow` (1000,100000),
    /// messages on the disk of `screen` (100,10000,100000)
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) sizes: Option<Vec<u64>>,
    /// The PostgreSQL for `cluster`: databases are made in it and removed
    #[arg(long, value_name = "URL")]
    pub(crate) postgres: Option<String>,
    /// A process behind the server whose processor time counts: its port, or `pid:PID`
    #[arg(long, value_name = "NAME=PORT")]
    pub(crate) watch: Vec<String>,
    /// Write the figures to this file, as one JSON object
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Draw the figures into this file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Scenario {
    Connect,
    Send,
    Fanout,
    Paint,
    Catchup,
    Search,
    Idle,
    /// All of the above
    All,
    /// Two gateways, PostgreSQL and Redis: a message within one gateway and from one to the other
    Cluster,
    /// Frames, start and keys of the screen, in a real terminal
    Screen,
    /// How cost grows with messages, people, members and connections
    Grow,
}

#[derive(Subcommand)]
pub(crate) enum Admin {
    /// Mails that were given up, and those that wait
    Notify {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        action: NotifyAction,
    },
    /// Which database holds which shard of the conversations, and how much is in each
    Shards {
        #[command(flatten)]
        settings: Settings,
        /// Also shards without a conversation
        #[arg(long)]
        all: bool,
    },
    /// Move shards to another database while everybody goes on
    MoveShard {
        /// N, or N-M
        #[arg(value_name = "N[-M]", value_parser = crate::admin::shards)]
        shards: (u16, u16),
        /// The name of the database, as `natter admin shards` shows it
        #[arg(long, value_name = "NAME")]
        to: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Args, Default)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Run the built-in guide, who greets everybody that signs up
    #[arg(long)]
    pub(crate) guide: bool,
    /// Print a natter.toml that says what is set now, with every key and its meaning, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// Where the settings of a server come from. Its flags and variables are made of the table of
/// settings: whoever adds a row there has added them here.
#[derive(Default)]
pub(crate) struct Settings {
    /// A natter.toml.
    pub(crate) file: Option<PathBuf>,
    /// What flags and variables say: the key, the name of the flag or variable, the text.
    pub(crate) set: Vec<(server::Key, String, String)>,
}

impl Args for Settings {
    fn augment_args(command: clap::Command) -> clap::Command {
        let file = Arg::new("config").long("config").env("NATTER_CONFIG").value_name("FILE");
        let file =
            file.help("A natter.toml").value_parser(clap::value_parser!(PathBuf)).global(true);
        server::keys().into_iter().fold(command.arg(file), |command, key| command.arg(flag(&key)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

fn flag(key: &server::Key) -> Arg {
    let action = if key.is_list() { ArgAction::Append } else { ArgAction::Set };
    let value_name = match key.kind {
        server::Kind::Text => "TEXT",
        server::Kind::Secret => "URL",
        server::Kind::List => "TEXT,…",
        server::Kind::Secrets => "URL,…",
        server::Kind::Number => "N",
        server::Kind::Rate => "ONCE/MINUTE",
    };
    Arg::new(key.name)
        .long(key.flag())
        .env(key.variable())
        .hide_env_values(true)
        .help(key.help.trim())
        .help_heading("Settings")
        .hide_short_help(key.name.contains('.'))
        .value_name(value_name)
        .action(action)
        // Also behind the words of a command that has further ones.
        .global(true)
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut set = Vec::new();
        for key in server::keys() {
            let Some(texts) = matches.get_many::<String>(key.name) else { continue };
            let text = texts.map(String::as_str).collect::<Vec<_>>().join(",");
            match matches.value_source(key.name) {
                // A variable that is there and empty says nothing.
                Some(ValueSource::EnvVariable) if text.is_empty() => {}
                Some(ValueSource::EnvVariable) => set.push((key, key.variable(), text)),
                _ => set.push((key, format!("--{}", key.flag()), text)),
            }
        }
        Ok(Self { file: matches.get_one("config").cloned(), set })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
