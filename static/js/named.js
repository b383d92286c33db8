/**
 * What the server says in JSON, in which somebody whose account was deleted has the name that the page's language has for that: the
 * server keeps an English one. Called by `api.js` and `connection.js`; it changes nobody else.
 */
import { t } from './words.js';

const renamed = (_, value) => (value?.kind === 'deleted' && typeof value.name === 'string' ? { ...value, name: t('deleted_user') } : value);

/** @param {string} text @returns {any} @throws {SyntaxError} */
export const parsed = (text) => JSON.parse(text, text.includes('"deleted"') ? renamed : undefined);
