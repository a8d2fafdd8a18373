//! A newer server with another engine: every release is made ready again, and nothing else of it changes.

use crate::house::{APP, House, Remembers, manifest, sandbox};
use authority::{Caller, SurfaceName};
use std::sync::Arc;
use store::params;

async fn releases_of_another_engine_are_made_ready_again(house: House) {
    let text = manifest("poll", "");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let newer = APP.replace("hello", "again");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", &newer)]).await.unwrap();
    let fixed = "[app]\nname = \"pages\"\nteam = \"staff\"\npurpose = \"Shows\"\nexpires = \"2027-01-31\"\nclass = \"internal\"\n\
                 [runtime]\nprofile = \"static\"\nmain = \"index.html\"\nassets = \"public\"\n[access]\nuse = [\"everyone\"]\n";
    house.deploy(&[("bailiwick.toml", fixed), ("public/index.html", "<p>hello")]).await.unwrap();
    let system = Caller::system("rebuild");
    assert_eq!(house.catalog.rebuild(&system, sandbox()).await.unwrap(), 0, "all are of this engine");

    // As an older server left them.
    let app = house.app("poll");
    house.write("UPDATE releases SET engine = 'other', image = 'sha256:gone' WHERE image IS NOT NULL").await;
    house.surface.opened.lock().unwrap().clear();
    let epoch = house.store.epoch(&model::TenantId::main()).await.unwrap();
    assert_eq!(house.catalog.rebuild(&system, sandbox()).await.unwrap(), 2);
    assert_eq!(house.catalog.rebuild(&system, sandbox()).await.unwrap(), 0);
    assert_eq!(house.store.epoch(&model::TenantId::main()).await.unwrap(), epoch, "no authority changed");
    // The surfaces got the new image of what serves, and of that alone.
    let opened = house.surface.opened.lock().unwrap().clone();
    assert_eq!(opened.len(), 1, "{opened:?}");
    let (of, release, credentials, image) = opened[0].clone();
    assert_eq!((&of, release, credentials), (&app, 2, 1));
    let image = image.unwrap();
    let bytes = house.store.blobs(&model::TenantId::main()).get(&image.parse().unwrap()).await.unwrap().unwrap();
    sandbox().load(&sandbox::Image::from_bytes(bytes).unwrap(), 1).await.unwrap();
    let events = house.events("release.rebuild").await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["release"], 2, "what serves first");
}

async fn one_that_does_not_load_stays_and_keeps_no_other(house: House) {
    let text = manifest("poll", "");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let other = manifest("other", "");
    house.deploy(&[("bailiwick.toml", &other), ("app.js", APP)]).await.unwrap();
    // The bundle of one holds no code, as if this engine had no such language.
    let empty = crate::house::unpacked(&[("bailiwick.toml", &text)]).pack().unwrap();
    let digest = house.put_blob(&empty).await;
    let app = house.app("poll");
    house.write("UPDATE releases SET engine = 'other'").await;
    house.write_with("UPDATE releases SET bundle = $1 WHERE app_id = $2", params![digest, &app.id]).await;
    let system = Caller::system("rebuild");
    assert_eq!(house.catalog.rebuild(&system, sandbox()).await.unwrap(), 1);
    assert_eq!(house.catalog.rebuild(&system, sandbox()).await.unwrap(), 0);
}

/// What else it may touch stays bound as a person agreed to it: a secret to its version, not to the newest.
async fn what_a_release_may_touch_is_not_opened_anew(house: House) {
    let text = manifest("poll", "");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let others =
        [SurfaceName::Vault, SurfaceName::Broker, SurfaceName::Data, SurfaceName::Identity].map(Remembers::new);
    let mut surfaces: Vec<Arc<dyn authority::Surface<store::Tx>>> = vec![house.surface.clone()];
    surfaces.extend(others.iter().map(|other| other.clone() as _));
    let newer = house.started_with(surfaces).await;
    house.write("UPDATE releases SET engine = 'other'").await;
    house.surface.opened.lock().unwrap().clear();
    assert_eq!(newer.rebuild(&Caller::system("rebuild"), sandbox()).await.unwrap(), 1);
    assert_eq!(house.surface.opened.lock().unwrap().len(), 1);
    for other in others {
        assert!(other.opened.lock().unwrap().is_empty(), "{other:?}");
    }
}

both!(
    releases_of_another_engine_are_made_ready_again,
    what_a_release_may_touch_is_not_opened_anew,
    one_that_does_not_load_stays_and_keeps_no_other
);
