/**
 * The picture of the tab: how much is unread, or how many messages mention the reader. Pure; `notifier.js` shows it.
 */

/** As `icon.svg` has it. */
const MARK = '<rect width="32" height="32" rx="9" fill="#17665a"/><path d="M8 9.5h16a1.500 1.500 0 0 1 1.500 1.500v8.500A1.500 1.500 0 0 1 24 21H15l-5 4.500V21H8a1.500 1.500 0 0 1-1.500-1.500V11A1.500 1.500 0 0 1 8 9.500z" fill="#fdfcf9"/>';
/** Two digits cannot be read in sixteen pixels. */
const MOST = 9;

const badge = (text, ground, ink) => {
  const width = text.length > 1 ? 27 : 20;
  return `<rect x="${31.5 - width}" y=".5" width="${width}" height="20" rx="10" fill="${ground}"/>`
    + `<text x="${31.5 - width / 2}" y="16.500" text-anchor="middle" font-family="sans-serif" font-weight="700" font-size="17" fill="${ink}">${text}</text>`;
};

/** @param {{unread: number, mentions: number}} news @returns {string} its address */
export function faviconOf({ unread, mentions }) {
  const count = mentions > 0 ? mentions : unread;
  if (count <= 0) return '/icon.svg';
  const text = count > MOST ? `${MOST}+` : String(count);
  const [ground, ink] = mentions > 0 ? ['#c8281e', '#ffffff'] : ['#f2a33a', '#201400'];
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${MARK}${badge(text, ground, ink)}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}
