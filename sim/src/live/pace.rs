//! The time of a live run: as the machine's, or so many times as fast.
//!
//! The clients, the mail servers and the administrator live by a clock that is paused and moved: whenever so much real
//! time has passed, it is moved by that, times the pace. The gateway is a process of its own, and lives by the machine's
//! clock: its configuration has its spans divided, and what is built into it stays as long as it is.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::fault::Fault;
use crate::plan::Plan;

/// How long a run lasts, if it can be made to.
const AIM: Duration = Duration::from_secs(20);
/// How long it may last.
const LONGEST: Duration = Duration::from_mins(10);
/// How long after one planned thing another must come, for the machine to have done with the first.
const APART: Duration = Duration::from_millis(200);
/// The fastest pace: at a faster one, a time-out of the gateway's own would last for hours.
const FASTEST: u32 = 100;
/// How often the clock is moved.
const TICK: Duration = Duration::from_millis(5);

/// How many times as fast as the machine's clock a run's goes, if it takes so long in the simulator.
///
/// # Errors
/// It would take too long at any pace that keeps the planned things in their order.
pub(super) fn pace(plan: &Plan, takes: Duration) -> Result<u32, String> {
    let own = own_pace(plan);
    let wanted = u32::try_from(takes.as_millis().div_ceil(AIM.as_millis())).unwrap_or(u32::MAX);
    let moments = moments(plan);
    let gaps = moments.iter().zip(moments.iter().skip(1)).map(|(one, next)| *next - *one);
    let fastest = gaps.min().map_or(FASTEST, |gap| {
        u32::try_from(gap.as_millis() / APART.as_millis()).map_or(FASTEST, |pace| pace.clamp(1, FASTEST))
    });
    let pace = if own.is_some() { 1 } else { wanted.clamp(1, fastest) };
    let lasts = takes / pace;
    if lasts <= LONGEST {
        return Ok(pace);
    }
    let why = own.unwrap_or("what is planned would come too close together at more");
    Err(format!("it takes {} s at {pace} times its pace: {why}", lasts.as_secs()))
}

/// Why a plan has to go at its own pace, if it has to: what it is about is a time that the gateway has of its own.
fn own_pace(plan: &Plan) -> Option<&'static str> {
    let limits = &plan.gateway.config.limits;
    let per_minute =
        [limits.connections_per_minute, limits.messages_per_minute, limits.recipients_per_minute];
    if per_minute.iter().any(Option::is_some) {
        return Some("a limit is for a minute");
    }
    let is_told_to_stop = plan.faults.iter().any(|fault| matches!(fault, Fault::Stop { .. }));
    is_told_to_stop.then_some("a service that is told to stop has its own patience")
}

/// When something is planned to happen.
fn moments(plan: &Plan) -> BTreeSet<Duration> {
    let mut moments: BTreeSet<Duration> = plan.errands.iter().map(|errand| errand.at).collect();
    for message in plan.messages() {
        let tries = message.retry.iter().scan(message.at, |at, wait| {
            *at += *wait;
            Some(*at)
        });
        moments.extend([message.at].into_iter().chain(tries));
    }
    moments.extend(plan.clients.iter().flat_map(|client| client.asks.iter().map(|ask| ask.at)));
    let of_faults = plan.faults.iter().flat_map(|fault| [fault.begins_at(), fault.heals_at()]);
    moments.extend(of_faults.flatten().filter(|at| *at < plan.duration));
    moments
}

/// A line of the plan as it is for who lives by the machine's clock.
pub(super) fn at_pace(fault: &mut Fault, pace: u32) {
    if let Fault::ExtensionDelays { by, .. } = fault {
        by.0 /= pace;
    }
}

/// What moves the clock of a run. As long as this is there, the clock moves by nothing else.
pub(super) struct Pendulum {
    swings: UnboundedReceiver<Duration>,
    pace: u32,
}

impl Pendulum {
    /// Of the runtime that this is called in, on one thread, with its clock paused.
    #[expect(clippy::disallowed_methods, reason = "it is what reads the machine's clock")]
    pub(super) fn of_this_runtime(pace: u32) -> Self {
        let (swing, swings) = unbounded_channel();
        // A paused clock jumps when nothing is left to do at the moment, unless something blocks: this does.
        tokio::task::spawn_blocking(move || {
            let mut last = std::time::Instant::now();
            loop {
                std::thread::sleep(TICK);
                let now = std::time::Instant::now();
                if swing.send(now - last).is_err() {
                    return;
                }
                last = now;
            }
        });
        Pendulum { swings, pace }
    }

    /// Hangs for so much real time, in which none passes for those who live by the clock.
    pub(super) async fn hangs(&mut self, long: Duration) {
        let mut passed = Duration::ZERO;
        while passed < long {
            passed += self.swings.recv().await.unwrap_or(long);
        }
    }

    /// Lets time pass: by the next swing, and what others have piled up since.
    pub(super) async fn swing(&mut self) {
        let mut passed = self.swings.recv().await.unwrap_or_default();
        while let Ok(more) = self.swings.try_recv() {
            passed += more;
        }
        // Moved too far at once, what is planned for two moments would happen at one.
        while !passed.is_zero() {
            let step = passed.min(TICK);
            passed -= step;
            tokio::time::advance(step * self.pace).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn plan(times: [&str; 2]) -> Plan {
        let text = include_str!("../../../scenarios/kb/Q178091-homed-sender.toml");
        let message = |name, at| {
            format!(
                "\n[[client.message]]\nname = \"{name}\"\nat = \"{at}\"\nfrom = \"erin@contoso.test\"\n\
                 to = [\"bob@contoso.test\"]\nsubject = \"\"\n"
            )
        };
        let [first, second] = times;
        let messages = message("m8", first) + &message("m9", second);
        let text = text.replace("\n\n[[expect]]", &format!("{messages}\n[[expect]]"));
        let scenario = Scenario::parse("two", "two.toml", &text).unwrap();
        scenario.plan(scenario.releases()[0], scenario.seed())
    }

    #[test]
    fn a_run_is_as_fast_as_it_must_be_and_no_faster_than_it_may_be() {
        let of = |times, takes| pace(&plan(times), Duration::from_secs(takes));
        assert_eq!(of(["40s", "50s"], 20), Ok(1));
        assert_eq!(of(["40s", "50s"], 300), Ok(15));
        assert_eq!(of(["40m", "50m"], 9_000), Ok(100));
        assert_eq!(of(["40s", "42s"], 900), Ok(10));
        assert!(
            of(["40s", "42s"], 20_000)
                .is_err_and(|why| why.starts_with("it takes 2000 s at 10 times its pace"))
        );
    }

    #[test]
    fn a_clock_goes_by_the_pace() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (here, there) = runtime.block_on(async {
            #[expect(clippy::disallowed_methods, reason = "it is compared with the machine's clock")]
            let real = std::time::Instant::now();
            let start = tokio::time::Instant::now();
            let mut pendulum = Pendulum::of_this_runtime(100);
            while start.elapsed() < Duration::from_secs(20) {
                pendulum.swing().await;
            }
            (real.elapsed(), start.elapsed())
        });
        assert!(here >= Duration::from_millis(195) && there >= Duration::from_secs(20), "{here:?} {there:?}");
        assert!(there <= here * 100, "{here:?} {there:?}");
    }
}
