//! What becomes of what is sent, as the observer is told.

/// What becomes of a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Comes,
    MeetsNoPower,
    IsLost,
}

impl Fate {
    /// As it is written of the machine that it comes to, or that sent it in vain.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Fate::Comes => "is sent",
            Fate::MeetsNoPower => "loses, without power",
            Fate::IsLost => "sends in vain",
        }
    }
}

/// A number as text.
pub(super) fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[first..];
        }
    }
}
