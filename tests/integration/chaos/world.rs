//! All of one run: what was planned, what runs, who talks, what is written down. Faults get it whole.

use std::sync::Arc;

use super::crowd::Crowd;
use super::deployment::Deployment;
use super::plan::Plan;
use super::recorder::Recorder;

/// Everything.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) deployment: Deployment,
    pub(crate) crowd: Crowd,
}

impl World {
    /// Tells whoever watches how far it is.
    pub(crate) fn progress(&self, what: &str) {
        eprintln!(
            "{:7.1} s  {:6} acked  {what}",
            self.recorder.elapsed().as_secs_f64(),
            self.recorder.acked()
        );
    }
}
