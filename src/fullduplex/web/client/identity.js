/**
 * Who we are to the server: a user id that lasts in this browser, a session id that lasts in this tab (so that a reload
 * or a lost connection comes back to the same conversation), and the WebSocket address they make.
 */

/** @param {string} prefix */
function freshId(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return `${prefix}-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * Read an id from a store or make one there. Private windows may refuse storage; the id then lasts as long as the page.
 *
 * @param {() => Storage} store
 * @param {string} key
 * @param {string} prefix
 */
function keptId(store, key, prefix) {
  try {
    const known = store().getItem(key);
    if (known) return known;
    const fresh = freshId(prefix);
    store().setItem(key, fresh);
    return fresh;
  } catch {
    return freshId(prefix);
  }
}

/** @returns {string} */
export function userId() {
  return keptId(() => localStorage, "fullduplex.user", "user");
}

/** @returns {string} */
export function sessionId() {
  return keptId(() => sessionStorage, "fullduplex.session", "session");
}

/** Forget this tab's session id, so that the next one is new. */
export function forgetSession() {
  try {
    sessionStorage.removeItem("fullduplex.session");
  } catch {
    // No storage: there was nothing to forget.
  }
}

/**
 * @param {Location | URL} page
 * @param {string} user
 * @param {string} session
 * @returns {string}
 */
export function socketUrl(page, user, session) {
  const scheme = page.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${page.host}/ws/${encodeURIComponent(user)}/${encodeURIComponent(session)}`;
}

/**
 * The same address with the server's voice detection on or off.
 *
 * @param {string} url
 * @param {"server" | "off"} vad
 * @returns {string}
 */
export function withDetection(url, vad) {
  return withParameter(url, "vad", vad === "off" ? "off" : null);
}

/**
 * The same address with media coming down as binary frames, or as base64 within the JSON.
 *
 * @param {string} url
 * @param {boolean} binary
 * @returns {string}
 */
export function withDownlink(url, binary) {
  return withParameter(url, "downlink", binary ? "binary" : null);
}

/**
 * @param {string} url
 * @param {string} name
 * @param {string | null} value null: without it
 */
function withParameter(url, name, value) {
  const address = new URL(url);
  if (value === null) address.searchParams.delete(name);
  else address.searchParams.set(name, value);
  return address.href;
}
