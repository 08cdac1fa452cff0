//! What is done for each fault, while people talk.

mod databases;
mod gateways;
mod load;
mod network;
mod redis;
mod time;

use anyhow::Result;

use crate::faults::Scene;
use crate::stage::Stage;

/// From the first blow to the moment when everything works again. Before it and after it there is
/// load.
pub(crate) async fn play(scene: Scene, stage: &mut Stage) -> Result<()> {
    match scene {
        Scene::GatewaysKilled => gateways::killed(stage).await,
        Scene::DiesAfterCommit => gateways::dies_after_commit(stage).await,
        Scene::RollingRestart => gateways::rolling_restart(stage).await,
        Scene::GatewayStopped => gateways::stopped(stage).await,
        Scene::EmbeddedKilled => gateways::embedded_killed(stage).await,
        Scene::DatabaseKilled => databases::killed(stage).await,
        Scene::DatabaseAway => databases::away(stage).await,
        Scene::DatabaseStalls => databases::stalls(stage).await,
        Scene::DatabaseFull => databases::full(stage).await,
        Scene::Conflicts => databases::conflicts(stage).await,
        Scene::RedisKilled => redis::killed(stage).await,
        Scene::RedisEmptied => redis::emptied(stage).await,
        Scene::RedisAway => redis::away(stage).await,
        Scene::BusDrops => redis::drops(stage).await,
        Scene::BusCut => redis::listener_cut(stage).await,
        Scene::OneWay => network::one_way(stage).await,
        Scene::Loss => network::loss(stage).await,
        Scene::SlowReceiver => network::slow_receiver(stage).await,
        Scene::SlowLoris => network::slow_loris(stage).await,
        Scene::SwizzleClog => network::swizzle_clog(stage).await,
        Scene::FarAway => network::far_away(stage).await,
        Scene::Storm => load::storm(stage).await,
        Scene::LoginFlood => load::login_flood(stage).await,
        Scene::SearchFlood => load::search_flood(stage).await,
        Scene::ClockJumps => time::jumps(stage).await,
        Scene::ClocksApart => time::apart(stage).await,
    }
}
