/**
 * Which of the words that are shown the user has heard. What is shown and what was heard come by different ways, so they
 * are compared without regard to blanks. Pure.
 */

/** @typedef {import("./items.js").MessageItem} MessageItem */

/**
 * How much of `shown` is covered by `heard`.
 *
 * @param {string} shown
 * @param {string} heard
 * @returns {{length: number, rest: string}} how many characters of `shown`, and what of `heard` goes on after it
 */
export function covered(shown, heard) {
  let at = 0;
  let from = 0;
  for (;;) {
    const next = skipBlanks(shown, at);
    const said = skipBlanks(heard, from);
    if (next === shown.length || said === heard.length || shown[next] !== heard[said]) break;
    at = next + 1;
    from = said + 1;
  }
  return { length: at, rest: heard.slice(from) };
}

/**
 * Note on the bubbles of one answer, oldest first, what of them was heard.
 *
 * @param {MessageItem[]} bubbles
 * @param {string} heard
 */
export function noteHeard(bubbles, heard) {
  let rest = heard;
  for (const bubble of bubbles) {
    bubble.heard = rest;
    rest = covered(bubble.text, rest).rest;
  }
}

/** @param {string} text @param {number} at */
function skipBlanks(text, at) {
  while (at < text.length && text[at].trim() === "") at += 1;
  return at;
}
