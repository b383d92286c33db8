//! Every state that the page draws, beside the picture of it that is kept in `tests/fixtures/screenshots`. A picture may differ a
//! little; where it differs more, the new one is in `target/screenshots`, to be looked at. To keep what is drawn now:
//!
//! ```sh
//! SALON_WRITE_SCREENSHOTS=1 cargo test --locked --test browser screenshots
//! ```
//!
//! To look at each state in every look, at both widths, light, dark, in high contrast and from right to left, in
//! `target/screenshots/looks` (some five minutes):
//!
//! ```sh
//! SALON_EVERY_LOOK=1 cargo test --locked --test browser screenshots
//! ```
//!
//! Where the machine has other fonts or another release of Chromium than the pictures were drawn with, or none are kept, nothing is
//! compared, and a line says so.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::around::{close_dialogs, count, go_to, must, press, sea, sign_in};
use super::chromium::{Chromium, screenshot_path};
use super::model;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::fake_provider::{Answer, FakeProvider};
use crate::support::salon::SalonProcess;

/// So much of a picture may differ: the edges of letters, drawn a shade lighter or darker.
const MAY_DIFFER: f64 = 0.004;

/// What differs from run to run is hidden or made the same.
const SETTLE: &str = "for (const one of document.querySelectorAll('time, .seconds, .when, .new-line span, [data-session] small, [data-attempt] small, .spent dd')) one.style.visibility = 'hidden';
    for (const one of document.querySelectorAll('.avatar')) one.className = one.className.replace(/hue-\\d/, 'hue-5');
    document.documentElement.style.caretColor = 'transparent';
    document.activeElement?.blur();";

/// How wide some words are in the page's fonts, and which browser draws them: other fonts, other widths.
const FONTS: &str = "const pen = document.createElement('canvas').getContext('2d');
    const root = getComputedStyle(document.documentElement);
    return ['--font', '--font-display', '--font-mono'].map((name) => {
        pen.font = `40px ${root.getPropertyValue(name)}`;
        return ['Hamburgefonstiv 0123', 'غرف يتحدث فيها'].map((text) => pen.measureText(text).width.toFixed(1)).join(' ');
    }).concat(navigator.userAgent.match(/Chrom[^/]*\\/\\d+/)[0]).join('\\n')";

/// The part of two pictures that differs; 1 where their sizes do.
const DIFFER: &str = "const [one, other, done] = arguments;
    const read = async (picture) => {
        const image = new Image();
        image.src = `data:image/png;base64,${picture}`;
        await image.decode();
        const pen = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height }).getContext('2d');
        pen.drawImage(image, 0, 0);
        return pen.getImageData(0, 0, image.width, image.height);
    };
    Promise.all([read(one), read(other)]).then(([a, b]) => {
        if (a.width !== b.width || a.height !== b.height) return 1;
        let differs = 0;
        for (let at = 0; at < a.data.length; at += 4) {
            const far = Math.max(...[0, 1, 2].map((part) => Math.abs(a.data[at + part] - b.data[at + part])));
            if (far > 40) differs += 1;
        }
        return differs / (a.data.length / 4);
    }).then(done, () => done(1));";

/// The pictures that are kept, and a window in which two are compared.
pub(super) struct Album {
    folder: PathBuf,
    table: Page,
    writes: bool,
    compares: bool,
    every_look: bool,
    wrong: Vec<String>,
}

impl Album {
    pub(super) async fn open(chromium: &Chromium, page: &Page) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/screenshots");
        let writes = std::env::var_os("SALON_WRITE_SCREENSHOTS").is_some();
        let fonts: String = page.run(FONTS, &[]).await;
        let kept = std::fs::read_to_string(folder.join("fonts.txt")).unwrap_or_default();
        if writes {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("fonts.txt"), &fonts).unwrap();
        } else if fonts != kept {
            eprintln!(
                "No pictures are kept that were drawn with the fonts and the Chromium of this machine: none is compared."
            );
        }
        Self {
            folder,
            table: Page::blank(chromium, "about:blank").await,
            compares: !writes && fonts == kept,
            writes,
            every_look: std::env::var_os("SALON_EVERY_LOOK").is_some(),
            wrong: Vec::new(),
        }
    }

    /// Draws what is shown once it is known who is here, and compares it with what is kept.
    pub(super) async fn show(&mut self, page: &Page, name: &str) {
        let here =
            "const here = document.querySelector('.here'); return here === null || !here.hidden";
        page.wait("who is here is known", SOON, here, &[]).await;
        self.draw(page, name).await;
    }

    /// The same while nobody can know who is here.
    pub(super) async fn draw(&mut self, page: &Page, name: &str) {
        page.run::<()>(SETTLE, &[]).await;
        page.be_still().await;
        let drawn = page.driver.screenshot_as_png().await.unwrap();
        std::fs::write(screenshot_path(&format!("drawn-{name}")), &drawn).unwrap();
        let kept = self.folder.join(format!("{name}.png"));
        if self.writes {
            std::fs::write(&kept, &drawn).unwrap();
        }
        if self.every_look && !name.ends_with("-dark") && !name.ends_with("-contrast") {
            every_look(page, name).await;
        }
        if !self.compares {
            return;
        }
        let Ok(kept) = std::fs::read(&kept) else {
            self.wrong.push(format!("{name}: none is kept"));
            return;
        };
        let differs = self.differ(&kept, &drawn).await;
        if differs > MAY_DIFFER {
            self.wrong.push(format!("{name}: {:.2} %", differs * 100.0));
        }
    }

    async fn differ(&self, one: &[u8], other: &[u8]) -> f64 {
        let pictures = [one, other].map(|picture| json!(STANDARD.encode(picture)));
        let told = self.table.driver.execute_async(DIFFER, pictures.to_vec());
        told.await.unwrap().convert().unwrap()
    }

    pub(super) async fn close(self) {
        self.table.quit().await;
        assert!(self.wrong.is_empty(), "drawn otherwise: {:#?}", self.wrong);
    }
}

/// Draws what is shown in all looks and at both widths, to be looked at; none is compared.
async fn every_look(page: &Page, name: &str) {
    let read = "return [innerWidth, innerHeight, document.documentElement.dataset.theme ?? null, document.documentElement.dir]";
    let (width, height, kept, side): (u32, u32, Option<String>, String) = page.run(read, &[]).await;
    let turn = "document.documentElement.dir = arguments[0]";
    for (kind, width, height) in [("desk", 1280, 800), ("phone", 390, 844)] {
        resize(page, width, height).await;
        for (look, side) in [
            ("light", "ltr"),
            ("dark", "ltr"),
            ("contrast", "ltr"),
            ("light", "rtl"),
        ] {
            theme(page, Some(look)).await;
            page.run::<()>(turn, &[json!(side)]).await;
            page.be_still().await;
            page.screenshot(&format!("looks/{name}--{kind}-{look}-{side}"))
                .await;
        }
    }
    page.run::<()>(turn, &[json!(side)]).await;
    theme(page, kept.as_deref()).await;
    resize(page, width, height).await;
    page.be_still().await;
}

/// A window of that size, without motion and scroll bars, in which everything is drawn pixel for pixel.
pub(super) async fn window(
    chromium: &Chromium,
    salon: &SalonProcess,
    width: u32,
    height: u32,
) -> Page {
    let page = Page::blank(chromium, &salon.url()).await;
    resize(&page, width, height).await;
    page.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true }))
        .await;
    scheme(&page, "light").await;
    page.load().await;
    page
}

/// Makes the window so large.
pub(super) async fn resize(page: &Page, width: u32, height: u32) {
    let size =
        json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 720 });
    page.devtools("Emulation.setDeviceMetricsOverride", size)
        .await;
}

async fn scheme(page: &Page, scheme: &str) {
    let features = json!({ "features": [
        { "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" },
    ] });
    page.devtools("Emulation.setEmulatedMedia", features).await;
}

pub(super) async fn theme(page: &Page, theme: Option<&str>) {
    let script = "const [theme] = arguments;
        if (theme === null) delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = theme;";
    page.run::<()>(script, &[json!(theme)]).await;
}

const RICH: &str = "What I *think*:\n\n1. **Order** first\n2. then `speed`\n\n> and beauty last\n\n|what|how much|\n|:-|-:|\n|messages|1,024|\n|holes|0|\n\n\
    ```rust\nfn main() {\n    println!(\"Hello\");\n}\n```";

/// A server whose assistant stops in the middle of its second answer, and a room with something in it.
async fn stage(provider: &FakeProvider) -> (SalonProcess, ApiClient) {
    let salon = model::start(provider, &[("SALON_REPLIES", "1")]).await;
    let (ada, bob) = sea(&salon).await;
    must(
        &ada,
        "POST",
        "/api/rooms",
        json!({"slug": "void", "name": "Void", "visibility": "private"}),
    )
    .await;
    let say = async |who: &ApiClient, body: &str| {
        must(
            who,
            "POST",
            "/api/rooms/sea/messages",
            json!({ "body": body }),
        )
        .await
    };
    say(&bob, "Good morning! Who has an opinion on order?").await;
    say(&ada, "I do, as ever").await;
    say(&bob, "@Ada tell us").await;
    say(&ada, RICH).await;
    must(
        &bob,
        "PUT",
        "/api/rooms/sea/messages/2/reactions/%F0%9F%91%8D",
        json!({}),
    )
    .await;
    (salon, ada)
}

/// Opens the room and reads it to its end: until then the list says that there is something new.
async fn read_sea(page: &Page) {
    go_to(page, "sea").await;
    count(page, ".message", 4).await;
    let end = "document.querySelector('.scroller').scrollTop = 1e9";
    page.run::<()>(end, &[]).await;
    count(page, ".badge", 0).await;
    count(page, ".jump:not([hidden])", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_on_a_desk_is_drawn_as_it_is_kept() {
    let provider = FakeProvider::start([]);
    let chromium = Chromium::start().await;
    let (salon, ada) = stage(&provider).await;
    let page = window(&chromium, &salon, 1280, 800).await;
    page.find("#guest-name").await;
    let mut album = Album::open(&chromium, &page).await;
    album.show(&page, "desk-guest").await;
    page.click("[data-mode=sign_up]").await;
    at_both_widths(&mut album, &page, "sign-up").await;
    sign_in(&page, &ada).await;
    page.see_lobby().await;
    go_to(&page, "void").await;
    page.until_text(".empty-room", "Nobody else is here yet.")
        .await;
    at_both_widths(&mut album, &page, "empty").await;
    read_sea(&page).await;
    album.show(&page, "desk-room").await;
    theme(&page, Some("dark")).await;
    album.show(&page, "desk-room-dark").await;
    theme(&page, Some("contrast")).await;
    album.show(&page, "desk-room-contrast").await;
    theme(&page, None).await;
    page.click(".room-menu-button").await;
    album.show(&page, "desk-menu").await;
    page.run::<()>("document.querySelector('#room-menu').hidePopover()", &[])
        .await;
    answers(&provider, &page, &mut album).await;
    dialogs(&page, &mut album).await;
    page.quit().await;
    album.close().await;
}

/// Draws a state on a desk, and on a phone.
async fn at_both_widths(album: &mut Album, page: &Page, name: &str) {
    album.show(page, &format!("desk-{name}")).await;
    resize(page, 390, 844).await;
    album.show(page, &format!("phone-{name}")).await;
    resize(page, 1280, 800).await;
}

/// An answer that waits, grows, is stopped.
async fn answers(provider: &FakeProvider, page: &Page, album: &mut Album) {
    let slow = Duration::from_secs(60);
    provider.push(Answer::stream().delay(slow).piece("never").finish("end"));
    page.send("@assistant think").await;
    page.find(".message[data-state=queued] .dots").await;
    at_both_widths(album, page, "thinking").await;
    page.send("@assistant and after that?").await;
    count(page, ".prompt-queue:not([hidden]) li", 1).await;
    at_both_widths(album, page, "waiting").await;
    page.click(".prompt-queue .icon-button").await;
    count(page, ".message[data-state=stopped]", 1).await;
    page.click("#composer-send").await;
    count(page, ".message[data-state=stopped]", 2).await;
    let half = Answer::stream().piece("The **first** half of");
    provider.push(half.delay(slow).piece(" never").finish("end"));
    page.send("@assistant speak").await;
    page.see_reply("half is there", |reply| reply.text.contains("half of"))
        .await;
    at_both_widths(album, page, "streaming").await;
    page.click("#composer-send").await;
    count(page, ".message[data-state=stopped]", 3).await;
    at_both_widths(album, page, "stopped").await;
}

async fn dialogs(page: &Page, album: &mut Album) {
    for (item, there) in [
        ("invite", "#invite-create"),
        ("assistants", ".assistant-row"),
        ("export", ".export-way"),
        ("integrations", "#hook-create"),
        ("usage", ".uses [data-attempt]"),
        ("settings", "#room-archived"),
    ] {
        let script = "document.querySelector(`[data-menu=${arguments[0]}]`).click()";
        page.run::<()>(script, &[json!(item)]).await;
        page.find(there).await;
        at_both_widths(album, page, item).await;
        close_dialogs(page).await;
    }
    for (label, name, there) in [
        ("Members", "members", ".members .member-name"),
        ("Search messages", "search", "#search-words"),
        ("Public rooms", "browse", ".found-room"),
        ("Direct message", "direct", "#direct-names"),
        ("New room", "new-room", "#room-slug"),
        ("Your account", "account", "[data-session]"),
    ] {
        page.click(&format!("[aria-label='{label}']")).await;
        page.find(there).await;
        if name == "account" {
            album.show(page, "desk-account").await;
        } else {
            at_both_widths(album, page, name).await;
        }
        close_dialogs(page).await;
    }
    for (keys, name, there) in [
        ("k", "switcher", ".switch-line"),
        ("/", "keys", ".keys-help"),
    ] {
        press(page, Key::Control + keys).await;
        page.find(there).await;
        at_both_widths(album, page, name).await;
        close_dialogs(page).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_on_a_phone_is_drawn_as_it_is_kept() {
    let provider = FakeProvider::start([]);
    let chromium = Chromium::start().await;
    let (salon, ada) = stage(&provider).await;
    let page = window(&chromium, &salon, 390, 844).await;
    page.find("#guest-name").await;
    let mut album = Album::open(&chromium, &page).await;
    album.show(&page, "phone-guest").await;
    sign_in(&page, &ada).await;
    page.see_lobby().await;
    read_sea(&page).await;
    album.show(&page, "phone-room").await;
    theme(&page, Some("dark")).await;
    album.show(&page, "phone-room-dark").await;
    theme(&page, None).await;
    page.click(".room-menu-button").await;
    album.show(&page, "phone-menu").await;
    page.run::<()>("document.querySelector('#room-menu').hidePopover()", &[])
        .await;
    page.click(".back").await;
    album.show(&page, "phone-list").await;
    page.click("[aria-label='Your account']").await;
    page.find("[data-session]").await;
    album.show(&page, "phone-account").await;
    close_dialogs(&page).await;
    page.run::<()>("localStorage.setItem('salon.look.language', 'ar')", &[])
        .await;
    page.load().await;
    go_to(&page, "sea").await;
    count(&page, ".message", 4).await;
    count(&page, ".badge", 0).await;
    album.show(&page, "phone-room-ar").await;
    page.quit().await;
    album.close().await;
}

/// Without this the tests above could not fail.
#[tokio::test]
async fn what_is_drawn_otherwise_is_noticed() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = window(&chromium, &salon, 800, 600).await;
    page.find("#guest-name").await;
    let album = Album::open(&chromium, &page).await;
    page.run::<Value>(SETTLE, &[]).await;
    let one = page.driver.screenshot_as_png().await.unwrap();
    let again = page.driver.screenshot_as_png().await.unwrap();
    assert!(album.differ(&one, &again).await <= MAY_DIFFER);
    theme(&page, Some("dark")).await;
    let dark = page.driver.screenshot_as_png().await.unwrap();
    assert!(album.differ(&one, &dark).await > 0.5);
    theme(&page, None).await;
    page.run::<()>(
        "document.querySelector('#guest-name').style.transform = 'translateY(12px)'",
        &[],
    )
    .await;
    let moved = page.driver.screenshot_as_png().await.unwrap();
    assert!(album.differ(&one, &moved).await > MAY_DIFFER);
    let Album { table, .. } = album;
    table.quit().await;
    page.quit().await;
}
