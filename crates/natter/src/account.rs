//! Who am I, and on which server: sign-up, login, logout, and the questions that the first start
//! asks.

use std::io::{self, BufRead, IsTerminal, Write};

use client::{Login, Profile};
use proto::http;
use serde_json::json;

use crate::background::{self, LOCAL};
use crate::cli;
use crate::failure::{Exit, Failure};
use crate::output::{Output, day_and_clock};

type Done = Result<(), Failure>;

/// The address behind `server`, which may be [`LOCAL`]; then the machine's own server is started if
/// need be.
fn address(server: &str) -> Result<String, Failure> {
    if server != LOCAL {
        return Ok(server.trim_end_matches('/').to_owned());
    }
    background::ensure_running().map_err(|e| Failure::new(Exit::NoLine, format!("{e:#}")))
}

/// The login of this profile, its server turned into an address. None: nobody is logged in.
pub(crate) fn current(profile: &Profile, server: Option<&str>) -> Result<Option<Login>, Failure> {
    let Some(mut login) = profile.login()? else {
        return Ok(None);
    };
    if let Some(server) = server
        && server.trim_end_matches('/') != login.server
    {
        let text = format!(
            "this profile belongs to {} on {}; use another --profile for {server}",
            login.handle, login.server
        );
        return Err(Failure::new(Exit::NotLoggedIn, text));
    }
    login.server = address(&login.server)?;
    Ok(Some(login))
}

/// As [`current`], and nobody being logged in is a failure.
pub(crate) fn required(profile: &Profile, server: Option<&str>) -> Result<Login, Failure> {
    let hint = "not logged in: natter login HANDLE, or natter signup HANDLE";
    current(profile, server)?.ok_or_else(|| Failure::new(Exit::NotLoggedIn, hint))
}

pub(crate) async fn signup(
    profile: &Profile,
    server: Option<&str>,
    args: &cli::Signup,
    output: &Output,
) -> Done {
    let password = new_password(args.credentials.password_stdin)?;
    let signup = http::Signup {
        handle: args.credentials.handle.clone(),
        name: args.name.clone(),
        password,
        email: args.email.clone(),
        device: Some(device()),
    };
    let server = server.unwrap_or(LOCAL);
    let login = client::account::signup(&address(server)?, &signup).await?;
    keep(profile, server, login, output)?;
    match &args.email {
        Some(email) if !output.json => Ok(output.line(&asked(email), &())?),
        _ => Ok(()),
    }
}

pub(crate) async fn login(
    profile: &Profile,
    server: Option<&str>,
    args: &cli::Credentials,
    output: &Output,
) -> Done {
    let known = profile.login()?.map(|login| login.server);
    let server = server.or(known.as_deref()).unwrap_or(LOCAL).to_owned();
    let password = password("password: ", args.password_stdin)?;
    let login = http::Login { handle: args.handle.clone(), password, device: Some(device()) };
    let address = address(&server)?;
    let login = client::account::login(&address, &login).await.map_err(|error| match error {
        client::Error::Http { status: 401, detail } => {
            let text = format!("{detail}. Forgotten? {address}/v1/forgot");
            Failure::new(Exit::Refused, text)
        }
        other => other.into(),
    })?;
    keep(profile, &server, login, output)
}

/// What happens after somebody has named an address.
fn asked(email: &str) -> String {
    format!("{email} gets a mail with a link; mails go there when it was followed")
}

fn keep(profile: &Profile, server: &str, login: Login, output: &Output) -> Done {
    let text = format!("logged in as {}", login.handle);
    let value = json!({
        "type": "login",
        "handle": login.handle,
        "user_id": login.user_id.to_string(),
        "server": login.server,
    });
    profile.save_login(&Login { server: server.trim_end_matches('/').to_owned(), ..login })?;
    Ok(output.line(&text, &value)?)
}

pub(crate) async fn logout(profile: &Profile, server: Option<&str>, output: &Output) -> Done {
    let login = required(profile, server)?;
    let ended = client::account::logout(&login).await;
    // The key is thrown away even if the server cannot be told now; then it ends there by age.
    profile.forget_login()?;
    ended?;
    Ok(output.line("logged out", &json!({ "type": "logout" }))?)
}

pub(crate) async fn sessions(
    profile: &Profile,
    server: Option<&str>,
    end: Option<&str>,
    output: &Output,
) -> Done {
    let login = required(profile, server)?;
    if let Some(id) = end {
        client::account::end_session(&login, id).await?;
        return Ok(output.line("ended", &json!({ "type": "ended", "id": id }))?);
    }
    for session in client::account::sessions(&login).await? {
        let here = if session.current { "  (this one)" } else { "" };
        let used = day_and_clock(session.used_at);
        output
            .line(&format!("{}  {:<24} used {used}{here}", session.id, session.device), &session)?;
    }
    Ok(())
}

pub(crate) async fn change_address(
    profile: &Profile,
    server: Option<&str>,
    email: &str,
    from_stdin: bool,
    output: &Output,
) -> Done {
    let login = required(profile, server)?;
    let password = password("password: ", from_stdin)?;
    let change = http::AddressChange { email: email.to_owned(), password };
    client::account::set_address(&login, &change).await?;
    Ok(output.line(&asked(email), &json!({ "type": "address", "address": email }))?)
}

pub(crate) async fn change_password(
    profile: &Profile,
    server: Option<&str>,
    from_stdin: bool,
    output: &Output,
) -> Done {
    let login = required(profile, server)?;
    let old = password("old password: ", from_stdin)?;
    let new = new_password(from_stdin)?;
    client::account::change_password(&login, &http::PasswordChange { old, new }).await?;
    Ok(output.line("changed; all other logins have ended", &json!({ "type": "password" }))?)
}

/// The first start on this profile: who are you?
pub(crate) async fn welcome(profile: &Profile, server: Option<&str>) -> Done {
    if !io::stdin().is_terminal() {
        return required(profile, server).map(|_| ());
    }
    let place = server.unwrap_or("this machine's own server");
    say(&format!("Welcome to natter. Nobody is logged in here yet ({place}).\n\n"))?;
    let output = Output { json: false };
    for _ in 0..QUESTIONS_MAX {
        let known = match server.is_none() && background::is_new()? {
            true => String::new(),
            false => ask(&format!("Do you already have an account on {place}? [y/N] "))?,
        };
        let done = match known.to_lowercase().as_str() {
            "y" | "yes" => {
                let handle = ask_handle()?;
                let credentials = cli::Credentials { handle, password_stdin: false };
                login(profile, server, &credentials, &output).await
            }
            "" | "n" | "no" => newcomer(profile, server, &output).await,
            _ => {
                say("y for yes; n or Enter for no.\n\n")?;
                continue;
            }
        };
        match done {
            Ok(()) => return Ok(()),
            Err(failure) if failure.exit == Exit::Refused => {
                say(&format!("{}\n\n", failure.text))?;
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::new(Exit::NotLoggedIn, "not logged in"))
}

/// A question is asked so often before natter gives up.
const QUESTIONS_MAX: usize = 5;

async fn newcomer(profile: &Profile, server: Option<&str>, output: &Output) -> Done {
    let handle = ask_handle()?;
    let name = ask_until("name that others see (Enter = the handle): ", |name| match name {
        "" => Ok(()),
        name => proto::check::name(name),
    })?;
    let name = (!name.is_empty()).then_some(name);
    let credentials = cli::Credentials { handle, password_stdin: false };
    signup(profile, server, &cli::Signup { credentials, name, email: None }, output).await
}

fn ask_handle() -> Result<String, Failure> {
    let user = std::env::var("USER").unwrap_or_default().to_lowercase();
    if proto::check::handle(&user).is_err() {
        return ask_until("handle: ", proto::check::handle);
    }
    let typed = ask_until(&format!("handle [{user}]: "), |handle| match handle {
        "" => Ok(()),
        handle => proto::check::handle(handle),
    })?;
    Ok(if typed.is_empty() { user } else { typed })
}

/// Repeats one question until the answer is allowed.
fn ask_until(
    question: &str,
    check: impl Fn(&str) -> Result<(), proto::check::Refused>,
) -> Result<String, Failure> {
    for _ in 0..QUESTIONS_MAX {
        let answer = ask(question)?;
        match check(&answer) {
            Ok(()) => return Ok(answer),
            Err(why) => say(&format!("  {why}\n"))?,
        }
    }
    Err(Failure::new(Exit::NotLoggedIn, "not logged in"))
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn ask(question: &str) -> Result<String, Failure> {
    say(question)?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(Failure::new(Exit::NotLoggedIn, "not logged in"));
    }
    Ok(line.trim().to_owned())
}

fn password(question: &str, from_stdin: bool) -> Result<String, Failure> {
    if !from_stdin {
        let no_terminal = "there is no terminal to ask on: use --password-stdin";
        let asked = rpassword::prompt_password(question);
        return asked.map_err(|_| Failure::new(Exit::Usage, no_terminal));
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asked for twice when a person types it, and checked before anything is sent.
fn new_password(from_stdin: bool) -> Result<String, Failure> {
    if from_stdin {
        let typed = password("", true)?;
        proto::check::password(&typed).map_err(|e| Failure::new(Exit::Refused, e.0))?;
        return Ok(typed);
    }
    for _ in 0..QUESTIONS_MAX {
        let first = password("new password (8 characters or more): ", false)?;
        match proto::check::password(&first) {
            Err(why) => say(&format!("  {why}\n"))?,
            Ok(()) if password("once more: ", false)? == first => return Ok(first),
            Ok(()) => say("  these were two different passwords\n")?,
        }
    }
    Err(Failure::new(Exit::Refused, "no password was chosen"))
}

/// How this login is called in the list of sessions: `user@host`.
fn device() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".into());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name: String = format!("{user}@{host}").chars().filter(char::is_ascii_graphic).collect();
    name.chars().take(proto::limits::DEVICE_BYTES_MAX).collect()
}
