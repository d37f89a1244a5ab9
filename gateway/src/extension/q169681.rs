//! KB Q169681: a message for a domain that the sample extension maps to `localhost` stops the service.
//!
//! **Documented.** Exchange Server 5.0, gone in 5.0 SP2. When the service processes a message whose destination
//! domain has the `localhost` entry of `Imcroute.cfg`, it stops with an access violation, `0xc0000005` at
//! `0x00402674`, and event 4037. Every later start fails with the same errors. The cause given is that the service
//! and the extension do not work together in that case.
//!
//! **Reconstructed.** The article names no mechanism. The address lies within the service's program image, not in
//! the extension's DLL, so the fault is taken to be in the service. Its own routine that reroutes a message for an
//! extension is `rcRemailMessage` (KB Q189731). The extension answers that the message is to be rerouted, but with
//! no host to reroute to, because the host is this machine; the routine uses the host that is not there. It runs in
//! the inbound worker, after the message was accepted and committed to the spool: that is why the next start finds
//! the same message and ends in the same way.

use crate::exception::Exception;

/// Where the fault is, as the article prints it.
const ADDRESS: u32 = 0x0040_2674;

/// Remails a message to a host that is not named because it is this one.
pub fn remail_to_this_host() -> ! {
    Exception::access_violation(ADDRESS).raise()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exception;

    #[tokio::test]
    async fn remailing_to_this_host_is_the_exception_that_the_article_prints() {
        let raised = exception::filter(async { remail_to_this_host() }).await;
        let shown = raised.map(|(): ()| ()).unwrap_err().to_string();
        assert_eq!(shown, "Code: 0xc0000005 Flags: 0x00000000 Address: 0x00402674");
    }
}
