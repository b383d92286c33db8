//! The themes of the page: the system's, and what the setting says instead; high contrast, forced colours, less motion.

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// The page's ground and its text, as brightness from 0 to 255.
const BRIGHTNESS: &str =
    "const part = (name) => getComputedStyle(document.body)[name].match(/\\d+/g)
    .slice(0, 3).reduce((sum, value) => sum + Number(value), 0) / 3;
    return [part('backgroundColor'), part('color')]";

async fn brightness(page: &Page) -> [f64; 2] {
    page.run(BRIGHTNESS, &[]).await
}

async fn media(page: &Page, features: &[(&str, &str)]) {
    let features: Vec<Value> = features
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    page.devtools(
        "Emulation.setEmulatedMedia",
        json!({ "features": features }),
    )
    .await;
}

async fn choose(page: &Page, theme: &str) {
    let script = "const menu = document.querySelector('#setting-theme');
        menu.value = arguments[0];
        menu.dispatchEvent(new Event('change'));";
    page.run::<()>(script, &[json!(theme)]).await;
}

#[tokio::test]
async fn the_setting_wins_over_the_system_and_stays() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    media(&page, &[("prefers-color-scheme", "light")]).await;
    page.click("[aria-label='Your account']").await;
    page.find("#setting-theme").await;
    choose(&page, "dark").await;
    let [ground, text] = brightness(&page).await;
    assert!(ground < 60.0 && text > 200.0, "{ground} {text}");

    // It is there before anything is drawn: the script that sets it is no module.
    let early = json!({ "source": "document.addEventListener('readystatechange', () => { window.early ??= document.documentElement.dataset.theme; })" });
    page.devtools("Page.addScriptToEvaluateOnNewDocument", early)
        .await;
    page.load().await;
    page.see_lobby().await;
    let early: Option<String> = page.run("return window.early ?? null", &[]).await;
    assert_eq!(early.as_deref(), Some("dark"));

    media(&page, &[("prefers-color-scheme", "dark")]).await;
    page.click("[aria-label='Your account']").await;
    page.find("#setting-theme").await;
    choose(&page, "light").await;
    let [ground, text] = brightness(&page).await;
    assert!(ground > 220.0 && text < 60.0, "{ground} {text}");
    choose(&page, "system").await;
    let [ground, _] = brightness(&page).await;
    assert!(ground < 60.0, "{ground}");
    page.quit().await;
}

#[tokio::test]
async fn high_contrast_is_black_on_white_and_white_on_black() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.find("#guest-name").await;
    let contrast = ("prefers-contrast", "more");
    for (scheme, wanted) in [("light", [255.0, 0.0]), ("dark", [0.0, 255.0])] {
        media(&page, &[("prefers-color-scheme", scheme), contrast]).await;
        assert_eq!(brightness(&page).await, wanted, "the system's, {scheme}");
        media(&page, &[("prefers-color-scheme", scheme)]).await;
        page.run::<()>("document.documentElement.dataset.theme = 'contrast'", &[])
            .await;
        assert_eq!(brightness(&page).await, wanted, "the setting's, {scheme}");
        page.run::<()>("delete document.documentElement.dataset.theme", &[])
            .await;
        assert_ne!(brightness(&page).await, wanted, "neither, {scheme}");
        // The dark one is dark whatever the system is, and so is what the browser draws around it.
        page.run::<()>(
            "document.documentElement.dataset.theme = 'contrast_dark'",
            &[],
        )
        .await;
        assert_eq!(brightness(&page).await, [0.0, 255.0], "dark, {scheme}");
        let around = "return [...document.querySelectorAll('meta[name=theme-color]')].filter(({ media }) => matchMedia(media).matches).map(({ content }) => content)";
        let around: Vec<String> = page.run(around, &[]).await;
        assert_eq!(around.first().map(String::as_str), Some("#000000"));
        page.run::<()>("delete document.documentElement.dataset.theme", &[])
            .await;
    }
    page.quit().await;
}

#[tokio::test]
async fn forced_colours_leave_edges_and_less_motion_leaves_none() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("Hello").await;
    page.see("Hello", "complete").await;
    let edges = "return ['.own .body', '.send', '.avatar'].map((css) => getComputedStyle(document.querySelector(css)).borderTopStyle)
        .concat(getComputedStyle(document.querySelector('.room-link[aria-current]')).outlineStyle)";
    media(&page, &[("forced-colors", "active")]).await;
    let shown: [String; 4] = page.run(edges, &[]).await;
    assert_eq!(shown, ["solid", "solid", "solid", "solid"]);
    media(&page, &[("forced-colors", "none")]).await;
    let shown: [String; 4] = page.run(edges, &[]).await;
    assert_ne!(shown[1], "solid");

    let moves = "return [...document.querySelectorAll('.send, .room-link, .icon-button')].some((one) =>
        getComputedStyle(one).transitionDuration.split(',').some((time) => parseFloat(time) > 0.001))";
    assert!(page.run::<bool>(moves, &[]).await);
    media(&page, &[("prefers-reduced-motion", "reduce")]).await;
    page.wait(
        "nothing moves",
        SOON,
        &format!("return !(() => {{ {moves} }})()"),
        &[],
    )
    .await;
    page.quit().await;
}

/// What the browser takes for the colour around the page: the first that holds. And the page's own ground.
const AROUND: &str = "const paint = document.createElement('i');
    document.body.append(paint);
    paint.style.color = [...document.querySelectorAll('meta[name=theme-color]')].find(({ media }) => matchMedia(media).matches).content;
    const around = getComputedStyle(paint).color;
    paint.style.color = 'var(--page)';
    const page = getComputedStyle(paint).color;
    paint.remove();
    return [around, page]";

#[tokio::test]
async fn the_colour_around_the_page_is_that_of_the_theme() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.find("#guest-name").await;
    let set = "if (arguments[0] === 'system') delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = arguments[0]";
    let mut seen = std::collections::BTreeSet::new();
    for scheme in ["light", "dark"] {
        for contrast in ["no-preference", "more"] {
            let features = [
                ("prefers-color-scheme", scheme),
                ("prefers-contrast", contrast),
            ];
            media(&page, &features).await;
            for theme in ["system", "light", "dark", "contrast"] {
                page.run::<()>(set, &[json!(theme)]).await;
                let [around, ground]: [String; 2] = page.run(AROUND, &[]).await;
                assert_eq!(around, ground, "{theme}, {scheme}, {contrast}");
                seen.insert(around);
            }
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    // It is so from the beginning.
    page.run::<()>("localStorage.setItem('salon.look.theme', 'light')", &[])
        .await;
    media(&page, &[("prefers-color-scheme", "dark")]).await;
    page.load().await;
    page.find("#guest-name").await;
    let [around, ground]: [String; 2] = page.run(AROUND, &[]).await;
    assert_eq!(
        (around.as_str(), ground.as_str()),
        ("rgb(246, 245, 241)", "rgb(246, 245, 241)")
    );
    page.quit().await;
}
