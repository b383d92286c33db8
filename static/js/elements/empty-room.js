/**
 * What an empty room shows: what it is, how to call the assistant, and something to begin with.
 */
import { h, icon } from '../dom.js';

const SAMPLES = [
  '@assistant What can you do here?',
  '@assistant Explain eventual consistency with an everyday example.',
  '@assistant Compare tabs and spaces in a small table.',
];

/**
 * @param {object} room
 * @param {object | null} config
 * @param {(text: string) => void} suggest puts a sample into the composer
 */
export function emptyRoom(room, config, suggest) {
  const scripted = config?.assistant?.scripted === true;
  const who = room.visibility === 'public' ? 'Anybody here may join, and everyone sees the same words.'
    : 'Only its members see what is said here.';
  return h('div.empty-room', {},
    h('span.empty-mark', { 'aria-hidden': 'true' }, icon('spark')),
    h('h2', { text: `Welcome to ${room.name}` }),
    h('p', { text: who }),
    h('p', {}, 'Mention ', h('code', { text: '@assistant' }), ' anywhere in a message and it answers in the room.',
      scripted && h('small.demo', { text: 'No model key is set on this server, so the built-in demo model answers.' })),
    h('div.samples', {}, ...SAMPLES.map((text) =>
      h('button.sample', { type: 'button', onclick: () => suggest(text) }, text.replace('@assistant ', '')))));
}
