//! Who called: the chain of return addresses above a call, found by unwinding the first time and recognised by a
//! look at the same places of the stack afterwards.
//!
//! Why a look is enough: where a function's return address lies relative to its frame's end is fixed by the place in
//! the function (that is what unwind tables say; Rust code has no frames of changing size). The first place is
//! fixed, because the frames below it are this module's own. So if the first address is the one expected, its
//! function and place are, hence the next address lies where it lay the first time, and so on to the end of the
//! chain. A frame that breaks the rule is not recognised, and unwound again.

use super::Asked;

/// How many calls are followed. The chain from a door to the first function outside the standard library is much
/// shorter; the rest is for the reader of the backtrace.
const DEPTH: usize = 48;

/// A call and the calls it came from.
#[derive(Clone)]
pub(super) struct CallSite {
    pub(super) asked: Asked,
    /// The innermost first.
    pub(super) calls: Vec<Call>,
}

/// One call of the chain.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// Where on the stack the return address is, in octets above the foot of the chain.
    offset: usize,
    /// The address to which the call returns.
    pub(super) returns_to: usize,
}

impl CallSite {
    /// The call that led here, unless `is_known` finds it with the test it is given.
    #[inline(never)]
    pub(super) fn of_caller(
        asked: Asked,
        is_known: impl FnOnce(&dyn Fn(&CallSite) -> bool) -> bool,
    ) -> Option<CallSite> {
        let foot = Foot::default();
        let foot = foot.address();
        if is_known(&|site| site.asked == asked && site.is_on_the_stack_above(foot)) {
            return None;
        }
        Some(CallSite { asked, calls: unwind(foot) })
    }

    fn is_on_the_stack_above(&self, foot: usize) -> bool {
        self.calls.iter().all(|call| {
            // SAFETY: see the module's head. The calls before this one are those of the stack, so this place is
            // in the caller's frame, which is this thread's and in use.
            let found = unsafe { ((foot + call.offset) as *const usize).read() };
            found == call.returns_to
        })
    }
}

/// Marks where the chain begins, in a frame of this module.
#[derive(Default)]
struct Foot(std::cell::Cell<usize>);

impl Foot {
    fn address(&self) -> usize {
        std::hint::black_box(self.0.as_ptr()).addr()
    }
}

fn unwind(foot: usize) -> Vec<Call> {
    let mut calls = Vec::new();
    // SAFETY: the unwinder of this platform is safe to use from several threads.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            // On x86-64 the return address is the word below what the stack pointer is after the return.
            let place = frame.sp().addr().wrapping_sub(size_of::<usize>());
            let is_above = place > foot && place < usize::MAX - size_of::<usize>();
            if is_above {
                calls.push(Call { offset: place - foot, returns_to: frame.ip().addr() });
            }
            calls.len() < DEPTH
        });
    }
    calls
}
