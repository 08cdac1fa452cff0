//! The people of a benchmark, and many connections of theirs at once.

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::raw::{self, Arrival, Person, Socket};
use crate::{Result, limits};

/// Signs up `count` people whom nobody has met before. Costs the server an argon2 run each (about
/// 30 ms of a core).
pub(crate) async fn sign_up(server: &str, count: usize) -> Result<Vec<Person>> {
    let run = rand::random::<u32>();
    let signing = stream::iter(0..count)
        .map(|n| async move { raw::sign_up(server, &format!("bench-{run:08x}-{n}")).await });
    signing.buffered(limits::SIGN_UPS_AT_ONCE).try_collect().await
}

/// A connection as a client makes it that has nothing yet: ticket, WebSocket, Hello, Paint,
/// CaughtUp.
pub(crate) async fn connect(server: &str, person: &Person) -> Result<(Socket, Arrival)> {
    let ticket = raw::ticket(server, person).await?;
    let mut socket = raw::open(&ticket).await?;
    let arrival = socket.arrive(Vec::new()).await?;
    Ok((socket, arrival))
}

/// The same at this very gateway, whichever one the ticket would lead to.
pub(crate) async fn connect_at(auth: &str, gateway: &str, person: &Person) -> Result<Socket> {
    let ticket = raw::ticket(auth, person).await?.at(gateway);
    let mut socket = raw::open(&ticket).await?;
    socket.arrive(Vec::new()).await?;
    Ok(socket)
}

/// One connection for each of `people`, in their order.
pub(crate) async fn connect_all(server: &str, people: &[Person]) -> Result<Vec<Socket>> {
    let opening = stream::iter(people)
        .map(|person| async move { connect(server, person).await.map(|(socket, _)| socket) });
    opening.buffered(limits::OPENING_AT_ONCE).try_collect().await
}

/// `count` connections to the echo server.
pub(crate) async fn connect_echo(address: &str, count: usize) -> Result<Vec<Socket>> {
    let opening = stream::iter(0..count).map(|_| raw::open_echo(address));
    opening.buffered(limits::OPENING_AT_ONCE).try_collect().await
}

/// Closes them all, a few at a time.
pub(crate) async fn close_all(sockets: Vec<Socket>) {
    stream::iter(sockets).for_each_concurrent(limits::OPENING_AT_ONCE, Socket::close).await;
}
