import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { ACTS, actName, auditLine } from '../../static/js/audit-line.js';
import en from '../../static/js/words/en.js';

const row = (changes) => ({ act: 'refused', outcome: null, way: 'http', who: null, whom: null, room: null, detail: '', times: 1, ...changes });

test('a row says who did what to whom, and where', () => {
  const [ada, bo] = [{ name: 'Ada' }, { name: 'Bo' }];
  assert.equal(auditLine(row({ act: 'member.banned', who: ada, whom: bo, room: 'club' })), 'Ada banned Bo in #club');
  assert.equal(auditLine(row({ act: 'admin.given', way: 'command', whom: ada })), 'The operator made an administrator of Ada');
  assert.equal(auditLine(row({ act: 'token.made', who: ada, whom: ada })), 'Ada made a token for itself');
});

test('a refusal says why, what was asked, and how often', () => {
  const refused = row({ outcome: 'forbidden', who: { name: 'Ada' }, room: 'lobby', detail: 'patch /api/rooms/{slug}', times: 3 });
  assert.equal(auditLine(refused), 'Ada was refused in #lobby (forbidden, patch /api/rooms/{slug}) 3 times');
  const failed = row({ act: 'session.started', outcome: 'bad_credentials', whom: { name: 'Ada' } });
  assert.equal(auditLine(failed), 'Refused: Somebody signed in Ada (bad_credentials)');
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
