/**
 * A room's address from its name. Pure; the dialog that makes a room offers it.
 */

/** As the server takes them. */
export const ADDRESS_CHARS = 64;

/** Letters that lose no accent by themselves; of Cyrillic as they are mostly written in Latin. */
const LATIN = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', ł: 'l', đ: 'd', ð: 'd', þ: 'th', ı: 'i', щ: 'shch', ж: 'zh', х: 'kh', ц: 'ts', ч: 'ch', ш: 'sh', ю: 'yu', я: 'ya', є: 'ye', ъ: '', ь: '' };
const FROM = 'абвгдезийклмнопрстуфыэіїґё';
const TO = 'abvgdeziiklmnoprstufyeiige';
[...FROM].forEach((letter, place) => { LATIN[letter] = TO[place]; });

const plain = (text) => text.normalize('NFKD').toLowerCase().replace(/[\u0300-\u036f]/g, '');

/**
 * @param {string} name
 * @param {() => number} [dice] from 0 to below 1
 * @returns {string} empty for no name at all; for one without a letter that is known here `room-` with a few random ones
 */
export function addressOf(name, dice = Math.random) {
  if (name.trim() === '') return '';
  const letters = [...plain(name.normalize('NFC').toLowerCase().replace(/[йї]/g, 'i'))].map((letter) => LATIN[letter] ?? letter).join('');
  const address = letters.replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, ADDRESS_CHARS).replace(/-+$/, '');
  if (address !== '') return address;
  return `room-${Array.from({ length: 5 }, () => 'abcdefghjkmnpqrstuvwxyz23456789'[Math.floor(dice() * 31)]).join('')}`;
}
