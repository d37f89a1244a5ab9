//! BDAT within a session: a message that comes in chunks (RFC 3030).
//!
//! The first chunk opens the draft, and from then on the recipients are what they are. Every chunk is read to its end
//! before it is answered, also where it cannot be taken: what follows it is the next command.

use tokio::time::Instant;

use super::message::Work;
use super::{Go, Over, Session, out_of_order, too_large};
use crate::reach::{Point, reached};
use crate::smtp::data::LineCheck;
use crate::smtp::reply::Reply;

/// A message of which some chunks have come.
pub(super) struct Chunks {
    work: Work,
    check: LineCheck,
}

impl Chunks {
    /// Throws away what is stored of it. What the disk does not let go of goes at the next start.
    pub(super) async fn discard(self) {
        let _ = self.work.draft.discard().await;
    }
}

impl Session {
    pub(super) async fn bdat(&mut self, octets: u64, is_last: bool) -> Go {
        if octets == 0 && !is_last {
            self.note_idle_command();
        }
        let mut chunks = match self.chunks.take() {
            // A chunk that is at hand already, or has nothing in it, is waited for by nobody.
            Some(chunks) if chunks.work.end <= Instant::now() => {
                let over = self.part_from_the_slow(chunks.work.end).await;
                chunks.discard().await;
                return Err(over);
            }
            Some(chunks) => chunks,
            None => {
                let Some((hello, transaction)) = self.ready() else {
                    reached(Point::ChunkSkipped);
                    self.skip_chunk(octets).await?;
                    return self.refuse(out_of_order("say MAIL and RCPT first")).await;
                };
                let mut work = match self.begin(&hello, transaction).await {
                    Ok(work) => work,
                    Err(error) => {
                        self.skip_chunk(octets).await?;
                        return self.no_room(&error).await;
                    }
                };
                if let Some(refusal) = self.filter_data(&mut work).await {
                    let _ = work.draft.discard().await;
                    self.skip_chunk(octets).await?;
                    return self.refuse_for_milter(refusal).await;
                }
                Chunks { work, check: LineCheck::default() }
            }
        };
        if self.receive_chunk(&mut chunks.work, &mut chunks.check, octets).await.is_err() {
            reached(Point::CutOffInData);
            chunks.discard().await;
            return Err(Over);
        }
        if is_last {
            reached(Point::MessageInChunks);
            if !chunks.check.is_at_line_start() {
                // As DATA would have it: what follows the last line is not to become part of it.
                let limit = self.size_limit();
                chunks.work.take(b"\r\n", limit).await;
                chunks.check.see(b"\r\n");
            }
            return self.end_of_data(chunks.work, chunks.check.finish()).await;
        }
        let limit = self.size_limit();
        if chunks.work.is_past(limit) {
            reached(Point::SizeRefusedAtEnd);
            chunks.discard().await;
            return self.answer(&too_large(limit)).await;
        }
        self.chunks = Some(chunks);
        self.answer(&Reply::new(250, format!("{octets} octets received"))).await
    }
}
