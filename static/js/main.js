/**
 * The page's entry: chooses the language, then registers the page's elements. `index.html` loads this and the theme.
 *
 * Hooks that tests and extensions may rely on: `#guest-name`, `#guest-go`, `.room-link[data-slug]`,
 * `#composer-input`, `#composer-send[data-mode="send|stop"]`, `.message[data-seq][data-state]`, `.message .body`,
 * `.banner`, `#jump-latest`, `#jump-previous`, `#status`. `docs/client.md` says what each means.
 */
import { chooseLanguage } from './look.js';

await chooseLanguage();
await import('./elements/app.js');
