//! `natter admin notify`: mails that were given up, on the databases themselves, beside a server
//! that runs or not.

use serde_json::json;
use server::Config;
use store::{Job, Options, Store};

use crate::background;
use crate::cli::{NotifyAction, Settings};
use crate::failure::{Exit, Failure};
use crate::output::{Output, day_and_clock};
use crate::serve;

/// `natter admin notify …`
pub(crate) fn notify(
    settings: &Settings,
    action: &NotifyAction,
    output: &Output,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = config(settings)?;
        let store = open(&config).await?;
        let done = act(&config, &store, action, output).await;
        store.close().await;
        done
    })
}

/// Where nothing is said, this machine's own server is meant.
fn config(settings: &Settings) -> Result<Config, Failure> {
    let mut config = serve::config(settings)?;
    let is_said =
        settings.file.is_some() || settings.set.iter().any(|(key, ..)| key.name == "data");
    if config.database.is_empty() && !is_said {
        config.data = background::places()?.data;
    }
    // Whoever mistypes a directory shall not find an empty server in it.
    if config.database.is_empty() && !config.data.join("natter.db").exists() {
        let why = format!(
            "no server keeps its data in {}. Say which server: --config FILE, the natter.toml it \
             was started with; or --data DIR, its directory; or --database URL, and --amqp URL if \
             it has a RabbitMQ",
            config.data.display()
        );
        return Err(Failure::new(Exit::NotFound, why));
    }
    Ok(config)
}

async fn open(config: &Config) -> Result<Store, Failure> {
    let urls: Vec<String> = config.databases().iter().map(|url| (**url).to_owned()).collect();
    Store::open(&urls, &Options::default()).await.map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn failed(error: store::Error) -> Failure {
    let exit = match error {
        store::Error::NotFound => Exit::NotFound,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}

async fn act(
    config: &Config,
    store: &Store,
    action: &NotifyAction,
    output: &Output,
) -> Result<(), Failure> {
    let queue = server::look_into_queue(config, store).await;
    match action {
        NotifyAction::List => {
            list(store, output).await?;
            list_queue(queue.map_err(|e| Failure::new(Exit::NoLine, e.to_string()))?, output)
        }
        NotifyAction::Retry { id, all } => {
            for id in chosen(store, *id, *all).await? {
                store.outbox_revive(id, crate::now()).await.map_err(failed)?;
                let value = json!({ "type": "retry", "id": id.to_string() });
                output.line(&format!("{id} will be tried again"), &value)?;
            }
            Ok(())
        }
        NotifyAction::Drop { id, all } => {
            for id in chosen(store, *id, *all).await? {
                store.outbox_drop(id).await.map_err(failed)?;
                let value = json!({ "type": "drop", "id": id.to_string() });
                output.line(&format!("{id} is gone"), &value)?;
            }
            Ok(())
        }
    }
}

async fn chosen(store: &Store, id: Option<i64>, all: bool) -> Result<Vec<i64>, Failure> {
    match (id, all) {
        (Some(id), _) => Ok(vec![id]),
        (None, true) => {
            let dead = store.dead_jobs().await.map_err(failed)?;
            Ok(dead.into_iter().map(|job| job.id).collect())
        }
        (None, false) => Err(Failure::new(Exit::Usage, "which one? A number, or --all")),
    }
}

/// Given up ones first: they wait for whoever reads this.
async fn list(store: &Store, output: &Output) -> Result<(), Failure> {
    for dead in store.dead_jobs().await.map_err(failed)? {
        let user_id = dead.job.as_ref().map(Job::user_id);
        let at = day_and_clock(dead.died_at);
        let text = format!("{} dead since {at} {}: {}", dead.id, dead.topic, dead.why);
        let value = json!({
            "type": "dead", "id": dead.id.to_string(), "topic": dead.topic, "why": dead.why,
            "user_id": user_id.map(|id| id.to_string()), "died_at": dead.died_at,
        });
        output.line(&proto::clean::line(&text), &value)?;
    }
    for waiting in store.waiting_jobs().await.map_err(failed)? {
        let (id, topic, tries) = (waiting.id, &waiting.topic, waiting.attempts);
        let text = format!("{id} due {} {topic}, tried {tries}×", day_and_clock(waiting.due_at));
        let value = json!({
            "type": "waiting", "id": id.to_string(), "topic": topic, "due_at": waiting.due_at,
            "attempts": tries,
        });
        output.line(&text, &value)?;
    }
    Ok(())
}

fn list_queue(waiting: Option<(u32, u32)>, output: &Output) -> Result<(), Failure> {
    let Some((jobs, later)) = waiting else { return Ok(()) };
    let text = format!("in RabbitMQ: {jobs} wait for a worker, {later} for a later try");
    Ok(output.line(&text, &json!({ "type": "queue", "jobs": jobs, "later": later }))?)
}
