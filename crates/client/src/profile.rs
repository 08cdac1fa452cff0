//! Where one account lives on this machine: its session file and its cache.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::{Error, Login, Result, limits};

/// Where one account lives on this machine. `XDG_*` variables are honoured.
#[derive(Debug, Clone)]
pub struct Profile {
    pub name: String,
    /// `$XDG_DATA_HOME/natter/NAME`, mode 0700: `session.json` (0600), `cache.db`.
    pub dir: PathBuf,
}

impl Profile {
    /// The default profile is called "default". Makes the directory.
    pub fn open(name: &str) -> Result<Self> {
        let sized = (1..=limits::PROFILE_CHARS_MAX).contains(&name.len());
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !sized || !plain || name.starts_with('.') {
            return Err(Error::Invalid(format!(
                "a profile's name has 1 to {} of a-z, 0-9, '.', '_', '-'",
                limits::PROFILE_CHARS_MAX
            )));
        }
        let base = etcetera::choose_base_strategy().map_err(|e| Error::Disk(e.to_string()))?;
        let profile = Self::at(base.data_dir().join("natter").join(name))?;
        Ok(Self { name: name.into(), ..profile })
    }

    /// A profile in exactly this directory, which is made if it is missing; named after its last
    /// part.
    pub fn at(dir: PathBuf) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)))
            .map_err(|e| disk(&dir, &e))?;
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self { name: name.unwrap_or_default(), dir })
    }

    /// The login that was saved; None: nobody is logged in here.
    pub fn login(&self) -> Result<Option<Login>> {
        let path = self.session_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(disk(&path, &e)),
        };
        // serde's own sentence could quote the token
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| Error::Disk(format!("{}: not a session file", path.display())))
    }

    /// Written beside and renamed, so that a crash leaves the old login or the new one.
    pub fn save_login(&self, login: &Login) -> Result<()> {
        let path = self.session_path();
        let beside = self.dir.join(format!("session.json.{}", std::process::id()));
        let bytes = serde_json::to_vec(login).expect("a login is plain strings and numbers");
        write_private(&beside, &bytes)
            .and_then(|()| fs::rename(&beside, &path))
            .and_then(|()| File::open(&self.dir)?.sync_all())
            .map_err(|e| disk(&path, &e))
    }

    /// Forgets the login; the cache and the outbox stay. Nothing happens if there is none.
    pub fn forget_login(&self) -> Result<()> {
        let path = self.session_path();
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(disk(&path, &e)),
            _ => Ok(()),
        }
    }

    fn session_path(&self) -> PathBuf {
        self.dir.join("session.json")
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn disk(path: &Path, error: &std::io::Error) -> Error {
    Error::Disk(format!("{}: {error}", path.display()))
}
