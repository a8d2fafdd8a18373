//! The text of the configuration, out of its file.
//!
//! Refuses to look for it anywhere else: a file of the same name in a folder above may be a stranger's.

use model::{Problem, ProblemKind};
use std::{io, path::Path};

/// Nothing when it is not there: then all is as it is unless said.
pub(super) fn text(file: &Path) -> Result<String, Problem> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Problem::new(
            ProblemKind::Invalid,
            "config.unreadable",
            format!("the configuration `{}` cannot be read", file.display()),
            error.to_string(),
            "let the server's user read it, as a file of text; if this is another user, run this as the server's",
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, Overrides};
    use std::path::Path;

    /// A data folder may be given relative to the folder that somebody stands in.
    #[test]
    fn no_folder_above_is_looked_into() {
        let above = Path::new("../../../deny.toml");
        assert!(above.exists(), "it lies three folders above the one that tests run in");
        assert!(Config::read(above, &Overrides::default()).is_err(), "it is no configuration");
        assert!(Config::read(Path::new("deny.toml"), &Overrides::default()).is_ok(), "there is none here");
    }

    #[test]
    fn what_is_there_and_cannot_be_read_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let problems = Config::read(folder.path(), &Overrides::default()).unwrap_err();
        assert_eq!(problems[0].code, "config.unreadable", "{problems:?}");
    }
}
