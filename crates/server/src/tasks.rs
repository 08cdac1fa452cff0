//! The tasks that a process cannot do without. None of them may end before the drain; one that
//! panics takes the process with it, because a server that looks healthy and stores nothing is
//! worse than none.

use std::collections::HashMap;

use tokio::task::{Id, JoinError, JoinSet};

use crate::error::Error;

/// They all run at once; dropping this ends them.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// `name` is what an operator reads if the task dies.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits for the first task that dies. Those that end by themselves do so because of the drain.
    /// Safe to be dropped while it waits.
    pub(crate) async fn died(&mut self) -> Error {
        loop {
            match self.running.join_next().await {
                Some(Ok(())) => {}
                Some(Err(error)) => return self.told(&error),
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until all have ended. The error tells of the first one that died.
    pub(crate) async fn ended(&mut self) -> Result<(), Error> {
        let mut ended = Ok(());
        while let Some(done) = self.running.join_next().await {
            if let Err(error) = done {
                ended = ended.and(Err(self.told(&error)));
            }
        }
        ended
    }

    fn told(&self, error: &JoinError) -> Error {
        let task = self.names.get(&error.id()).copied().unwrap_or("a task");
        let died = Error::Died { task, why: error.to_string() };
        tracing::error!("{died}");
        died
    }
}
