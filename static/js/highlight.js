/**
 * Colours for code: which pieces of a text are comments, strings, keywords … of its language. Pure; `render.js` makes
 * spans of them, once for each closed block. It need not be exact, it must be fast, and lose no character: what it does
 * not know stays plain.
 *
 * @typedef {{kind: Kind | null, text: string}} Piece
 * @typedef {'comment' | 'string' | 'keyword' | 'constant' | 'number' | 'call' | 'type' | 'meta' | 'tag' | 'added' | 'removed'} Kind
 */

/** A longer text is shown plain: colours are worth no wait. */
export const CODE_MAX = 24_000;

const words = (text) => new Set(text.split(' '));

/** The end of the text, where `$` is that of a line. */
const END = '(?![^])';
const LINE_COMMENT = '\\/\\/[^\\n]*';
const BLOCK_COMMENT = `\\/\\*[^]*?(?:\\*\\/|${END})`;
const HASH_COMMENT = '#[^\\n]*';
const DOUBLE = '"(?:[^"\\\\\\n]|\\\\[^])*"?';
const SINGLE = "'(?:[^'\\\\\\n]|\\\\[^])*'?";
const BACKTICK = '`(?:[^`\\\\]|\\\\[^])*`?';
const TRIPLE = `"""[^]*?(?:"""|${END})|'''[^]*?(?:'''|${END})`;
const NUMBER = '(?<![\\w$])(?:0[xXoObB][\\da-fA-F_]+|\\d[\\d_]*(?:\\.\\d[\\d_]*)?(?:[eE][+-]?\\d+)?)\\w*';
const WORD = '[A-Za-z_$][\\w$]*';

const CONSTANTS = words('true false null undefined None True False nil NULL nullptr this self Self super NaN Infinity');

/** A language of words: its comments, its strings, its keywords. */
function wordy({ comment = `${LINE_COMMENT}|${BLOCK_COMMENT}`, string = `${DOUBLE}|${SINGLE}`, meta = '(?!)', keywords, plainCase = false }) {
  return { pattern: groups({ comment, string, meta, number: NUMBER, word: WORD }), keywords: words(keywords), plainCase };
}

/** A language of marks: each group is a kind. */
const marked = (kinds) => ({ pattern: groups(kinds) });

const groups = (kinds) => new RegExp(Object.entries(kinds).map(([kind, source]) => `(?<${kind}>${source})`).join('|'), 'gm');

const javascript = wordy({
  string: `${DOUBLE}|${SINGLE}|${BACKTICK}`,
  meta: '@[A-Za-z_]\\w*',
  keywords: 'abstract any as async await boolean break case catch class const continue debugger declare default delete do else enum export extends finally for from function get if implements import in instanceof interface is keyof let namespace never new number of private protected public readonly return satisfies set static string switch symbol throw try type typeof unknown var void while with yield',
});
const python = wordy({
  comment: HASH_COMMENT,
  string: `[rRbBfFuU]{0,2}(?:${TRIPLE})|[rRbBfFuU]{0,2}(?:${DOUBLE}|${SINGLE})`,
  meta: '^[ \\t]*@[\\w.]+',
  keywords: 'and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield',
});
const rust = wordy({
  string: `b?r(?<fence>#{0,8})"[^]*?(?:"\\k<fence>|${END})|b?"(?:[^"\\\\]|\\\\[^])*"?|b?'(?:[^'\\\\\\n]|\\\\[^\\n']{1,8}|\\\\')'`,
  meta: '#!?\\[[^\\]\\n]*\\]?|(?<!\\w)[a-z_]\\w*!(?=[(\\[{])',
  keywords: 'as async await bool box break char const continue crate dyn else enum extern f32 f64 fn for i128 i16 i32 i64 i8 if impl in isize let loop match mod move mut pub ref return static str struct trait type u128 u16 u32 u64 u8 union unsafe use usize where while yield',
});
const go = wordy({
  string: `${DOUBLE}|'(?:[^'\\\\\\n]|\\\\[^\\n])*'?|\`[^\`]*\`?`,
  keywords: 'any bool break byte case chan const continue default defer else error fallthrough float32 float64 for func go goto if import int int16 int32 int64 int8 interface map package range return rune select string struct switch type uint uint16 uint32 uint64 uint8 uintptr var',
});
const c = wordy({
  meta: '^[ \\t]*#[^\\n]*',
  keywords: 'alignas alignof auto bool break case catch char class co_await co_return co_yield concept const consteval constexpr constinit continue decltype default delete do double else enum explicit export extern final float for friend goto if inline int long mutable namespace new noexcept operator override private protected public register requires return short signed sizeof static static_assert struct switch template thread_local throw try typedef typename union unsigned using virtual void volatile while',
});
const java = wordy({
  string: `"""[^]*?(?:"""|${END})|${DOUBLE}|${SINGLE}`,
  meta: '@[A-Za-z_][\\w.]*',
  keywords: 'abstract actual as assert async await base bool boolean break by byte case catch char checked class companion const constructor continue data decimal def default delegate do double dynamic else enum event explicit extends extern final finally fixed float for foreach fun func get goto guard if implements implicit import in init inline inner instanceof int interface internal is lateinit let lock long mutating namespace native new object open operator out override package params permits private protected protocol public readonly record ref return sealed set short sizeof static string struct suspend switch synchronized throw throws trait transient try typealias typeof uint ulong unsafe using val var virtual void volatile when where while with yield',
});
const php = wordy({
  comment: `${LINE_COMMENT}|${BLOCK_COMMENT}|${HASH_COMMENT}`,
  meta: '<\\?(?:php|=)?|\\?>|\\$\\w+',
  keywords: 'abstract and array as break case catch class clone const continue declare default do echo else elseif empty enum extends final finally fn for foreach function global if implements include include_once instanceof interface isset list match namespace new or print private protected public readonly require require_once return static switch throw trait try unset use var while yield',
});
const ruby = wordy({
  comment: HASH_COMMENT,
  meta: '(?<!:):[A-Za-z_]\\w*|@{1,2}[A-Za-z_]\\w*',
  keywords: 'alias and begin break case class def defined? do else elsif end ensure for if in module next not or private protected public redo rescue retry return then undef unless until when while yield',
});
const shell = wordy({
  comment: '(?<![^\\s;|&(])#[^\\n]*',
  string: `"(?:[^"\\\\]|\\\\[^])*"?|'[^']*'?`,
  meta: '\\$(?:\\{[^}\\n]*\\}?|\\w+|[@#?*!$-])|(?<=^|\\s)--?[A-Za-z][\\w-]*',
  keywords: 'alias break case cd continue declare do done echo elif else esac eval exec exit export fi for function if in local printf read return set shift source sudo test then trap unset until while',
  plainCase: true,
});
const sql = wordy({
  comment: `--[^\\n]*|${BLOCK_COMMENT}`,
  string: `'(?:[^']|'')*'?|"[^"\\n]*"?`,
  keywords: 'add all alter and any as asc begin between bigint boolean by bytea cascade case cast check column commit constraint create cross current_timestamp database date decimal default delete desc distinct do drop else end except execute exists explain false foreign for from full function grant group having if ilike in index inner insert int integer intersect interval into is join json jsonb key left like limit lock materialized natural not nothing null numeric of offset on only or order outer over partition primary procedure real references replace returning revoke right rollback row rows select set share skip smallint table temporary text then time timestamp timestamptz to transaction trigger true truncate union unique update using uuid values varchar view when where window with',
  plainCase: true,
});
const lua = wordy({
  comment: `--\\[\\[[^]*?(?:\\]\\]|${END})|--[^\\n]*`,
  string: `${DOUBLE}|${SINGLE}|\\[\\[[^]*?(?:\\]\\]|${END})`,
  keywords: 'and break do else elseif end for function goto if in local not or repeat return then until while',
});

const json = marked({
  call: '"(?:[^"\\\\\\n]|\\\\[^])*"(?=\\s{0,8}:)', string: DOUBLE, comment: `${LINE_COMMENT}|${BLOCK_COMMENT}`,
  number: '-?\\b\\d[\\d.eE+-]*', constant: '\\b(?:true|false|null)\\b',
});
const yaml = marked({
  comment: '(?<![^\\s])#[^\\n]*', call: '^[ \\t]*(?:- +)*[\\w."\'/-]+(?=:(?:\\s|$))', string: `${DOUBLE}|${SINGLE}`,
  meta: '[&*!][\\w-]+|^---$', constant: '\\b(?:true|false|null|yes|no|on|off)\\b', number: '(?<![\\w.-])-?\\d[\\d.]*(?![\\w.-])',
});
const toml = marked({
  comment: HASH_COMMENT, meta: '^[ \\t]*\\[\\[?[^\\]\\n]*\\]?\\]?', call: '^[ \\t]*[\\w."\'-]+(?=[ \\t]*=)',
  string: `${TRIPLE}|${DOUBLE}|${SINGLE}`, constant: '\\b(?:true|false)\\b', number: '(?<![\\w-])[+-]?\\d[\\w:.+-]*',
});
const html = marked({
  comment: `<!--[^]*?(?:-->|${END})`, meta: '<[!?][^>]*>?|&#?\\w+;', tag: '<\\/?[A-Za-z][\\w:-]*|\\/?>',
  call: '(?<=\\s)[\\w:@.-]+(?==)', string: '(?<==)"[^"]*"?|(?<==)\'[^\']*\'?',
});
const css = marked({
  comment: BLOCK_COMMENT, string: `${DOUBLE}|${SINGLE}`, meta: '@[\\w-]+|!important|--[\\w-]+', number: '#[\\da-fA-F]{3,8}\\b|-?\\d[\\d.]*(?:%|[a-z]+)?',
  call: '(?<![\\w-])[\\w-]+(?=\\s{0,8}:[^:])', type: '[.#][A-Za-z_][\\w-]*', keyword: '(?<=::?)[a-z-]+',
});
const diff = marked({ meta: '^(?:@@|diff |index |--- |\\+\\+\\+ )[^\\n]*', added: '^\\+[^\\n]*', removed: '^-[^\\n]*' });

const LANGUAGES = new Map(Object.entries({
  'javascript js mjs cjs jsx typescript ts tsx': javascript, 'python py': python, 'rust rs': rust, 'go golang': go,
  'c h cpp c++ cc hpp objc arduino glsl': c, 'java kotlin kt csharp cs c# swift scala dart groovy': java, php, 'ruby rb': ruby,
  'sh bash shell zsh console dockerfile docker makefile make fish powershell ps1': shell, 'sql postgresql postgres sqlite mysql psql': sql, lua,
  'json json5 jsonc': json, 'yaml yml': yaml, 'toml ini conf': toml, 'html xml svg vue': html, 'css scss less': css, 'diff patch': diff,
}).flatMap(([names, language]) => names.split(' ').map((name) => [name, language])));

/**
 * @param {string} code
 * @param {string} language as behind a fence, in any case
 * @returns {Piece[] | null} null where it stays plain: an unknown language, or too much of it
 */
export function highlight(code, language) {
  const known = LANGUAGES.get(language.toLowerCase());
  if (known === undefined || code.length > CODE_MAX) return null;
  const pieces = [];
  let plain = 0;
  for (const match of code.matchAll(known.pattern)) {
    const [text] = match;
    const kind = text === '' ? null : kindOf(match, known, code[match.index + text.length]);
    if (kind === null) continue;
    if (match.index > plain) pieces.push({ kind: null, text: code.slice(plain, match.index) });
    pieces.push({ kind, text });
    plain = match.index + text.length;
  }
  if (plain < code.length) pieces.push({ kind: null, text: code.slice(plain) });
  return pieces;
}

function kindOf({ groups: found }, { keywords, plainCase }, next) {
  const [kind, text] = Object.entries(found).find(([, value]) => value !== undefined);
  if (kind !== 'word') return kind;
  if (CONSTANTS.has(text)) return 'constant';
  if (keywords.has(plainCase ? text.toLowerCase() : text)) return 'keyword';
  if (next === '(') return 'call';
  return /^[A-Z]/.test(text) && !plainCase ? 'type' : null;
}
