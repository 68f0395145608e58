//! How a service is started under some settings: a launch for the laboratory.

use crate::error::FilesError;
use knee_core::launch::Launch;
use knee_core::service::Service;
use knee_core::settings::Settings;
use knee_core::task::Task;

/// The start of a service with its knobs turned, in a task of that size.
///
/// # Errors
/// A knob that the service does not have; a file that cannot be read any more or in which a
/// setting cannot be written.
pub fn launch(service: &Service, settings: &Settings, task: Task) -> Result<Launch, FilesError> {
    todo!("{service:?} {settings:?} {task:?}")
}
