//! The bounds of a run under faults, and what happens at them.

use std::time::Duration;

/// Until a process says that it listens. Longer: the run fails.
pub(crate) const START_WAIT: Duration = Duration::from_secs(60);
/// Until a process that was asked to end has ended. Longer: the run fails.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(30);
/// Until everybody has signed up and is connected. Longer: the run fails.
pub(crate) const ARRIVAL_WAIT: Duration = Duration::from_secs(120);
/// Sign-ups that are under way at once: each costs an argon2 run.
pub(crate) const SIGN_UPS_AT_ONCE: usize = 8;
/// After the last fault, until everything that was said is acked and shown. What is missing then is
/// judged as lost.
pub(crate) const SETTLE_WAIT: Duration = Duration::from_secs(90);
/// After that, until everybody knows who is there. Longer: a ghost.
pub(crate) const PRESENCE_WAIT: Duration = Duration::from_secs(60);
/// How often somebody looks at what cannot be waited for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Until a short run has the load that it needs before its fault. Longer: it is void.
pub(crate) const LOAD_WAIT: Duration = Duration::from_secs(30);
/// Lines of the log of each process that are shown when something went wrong.
pub(crate) const LOG_LINES_SHOWN: usize = 8;

/// So long nothing comes from Redis: longer than a heartbeat waits for its turn and its answer.
pub(crate) const REDIS_DEAD: Duration = Duration::from_secs(11);

/// For the first hole to be filled, once words are being lost; people have to come back first.
pub(crate) const FIRST_HOLE: Duration = Duration::from_secs(40);

/// Until one who hears nothing has ended his line: 45 s, and at a gateway a third of that until it
/// looks.
pub(crate) const HEARTBEATS_END: Duration = Duration::from_secs(90);

/// Connections of a storm, where this process may open so many files. Else fewer.
pub(crate) const STORM_CONNECTIONS: usize = 10_000;
/// Files that a stage has open beside those of a storm: clients with their copies, proxies, logs.
pub(crate) const FILES_OF_THE_STAGE: usize = 3_000;
