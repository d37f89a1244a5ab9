//! The C library's functions through which a program reaches the machine's randomness, clocks, threads and files.
//!
//! A program's own definition goes before the shared library's, for every caller in the program, the standard
//! library among them, and for `dlsym`. On a thread with no run on, each hands on to the C library's.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use libc::{clockid_t, mode_t, pid_t, pthread_attr_t, pthread_t, size_t, ssize_t, time_t, timespec, timeval};

use super::{Asked, PROCESS_ID, inside};

/// A function of the C library behind a definition of this module.
struct Real {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Real {
    const fn new(name: &'static CStr) -> Self {
        Real { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name ends with a zero octet.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        assert!(!found.is_null(), "the C library has no {:?}", self.name);
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// Calls the C library's function of that name.
macro_rules! real {
    ($name:literal, $type:ty, $($argument:expr),*) => {{
        static REAL: Real = Real::new($name);
        // SAFETY: the type is that of the C library's function, and the caller kept to its contract.
        unsafe { std::mem::transmute::<*mut c_void, $type>(REAL.address())($($argument),*) }
    }};
}

fn put<T>(value: T, place: *mut T) {
    if !place.is_null() {
        // SAFETY: the caller of the C function gives a place for the answer, or null.
        unsafe { place.write(value) }
    }
}

fn fill(place: *mut c_void, length: size_t) -> bool {
    // A library that wants to know whether the function is there asks for no bytes, at a place that need not exist.
    if length == 0 {
        return inside::fill(&mut []);
    }
    // SAFETY: the caller gives a place of that length, to write to; zeroes make it bytes that can be referred to.
    let bytes = unsafe {
        ptr::write_bytes(place.cast::<u8>(), 0, length);
        slice::from_raw_parts_mut(place.cast::<u8>(), length)
    };
    inside::fill(bytes)
}

/// The time on a clock of the machine.
fn time_on(clock: clockid_t) -> Option<timespec> {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => {
            const SECOND: i128 = 1_000_000_000;
            inside::time_of_day().map(|nanoseconds| timespec {
                tv_sec: time_t::try_from(nanoseconds.div_euclid(SECOND)).unwrap_or(time_t::MAX),
                tv_nsec: c_long::try_from(nanoseconds.rem_euclid(SECOND)).expect("less than a second"),
            })
        }
        // Since the machine or the process started: for a run it is the same.
        _ => inside::since_boot().map(|since: Duration| timespec {
            tv_sec: since.as_secs().cast_signed(),
            tv_nsec: since.subsec_nanos().into(),
        }),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(place: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    if fill(place, length) {
        return length.cast_signed();
    }
    real!(c"getrandom", unsafe extern "C" fn(*mut c_void, size_t, c_uint) -> ssize_t, place, length, flags)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(place: *mut c_void, length: size_t) -> c_int {
    if fill(place, length) {
        return 0;
    }
    real!(c"getentropy", unsafe extern "C" fn(*mut c_void, size_t) -> c_int, place, length)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, answer: *mut timespec) -> c_int {
    if let Some(time) = time_on(clock) {
        put(time, answer);
        return 0;
    }
    real!(c"clock_gettime", unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int, clock, answer)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(answer: *mut timeval, zone: *mut c_void) -> c_int {
    if let Some(time) = time_on(libc::CLOCK_REALTIME) {
        put(timeval { tv_sec: time.tv_sec, tv_usec: time.tv_nsec / 1000 }, answer);
        return 0;
    }
    real!(c"gettimeofday", unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int, answer, zone)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn time(answer: *mut time_t) -> time_t {
    if let Some(time) = time_on(libc::CLOCK_REALTIME) {
        put(time.tv_sec, answer);
        return time.tv_sec;
    }
    real!(c"time", unsafe extern "C" fn(*mut time_t) -> time_t, answer)
}

#[unsafe(no_mangle)]
extern "C" fn getpid() -> pid_t {
    if inside::note(Asked::ProcessId) {
        return PROCESS_ID;
    }
    real!(c"getpid", extern "C" fn() -> pid_t,)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    start: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> c_int {
    type Create = unsafe extern "C" fn(
        *mut pthread_t,
        *const pthread_attr_t,
        extern "C" fn(*mut c_void) -> *mut c_void,
        *mut c_void,
    ) -> c_int;
    inside::note(Asked::Thread);
    real!(c"pthread_create", Create, thread, attributes, start, argument)
}

// The last argument of the functions below is optional in C. It then comes in a register all the same, and what is
// in that register does not matter.

type Open = unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int;
type OpenAt = unsafe extern "C" fn(c_int, *const c_char, c_int, ...) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    inside::note(Asked::File);
    real!(c"open", Open, path, flags, mode)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    inside::note(Asked::File);
    real!(c"open64", Open, path, flags, mode)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    inside::note(Asked::File);
    real!(c"openat", OpenAt, folder, path, flags, mode)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    inside::note(Asked::File);
    real!(c"openat64", OpenAt, folder, path, flags, mode)
}

/// The way to the kernel past the functions above.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;
    let address =
        |argument: c_long| ptr::with_exposed_provenance_mut::<c_void>(argument.cast_unsigned() as usize);
    match number {
        libc::SYS_getrandom if fill(address(a), b.cast_unsigned() as usize) => b,
        // SAFETY: these are the arguments of the function, under another name.
        libc::SYS_clock_gettime => unsafe { clock_gettime(a as clockid_t, address(b).cast()) }.into(),
        libc::SYS_getpid => getpid().into(),
        _ => real!(c"syscall", Syscall, number, a, b, c, d, e, f),
    }
}
