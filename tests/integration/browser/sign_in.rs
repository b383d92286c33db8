//! Sign-in at the organisation's provider, by a person with a browser: there, back, and where one was.

use super::chromium::Chromium;
use super::page::Page;
use crate::support::openid::{CLIENT_ID, CLIENT_SECRET, OpenIdProvider};
use crate::support::salon::SalonProcess;

#[tokio::test]
async fn somebody_signs_in_at_the_provider_and_is_where_it_was() {
    let chromium = Chromium::start().await;
    let mut salon = SalonProcess::start(&[]).await;
    let origin = salon.url();
    let provider = OpenIdProvider::start(&origin).await;
    salon
        .restart_with(&[
            ("SALON_PUBLIC_ORIGIN", origin.as_str()),
            ("SALON_OIDC_ISSUER", provider.issuer().as_str()),
            ("SALON_OIDC_CLIENT_ID", CLIENT_ID),
            ("SALON_OIDC_CLIENT_SECRET", CLIENT_SECRET),
            ("SALON_OIDC_NAME", "Corp <b>"),
            ("SALON_GUESTS", "off"),
            ("SALON_SIGNUP", "off"),
        ])
        .await;
    let page = Page::blank(&chromium, &format!("{origin}/#/rooms/lobby")).await;
    page.load().await;
    page.until_text("#organisation-go", "Sign in with Corp <b>")
        .await;
    page.screenshot("desktop-organisation").await;

    // Whoever changes its mind is told so, and is where it was.
    page.click("#organisation-go").await;
    page.click("#no").await;
    page.until_text(".problem", "not let in by the sign-in provider")
        .await;
    let hash: String = page.run("return location.hash", &[]).await;
    assert_eq!(hash, "#/rooms/lobby");

    page.click("#organisation-go").await;
    page.type_into("#login", "ada").await;
    page.click("#go").await;
    page.see_lobby().await;
    let hash: String = page.run("return location.hash", &[]).await;
    assert!(hash.starts_with("#/rooms/lobby"), "{hash}");
    page.send("Hello from Corp").await;
    let hello = page.see("Hello from Corp", "complete").await;
    assert!(hello.own, "{hello:?}");
    let seen: String = page.run("return document.cookie", &[]).await;
    assert_eq!(seen, "", "no script sees a cookie");
    page.driver.refresh().await.unwrap();
    page.see_lobby().await;
    page.quit().await;
}
