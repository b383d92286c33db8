//! Who comes back: an account is asked for its password and not taken for a guest, the owner of a name that is taken is led to its
//! sign-in, and who is kept out is told so, if it knows the password.

use serde_json::json;

use super::administration::make_root;
use super::around::must;
use super::chromium::Chromium;
use super::look::photograph;
use super::page::Page;
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

/// What the form is for, what is written as a name, and where one writes.
const FORM: &str = "return [document.querySelector('.sign-in-card h2').textContent,
    document.querySelector('.sign-in-card input').value, document.activeElement.id]";

async fn form(page: &Page) -> [String; 3] {
    page.run(FORM, &[]).await
}

async fn sign_in(page: &Page, password: &str) {
    page.find("#account-password").await.clear().await.unwrap();
    page.type_into("#account-password", password).await;
    page.click("#account-go").await;
}

#[tokio::test]
async fn an_account_comes_back_by_its_password_and_a_guest_by_a_name() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    ApiClient::account(&salon, "Grace").await;
    let page = Page::open(&chromium, &salon.url()).await;
    // A name that somebody has already: it goes along to its sign-in, and the password is what is left to write.
    page.click("[data-mode=sign_up]").await;
    page.type_into("#account-name", "Grace").await;
    page.type_into("#account-password", "battery staple").await;
    page.click("#account-go").await;
    page.until_text(".problem", "This name is taken. Is it yours? Sign in")
        .await;
    photograph(&page, "desktop", "name-taken", ".problem").await;
    page.click("[data-action=sign-in]").await;
    assert_eq!(form(&page).await, ["Sign in", "Grace", "account-password"]);
    sign_in(&page, "correct horse").await;
    page.see_lobby().await;

    page.click("[aria-label='Sign out']").await;
    page.find("#account-password").await;
    // Nothing says who it was.
    assert_eq!(form(&page).await, ["Sign in", "", "account-name"]);
    page.type_into("#account-name", "Grace").await;
    sign_in(&page, "correct horse").await;
    page.see_lobby().await;
    let ended =
        "return fetch('/api/sessions/current', {method: 'DELETE'}).then((answer) => answer.status)";
    assert_eq!(page.run::<u16>(ended, &[]).await, 204);
    page.until_text(".problem", "Your session has ended. Sign in to go on.")
        .await;
    assert_eq!(form(&page).await[0], "Sign in");

    // Whoever was a guest comes as one.
    page.click("[data-mode=guest]").await;
    page.type_into("#guest-name", "Ada").await;
    page.click("#guest-go").await;
    page.see_lobby().await;
    assert_eq!(page.run::<u16>(ended, &[]).await, 204);
    page.until_text(".problem", "and with it the guest you were")
        .await;
    assert_eq!(form(&page).await[0], "Come in");
    page.quit().await;
}

#[tokio::test]
async fn who_is_disabled_is_told_so_by_the_right_password_alone() {
    let chromium = Chromium::start().await;
    let folder = tempfile::tempdir().unwrap();
    make_root(folder.path());
    let salon = SalonProcess::start(&[("SALON_DATA", folder.path().to_str().unwrap())]).await;
    ApiClient::account(&salon, "Carol").await;
    let newcomer = ApiClient::with_token(salon.url(), "");
    let root = json!({"name": "Root", "password": "correct horse"});
    let (_, root) = newcomer.post("/api/sessions", &root).await;
    let root = ApiClient::with_token(salon.url(), root["token"].as_str().unwrap());
    let page = Page::open(&chromium, &salon.url()).await;
    page.click("[data-mode=sign_in]").await;
    page.type_into("#account-name", "Carol").await;
    sign_in(&page, "correct horse").await;
    page.see_lobby().await;
    let (_, users) = root.get("/api/admin/users?text=carol").await;
    let id = users["users"][0]["user"]["id"].as_str().unwrap().to_owned();
    let disabled = json!({"disabled": true});
    let path = format!("/api/admin/users/{id}/disabled");
    must(&root, "PUT", &path, disabled).await;
    page.until_text(".problem", "Your session has ended").await;

    page.type_into("#account-name", "Carol").await;
    sign_in(&page, "battery staple").await;
    page.until_text(".problem", "The name or the password is wrong.")
        .await;
    sign_in(&page, "correct horse").await;
    page.until_text(
        ".problem",
        "This account was disabled by an administrator of the server.",
    )
    .await;
    page.quit().await;
}
