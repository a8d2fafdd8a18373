//! The cache of compiled code: only what this server wrote runs.

use crate::support::*;
use sandbox::{App, Config, Image, Sandbox, Stop, Stopped};
use std::{fs, path::Path, sync::Arc};

/// Copies what is compiled already, so that only what is under test is compiled again.
async fn copy_of_shared(to: &Path) {
    sandbox().ready().await.unwrap();
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(cache_dir()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.contains("-template.") || name.contains("-base-data.") {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

fn app_files(dir: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let ours = |name: &str| name.ends_with(extension) && !name.contains("-template.") && !name.contains("-base-data.");
    let all = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    all.filter(|path| ours(&path.file_name().unwrap().to_string_lossy())).collect()
}

async fn loaded(sandbox: &Arc<Sandbox>, image: &Image) -> App {
    sandbox.load(image, 2).await.unwrap()
}

#[tokio::test]
async fn a_file_that_was_changed_is_never_run_and_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    copy_of_shared(dir.path()).await;
    let image = prepare(&[("app.js", "export default { fetch: () => new Response('whole') };")]).await.unwrap().image;
    let first = start(dir.path().to_owned());
    assert_eq!(get(&loaded(&first, &image).await, "/").await.1, "whole");
    drop(first);

    let code = app_files(dir.path(), ".cwasm").pop().unwrap();
    let good = fs::read(&code).unwrap();
    for harm in ["flipped", "cut", "empty", "no tag"] {
        let mut bytes = good.clone();
        match harm {
            "flipped" => bytes[good.len() / 2] ^= 1,
            "cut" => bytes.truncate(good.len() / 2),
            "empty" => bytes.clear(),
            _ => fs::remove_file(app_files(dir.path(), ".tag").pop().unwrap()).unwrap(),
        }
        fs::remove_file(&code).unwrap();
        fs::write(&code, &bytes).unwrap();
        let again = start(dir.path().to_owned());
        assert_eq!(get(&loaded(&again, &image).await, "/").await.1, "whole", "{harm}");
        assert_eq!(fs::read(&code).unwrap(), good, "{harm}");
    }
}

#[tokio::test]
async fn code_that_is_gone_or_another_apps_is_not_run_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    copy_of_shared(dir.path()).await;
    let mut config = Config { cache_dir: dir.path().to_owned(), authenticator: Key::new(SECRET), maxima: maxima() };
    config.maxima.apps = 1;
    let small = Sandbox::start(config).unwrap();
    let one = prepare(&[("app.js", "export default { fetch: () => new Response('one') };")]).await.unwrap().image;
    let two = prepare(&[("app.js", "export default { fetch: () => new Response('two') };")]).await.unwrap().image;
    let first = loaded(&small, &one).await;
    let of_one = app_files(dir.path(), ".cwasm").pop().unwrap();
    let second = loaded(&small, &two).await;
    let of_two = app_files(dir.path(), ".cwasm").into_iter().find(|path| *path != of_one).unwrap();
    // Only one stays mapped: each comes back from its file.
    assert_eq!((get(&first, "/").await.1, get(&second, "/").await.1), ("one".into(), "two".into()));
    fs::remove_file(&of_one).unwrap();
    fs::copy(&of_two, &of_one).unwrap();
    let outcome = first.run(run("/", None, limits(), &TestDoor::shut(), Stop::never())).await;
    assert_eq!(outcome.err(), Some(Stopped::NotLoaded));
    assert_eq!(get(&loaded(&small, &one).await, "/").await.1, "one");
}
