//! A client that floods: many connections at once, and many messages begun on each.
//!
//! It hands nothing over. What it is answered is nobody's matter here: the gateway's limits are judged from the Record.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gateway::env::Net;
use tokio::time::{sleep, timeout};

use super::client::Caller;
use super::dialogue::Dialogue;

/// How many connections it opens at once.
const CONNECTIONS: usize = 12;
/// How many messages it begins on each.
const MESSAGES: usize = 4;
/// How long it keeps them.
const KEPT: Duration = Duration::from_secs(40);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Opens the connections, and keeps them for a while.
pub(super) async fn flood(net: &Arc<dyn Net>, gateway: SocketAddr, caller: &Caller<'_>) {
    join_all((0..CONNECTIONS).map(|_| one(net, gateway, caller))).await;
}

/// One connection of them, as far as it gets.
async fn one(net: &Arc<dyn Net>, gateway: SocketAddr, caller: &Caller<'_>) {
    let Ok(Ok(stream)) = timeout(PATIENCE, net.connect(gateway)).await else { return };
    let mut dialogue = Dialogue::new(stream);
    if answer(&mut dialogue).await != Some(220) {
        return;
    }
    let mut commands = vec![format!("EHLO {}", caller.name)];
    let recipients: Vec<String> = caller.message.to.iter().map(|to| format!("RCPT TO:<{to}>")).collect();
    for _ in 0..MESSAGES {
        commands.push(format!("MAIL FROM:<{}>", caller.message.from));
        commands.extend(recipients.iter().take(2).cloned());
        commands.push("RSET".to_owned());
    }
    for command in commands {
        if dialogue.say(&command).await.is_err() || answer(&mut dialogue).await.is_none_or(|code| code == 421)
        {
            return;
        }
    }
    sleep(KEPT).await;
    if dialogue.say("QUIT").await.is_ok() {
        answer(&mut dialogue).await;
    }
}

async fn answer(dialogue: &mut Dialogue) -> Option<u16> {
    timeout(PATIENCE, dialogue.reply()).await.ok()?.ok()?.map(|reply| reply.code)
}
