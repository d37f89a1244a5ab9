//! A mail server that is not this project's gateway, under the same clients, faults and oracles. It takes mail for its
//! own mailboxes. Without the line that `careful` stands for, it loses some that it has answered for.

use std::io::{Error, Result};
use std::{path::Path, sync::Arc};

use gateway::env::{BoxFuture, Connection, Env, Stream, sync_with_ancestors};
use gateway::{release::Release, service::Exit};
use sim::scenario::{Library, Source};
use sim::subject::{Process, Subject};
use sim::{draw::Seed, engine::Leap, oracle, run::run_subject, trace::Keep};
use smtp_proto::request::receiver::DataReceiver;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

struct Little {
    careful: bool,
}

impl Subject for Little {
    fn run(&self, Process { plan, env, .. }: Process) -> BoxFuture<'_, std::result::Result<Exit, String>> {
        Box::pin(async move {
            let (config, careful) = (&plan.gateway.config, self.careful);
            let mailboxes: Vec<_> = config.mailboxes.iter().map(|known| known.address.to_string()).collect();
            let mut listener = env.net.listen(config.listen).await.map_err(|error| error.to_string())?;
            loop {
                let Ok(Connection { stream, .. }) = listener.accept().await else { continue };
                let session = serve(stream, env.clone(), mailboxes.clone(), careful);
                env.spawn.spawn("a session", Box::pin(async move { drop(session.await) }));
            }
        })
    }
}

async fn serve(stream: Box<dyn Stream>, env: Env, mailboxes: Vec<String>, careful: bool) -> Result<()> {
    let (mut wire, mut line, mut to) = (BufReader::new(stream), Vec::new(), Vec::new());
    wire.write_all(b"220 little\r\n").await?;
    while wire.read_until(b'\n', &mut line).await? > 0 {
        let said = String::from_utf8_lossy(&std::mem::take(&mut line)).to_ascii_lowercase();
        let mailbox = mailboxes.iter().find(|mailbox| said.contains(&format!("<{mailbox}>")));
        let verb = said.get(..4).unwrap_or_default();
        to.retain(|_| matches!(verb, "rcpt" | "data"));
        to.extend(mailbox.filter(|_| verb == "rcpt"));
        let reply = match verb {
            "rcpt" if mailbox.is_none() => "550 no such mailbox here",
            "ehlo" | "helo" | "mail" | "rcpt" => "250 OK",
            "auth" => "235 whoever you are",
            "data" if !to.is_empty() => {
                wire.write_all(b"354 go on\r\n").await?;
                let (mut data, mut content) = (DataReceiver::new(), Vec::new());
                while !data.ingest(&mut [wire.read_u8().await?].iter(), &mut content) {}
                store(&env, &to, &content, careful)
                    .await
                    .map_or("451 not now", |()| "250 OK, it is on the disk")
            }
            "quit" => return wire.write_all(b"221 bye\r\n").await,
            _ => "502 not here",
        };
        wire.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}

async fn store(env: &Env, to: &[&String], content: &[u8], careful: bool) -> Result<()> {
    let mut name = [0; 8];
    env.entropy.fill(&mut name);
    for mailbox in to {
        let [tmp, new] = ["tmp", "new"].map(|dir| Path::new("/mailboxes").join(mailbox).join(dir));
        let [from, into] = [&tmp, &new].map(|dir| dir.join(format!("{name:02x?}")));
        env.disk.create_dir_all(&tmp).await?;
        env.disk.create_dir_all(&new).await?;
        let mut file = env.disk.create(&from).await?;
        file.write_all(content).await?;
        file.sync().await?;
        env.disk.rename(&from, &into).await?;
        if careful {
            sync_with_ancestors(&*env.disk, &new).await.map_err(Error::other)?;
        }
    }
    Ok(())
}

/// The first of 100 seeds of the profile `bad-disk` in which mail is lost.
pub(crate) fn hunt(careful: bool) -> Option<String> {
    let library =
        Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the project is around the example");
    let Some(Source::Profile(profile)) = library.find("bad-disk") else { panic!("the profile is gone") };
    let little: Arc<dyn Subject> = Arc::new(Little { careful });
    (0..100).find_map(|seed| {
        let plan = profile.scenario(Seed(seed), Release::Current).plan(Release::Current, Seed(seed));
        let record = run_subject(&plan, &little, &Leap, Keep::Digest).expect("the engine carries the run");
        let found = oracle::judge(&plan, &record).into_iter().find(|finding| finding.oracle == "custody");
        found.map(|finding| format!("seed {seed}: {}", finding.what))
    })
}

pub(crate) fn main() {
    println!("careless: {:?}\ncareful: {:?}", hunt(false), hunt(true));
}
