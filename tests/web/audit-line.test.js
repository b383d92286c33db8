import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { ACTS, actName, auditDetail, auditLine, folded } from '../../static/js/audit-line.js';
import en from '../../static/js/words/en.js';
import { speak } from '../../static/js/words.js';

const row = (changes) => ({ act: 'refused', outcome: null, way: 'http', who: null, whom: null, room: null, detail: '', times: 1, ...changes });

test('a row says who did what to whom, and where', () => {
  const [ada, bo] = [{ name: 'Ada' }, { name: 'Bo' }];
  assert.equal(auditLine(row({ act: 'member.banned', who: ada, whom: bo, room: 'club' })), 'Ada banned Bo in #club');
  assert.equal(auditLine(row({ act: 'admin.given', way: 'command', whom: ada })), 'The operator made Ada an administrator');
  assert.equal(auditLine(row({ act: 'room.created', who: ada, room: 'den' })), 'Ada made the room \u2066#den\u2069');
  assert.equal(auditLine(row({ act: 'user.created', way: 'command', whom: ada })), 'The operator made the account Ada');
  assert.equal(auditLine(row({ act: 'user.created', who: ada })), 'Ada made an account');
  assert.equal(auditLine(row({ act: 'token.made', who: ada, whom: ada })), 'Ada made a token for themselves');
  assert.equal(auditLine(row({ act: 'member.role', who: ada, whom: bo, room: 'club', detail: 'moderator' })), 'Ada gave Bo the role Moderator in #club');
});

test('a refusal says why, what was asked, and how often', () => {
  const refused = row({ outcome: 'forbidden', who: { name: 'Ada' }, room: 'lobby', detail: 'patch /api/rooms/{slug}', times: 3 });
  assert.equal(auditLine(refused), 'Ada was refused in #lobby: no right to do that · 3 times');
  assert.equal(auditDetail(refused), '\u2066patch /api/rooms/{slug}\u2069');
  const failed = row({ act: 'session.started', outcome: 'bad_credentials', whom: { name: 'Ada' } });
  assert.equal(auditLine(failed), 'A sign-in as Ada was refused: wrong name or password');
  assert.equal(auditLine({ ...failed, whom: null }), 'A sign-in by an unknown name was refused: wrong name or password');
  assert.equal(auditLine(row({ act: 'user.created', outcome: 'no_such_code', who: { name: 'Ada' } })), 'Refused: Ada made an account: no such code');
  assert.equal(auditLine(row({ act: 'not.known' })), 'Somebody not.known');
});

test('every act of the server has a sentence and can be asked for', () => {
  const source = readFileSync(new URL('../../src/db/audit.rs', import.meta.url), 'utf8');
  const acts = [...source.matchAll(/^ {4}\w+ = "([a-z_.]+)";$/gm)].map(([, act]) => act);
  assert.ok(acts.length > 30);
  assert.deepEqual([...ACTS].sort(), acts.sort());
  for (const act of ACTS) assert.ok(`audit.${act}` in en, act);
  assert.equal(actName('member.banned'), '… banned …');
});

test('what was refused in the same way within a minute is one line, with its count', () => {
  const fast = (second, changes) => row({ outcome: 'rate_limited', detail: 'frame', way: 'socket', who: { id: 'a', name: 'Ada' }, at: new Date(Date.UTC(2026, 4, 12, 9, 0, second)).toISOString(), ...changes });
  const done = fast(40, { act: 'room.changed', outcome: null });
  const rows = [fast(59), fast(50, { times: 4 }), done, fast(45, { who: { id: 'b', name: 'Ada' } }), fast(30, { outcome: 'forbidden' }), fast(5), fast(-2)];
  const lines = folded([...rows, done]);
  assert.deepEqual(lines.map(({ outcome, times, who }) => [outcome, times, who.id]), [
    ['rate_limited', 6, 'a'], [null, 1, 'a'], ['rate_limited', 1, 'b'], ['forbidden', 1, 'a'], ['rate_limited', 1, 'a'], [null, 1, 'a'],
  ]);
  assert.equal(rows[0].times, 1, 'the rows themselves are left');
  assert.equal(auditLine(lines[0]), 'Ada was refused: too fast · 6 times');
});

test('every reason that the server notes is said in every language, and so is what it adds', async (t) => {
  t.after(() => speak('en'));
  const source = readFileSync(new URL('../../src/chat/ledger.rs', import.meta.url), 'utf8');
  const noted = [...source.match(/matches!\(\s*code,([^)]*)\)/)[1].matchAll(/ErrorCode::(\w+)/g)].map(([, code]) => code.replace(/(?<=.)(?=[A-Z])/g, '_').toLowerCase());
  assert.ok(noted.length > 10);
  for (const code of noted) assert.ok(`audit.why.${code}` in en, code);
  await speak('de');
  assert.equal(auditLine(row({ outcome: 'rate_limited', who: { name: 'Ada' }, times: 23 })), 'Ada wurde abgewiesen: zu schnell · 23-mal');
  assert.equal(auditDetail(row({ act: 'room.changed', detail: 'visibility=private, name' })), 'jetzt privat, den Namen');
});
