/**
 * The one place where HTML becomes nodes: the server's sanitised rendering of a settled message, through the Trusted
 * Types policy `salon` that the page's Content-Security-Policy names. Nothing else in the page may use `innerHTML`.
 */

const policy = globalThis.trustedTypes?.createPolicy('salon', { createHTML: (html) => html })
  ?? { createHTML: (html) => html };

/**
 * @param {string} html as the server sent it in a message's `html`
 * @returns {DocumentFragment}
 */
export function fragmentOf(html) {
  const template = document.createElement('template');
  template.innerHTML = policy.createHTML(html);
  return template.content;
}
