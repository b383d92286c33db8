//! The page as a person sees it: what is shown, what can be typed and pressed. Every wait has a deadline, and a wait in
//! vain leaves a screenshot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::chromium::{Chromium, screenshot_path};
use super::http_api::words_of;

/// Anything that only one server and one browser have to do.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// A whole answer of the demo, or the way back to a server that was away.
pub(crate) const LATER: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A message in the column.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Shown {
    /// None until the server has numbered it.
    pub(crate) seq: Option<u64>,
    pub(crate) state: String,
    pub(crate) text: String,
    pub(crate) own: bool,
    pub(crate) assistant: bool,
}

const SHOWN: &str = "return [...document.querySelectorAll('.message')].map((message) => {
    const body = message.querySelector('.body').cloneNode(true);
    for (const bar of body.querySelectorAll('.code-bar')) bar.remove();
    const blocks = [...body.querySelectorAll('p, li, h1, h2, h3, h4, td, th, pre, br')];
    for (const block of blocks) block.after(' ');
    return {
        seq: message.dataset.seq === undefined ? null : Number(message.dataset.seq),
        state: message.dataset.state,
        text: body.textContent,
        own: message.classList.contains('own'),
        assistant: message.classList.contains('assistant'),
    };
})";

/// One window of a Chromium.
pub(crate) struct Page {
    pub(crate) driver: WebDriver,
    url: String,
}

impl Page {
    /// A browser that nobody has used, at the page.
    pub(crate) async fn open(chromium: &Chromium, url: &str) -> Self {
        let page = Self::blank(chromium, url).await;
        page.load().await;
        page
    }

    /// A browser that nobody has used, before it shows the page.
    pub(crate) async fn blank(chromium: &Chromium, url: &str) -> Self {
        Self {
            driver: chromium.browser().await,
            url: url.to_owned(),
        }
    }

    /// Goes to the page.
    pub(crate) async fn load(&self) {
        self.driver.goto(self.url.as_str()).await.unwrap();
    }

    /// Closes the browser.
    pub(crate) async fn quit(self) {
        self.driver.clone().quit().await.unwrap();
    }

    /// Comes in by a name and waits for the lobby.
    pub(crate) async fn come_in(&self, name: &str) {
        self.type_into("#guest-name", name).await;
        self.click("#guest-go").await;
        self.see_lobby().await;
    }

    /// Waits until the lobby's messages are there.
    pub(crate) async fn see_lobby(&self) {
        let there = "const kind = document.querySelector('.above')?.dataset.kind;
            return document.querySelector('#composer-input') !== null && kind !== undefined && kind !== 'opening'";
        self.wait("the lobby is open", SOON, there, &[]).await;
    }

    /// Writes into the composer and presses Enter.
    pub(crate) async fn send(&self, text: &str) {
        self.type_into("#composer-input", text).await;
        self.type_into("#composer-input", Key::Enter).await;
    }

    /// What `script` returns.
    pub(crate) async fn run<T: DeserializeOwned>(&self, script: &str, arguments: &[Value]) -> T {
        let arguments: Arc<[Value]> = arguments.into();
        let answer = self.driver.execute(script, arguments).await.unwrap();
        answer.convert().unwrap()
    }

    /// Polls `script` until it returns something that is neither null nor false.
    pub(crate) async fn wait(
        &self,
        what: &str,
        within: Duration,
        script: &str,
        arguments: &[Value],
    ) -> Value {
        self.until(what, within, async || {
            let found: Value = self.run(script, arguments).await;
            (!found.is_null() && found != json!(false)).then_some(found)
        })
        .await
    }

    /// Waits until what `css` selects holds the text.
    pub(crate) async fn until_text(&self, css: &str, text: &str) {
        let script = "return document.querySelector(arguments[0])?.textContent.includes(arguments[1]) ?? false";
        self.wait(text, SOON, script, &[json!(css), json!(text)])
            .await;
    }

    /// Polls `look` until it finds something.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if Instant::now() >= deadline {
                let path = screenshot_path("failed");
                let _ = self.driver.screenshot(&path).await;
                let shown: String = self.run("return document.body.innerText", &[]).await;
                panic!(
                    "not within {within:?}: {what}; see {}\n{shown}",
                    path.display()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for an element that can be seen.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        let what = format!("{css} can be seen");
        self.until(&what, SOON, async || {
            let element = self.driver.find(By::Css(css)).await.ok()?;
            element.is_displayed().await.ok()?.then_some(element)
        })
        .await
    }

    /// Presses an element once it can be pressed.
    pub(crate) async fn click(&self, css: &str) {
        let what = format!("{css} can be pressed");
        self.until(&what, SOON, async || {
            self.driver
                .find(By::Css(css))
                .await
                .ok()?
                .click()
                .await
                .ok()
        })
        .await;
    }

    /// Types into an element.
    pub(crate) async fn type_into(&self, css: &str, keys: impl Into<TypingData>) {
        self.find(css).await.send_keys(keys).await.unwrap();
    }

    /// Whether an element is there and can be seen now.
    pub(crate) async fn sees(&self, css: &str) -> bool {
        match self.driver.find(By::Css(css)).await {
            Ok(element) => element.is_displayed().await.unwrap_or(false),
            Err(_) => false,
        }
    }

    /// Every message in the column, in order.
    pub(crate) async fn messages(&self) -> Vec<Shown> {
        let mut messages: Vec<Shown> = self.run(SHOWN, &[]).await;
        for message in &mut messages {
            message.text = words_of(&message.text);
        }
        messages
    }

    /// Waits for a message of that text in that state.
    pub(crate) async fn see(&self, text: &str, state: &str) -> Shown {
        let what = format!("“{text}” is {state}");
        self.until(&what, LATER, async || {
            let mut messages = self.messages().await.into_iter();
            messages.find(|message| message.text == text && message.state == state)
        })
        .await
    }

    /// Waits until the newest reply is as `wanted` says.
    pub(crate) async fn see_reply(&self, what: &str, wanted: impl Fn(&Shown) -> bool) -> Shown {
        self.until(what, LATER, async || {
            let mut messages = self.messages().await.into_iter();
            let newest = messages.rfind(|message| message.assistant);
            newest.filter(&wanted)
        })
        .await
    }

    /// Screenshots what is shown to `target/screenshots/<name>.png`. Returns the file's bytes.
    pub(crate) async fn screenshot(&self, name: &str) -> Vec<u8> {
        let path = screenshot_path(name);
        self.driver.screenshot(&path).await.unwrap();
        std::fs::read(path).unwrap()
    }

    /// Makes the page as large as a phone's, with a finger for a pointer.
    pub(crate) async fn be_a_phone(&self) {
        let screen = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", screen)
            .await;
        let touch = json!({ "enabled": true, "maxTouchPoints": 5 });
        self.devtools("Emulation.setTouchEmulationEnabled", touch)
            .await;
    }

    /// Makes it dark, or light.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Waits until nothing moves from one colour to another any more.
    pub(crate) async fn be_still(&self) {
        let still =
            "return document.getAnimations().every((one) => !(one instanceof CSSTransition))";
        self.wait("all is still", SOON, still, &[]).await;
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) {
        self.driver
            .cdp()
            .send_raw(command, parameters)
            .await
            .unwrap();
    }
}

/// After a failure there is no polite way out, only a long wait for one: the browser is killed with its driver.
impl Drop for Page {
    fn drop(&mut self) {
        // It fails for who has quit.
        let _ = self.driver.clone().leak();
    }
}
