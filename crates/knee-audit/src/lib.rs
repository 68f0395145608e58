//! Files in, findings out: reads what is deployed, joins it into one picture of each service, and
//! reports what matters there.
//!
//! What lives here: the [`picture`], the rules over it, suppression and fixes. What never does: the
//! network, a clock, rendering.
//!
//! Configuration is read in `picture/`, gunicorn's and Celery's Python included. What only the
//! application's own code says (a server's time-outs, a handler of SIGTERM) is read in `source/`.

pub mod picture;
