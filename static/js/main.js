/**
 * The page's entry: registers its elements. `index.html` loads this and nothing else.
 *
 * Hooks that tests and extensions may rely on: `#guest-name`, `#guest-go`, `.room-link[data-slug]`,
 * `#composer-input`, `#composer-send[data-mode="send|stop"]`, `.message[data-seq][data-state]`, `.message .body`,
 * `.banner`, `#jump-latest`, `#status`. `docs/client.md` says what each means.
 */
import './elements/app.js';
