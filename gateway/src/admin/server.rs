//! The administrative listener.
//!
//! One request a connection, and a bounded time and number of them: a monitor that hangs takes nothing from the mail.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Order, Refused, Reloaded};
use crate::env::{BoxFuture, Connection, DiskError, Entropy, Listener};
use crate::queue::Detail;
use crate::service::{Control, metrics};
use crate::spool::EntryName;

/// How many connections are served at one time. Others wait in line.
const CONNECTIONS: usize = 16;
/// How long a connection may take in all.
const TIME: Duration = Duration::from_mins(2);
/// How long a request may take to come.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// The largest request, in octets.
const REQUEST: usize = 1024 * 1024;
/// How long the listener waits when the machine can give it no connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Reads the configuration anew: the keys that wait for the next start, or why the old one still counts.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<&'static str>, String>> + Send + Sync>;

/// What the listener speaks for.
pub struct Admin {
    /// The service.
    pub control: Control,
    /// Reads its configuration anew.
    pub reload: Reload,
    /// What an administrator knows.
    pub token: String,
}

type Answer = Response<Full<Bytes>>;

/// A new token.
pub fn draw_token(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers for ever.
pub async fn serve(admin: Arc<Admin>, mut listener: Box<dyn Listener>) {
    let spawn = admin.control.env().spawn;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok(Connection { stream, from, .. }) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let admin = Arc::clone(&admin);
        spawn.spawn(
            "administration",
            Box::pin(async move {
                let service = service_fn(|request| answer(&admin, from, request));
                let conversation = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(REQUEST_TIME)
                    .keep_alive(false)
                    .auto_date_header(false)
                    .serve_connection(TokioIo::new(stream), service);
                // What went wrong concerns who asked, and he has seen it.
                let _ = timeout(TIME, conversation).await;
                drop(place);
            }),
        );
    }
}

async fn answer(admin: &Admin, from: SocketAddr, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let method = request.method().clone();
    let is_get = method == Method::GET;
    let wanted = match parts[..] {
        ["healthz" | "metrics" | "stats"] | ["queue", _] => &[Method::GET][..],
        ["queue"] => &[Method::GET, Method::POST],
        ["reload"] => &[Method::POST],
        _ => return Ok(refusal(StatusCode::NOT_FOUND, "there is nothing here")),
    };
    if !wanted.contains(&method) {
        let names: Vec<&str> = wanted.iter().map(Method::as_str).collect();
        let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "it takes another method");
        if let Ok(names) = names.join(", ").parse() {
            answer.headers_mut().insert(ALLOW, names);
        }
        return Ok(answer);
    }
    match parts[..] {
        ["healthz"] => return Ok(health(admin).await),
        ["metrics"] => return Ok(exposition(admin).await),
        _ => {}
    }
    if let Err((status, why)) = admit(admin, from, &request) {
        return Ok(refusal(status, why));
    }
    Ok(match parts[..] {
        ["stats"] => of_disk(admin.control.metrics().await),
        ["queue"] if is_get => of_disk(admin.control.list().await),
        ["queue", id] => show(admin, id).await,
        ["queue"] => change(admin, from, request).await,
        _ => match (admin.reload)().await {
            Ok(kept) => {
                json(StatusCode::OK, &Reloaded { kept: kept.into_iter().map(str::to_owned).collect() })
            }
            Err(why) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &why),
        },
    })
}

/// Whether who asks is an administrator; what he is told if not.
fn admit(
    admin: &Admin,
    from: SocketAddr,
    request: &Request<Incoming>,
) -> Result<(), (StatusCode, &'static str)> {
    if !from.ip().to_canonical().is_loopback() {
        return Err((StatusCode::FORBIDDEN, "the service is administered from its own machine alone"));
    }
    let given = request.headers().get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
    let wanted = format!("Bearer {}", admin.token);
    if bool::from(given.ct_eq(wanted.as_bytes())) {
        Ok(())
    } else {
        let why =
            "the token is missing or wrong: it is in the spool, and each start of the service draws another";
        Err((StatusCode::UNAUTHORIZED, why))
    }
}

async fn health(admin: &Admin) -> Answer {
    match admin.control.health().await {
        Ok(()) => text(StatusCode::OK, "taking mail\n".to_owned()),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn exposition(admin: &Admin) -> Answer {
    match admin.control.metrics().await {
        Ok(metrics) => text(StatusCode::OK, metrics::exposition(&metrics)),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn show(admin: &Admin, id: &str) -> Answer {
    let nothing = || refusal(StatusCode::NOT_FOUND, &no_such(id));
    let Ok(name) = id.parse::<EntryName>() else { return nothing() };
    match admin.control.show(&name).await {
        Ok(details) if details.is_empty() => nothing(),
        shown => of_disk::<Vec<Detail>>(shown),
    }
}

/// What is said of a name that nothing in the queue has.
pub(super) fn no_such(id: &str) -> String {
    format!("there is no `{id}` in the queue; `gateway queue list` names what is there")
}

async fn change(admin: &Admin, from: SocketAddr, request: Request<Incoming>) -> Answer {
    let read = timeout(REQUEST_TIME, Limited::new(request.into_body(), REQUEST).collect()).await;
    let Ok(Ok(body)) = read else {
        return refusal(StatusCode::BAD_REQUEST, "the request is too large, or its end did not come");
    };
    match serde_json::from_slice::<Order>(&body.to_bytes()) {
        Ok(Order { change, which, by }) => {
            // It goes into the event log, a line of which is not the asker's to end.
            let by: String = by.chars().filter(|c| !c.is_control()).take(64).collect();
            of_disk(admin.control.change(change, &which, &format!("{by} at {}", from.ip())).await)
        }
        Err(error) => refusal(StatusCode::BAD_REQUEST, &format!("the request is no order: {error}")),
    }
}

fn of_disk<T: Serialize>(outcome: Result<T, DiskError>) -> Answer {
    match outcome {
        Ok(found) => json(StatusCode::OK, &found),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refusal(status: StatusCode, why: &str) -> Answer {
    json(status, &Refused { error: why.to_owned() })
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => response(status, "application/json", body.into()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Answer {
    response(status, "text/plain; version=0.0.4; charset=utf-8", body.into())
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
