/**
 * Where the reader was in each room that was left, while the page lives. `<salon-messages>` leaves a place and comes back to it.
 */

/** Rooms whose place is remembered at most: the earliest are opened at their end again. */
export const PLACES_MAX = 200;

/** By room: the message at the top of the view, and how far below the top. @type {Map<string, {seq: number, offset: number}>} */
const places = new Map();

/** @param {string} room @param {{seq: number, offset: number} | null} place null for the end, which needs none */
export function leavePlaceIn(room, place) {
  places.delete(room);
  if (place !== null) places.set(room, place);
  if (places.size > PLACES_MAX) places.delete(places.keys().next().value);
}

/** @param {string} room @returns {{seq: number, offset: number} | null} */
export const placeIn = (room) => places.get(room) ?? null;
