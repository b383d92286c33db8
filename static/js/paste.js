/**
 * What is pasted into the composer: lines of code lose their indentation, and a `#` makes a heading of them, unless a fence stands
 * around them. Pure; `<salon-composer>` calls it.
 */

/** So many lines at least, of which one is indented, and half look like a program's. */
const LINES_MIN = 2;
/** No more is looked at. */
const LINES_READ = 200;

const INDENTED = /^(?:\t| {2,})\S/;
const ITEM = /^\s*(?:[-*+]|\d+[.)])\s/;
const FENCE = /^\s*(?:```|~~~)/;
const CODE = /[{}=;]|\w\(|[([]$|:$|^\s*(?:#|\/\/|\/\*|--|@\w)|=>|->|<\/?\w+|^\s*(?:return|end|else|import|from|use|let|const|var|if|for)\b/;

/** @param {string} text @returns {boolean} */
export function looksLikeCode(text) {
  const lines = text.split('\n', LINES_READ).filter((line) => line.trim() !== '');
  if (lines.length < LINES_MIN || lines.some((line) => FENCE.test(line))) return false;
  // A list within a list is indented too.
  if (!lines.some((line) => INDENTED.test(line) && !ITEM.test(line))) return false;
  const coded = lines.filter((line) => CODE.test(line)).length;
  return coded * 2 >= lines.length;
}

/**
 * What is to stand in the place of a pasted text, or null where it is fine as it is.
 * @param {string} pasted
 * @param {string} before what stands before it
 * @param {string} after what stands behind it
 * @returns {string | null}
 */
export function fenced(pasted, before, after) {
  const text = pasted.replace(/\r\n?/g, '\n').replace(/^\n+/, '').trimEnd();
  const open = before.split('\n').filter((line) => FENCE.test(line)).length % 2 === 1;
  if (open || !looksLikeCode(text)) return null;
  const lead = before === '' || before.endsWith('\n') ? '' : '\n';
  const end = after.startsWith('\n') ? '' : '\n';
  return `${lead}\`\`\`\n${text}\n\`\`\`${end}`;
}
